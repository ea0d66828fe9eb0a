//! Which addresses of peers count as one, and how an address is shown. Knows nothing of who may come in.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Returns the address that a peer's address counts as. An IPv4-mapped address counts as its IPv4 self. An IPv6 address
/// counts as its /64, because a single home has a whole /64 and any of its machines may use any address in it. Loopback
/// stays as it is.
pub fn home(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let prefix = u128::from(v6) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        canonical => canonical,
    }
}

/// Returns an address and port in the form in which it is shown: an IPv4-mapped one as its IPv4 self, which people
/// know.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            SocketAddr::new(address.ip().to_canonical(), v6.port())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_one_address_however_it_is_written() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:1::1", "2001:db8:0:1::"),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::"),
            ("2001:db8:0:2::1", "2001:db8:0:2::"),
            ("fe80::1", "fe80::"),
            ("127.0.0.1", "127.0.0.1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("::", "::"),
        ] {
            let home = home(address.parse().unwrap());
            assert_eq!(home.to_string(), expected, "{address}");
            assert_eq!(super::home(home), home, "a home is its own home");
        }
    }

    #[test]
    fn an_address_is_shown_as_people_know_it() {
        for (address, shown) in [
            ("192.0.2.1:4000", "192.0.2.1:4000"),
            ("[::ffff:192.0.2.1]:4000", "192.0.2.1:4000"),
            ("[2001:db8::1]:4000", "[2001:db8::1]:4000"),
            // A link-local address is of no use without its interface.
            ("[fe80::1%2]:4000", "[fe80::1%2]:4000"),
        ] {
            assert_eq!(canonical(address.parse().unwrap()).to_string(), shown, "{address}");
        }
    }
}
