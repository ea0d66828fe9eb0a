//! Commands: those of members and those of the operator, and how they are typed.
//!
//! A command is a variant of [`Command`] or [`Order`] and a row of a table. A command without a row cannot be typed,
//! and the help is made from the tables. This module does not know what a command does.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};

use super::name::{Key, MAX_NAME};

/// What a member's line asks for. A text in it is always the rest of the line.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Says the line.
    Say,
    /// Says the line without its first `/`.
    SayAfterSlash,
    /// Lists the commands.
    Help,
    /// Lists the members.
    Who,
    /// Shows what the author does.
    Me(&'a str),
    /// Sends a private message. The text is a name and then the message; see [`addressees`].
    Msg(&'a str),
    /// Answers the last private message that the author got.
    Reply(&'a str),
    /// Changes the author's name.
    Nick(&'a str),
    /// Repeats the last lines, of which there may be a number.
    History(Option<NonZeroUsize>),
    /// Stops hearing a member, or hears them again.
    Ignore(&'a str),
    /// Asks how to share a file.
    Send,
    /// Lists the files that are shared.
    Files,
    /// Leaves.
    Quit,
    /// A command came without what it takes. This is how it is typed.
    Misused(Usage),
    /// The line begins with `/` and is no command. This is its first word, without the `/`.
    Unknown(&'a str),
}

/// What the operator's line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Order<'a> {
    /// Says the line.
    Say,
    /// Says the line without its first `/`.
    SayAfterSlash,
    /// Lists the commands.
    Help,
    /// Lists the members, with their addresses and how far behind they read.
    Who,
    /// Ends a member's connection. The text is a name and then perhaps a reason.
    Kick(&'a str),
    /// Bans an address for so many minutes, or for good.
    Ban(IpAddr, Option<NonZeroU32>),
    /// Bans the address of a member. The text is a name and then perhaps a number of minutes.
    BanName(&'a str),
    /// Ends the ban of an address.
    Unban(IpAddr),
    /// Lists the banned addresses.
    Bans,
    /// Mutes a member: nobody hears what they say.
    Mute(&'a str),
    /// Lets everybody hear a member again.
    Unmute(&'a str),
    /// Lists the files that are shared, with their IDs.
    Files,
    /// Takes a file away. The text is its ID, or the beginning of it.
    Forget(&'a str),
    /// Shows the server's figures.
    Stats,
    /// Stops the server.
    Quit,
    /// A command came without what it takes. This is how it is typed.
    Misused(Usage),
    /// The line begins with `/` and is no command. This is its first word, without the `/`.
    Unknown(&'a str),
}

/// How a command is typed and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The word after the `/`.
    pub name: &'static str,
    /// What it takes, as the help shows it. Brackets mean that it may be omitted.
    pub takes: &'static str,
    /// What it does.
    pub does: &'static str,
}

/// A row of a table: how a command is typed, and a function that makes it from the rest of the line. The function
/// returns `None` when that is not what the command takes.
type Row<Make> = (Usage, Make);
type MakeCommand = for<'a> fn(&'a str) -> Option<Command<'a>>;
type MakeOrder = for<'a> fn(&'a str) -> Option<Order<'a>>;

const fn usage(name: &'static str, takes: &'static str, does: &'static str) -> Usage {
    Usage { name, takes, does }
}

const COMMANDS: &[Row<MakeCommand>] = &[
    (usage("who", "", "who is here"), |_| Some(Command::Who)),
    (usage("msg", "NAME TEXT", "tell one person only"), |rest| text(rest).map(Command::Msg)),
    (usage("reply", "TEXT", "answer the last private message"), |rest| text(rest).map(Command::Reply)),
    (usage("me", "ACTION", "show what you do: * Ann waves"), |rest| text(rest).map(Command::Me)),
    (usage("nick", "NEW", "change your name"), |rest| text(rest).map(Command::Nick)),
    (usage("history", "[N]", "read the last lines again"), |rest| optional(rest).map(Command::History)),
    (usage("ignore", "NAME", "stop hearing somebody, or undo it"), |rest| text(rest).map(Command::Ignore)),
    (usage("send", "", "share a file"), |_| Some(Command::Send)),
    (usage("files", "", "what files are shared"), |_| Some(Command::Files)),
    (usage("help", "", "show this"), |_| Some(Command::Help)),
    (usage("quit", "", "leave"), |_| Some(Command::Quit)),
];

const ORDERS: &[Row<MakeOrder>] = &[
    (usage("who", "", "who is here, and from where"), |_| Some(Order::Who)),
    (usage("kick", "NAME [REASON]", "end somebody's connection"), |rest| text(rest).map(Order::Kick)),
    (usage("ban", "NAME|ADDRESS [MINUTES]", "let nobody in from there"), ban),
    (usage("unban", "ADDRESS", "let them in again"), unban),
    (usage("bans", "", "who is banned, how long"), |_| Some(Order::Bans)),
    (usage("mute", "NAME", "let nobody hear them"), |rest| text(rest).map(Order::Mute)),
    (usage("unmute", "NAME", "let them be heard again"), |rest| text(rest).map(Order::Unmute)),
    (usage("files", "", "what files are shared"), |_| Some(Order::Files)),
    (usage("forget", "ID", "take a file away"), |rest| text(rest).map(Order::Forget)),
    (usage("stats", "", "how the server does"), |_| Some(Order::Stats)),
    (usage("help", "", "show this"), |_| Some(Order::Help)),
    (usage("quit", "", "stop the server"), |_| Some(Order::Quit)),
];

/// Returns what a member's line asks for.
pub fn parse(line: &str) -> Command<'_> {
    match look_up(line, COMMANDS) {
        Found::Text => Command::Say,
        Found::Slash => Command::SayAfterSlash,
        Found::Row((usage, make), rest) => make(rest).unwrap_or(Command::Misused(*usage)),
        Found::Nothing(word) => Command::Unknown(word),
    }
}

/// Returns what the operator's line asks for.
pub fn parse_order(line: &str) -> Order<'_> {
    match look_up(line, ORDERS) {
        Found::Text => Order::Say,
        Found::Slash => Order::SayAfterSlash,
        Found::Row((usage, make), rest) => make(rest).unwrap_or(Order::Misused(*usage)),
        Found::Nothing(word) => Order::Unknown(word),
    }
}

/// Returns all commands that members can type.
pub fn usages() -> impl Iterator<Item = Usage> {
    COMMANDS.iter().map(|(usage, _)| *usage)
}

/// Returns all commands that the operator can type.
pub fn order_usages() -> impl Iterator<Item = Usage> {
    ORDERS.iter().map(|(usage, _)| *usage)
}

/// Returns a row for each usage: how it is typed and what it does, each in a column.
pub fn table(usages: impl Iterator<Item = Usage>) -> impl Iterator<Item = String> {
    let rows: Vec<_> = usages.map(|usage| (format!("/{} {}", usage.name, usage.takes), usage.does)).collect();
    let width = rows.iter().map(|(typed, _)| typed.len()).max().unwrap_or_default();
    rows.into_iter().map(move |(typed, does)| format!("{typed:<width$}  {does}"))
}

/// Returns all ways to read a text as a name and the rest, the longest name first. There may be several, because names
/// have spaces.
pub fn addressees(text: &str) -> impl Iterator<Item = (Key, &str)> {
    let mut ends: Vec<usize> = Vec::new();
    let mut inside = false;
    for (at, char) in text.char_indices() {
        let space = char.is_whitespace();
        if space && inside {
            ends.push(at);
            // Each word of a name takes at least two characters, with its space, so no name has more words than this.
            if ends.len() == MAX_NAME.div_ceil(2) {
                break;
            }
        }
        inside = !space;
    }
    if inside && ends.len() < MAX_NAME.div_ceil(2) {
        ends.push(text.len());
    }
    ends.into_iter().rev().map(|end| (Key::of(&text[..end]), text[end..].trim_start()))
}

/// Reads what stands after the name in `/ban NAME [MINUTES]`. Returns `None` when that is not a number of minutes.
pub fn minutes(rest: &str) -> Option<Option<NonZeroU32>> {
    optional(rest)
}

/// What a line is, as its beginning shows.
enum Found<'a, Make: 'static> {
    /// It does not begin with `/`.
    Text,
    /// It begins with `//`.
    Slash,
    /// It begins with a command of the table. The rest of the line is beside it.
    Row(&'static Row<Make>, &'a str),
    /// It begins with `/` and this word, which is no command.
    Nothing(&'a str),
}

/// Looks up a line's first word in a table.
fn look_up<'a, Make>(line: &'a str, table: &'static [Row<Make>]) -> Found<'a, Make> {
    let Some(typed) = line.strip_prefix('/') else { return Found::Text };
    if typed.starts_with('/') {
        return Found::Slash;
    }
    let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    // The keyboards of telephones begin every line with a capital.
    match table.iter().find(|(usage, _)| usage.name.eq_ignore_ascii_case(word)) {
        Some(row) => Found::Row(row, rest.trim_start()),
        None => Found::Nothing(word),
    }
}

/// Reads text that must not be missing.
fn text(rest: &str) -> Option<&str> {
    (!rest.is_empty()).then_some(rest)
}

/// Reads a number that may be missing. Returns `None` when something else is there.
fn optional<N: std::str::FromStr>(rest: &str) -> Option<Option<N>> {
    let rest = rest.trim();
    if rest.is_empty() { Some(None) } else { rest.parse().ok().map(Some) }
}

/// Reads what `/unban` takes.
fn unban(rest: &str) -> Option<Order<'_>> {
    // Of an IPv6 address the /64 is banned. /bans shows it so, and it can be pasted from there.
    let address = rest.trim();
    address.strip_suffix("/64").unwrap_or(address).parse().ok().map(Order::Unban)
}

/// Reads what `/ban` takes.
fn ban(rest: &str) -> Option<Order<'_>> {
    let (address, minutes) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match address.parse() {
        Ok(address) => optional(minutes).map(|minutes| Order::Ban(address, minutes)),
        Err(_) => text(rest).map(Order::BanName),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_said_and_two_slashes_say_one() {
        assert_eq!(parse("hello /who"), Command::Say);
        assert_eq!(parse("//who"), Command::SayAfterSlash);
        assert_eq!(parse("///"), Command::SayAfterSlash);
        assert_eq!(parse_order("hello"), Order::Say);
        assert_eq!(parse_order("//x"), Order::SayAfterSlash);
    }

    #[test]
    fn commands_take_what_they_take() {
        assert_eq!(parse("/who"), Command::Who);
        assert_eq!(parse("/WHO am i"), Command::Who);
        assert_eq!(parse("/me  waves "), Command::Me("waves "));
        assert_eq!(parse("/msg Ann Lee  hi"), Command::Msg("Ann Lee  hi"));
        assert_eq!(parse("/history"), Command::History(None));
        assert_eq!(parse("/history 7 "), Command::History(NonZeroUsize::new(7)));
        assert_eq!(parse("/quit"), Command::Quit);
        assert_eq!(parse("/whom"), Command::Unknown("whom"));
        assert_eq!(parse("/"), Command::Unknown(""));
        let address = "192.0.2.1".parse().unwrap();
        assert_eq!(parse_order("/ban 192.0.2.1"), Order::Ban(address, None));
        assert_eq!(parse_order("/ban 192.0.2.1 5"), Order::Ban(address, NonZeroU32::new(5)));
        assert_eq!(parse_order("/ban Ann Lee 5"), Order::BanName("Ann Lee 5"));
        assert_eq!(parse_order("/unban 2001:db8::1"), Order::Unban("2001:db8::1".parse().unwrap()));
        assert_eq!(parse_order("/unban 2001:db8::/64 "), Order::Unban("2001:db8::".parse().unwrap()));
        assert_eq!(parse_order("/quit"), Order::Quit);
    }

    #[test]
    fn what_does_not_do_is_answered_with_how_it_is_typed() {
        for typed in
            ["/me", "/me ", "/msg", "/history x", "/history -1", "/history 0", "/history 1 2", "/nick", "/ignore"]
        {
            assert!(matches!(parse(typed), Command::Misused(usage) if typed[1..].starts_with(usage.name)), "{typed}");
        }
        for typed in
            ["/kick", "/ban", "/ban 192.0.2.1 x", "/ban 192.0.2.1 0", "/unban", "/unban Ann", "/mute", "/unmute"]
        {
            assert!(
                matches!(parse_order(typed), Order::Misused(usage) if typed[1..].starts_with(usage.name)),
                "{typed}"
            );
        }
    }

    #[test]
    fn the_longest_name_is_tried_first() {
        let ways: Vec<_> = addressees("Ann  Lee hi").collect();
        let expected = [("ann lee hi", ""), ("ann lee", "hi"), ("ann", "Lee hi")];
        assert_eq!(ways, expected.map(|(name, rest)| (Key::of(name), rest)));
        assert_eq!(addressees("").count(), 0);
        assert_eq!(addressees(" ").count(), 0);
        assert_eq!(addressees(&"a ".repeat(2000)).count(), 12);
    }
}
