//! Which names the server answers to, and from which pages requests may come: no page of another site can use the
//! browser of somebody on this network to get in.
//!
//! Pure. Such a page can make a browser send requests here in two ways. It can send them to this server's address: then
//! the browser names the page's site in `Origin`. Or the site's own name can point to this server's address (DNS
//! rebinding): then that name is in `Host`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Names that no public name server answers for (RFC 6762, RFC 8375, ICANN's resolution 2024.07.29.06; `.lan` by
/// custom).
const LOCAL: [&str; 4] = [".local", ".lan", ".home.arpa", ".internal"];

/// Returns whether the server answers to this `Host`: an IP address, a single label (as `localhost` is), or a local
/// name.
pub(super) fn is_ours(host: &str) -> bool {
    let Some(name) = name_of(host) else { return false };
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let labels_are_whole = name.split('.').all(|label| !label.is_empty());
    labels_are_whole
        && name.bytes().all(plain)
        && (name.parse::<Ipv4Addr>().is_ok() || !name.contains('.') || LOCAL.iter().any(|end| name.ends_with(end)))
}

/// Returns whether a request with this `Origin` comes from this server's own page. The scheme is ignored, because a
/// proxy in front of the server may speak TLS.
pub(super) fn is_own(origin: &str, host: &str) -> bool {
    let authority = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
    authority.is_some_and(|authority| without_default_port(authority).eq_ignore_ascii_case(without_default_port(host)))
}

fn without_default_port(authority: &str) -> &str {
    authority.strip_suffix(":80").or(authority.strip_suffix(":443")).unwrap_or(authority)
}

/// Returns the part before the port, or None if what follows the colon is no port.
fn name_of(host: &str) -> Option<&str> {
    let after = host.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = host[after..].find(':').map(|at| after + at) else { return Some(host) };
    let port = &host[colon + 1..];
    (port.bytes().all(|byte| byte.is_ascii_digit()) && port.len() <= 5).then_some(&host[..colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_answers_to_addresses_and_local_names_alone() {
        for host in [
            "192.168.1.10:4080",
            "10.0.0.1",
            "[fe80::1]:4080",
            "[::1]",
            "localhost:4080",
            "pi",
            "PI:80",
            "dynasti.local:4080",
            "dynasti.local.",
            "a.b.lan",
            "x.home.arpa",
            "x.internal",
            "my_pi",
        ] {
            assert!(is_ours(host), "{host}");
        }
        for host in [
            "",
            ":4080",
            "evil.com",
            "evil.com:4080",
            "local.evil.com",
            "evil.com.",
            ".local",
            "a..local",
            "dynasti.local.evil.com",
            "[evil]",
            "[::1",
            "::1]",
            "pi:x",
            "pi:4080:4080",
            "pi@evil",
            "pi/evil",
            "pi evil",
            "192.168.1.10.evil.com",
            "1.2.3.4.5",
            "home.arpa",
        ] {
            assert!(!is_ours(host), "{host}");
        }
    }

    #[test]
    fn a_request_comes_from_the_own_page_or_from_none() {
        for (origin, host) in [
            ("http://pi:4080", "pi:4080"),
            ("http://PI:4080", "pi:4080"),
            ("https://pi", "pi"),
            ("https://pi", "pi:443"),
            ("http://pi", "pi:80"),
            ("http://[::1]:4080", "[::1]:4080"),
        ] {
            assert!(is_own(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "pi"),
            ("", "pi"),
            ("http://evil.com", "pi"),
            ("http://pi:4081", "pi:4080"),
            ("http://pi:4080.evil.com", "pi:4080"),
            ("ftp://pi", "pi"),
            ("pi", "pi"),
            ("http://pi/", "pi"),
        ] {
            assert!(!is_own(origin, host), "{origin} {host}");
        }
    }
}
