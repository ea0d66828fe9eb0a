//! What servers send each other: lines, each with who says it and its number, and who is in their rooms.
//!
//! A line is sent as the members of its own server hear it: `Ann: hello`. The server that receives it parses it like a
//! client, and makes a new line from the parts. So whatever is sent, the members hear nothing that this server could
//! not have said.
//!
//! Pure. Knows nothing of how it is sent.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::nats::Word;
use crate::room::Elsewhere;
use crate::text::line::Line;
use crate::text::message::Message;
use crate::text::name::Name;
use crate::text::server::Server;
use crate::text::spoken::Spoken;
use crate::token::Token;

/// The largest message, in bytes: the contract's 16 KiB. The longest line with its name fits.
pub(super) const MAX_MESSAGE: usize = 16 * 1024;

/// The largest number that is accepted: no server ever says so many lines, and sums of such numbers never overflow.
const MAX_NUMBER: u64 = 1 << 53;

/// The most messages that the list of a server's members may be divided into.
const MAX_PARTS: usize = 256;

/// One run of a server, from its start to its end. Its lines are numbered from one. Of two epochs the smaller began
/// earlier, if the clocks are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(u128);

impl Epoch {
    /// Makes a new one: the time in milliseconds, and 32 random bits.
    pub(super) fn new(now: SystemTime, random: Token) -> Epoch {
        let time = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        Epoch((time & 0xffff_ffff_ffff) << 32 | random.bits() & 0xffff_ffff)
    }

    fn read(text: &str) -> Option<Epoch> {
        let plain = text.len() == 20 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| plain).map(Epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020x}", self.0)
    }
}

/// Who sends a message, and the number of its first line. The others follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) server: Server,
    pub(super) epoch: Epoch,
    pub(super) first: u64,
}

impl Origin {
    /// Reads what [`Origin::id`] returns.
    pub(super) fn read(id: &str) -> Option<Origin> {
        let (server, rest) = id.split_once(':')?;
        let (epoch, first) = rest.split_once(':')?;
        let first = number(first).filter(|first| *first > 0)?;
        Some(Origin { server: Server::parse(server)?, epoch: Epoch::read(epoch)?, first })
    }

    /// The message's name, by which the broker knows it when it comes again.
    pub(super) fn id(&self) -> Word {
        let Origin { server, epoch, first } = self;
        Word::new(format!("{server}:{epoch}:{first}")).expect("letters, digits, hyphens and colons, under 80 of them")
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|n| plain && *n <= MAX_NUMBER)
}

/// Returns what is sent for a line of this room, or None if the line is not for other servers. `spoken` is the line,
/// parsed. `actor` is the length in bytes of the name in an action, because names have spaces and the line alone does
/// not tell where the name ends.
pub(super) fn sent(line: &str, spoken: Spoken<'_>, actor: u8) -> Option<String> {
    match spoken {
        Spoken::Emote(action) => (actor > 0).then(|| format!("*{actor} {action}")),
        Spoken::Said(..)
        | Spoken::Server(_)
        | Spoken::Joined(_)
        | Spoken::Left(_)
        | Spoken::Renamed(..)
        | Spoken::Shared(..)
        | Spoken::PrivateElsewhere(..) => Some(line.to_owned()),
        _ => None,
    }
}

/// Reads a line that another server has sent. Returns None if it is not for this server, or is no valid line.
pub(super) fn received<'a>(sent: &'a str, from: &Server, me: &Server) -> Option<Elsewhere<'a>> {
    // A member of that server, whose name is valid by this server's rules, too.
    let member = |written: &str| {
        let name = Name::parse(written).ok().filter(|name| name.as_str() == written)?;
        Some(name.at(from))
    };
    if let Some(did) = sent.strip_prefix('*') {
        let (length, action) = did.split_once(' ')?;
        let (name, action) = action.split_at_checked(usize::from(length.parse::<u8>().ok()?))?;
        return Some(Elsewhere::Did(member(name)?, Line::relayed(action.strip_prefix(' ')?)?));
    }
    match Spoken::read(sent) {
        Spoken::Said(name, words) => {
            let (name, mut said) = (member(name)?, Message::default());
            said.say(&name, &Line::relayed(words)?);
            Some(Elsewhere::Said(name, said))
        }
        // Only a line of that server's own operator: a third server sends its operator's lines itself.
        Spoken::Server(words) if sent.starts_with("[SERVER]") => {
            Some(Elsewhere::Operator(from.clone(), Line::relayed(words)?))
        }
        Spoken::Joined(name) => Some(Elsewhere::Joined(member(name)?)),
        Spoken::Left(name) => {
            let why = sent.strip_suffix(").").and_then(|sent| sent.split_once(" has left the chat ("));
            let why = why.map(|(_, why)| Line::relayed(why));
            Some(Elsewhere::Left(member(name)?, why.flatten()))
        }
        Spoken::Renamed(old, new) => Some(Elsewhere::Renamed(member(old)?, member(new)?)),
        Spoken::Shared(name, ..) => {
            let what = sent.strip_prefix(name)?.strip_prefix(" shares ")?;
            Some(Elsewhere::Shared(member(name)?, Line::relayed(what)?))
        }
        Spoken::PrivateElsewhere(name, to, words) => {
            let (to, server) = to.split_once('@')?;
            let to = Name::parse(to).ok().filter(|_| Server::parse(server).as_ref() == Some(me))?;
            Some(Elsewhere::Private(member(name)?, to, Line::relayed(words)?))
        }
        _ => None,
    }
}

/// What a server says of itself. The broker does not keep this. A server that misses it asks again, or hears the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presence<'a> {
    /// It has started, and asks who is there.
    Hello,
    /// It is linked, and this is one part of the list of its members.
    Here(Here<'a>),
    /// It stops.
    Bye,
    /// It has the name that another server claims.
    Mine,
}

/// A part of the list of a server's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Here<'a> {
    /// Counts the lists of an epoch.
    pub(super) revision: u64,
    /// Which part of the list this is, from zero.
    pub(super) part: usize,
    /// How many parts it has.
    pub(super) parts: usize,
    /// The number of its last line that the broker has. If a later line is not received, it is missed.
    pub(super) stored: u64,
    names: &'a str,
}

impl Here<'_> {
    /// The names of members, as they are shown here.
    pub(super) fn names(&self, server: &Server) -> impl Iterator<Item = Name> {
        self.names.lines().filter_map(|name| Some(Name::parse(name).ok()?.at(server)))
    }
}

/// Reads a server's presence message, and which server and epoch it is from.
pub(super) fn presence(payload: &str) -> Option<(Server, Epoch, Presence<'_>)> {
    let (head, names) = payload.split_once('\n')?;
    let words: Vec<&str> = head.split(' ').collect();
    let [kind, server, epoch, ref rest @ ..] = words[..] else { return None };
    let presence = match (kind, rest) {
        ("hello", []) => Presence::Hello,
        ("bye", []) => Presence::Bye,
        ("mine", []) => Presence::Mine,
        ("here", [revision, part, parts, stored]) => {
            let small = |text| number(text).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MAX_PARTS);
            let (part, parts) = (small(part)?, small(parts)?);
            let here = Here { revision: number(revision)?, part, parts, stored: number(stored)?, names };
            Presence::Here(Some(here).filter(|_| part < parts)?)
        }
        _ => return None,
    };
    Some((Server::parse(server)?, Epoch::read(epoch)?, presence))
}

/// Returns the message that a server has started.
pub(super) fn hello(server: &Server, epoch: Epoch) -> String {
    format!("hello {server} {epoch}\n")
}

/// Returns the message that a server stops.
pub(super) fn bye(server: &Server, epoch: Epoch) -> String {
    format!("bye {server} {epoch}\n")
}

/// Returns the message that a server has the name that another one claims.
pub(super) fn mine(server: &Server, epoch: Epoch) -> String {
    format!("mine {server} {epoch}\n")
}

/// Returns the messages that a server is linked, and who is in its room. Long lists take several.
pub(super) fn here(server: &Server, epoch: Epoch, revision: u64, stored: u64, names: &[Name]) -> Vec<String> {
    /// The most bytes before the names: three words and four numbers.
    const HEAD: usize = 128;
    let mut parts = vec![String::new()];
    for name in names {
        if parts.last().is_some_and(|part| HEAD + part.len() + name.as_str().len() >= MAX_MESSAGE) {
            if parts.len() == MAX_PARTS {
                break;
            }
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(name.as_str());
            part.push('\n');
        }
    }
    let of = parts.len();
    let with_head = |(n, part): (usize, String)| format!("here {server} {epoch} {revision} {n} {of} {stored}\n{part}");
    parts.into_iter().enumerate().map(with_head).collect()
}

#[cfg(test)]
mod tests;
