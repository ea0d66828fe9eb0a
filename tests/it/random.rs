//! Random choices that can be repeated: everything that is generated for a test is made from a seed, by `fastrand`.

use fastrand::Rng;
use std::env;

/// What is asked of a generator here, in a word.
pub(crate) trait Chance {
    /// One of these.
    fn pick<T: Copy>(&mut self, from: &[T]) -> T;

    /// True one time in so many.
    fn one_in(&mut self, times: usize) -> bool;
}

impl Chance for Rng {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.usize(..from.len())]
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.usize(..times) == 0
    }
}

/// The number that an environment variable holds, if it is set.
pub(crate) fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} takes a number, not {text:?}")))
}
