//! Work that blocks, done on another thread by [`smol::unblock`]. All kinds of work have one type here, so `unblock` is
//! compiled once, and not once for each kind: the program is 14 KB smaller. Knows nothing of what the work is.

use std::sync::{Arc, Mutex, PoisonError};

/// Does the work on another thread, and returns what it returns. Work that has begun goes on if the future is dropped.
pub(crate) fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> impl Future<Output = T> {
    let returned = Arc::new(Mutex::new(None));
    let put = returned.clone();
    let work: Box<dyn FnOnce() + Send> = Box::new(move || {
        let value = work();
        *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    });
    let task = smol::unblock(work);
    async move {
        task.await;
        let value = returned.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.expect("the work has ended without a panic, which would have come up where the task was awaited")
    }
}
