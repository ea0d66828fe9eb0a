//! The tasks of the server: how they begin, and how they end, those that never end but by a panic and those of one client.

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

/// Spawns a task of which there are few. The executor's code is made anew for each type of future; boxed, these have one type.
pub fn spawn(executor: &Executor<'static>, future: impl Future<Output = ()> + Send + 'static) -> Task<()> {
    let boxed: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
    executor.spawn(boxed)
}

/// Waits until one of these tasks ends. If that was by a panic, it goes on here.
pub(crate) async fn first(tasks: &mut [Task<()>]) {
    future::poll_fn(|cx| match tasks.iter_mut().any(|task| Pin::new(task).poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// A panic in one client's task is that client's alone; the panic hook has said what it was.
pub(crate) fn contain<T: Future>(task: T) -> CatchUnwind<AssertUnwindSafe<T>> {
    AssertUnwindSafe(task).catch_unwind()
}
