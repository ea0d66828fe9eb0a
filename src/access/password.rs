//! The room's password, and the addresses that have tried too many wrong ones.
//!
//! Pure: the time is passed in. Knows no sockets and no wording. Nothing here shows the password, not even for
//! debugging.

use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::text::line::{self, MAX_LINE};

/// After this many wrong passwords from one address within this time, nobody there may try for the same time again: the
/// contract's five in a minute.
const MAX_WRONG: usize = 5;
const WITHIN: Duration = Duration::from_secs(60);

/// How many such addresses are kept: more than there are clients by default. When there are more, the one whose last
/// try is the oldest is forgotten.
const MAX_ADDRESSES: usize = 4096;

/// The password that everybody who joins is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why a text is no password.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPassword {
    /// Its first line is empty.
    Empty,
    /// Its first line is longer than a line that can be typed.
    TooLong,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    /// Reads the first line of a text. It is cleaned like a line that somebody types, so that both can be equal.
    ///
    /// # Errors
    /// When the line is empty, or longer than can be typed.
    pub fn first_line(text: &str) -> Result<Password, NoPassword> {
        let password = line::clean(text.lines().next().unwrap_or_default()).into_owned();
        match password.len() {
            0 => Err(NoPassword::Empty),
            1..=MAX_LINE => Ok(Password(password)),
            _ => Err(NoPassword::TooLong),
        }
    }

    /// Returns whether the password was typed. How long this takes depends on what was typed, and not on the password.
    fn is(&self, typed: &str) -> bool {
        let (own, typed) = (self.0.as_bytes(), typed.as_bytes());
        let own_again = own.iter().cycle();
        let different =
            typed.iter().zip(own_again).fold(0, |different, (one, other)| different | black_box(one ^ other));
        // Not with `&&`, which would stop at the first.
        black_box(different == 0) & black_box(own.len() == typed.len())
    }
}

/// The result of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// That is the password, or there is none.
    Right,
    /// That is not the password.
    Wrong,
    /// Nobody at that address may try, for so long.
    NotNow(Duration),
}

/// The addresses from which wrong passwords were tried lately.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// The times of the wrong tries, for each address, the latest last.
    wrong: HashMap<IpAddr, Vec<Instant>>,
}

impl Tries {
    /// Returns for how long nobody at this address may try.
    pub(crate) fn not_now(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let wrong = self.wrong.get(&address).filter(|wrong| wrong.len() >= MAX_WRONG)?;
        (*wrong.last()? + WITHIN).checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Compares what somebody at this address has typed with the password, and notes a wrong try.
    pub(crate) fn judge(&mut self, password: &Password, typed: &str, address: IpAddr, now: Instant) -> Tried {
        if let Some(left) = self.not_now(address, now) {
            return Tried::NotNow(left);
        }
        if password.is(typed) {
            return Tried::Right;
        }
        self.wrong.retain(|_, wrong| wrong.last().is_some_and(|at| *at + WITHIN > now));
        if self.wrong.len() >= MAX_ADDRESSES && !self.wrong.contains_key(&address) {
            let first = self.wrong.iter().min_by_key(|(_, wrong)| wrong.last()).map(|(address, _)| *address);
            first.map(|first| self.wrong.remove(&first));
        }
        let wrong = self.wrong.entry(address).or_default();
        wrong.retain(|at| *at + WITHIN > now);
        wrong.push(now);
        Tried::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Password {
        Password::first_line("open sesame\nand more\n").unwrap()
    }

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from(n).into()
    }

    #[test]
    fn a_password_is_the_first_line_as_it_would_be_typed() {
        assert!(password().is("open sesame"));
        assert!(Password::first_line("\u{feff}open\u{1b}[1m sesame\r\nx").unwrap().is("open sesame"));
        assert!(Password::first_line(" a ").unwrap().is(" a "));
        for text in ["", "\n", "\r\n", "\n\nx", "\u{1b}[1m\n"] {
            assert_eq!(Password::first_line(text), Err(NoPassword::Empty), "{text:?}");
        }
        assert!(Password::first_line(&"x".repeat(MAX_LINE)).is_ok());
        assert_eq!(Password::first_line(&"x".repeat(MAX_LINE + 1)), Err(NoPassword::TooLong));
        assert_eq!(format!("{:?}", password()), "Password");
    }

    #[test]
    fn nothing_but_the_password_is_the_password() {
        for typed in [
            "",
            "open",
            "open sesam",
            "open sesame!",
            "Open sesame",
            "open sesameopen sesame",
            " open sesame",
            "open sesamf",
        ] {
            assert!(!password().is(typed), "{typed:?}");
        }
        assert!(!Password::first_line("aa").unwrap().is("a"));
        assert!(!Password::first_line("a").unwrap().is("aa"));
    }

    #[test]
    fn after_five_wrong_ones_in_a_minute_an_address_may_not_try_for_a_minute() {
        let (mut tries, start, password) = (Tries::default(), Instant::now(), password());
        let at = |seconds| start + Duration::from_secs(seconds);
        let (one, other) = (address(1), address(2));
        for n in 0..5 {
            assert_eq!(tries.not_now(one, at(n)), None);
            assert_eq!(tries.judge(&password, "wrong", one, at(n)), Tried::Wrong);
        }
        // Even the right one is not looked at.
        assert_eq!(tries.judge(&password, "open sesame", one, at(5)), Tried::NotNow(Duration::from_secs(59)));
        assert_eq!(tries.not_now(one, at(63)), Some(Duration::from_secs(1)));
        assert_eq!(tries.judge(&password, "open sesame", other, at(5)), Tried::Right);
        assert_eq!(tries.not_now(one, at(64)), None);
        assert_eq!(tries.judge(&password, "open sesame", one, at(64)), Tried::Right);
    }

    #[test]
    fn who_is_wrong_now_and_then_may_go_on() {
        let (mut tries, start, password) = (Tries::default(), Instant::now(), password());
        for n in 0..100 {
            let now = start + Duration::from_secs(15 * n);
            assert_eq!(tries.judge(&password, "wrong", address(1), now), Tried::Wrong, "{n}");
        }
    }

    #[test]
    fn no_more_addresses_are_remembered_than_may_be() {
        let (mut tries, start, password) = (Tries::default(), Instant::now(), password());
        for n in 0..2 * MAX_ADDRESSES as u32 {
            tries.judge(&password, "wrong", address(n), start + Duration::from_millis(n.into()));
        }
        assert_eq!(tries.wrong.len(), MAX_ADDRESSES);
        assert!(!tries.wrong.contains_key(&address(0)));
    }
}
