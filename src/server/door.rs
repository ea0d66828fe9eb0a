//! How many may be in at once, in all and from one address.
//!
//! Counts connections; knows nothing of what they do.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts who is in.
#[derive(Debug)]
pub(super) struct Door {
    max: usize,
    max_per_address: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place inside; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    address: IpAddr,
}

/// Why there is no place: so many are in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    Full(usize),
    FullForAddress(usize),
}

impl Door {
    pub(super) fn new(max: usize, max_per_address: usize) -> Door {
        Door { max, max_per_address, inside: Mutex::default() }
    }

    /// Takes a place for a client from this address.
    pub(super) fn enter(self: &Arc<Door>, address: IpAddr) -> Result<Place, NoPlace> {
        let address = one_home(address);
        let mut inside = self.inside();
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

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What counts as one address: an IPv4-mapped one is its IPv4 self, and of IPv6 it is the /64, which a single home
/// holds and any of its machines may pick addresses from at will.
fn one_home(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let prefix = u128::from(v6) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        canonical => canonical,
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
}
