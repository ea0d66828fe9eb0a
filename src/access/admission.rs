//! Who may come in: how many clients at once, in all and from one address, which addresses are banned, and which
//! clients know the password.
//!
//! Counts connections. Knows nothing of what they do.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::password::{Password, Tried, Tries};
use crate::address::home;

/// Counts the clients that are in, and refuses others.
#[derive(Debug)]
pub struct Admission {
    max: usize,
    max_per_address: usize,
    password: Option<Password>,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    connections: Places,
    sessions: Places,
    /// Until when each address is banned; None is for good.
    bans: HashMap<IpAddr, Option<Instant>>,
    tries: Tries,
}

/// The places of one kind that are taken.
#[derive(Debug, Default)]
struct Places {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// What a place is for. There are as many places of each kind. They are counted apart, because a browser's session
/// outlives its connections and has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A connection.
    Connection,
    /// A browser's session.
    Session,
}

/// Lets one client be in. Dropping it makes room for another.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    address: SocketAddr,
    place: Place,
}

/// Why a client is not let in.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// So many are in.
    Full(usize),
    /// So many are in from one address.
    FullForAddress(usize),
    /// The address is banned, for so long or for good.
    Banned(Option<Duration>),
    /// Too many passwords from the address were wrong; it is refused for so long.
    WrongPasswords(Duration),
}

impl Admission {
    /// Lets in up to `max` clients, of which up to `max_per_address` from one address. Loopback is exempt from the
    /// latter.
    pub fn new(max: usize, max_per_address: usize) -> Admission {
        Admission { max, max_per_address, password: None, inside: Mutex::default() }
    }

    /// The same, but only for clients that know the password, if there is one.
    #[must_use]
    pub fn with_password(self, password: Option<Password>) -> Admission {
        Admission { password, ..self }
    }

    /// Returns whether there is a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Compares what somebody at this address has typed with the password.
    pub fn try_password(&self, typed: &str, from: IpAddr) -> Tried {
        match &self.password {
            Some(password) => self.inside().tries.judge(password, typed, home(from), Instant::now()),
            None => Tried::Right,
        }
    }

    /// Lets a client in from this address.
    ///
    /// # Errors
    /// When there is no room for it, or the address is banned.
    pub fn admit(self: &Arc<Admission>, from: SocketAddr) -> Result<Permit, Refused> {
        self.refused(from.ip()).map_or(Ok(()), Err)?;
        self.place(from, Place::Connection)
    }

    /// Returns why nobody at this address is let in, if that is so.
    pub fn refused(&self, from: IpAddr) -> Option<Refused> {
        let (inside, address, now) = (self.inside(), home(from), Instant::now());
        let banned = inside.ban_left(address, now).map(Refused::Banned);
        banned.or_else(|| inside.tries.not_now(address, now).map(Refused::WrongPasswords))
    }

    /// Takes a place for somebody at this address. Does not look whether the address is banned.
    ///
    /// # Errors
    /// When no place is free.
    pub fn place(self: &Arc<Admission>, from: SocketAddr, place: Place) -> Result<Permit, Refused> {
        let address = home(from.ip());
        let mut inside = self.inside();
        let places = inside.places(place);
        if places.all >= self.max {
            return Err(Refused::Full(self.max));
        }
        // Loopback is the operator's own machine.
        if !address.is_loopback() {
            let here = places.by_address.entry(address).or_default();
            if *here >= self.max_per_address {
                return Err(Refused::FullForAddress(self.max_per_address));
            }
            *here += 1;
        }
        places.all += 1;
        Ok(Permit { admission: Arc::clone(self), address: from, place })
    }

    /// Returns how many connections there are.
    pub fn connections(&self) -> usize {
        self.inside().connections.all
    }

    /// Lets nobody in from this address any more, for so long or for good. Returns the address that is banned: of IPv6,
    /// a /64.
    pub fn ban(&self, address: IpAddr, time: Option<Duration>) -> IpAddr {
        let (address, now) = (home(address), Instant::now());
        // A time that the clock cannot express is for good.
        let until = time.and_then(|time| now.checked_add(time));
        let mut inside = self.inside();
        inside.bans.retain(|_, until| until.is_none_or(|until| until > now));
        inside.bans.insert(address, until);
        address
    }

    /// Lifts a ban. Returns false if there was none.
    pub fn unban(&self, address: IpAddr) -> bool {
        let address = home(address);
        let mut inside = self.inside();
        let banned = inside.ban_left(address, Instant::now()).is_some();
        inside.bans.remove(&address);
        banned
    }

    /// Returns whether nobody may come in from this address.
    pub fn is_banned(&self, address: IpAddr) -> bool {
        self.inside().ban_left(home(address), Instant::now()).is_some()
    }

    /// Returns the addresses that are banned, and for how long each still is.
    pub fn bans(&self) -> Vec<(IpAddr, Option<Duration>)> {
        let (inside, now) = (self.inside(), Instant::now());
        let mut addresses: Vec<IpAddr> = inside.bans.keys().copied().collect();
        addresses.sort_unstable();
        addresses.into_iter().filter_map(|address| Some((address, inside.ban_left(address, now)?))).collect()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn places(&mut self, place: Place) -> &mut Places {
        match place {
            Place::Connection => &mut self.connections,
            Place::Session => &mut self.sessions,
        }
    }

    /// Returns for how long an address is still banned: None if it is not, `Some(None)` if it is for good.
    fn ban_left(&self, address: IpAddr, now: Instant) -> Option<Option<Duration>> {
        match self.bans.get(&address)? {
            None => Some(None),
            Some(until) => until.checked_duration_since(now).filter(|left| !left.is_zero()).map(Some),
        }
    }
}

impl Permit {
    /// Returns where the client connects from.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns for how long the client's address is still banned: None if it is not, `Some(None)` if it is for good. A
    /// ban may have come after the client was let in.
    pub(crate) fn banned(&self) -> Option<Option<Duration>> {
        self.admission.inside().ban_left(home(self.address.ip()), Instant::now())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inside = self.admission.inside();
        let places = inside.places(self.place);
        places.all -= 1;
        let address = home(self.address.ip());
        if let Some(here) = places.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                places.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> SocketAddr {
        SocketAddr::new(address(text), 50112)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let admission = Arc::new(Admission::new(1, 1));
        let permit = admission.admit(from("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(from("192.0.2.2")).unwrap_err(), Refused::Full(1));
        drop(permit);
        assert!(admission.admit(from("192.0.2.2")).is_ok());
        assert!(admission.inside().connections.by_address.is_empty());
    }

    #[test]
    fn one_address_is_one_however_it_is_written() {
        let admission = Arc::new(Admission::new(9, 1));
        let _v4 = admission.admit(from("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(from("::ffff:192.0.2.1")).unwrap_err(), Refused::FullForAddress(1));
        let _v6 = admission.admit(from("2001:db8:0:1::1")).unwrap();
        assert_eq!(admission.admit(from("2001:db8:0:1:ffff::2")).unwrap_err(), Refused::FullForAddress(1));
        assert!(admission.admit(from("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn loopback_is_exempt() {
        let admission = Arc::new(Admission::new(9, 1));
        let permits = ["127.0.0.1", "127.0.0.1", "::1", "::1", "::ffff:127.0.0.1"].map(|a| admission.admit(from(a)));
        assert!(permits.iter().all(Result::is_ok));
    }

    #[test]
    fn a_ban_ends_by_itself_or_by_the_operator() {
        let admission = Arc::new(Admission::new(9, 9));
        let one = address("192.0.2.1");
        admission.ban(address("::ffff:192.0.2.1"), None);
        assert_eq!(admission.admit(SocketAddr::new(one, 1)).unwrap_err(), Refused::Banned(None));
        assert_eq!(admission.bans(), [(one, None)]);
        assert!(admission.admit(from("192.0.2.2")).is_ok());
        assert!(admission.unban(one) && !admission.unban(one));
        assert!(admission.admit(SocketAddr::new(one, 1)).is_ok());
        admission.ban(one, Some(Duration::ZERO));
        assert!(admission.admit(SocketAddr::new(one, 1)).is_ok());
        admission.ban(one, Some(Duration::from_secs(60)));
        assert!(
            matches!(admission.admit(SocketAddr::new(one, 1)), Err(Refused::Banned(Some(left))) if left > Duration::from_secs(50))
        );
        admission.ban(address("2001:db8::1"), None);
        assert!(admission.is_banned(address("2001:db8::2")));
    }
}
