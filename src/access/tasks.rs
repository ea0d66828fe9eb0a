//! How tasks are spawned, and what a panic in one does: in a task of the server it ends the server, in a task of one
//! client that client.

use std::future::{self, Future};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::FutureExt;
use futures_lite::future::CatchUnwind;
use smol::{Executor, Task};

/// How long connections have to end when the server stops: a second to flush, a moment for the peer, and some slack
/// that still leaves the process within the contract's two seconds.
pub(crate) const STOPPING: Duration = Duration::from_millis(1500);

/// Spawns a task of a kind of which there are few. The compiler makes the executor's code anew for each type of future.
/// Boxed, these futures have one type.
pub fn spawn(executor: &Executor<'static>, future: impl Future<Output = ()> + Send + 'static) -> Task<()> {
    let boxed: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
    executor.spawn(boxed)
}

/// Waits until one of these tasks ends. A panic in one of them goes on in the caller.
pub(crate) async fn first(tasks: &mut [Task<()>]) {
    future::poll_fn(|cx| match tasks.iter_mut().any(|task| Pin::new(task).poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// Contains a panic of one client's task, so that it ends that client alone. The panic hook has printed it.
pub(crate) fn contain<T: Future>(task: T) -> CatchUnwind<AssertUnwindSafe<T>> {
    AssertUnwindSafe(task).catch_unwind()
}
