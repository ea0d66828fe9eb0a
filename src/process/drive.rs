//! The executor's thread: it runs tasks and looks at the sockets. Knows nothing of what the tasks do.
//!
//! # What this works around
//!
//! [`Executor::run`] under `smol::block_on` would be enough, were it not for async-io 2.6, `driver.rs`. Its helper
//! thread, `main_loop`, compares the reactor's ticker after each of its sleeps: 50, 75, 100, 250, 500, 750, 1000, 2500
//! and 5000 µs, then 10 ms. If nobody has polled the reactor meanwhile, the helper takes the reactor's lock and blocks
//! in `react(None)`, although a `block_on` is running. While it holds the lock, `block_on` cannot poll: the helper
//! wakes this thread for each event, through a futex, and that costs more than a poll.
//!
//! So this thread polls in time: the pauses between its polls grow, and each is shorter than the helper's sleep of the
//! same number. They begin anew every 10 ms, because a task that outlasts one of the sleeps lets the helper in again.
//! As a result, sockets and timers that are ready wait for about 3 ms at most.
//!
//! This can go when `main_loop` leaves the reactor alone while `BLOCK_ON_COUNT` is not zero.

use std::time::{Duration, Instant};

use futures_lite::future;
use smol::Executor;

/// The first pause between two polls: shorter than the helper's first sleep.
const FIRST_PAUSE: Duration = Duration::from_micros(30);

/// After this time the pauses begin anew. It is the helper's longest sleep.
const ANEW: Duration = Duration::from_millis(10);

/// The clock is read once for this many tasks, because reading it takes a twentieth of the time of a task.
const TASKS_PER_READING: usize = 4;

/// Runs tasks on this thread. Never returns.
///
/// `Executor::run` also distributes tasks among threads. There is only one thread, and the distribution takes a tenth
/// of the time that it takes to serve a line.
pub(crate) async fn drive<T>(executor: &Executor<'static>) -> T {
    let (mut restart_at, mut pause) = (Instant::now() + ANEW, FIRST_PAUSE);
    loop {
        executor.tick().await;
        let mut poll_at = Instant::now() + pause;
        while (0..TASKS_PER_READING).all(|_| executor.try_tick()) {
            let now = Instant::now();
            if now >= restart_at {
                (restart_at, pause, poll_at) = (now + ANEW, FIRST_PAUSE, now);
            }
            if now >= poll_at {
                (poll_at, pause) = (now + pause, pause * 3 / 2);
                // `block_on` polls the reactor whenever its future returns, without waiting if it was woken meanwhile.
                future::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use futures_lite::FutureExt;
    use smol::{Timer, block_on};

    use super::*;

    #[test]
    fn a_timer_has_its_turn_among_tasks_that_never_wait() {
        let (done, had) = mpsc::channel();
        // A thread of its own, because it would never return if the timer never had its turn.
        thread::spawn(move || {
            let executor = Executor::new();
            let _busy = executor.spawn(async {
                loop {
                    future::yield_now().await;
                }
            });
            let timer = executor.spawn(Timer::after(Duration::from_millis(20)));
            let late = async {
                timer.await;
            };
            block_on(drive(&executor).or(late));
            let _ = done.send(());
        });
        assert_eq!(had.recv_timeout(Duration::from_secs(10)), Ok(()), "the timer has never had its turn");
    }
}
