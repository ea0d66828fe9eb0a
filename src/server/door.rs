//! Who may come in: how many at once, in all and from one address, and from which addresses nobody may.
//!
//! Counts connections; knows nothing of what they do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::address::home;

/// Counts who is in.
#[derive(Debug)]
pub struct Door {
    max: usize,
    max_per_address: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Until when; None is for good.
    bans: HashMap<IpAddr, Option<Instant>>,
}

/// A place inside; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// So many are in.
    Full(usize),
    /// So many are in from one address.
    FullForAddress(usize),
    /// The address is banned, for so long or for good.
    Banned(Option<Duration>),
}

impl Door {
    /// A door that lets in so many, and so many from one address; loopback is exempt from the latter.
    pub fn new(max: usize, max_per_address: usize) -> Door {
        Door { max, max_per_address, inside: Mutex::default() }
    }

    /// Takes a place for a client from this address.
    ///
    /// # Errors
    /// When there is none.
    pub fn enter(self: &Arc<Door>, address: IpAddr) -> Result<Place, NoPlace> {
        let address = home(address);
        let mut inside = self.inside();
        if let Some(left) = inside.ban_left(address, Instant::now()) {
            return Err(NoPlace::Banned(left));
        }
        if inside.all >= self.max {
            return Err(NoPlace::Full(self.max));
        }
        // Loopback is the operator's own machine.
        if !address.is_loopback() {
            let here = inside.by_address.entry(address).or_default();
            if *here >= self.max_per_address {
                return Err(NoPlace::FullForAddress(self.max_per_address));
            }
            *here += 1;
        }
        inside.all += 1;
        Ok(Place { door: Arc::clone(self), address })
    }

    /// Lets nobody in from this address any more, for so long or for good. Tells what counts as that address.
    pub fn ban(&self, address: IpAddr, time: Option<Duration>) -> IpAddr {
        let (address, now) = (home(address), Instant::now());
        // So long that no clock gets there is for good.
        let until = time.and_then(|time| now.checked_add(time));
        let mut inside = self.inside();
        inside.bans.retain(|_, until| until.is_none_or(|until| until > now));
        inside.bans.insert(address, until);
        address
    }

    /// Lets them in again. False if they were not banned.
    pub fn unban(&self, address: IpAddr) -> bool {
        let address = home(address);
        let mut inside = self.inside();
        let banned = inside.ban_left(address, Instant::now()).is_some();
        inside.bans.remove(&address);
        banned
    }

    /// Whether nobody may come in from this address.
    pub fn is_banned(&self, address: IpAddr) -> bool {
        self.inside().ban_left(home(address), Instant::now()).is_some()
    }

    /// Which addresses are banned, and for how long still.
    pub fn bans(&self) -> Vec<(IpAddr, Option<Duration>)> {
        let (inside, now) = (self.inside(), Instant::now());
        let mut bans: Vec<_> =
            inside.bans.keys().filter_map(|address| Some((*address, inside.ban_left(*address, now)?))).collect();
        bans.sort_unstable();
        bans
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// How long an address is banned still, if it is; None within is for good.
    fn ban_left(&self, address: IpAddr, now: Instant) -> Option<Option<Duration>> {
        match self.bans.get(&address)? {
            None => Some(None),
            Some(until) => until.checked_duration_since(now).filter(|left| !left.is_zero()).map(Some),
        }
    }
}

impl Place {
    /// How long the address is banned still, if it has been since the place was taken; None within is for good.
    pub(super) fn banned(&self) -> Option<Option<Duration>> {
        self.door.inside().ban_left(self.address, Instant::now())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        inside.all -= 1;
        if let Some(here) = inside.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                inside.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let door = Arc::new(Door::new(1, 1));
        let place = door.enter(address("192.0.2.1")).unwrap();
        assert_eq!(door.enter(address("192.0.2.2")).unwrap_err(), NoPlace::Full(1));
        drop(place);
        assert!(door.enter(address("192.0.2.2")).is_ok());
        assert!(door.inside().by_address.is_empty());
    }

    #[test]
    fn one_address_is_one_however_it_is_written() {
        let door = Arc::new(Door::new(9, 1));
        let _v4 = door.enter(address("192.0.2.1")).unwrap();
        assert_eq!(door.enter(address("::ffff:192.0.2.1")).unwrap_err(), NoPlace::FullForAddress(1));
        let _v6 = door.enter(address("2001:db8:0:1::1")).unwrap();
        assert_eq!(door.enter(address("2001:db8:0:1:ffff::2")).unwrap_err(), NoPlace::FullForAddress(1));
        assert!(door.enter(address("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn loopback_is_exempt() {
        let door = Arc::new(Door::new(9, 1));
        let places = ["127.0.0.1", "127.0.0.1", "::1", "::1", "::ffff:127.0.0.1"].map(|a| door.enter(address(a)));
        assert!(places.iter().all(Result::is_ok));
    }

    #[test]
    fn a_ban_ends_by_itself_or_by_the_operator() {
        let door = Arc::new(Door::new(9, 9));
        let one = address("192.0.2.1");
        door.ban(address("::ffff:192.0.2.1"), None);
        assert_eq!(door.enter(one).unwrap_err(), NoPlace::Banned(None));
        assert_eq!(door.bans(), [(one, None)]);
        assert!(door.enter(address("192.0.2.2")).is_ok());
        assert!(door.unban(one) && !door.unban(one));
        assert!(door.enter(one).is_ok());
        door.ban(one, Some(Duration::ZERO));
        assert!(door.enter(one).is_ok());
        door.ban(one, Some(Duration::from_secs(60)));
        assert!(matches!(door.enter(one), Err(NoPlace::Banned(Some(left))) if left > Duration::from_secs(50)));
        door.ban(address("2001:db8::1"), None);
        assert!(door.is_banned(address("2001:db8::2")));
    }
}
