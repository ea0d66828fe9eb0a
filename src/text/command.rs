//! What a line's author wants: the commands, their help, and how they are told apart.
//!
//! The one place to add a command is [`COMMANDS`] (and its variant of [`Command`]); `/help` is made from it.

/// What somebody in the room, or at the name prompt, asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// To say the line.
    Say,
    /// To say the line without its first `/`.
    SayAfterSlash,
    /// To leave.
    Quit,
    /// Something that begins with `/` and is no command.
    Unknown(&'a str),
}

/// Tells what a line asks for. A line that begins with `//` says what follows the first `/`.
pub fn parse(line: &str) -> Command<'_> {
    let Some(rest) = line.strip_prefix('/') else { return Command::Say };
    if rest.starts_with('/') {
        return Command::SayAfterSlash;
    }
    let word = rest.split(char::is_whitespace).next().unwrap_or_default();
    match word {
        "quit" => Command::Quit,
        _ => Command::Unknown(word),
    }
}
