//! What the process itself prints for its operator, and sends to its service manager. Each sentence is a line without
//! its end. `src/guide/trouble.md` explains each warning.
//!
//! Knows the wording. Knows nothing of where it is printed.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// A listener is bound.
pub(crate) fn listening(address: SocketAddr) -> String {
    format!("Server listening on {address}")
}

/// How somebody else joins.
pub(crate) fn join_with(address: IpAddr, port: u16) -> String {
    format!("Join with: nc {address} {port}")
}

/// How a browser joins.
pub(crate) fn open(address: SocketAddr) -> String {
    format!("Or open: {}", page(address))
}

/// The address of the page. It has no place for the interface of a link-local address.
pub(crate) fn page(address: SocketAddr) -> String {
    format!("http://{}/", SocketAddr::new(address.ip(), address.port()))
}

/// There is no page, because its default port cannot be bound.
pub(crate) fn no_page(why: &str) -> String {
    format!("dynasti: there is no page for browsers: {why}")
}

/// The name is ours on this network.
#[cfg(feature = "discovery")]
pub(crate) fn named(name: &str) -> String {
    format!("This is {name}.")
}

/// The server is not found by its name.
#[cfg(feature = "discovery")]
pub(crate) fn not_found_by_name(error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => ": another program has the port of multicast DNS, 5353, for itself alone",
        _ => "",
    };
    format!("dynasti: found by address alone, not by name: {error}{advice} (--no-mdns ends this warning)")
}

/// This network cannot be searched for servers.
#[cfg(feature = "discovery")]
pub(crate) fn cannot_search(error: &io::Error) -> String {
    format!("dynasti: cannot search this network for servers: {error}")
}

/// The servers that were found cannot be printed.
#[cfg(feature = "discovery")]
pub(crate) fn cannot_print(error: &io::Error) -> String {
    format!("dynasti: cannot print what was found: {error}")
}

/// Several servers were found, and nobody can be asked which one to join.
#[cfg(feature = "discovery")]
pub(crate) fn several_found(servers: &[impl Display]) -> String {
    let lines: String = servers.iter().map(|server| format!("\n{server}")).collect();
    format!("dynasti: there are several servers on this network; name one, as in: dynasti join HOST{lines}")
}

/// There is no server on this network, so this machine is tried.
#[cfg(feature = "discovery")]
pub(crate) fn none_found(instead: impl Display) -> String {
    format!("No server was found on this network (its name was asked for by multicast DNS). Trying {instead}.")
}

/// The server stops.
pub(crate) fn shutting_down() -> String {
    "Shutting down server...".into()
}

/// Lines for standard output were dropped, because it took them too slowly.
pub(crate) fn not_printed(lines: u64) -> String {
    format!("-- up to {lines} lines are missing here, because this output took too little")
}

/// Warnings were dropped, because standard error took them too slowly.
pub(crate) fn not_warned(warnings: u64) -> String {
    format!("dynasti: {warnings} warnings are missing here, because this output took too little")
}

/// The server stops while its disk does not take the end of the transcript.
pub(crate) fn unwritten(path: &Path, lines: u64) -> String {
    format!("dynasti: the transcript {} was not written to its end; lines missing from it: {lines}", path.display())
}

/// The status for the service manager.
pub(crate) fn status(here: usize, lines: u64) -> String {
    format!("{here} here, {lines} lines")
}

/// Why the process fails.
pub(crate) fn failed(why: impl Display) -> String {
    format!("dynasti: {why}")
}

/// The descriptors are too few for the clients that were asked for.
pub(crate) fn fewer_clients(asked: usize, fit: usize, descriptors: u64) -> String {
    format!(
        "dynasti: --max-clients {asked} cut to {fit}: the system gives this process {descriptors} descriptors (ulimit -n)"
    )
}

/// The service manager does not hear that the server is ready.
pub(crate) fn cannot_notify(error: &io::Error) -> String {
    format!("dynasti: cannot tell the service manager at NOTIFY_SOCKET that it runs: {error}")
}

/// A listener cannot be bound; with what to do about it.
pub(crate) fn cannot_listen(address: SocketAddr, option: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        // What the system says of a link-local address without an interface.
        ErrorKind::InvalidInput if address.is_ipv6() => {
            let (ip, port) = (address.ip(), address.port());
            &format!(": it needs the number of its interface, as in [{ip}%2]:{port}")
        }
        ErrorKind::AddrInUse => {
            &format!(": something listens there already; stop it or choose another port with {option}")
        }
        ErrorKind::PermissionDenied => &format!(": ports below 1024 need permission; choose another with {option}"),
        ErrorKind::AddrNotAvailable => ": no interface of this machine has that address",
        _ => "",
    };
    format!("cannot listen on {address}: {error}{advice}")
}

/// The system does not return the address of a listening socket.
pub(crate) fn no_local_address(error: &io::Error) -> String {
    format!("cannot find out the address of a listening socket: {error}")
}

/// There is no password in its file; with what to do about it.
pub(crate) fn no_password(path: &Path, why: impl Display) -> String {
    format!("cannot take the password from {}: {why}", path.display())
}

/// The transcript cannot be opened; with what to do about it.
pub(crate) fn cannot_open_transcript(path: &Path, error: &io::Error) -> String {
    format!("cannot open the transcript {}: {error}; name a file that can be written", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_texts_are_to_the_letter() {
        let from = SocketAddr::from(([192, 168, 1, 7], 50112));
        assert_eq!(listening(from), "Server listening on 192.168.1.7:50112");
        assert_eq!(join_with(from.ip(), 4000), "Join with: nc 192.168.1.7 4000");
        #[cfg(feature = "discovery")]
        assert_eq!(named("dynasti.local"), "This is dynasti.local.");
        assert_eq!(shutting_down(), "Shutting down server...");
        assert_eq!(status(5, 212), "5 here, 212 lines");
    }

    #[test]
    fn the_guide_explains_every_warning() {
        let guide = include_str!("../guide/trouble.md");
        let error = io::Error::from(ErrorKind::AddrInUse);
        for (warning, words) in [
            (no_page("x"), "there is no page for browsers: "),
            #[cfg(feature = "discovery")]
            (not_found_by_name(&error), "found by address alone, not by name"),
            (not_printed(2), "lines are missing here, "),
            (not_warned(2), "warnings are missing here, "),
            (unwritten(Path::new("FILE"), 2), "the transcript FILE was not written to its end; "),
            (fewer_clients(2, 1, 9), " cut to "),
            (cannot_notify(&error), "cannot tell the service manager at NOTIFY_SOCKET that it runs: "),
        ] {
            assert!(warning.contains(words) && guide.contains(words), "{warning}");
        }
    }

    #[test]
    fn an_error_comes_with_what_to_do_about_it() {
        let (v4, v6) = ("0.0.0.0:4000".parse().unwrap(), "[fe80::1]:4000".parse().unwrap());
        for (address, kind, advice) in [
            (v4, ErrorKind::AddrInUse, "choose another port with --listen"),
            (v4, ErrorKind::PermissionDenied, "choose another with --listen"),
            (v4, ErrorKind::AddrNotAvailable, "no interface of this machine has that address"),
            (v6, ErrorKind::InvalidInput, ": it needs the number of its interface, as in [fe80::1%2]:4000"),
            (v4, ErrorKind::InvalidInput, "cannot listen on 0.0.0.0:4000: invalid input parameter"),
        ] {
            let words = cannot_listen(address, "--listen", &kind.into());
            assert!(words.starts_with("cannot listen on ") && words.ends_with(advice), "{words}");
        }
    }
}
