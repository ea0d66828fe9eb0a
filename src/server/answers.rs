//! The answers to the operator's commands: lines, without a newline after the last one. Only the operator sees them.
//!
//! A sentence that clients hear, too, is a [`Message`](crate::text::message::Message), and is not made here.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::access::sharing::Sharing;
use crate::files::Shared;
use crate::room::{Presence, Stats};
use crate::text::command::{order_usages, table};
use crate::text::file::{ByteCount, FileName};
use crate::text::message::Quoted;
use crate::text::name::Name;
use crate::text::time::{Remaining, Span};

/// The answer to `/help`.
pub(super) fn help() -> String {
    let head = "-- Type a line: everybody reads it as [SERVER]: …".to_string();
    lines([head].into_iter().chain(table(order_usages()).map(|row| format!("-- {row}"))))
}

/// How many members of linked servers the answer to `/who` lists: as many as a large room has. Nobody reads more.
const MAX_LISTED: usize = 1000;

/// The answer to `/who`: the members, how many choose a name, and the members of linked servers.
pub(super) fn who(members: &[Presence], unnamed: usize, elsewhere: &[Name]) -> String {
    let mut head = format!("-- {} here, {unnamed} choosing a name", members.len());
    if !elsewhere.is_empty() {
        head += &format!(", {} on linked servers", elsewhere.len());
    }
    let rows = members.iter().map(|Presence { name, address, here, queued, muted }| {
        let muted = if *muted { ", muted" } else { "" };
        format!("-- {name}  {address}  here {}, lines queued: {queued}{muted}", Span(*here))
    });
    let others = elsewhere.iter().take(MAX_LISTED).map(|name| format!("-- {name}"));
    let more = elsewhere.len().checked_sub(MAX_LISTED + 1).map(|more| format!("-- … and {} more", more + 1));
    lines([head].into_iter().chain(rows).chain(others).chain(more))
}

/// The answer to `/stats`. Resident memory is in KiB, where the system knows it.
pub(super) fn stats(stats: &Stats, resident: Option<u64>) -> String {
    let Stats { uptime, here, most, lines: said, deliveries, drops, queued } = stats;
    let drops: Vec<String> = drops.iter().map(|(cause, times)| format!("{times} {cause}")).collect();
    let drops = if drops.is_empty() { "none".to_string() } else { drops.join(", ") };
    let resident = resident.map(|kib| format!("-- resident memory: {kib} KiB"));
    let rows = [
        format!("-- up {}; {here} here now, {most} at most", Span(*uptime)),
        format!("-- lines in: {said}; deliveries: {deliveries}; bytes queued: {queued}"),
        format!("-- drops: {drops}"),
    ];
    lines(rows.into_iter().chain(resident))
}

/// The operator has done something to a member.
pub(super) fn done(what: &str, whom: &Name) -> String {
    format!("-- {what}: {whom}")
}

/// Nobody comes in from this address, for so long or for good.
pub(super) fn ban(address: IpAddr, time: Option<Duration>) -> String {
    let address = Home(address);
    match time {
        Some(time) => format!("-- banned: {address} for another {}", Remaining(time)),
        None => format!("-- banned: {address} until /unban {address}"),
    }
}

/// The answer to `/bans`.
pub(super) fn bans(bans: &[(IpAddr, Option<Duration>)]) -> String {
    match bans {
        [] => "-- Nobody is banned.".into(),
        bans => lines(bans.iter().map(|(address, time)| ban(*address, *time))),
    }
}

/// A banned address is let in again.
pub(super) fn unbanned(address: IpAddr) -> String {
    format!("-- let in again: {}", Home(address))
}

/// What stands after the name in `/ban` is no number of minutes.
pub(super) fn not_minutes(name: &Name, rest: &str) -> String {
    format!("-- Not a number of minutes after {name}: {}", Quoted(rest))
}

/// The answer to `/files`. It has the ID of each file, which `/forget` takes.
pub(super) fn files(sharing: &Sharing, now: Instant) -> String {
    let files = match sharing.here() {
        Ok(files) => files.all(now),
        Err(told) => return told.to_string(),
    };
    if files.is_empty() {
        return "-- No files are shared now.".into();
    }
    lines(files.iter().map(|Shared { id, name, by, until, about, .. }| {
        let (size, left) = (ByteCount(about.size), Remaining(until.saturating_duration_since(now)));
        format!("-- {id}  {by} shares {name} ({size}), for another {left}")
    }))
}

/// A file was taken away.
pub(super) fn forgotten(name: &FileName) -> String {
    format!("-- forgotten: {name}")
}

/// The ID that was typed is the beginning of several.
pub(super) fn several_files() -> String {
    "-- Several files have an ID that begins so. Type more of it.".into()
}

/// There is no such file.
pub(super) fn no_such_file() -> String {
    "-- No file has that ID. /files lists them.".into()
}

/// An address is not banned.
pub(super) fn not_banned(address: IpAddr) -> String {
    format!("-- {} is not banned. /bans lists who is.", Home(address))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// An address as it counts for bans: of IPv6 the /64, whose other half is zero.
struct Home(IpAddr);

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        if self.0.is_ipv6() && !self.0.is_loopback() { f.write_str("/64") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::text::server::Server;

    #[test]
    fn help_fits_a_terminal_of_sixty_by_twenty() {
        let help = help();
        // One line of the twenty is for the prompt.
        assert!(help.lines().count() < 20);
        for line in help.lines() {
            assert!(line.starts_with("-- ") && line.width() <= 60, "{line}");
            assert_eq!(line.trim_end(), line);
        }
        assert!(order_usages().all(|usage| help.lines().any(|line| line.contains(&format!("/{} ", usage.name)))));
    }

    #[test]
    fn bans_are_told_with_what_they_cover() {
        let v6 = "2001:db8::".parse().unwrap();
        let v4 = IpAddr::from([192, 0, 2, 1]);
        let told = bans(&[(v4, Some(Duration::from_secs(299))), (v6, None)]);
        let expected = "-- banned: 192.0.2.1 for another 5 min\n-- banned: 2001:db8::/64 until /unban 2001:db8::/64";
        assert_eq!(told, expected);
        assert_eq!(bans(&[]), "-- Nobody is banned.");
        assert_eq!(unbanned(v6), "-- let in again: 2001:db8::/64");
        assert_eq!(not_banned(v4), "-- 192.0.2.1 is not banned. /bans lists who is.");
    }

    #[test]
    fn who_tells_where_members_are_from_and_how_they_read() {
        let ann = Presence {
            name: Name::parse("Ann").unwrap(),
            address: ([192, 168, 1, 7], 50112).into(),
            here: Duration::from_secs(299),
            queued: 3,
            muted: true,
        };
        let expected = "-- 1 here, 2 choosing a name\n-- Ann  192.168.1.7:50112  here 4 min, lines queued: 3, muted";
        assert_eq!(who(&[ann], 2, &[]), expected);
        let bob = Name::parse("Bob").unwrap().at(&Server::parse("pi2").unwrap());
        assert_eq!(
            who(&[], 0, std::slice::from_ref(&bob)),
            "-- 0 here, 0 choosing a name, 1 on linked servers\n-- Bob@pi2"
        );
        let many = who(&[], 0, &vec![bob; 1002]);
        assert!(many.ends_with("\n-- Bob@pi2\n-- … and 2 more") && many.lines().count() == 1002, "{many}");
    }

    #[test]
    fn stats_name_each_cause() {
        let mut some = Stats { most: 3, ..Stats::default() };
        let drops = |some: &Stats| stats(some, None).lines().last().map(String::from);
        assert_eq!(drops(&some).as_deref(), Some("-- drops: none"));
        some.drops.insert("too slow", 2);
        some.drops.insert("kicked", 1);
        assert_eq!(drops(&some).as_deref(), Some("-- drops: 1 kicked, 2 too slow"));
        assert!(stats(&some, Some(5120)).lines().any(|line| line == "-- resident memory: 5120 KiB"));
    }
}
