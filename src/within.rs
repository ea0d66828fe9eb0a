//! A timeout for any future. Knows nothing of what it waits for.

use std::time::Duration;

use futures_lite::FutureExt;
use smol::Timer;

/// Returns the output of `future`, or `None` if it is not ready within `time`. The future is dropped then.
///
/// To poll the future further after that, pass it by reference (`Pin<&mut F>`). A future that is ready at once is never
/// late, even if `time` is zero.
pub async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let done = async { Some(future.await) };
    let late = async {
        Timer::after(time).await;
        None
    };
    done.or(late).await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(5);

    #[test]
    fn a_future_is_late_or_it_is_not() {
        smol::block_on(async {
            assert_eq!(within(Duration::ZERO, ready(1)).await, Some(1));
            assert_eq!(within(MOMENT, pending::<u8>()).await, None);
        });
    }

    #[test]
    fn a_future_that_was_late_goes_on() {
        smol::block_on(async {
            let (done, wait) = async_channel::bounded(1);
            let mut slow = pin!(wait.recv());
            assert_eq!(within(MOMENT, slow.as_mut()).await, None);
            done.send(2).await.expect("it is waited for");
            assert_eq!(slow.await, Ok(2));
        });
    }
}
