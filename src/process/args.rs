//! The command line, and the one text that explains it. Knows nothing of what is done with the options.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use argh::FromArgs;
use dynasti::client::Address;
#[cfg(feature = "link")]
use dynasti::link::Broker;
use dynasti::text::server::{MAX_SERVER, Server};

/// What `--help` prints, the same after each command. It fits a terminal of 80 columns and 24 lines.
const HELP: &str = "\
dynasti - the chat room for everyone on one network
dynasti [serve] [OPTIONS]: serves the room; others join it with: nc HOST 4000
  --listen ADDR:PORT   where to listen; repeatable   [[::]:4000, both families]
  --web ADDR:PORT      where browsers join [[::]:4080, or none with --listen]
  --max-clients N      clients at once                                   [1000]
  --max-per-address N  of them from one address; loopback is exempt        [32]
  --rate N             lines a second that one client may sustain; 0: any  [20]
  --history N          lines kept for /history                            [100]
  --replay N           of them sent to each newcomer                        [0]
  --files MIB          memory for files that members share; 0: no files    [32]
  --guests             who gives no name gets one: Guest1, Guest2 ...     [ask]
  --password-file FILE who joins is asked for the password in it        [none]
  --transcript FILE    append public lines to FILE; reload history       [none]
  --mdns NAME          be NAME.local on this network                   [dynasti]
  --link URL           one room with other servers, by NATS: nats://HOST [none]
  --link-name NAME     what this server is called there             [host name]
  --link-password-file FILE  the password for URL, if it is not there    [none]
  --no-web, --no-mdns, --no-console  no page; no name; standard input not read
dynasti join [HOST[:PORT]] [OPTIONS]: joins a room    [found, or localhost]
  --name NAME          the name to answer the server with                 [ask]
  --retry, --no-bell   come back to a lost server; ring at no mention of you
dynasti find: the servers on this network, one a line
dynasti --version, -V: the version, and its commit; dynasti --help, -h: this
";

/// The options that take no value.
const SWITCHES: [&str; 6] = ["--guests", "--no-console", "--no-web", "--no-mdns", "--retry", "--no-bell"];

/// The chat room for everyone on one network. Without a command it serves.
#[derive(Debug, FromArgs)]
#[argh(help_triggers("-h", "--help", "help"))]
pub(crate) struct Args {
    /// print the version
    #[argh(switch, short = 'V')]
    pub(crate) version: bool,

    #[argh(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of them, and argh takes no box")]
pub(crate) enum Command {
    Serve(Serve),
    Join(Join),
    Find(Find),
}

/// Find the servers on this network, and print a line for each.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "find")]
#[argh(help_triggers("-h", "--help", "help"))]
pub(crate) struct Find {}

/// Join a room.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "join")]
#[argh(help_triggers("-h", "--help", "help"))]
pub(crate) struct Join {
    /// the server; a port other than 4000 after a colon, an IPv6 address then in brackets (default: the one that is
    /// found on this network, or localhost)
    #[argh(positional, arg_name = "HOST[:PORT]")]
    pub(crate) address: Option<Address>,

    /// the name to answer the server with
    #[argh(option, arg_name = "NAME")]
    pub(crate) name: Option<String>,

    /// come back when the server is lost, and keep trying when it cannot be reached
    #[argh(switch)]
    pub(crate) retry: bool,

    /// do not ring when somebody says your name
    #[argh(switch)]
    pub(crate) no_bell: bool,
}

/// Serve the room (this is what happens without a command).
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "serve")]
#[argh(help_triggers("-h", "--help", "help"))]
pub(crate) struct Serve {
    /// where to listen; may be given several times (default [::]:4000, both families)
    #[argh(option, arg_name = "ADDR:PORT", from_str_fn(address))]
    pub(crate) listen: Vec<SocketAddr>,

    /// where browsers join; may be given several times (default [::]:4080, unless --listen is given)
    #[argh(option, arg_name = "ADDR:PORT", from_str_fn(address))]
    pub(crate) web: Vec<SocketAddr>,

    /// no page
    #[argh(switch)]
    pub(crate) no_web: bool,

    /// clients at once (default 1000)
    #[argh(option, arg_name = "N", default = "1000", from_str_fn(positive))]
    pub(crate) max_clients: usize,

    /// clients at once from one address; loopback is exempt (default 32)
    #[argh(option, arg_name = "N", default = "32", from_str_fn(positive))]
    pub(crate) max_per_address: usize,

    /// lines a second that one client may sustain; 0 is no limit (default 20)
    #[argh(option, arg_name = "N", default = "20", from_str_fn(number))]
    pub(crate) rate: u32,

    /// lines kept for /history (default 100)
    #[argh(option, arg_name = "N", default = "100", from_str_fn(lines))]
    pub(crate) history: usize,

    /// lines of it sent to each newcomer (default 0)
    #[argh(option, arg_name = "N", default = "0", from_str_fn(lines))]
    pub(crate) replay: usize,

    /// append every public line, with its time, to FILE; history is reloaded from it
    #[argh(option, arg_name = "FILE")]
    pub(crate) transcript: Option<PathBuf>,

    /// memory for files that members share, in MiB; 0 is no files (default 32)
    #[argh(option, arg_name = "MIB", default = "32", from_str_fn(mebibytes))]
    pub(crate) files: usize,

    /// an empty name is answered with one (Guest1, Guest2 ...) instead of refused
    #[argh(switch)]
    pub(crate) guests: bool,

    /// who joins is asked for the password in the first line of FILE
    #[argh(option, arg_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// be NAME.local on this network (default dynasti)
    #[argh(option, arg_name = "NAME", from_str_fn(host_name))]
    pub(crate) mdns: Option<String>,

    /// say nothing on the network
    #[argh(switch)]
    pub(crate) no_mdns: bool,

    /// one room with other servers, through NATS: nats://[USER:PASSWORD@]HOST[:PORT][/ROOM]
    #[argh(option, arg_name = "URL")]
    pub(crate) link: Option<Broker>,

    /// what this server is called there (default its host name up to the first dot)
    #[argh(option, arg_name = "NAME", from_str_fn(server))]
    pub(crate) link_name: Option<Server>,

    /// its password, instead of in the URL
    #[argh(option, arg_name = "FILE")]
    pub(crate) link_password_file: Option<PathBuf>,

    /// do not read standard input
    #[argh(switch)]
    pub(crate) no_console: bool,
}

/// The text to print instead of running a command.
#[derive(Debug)]
pub(crate) struct Instead {
    /// Whole lines, with their line ends.
    pub(crate) text: String,
    /// Whether the arguments are wrong. The text is then for standard error.
    pub(crate) wrong: bool,
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// When the arguments are wrong, or ask for the help or the version. The error is the text to print.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, Instead> {
    let mut words = Vec::new();
    for arg in args {
        let arg = arg
            .into_string()
            .map_err(|arg| wrong(&format!("Argument '{}' is not UTF-8, as all must be.", arg.to_string_lossy())))?;
        // argh understands `--option value`. People also type `--option=value`.
        match arg.split_once('=') {
            Some((option, value)) if taken(option).is_some() => words.extend([option.to_string(), value.to_string()]),
            Some((switch, _)) if SWITCHES.contains(&switch) => {
                return Err(wrong(&format!("{switch} takes no value.")));
            }
            _ => words.push(arg),
        }
    }
    if words
        .first()
        .is_some_and(|word| word.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&&**word))
    {
        words.insert(0, "serve".into());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let args = Args::from_args(&["dynasti"], &words).map_err(|exit| match exit.status {
        Ok(()) => Instead { text: HELP.into(), wrong: false },
        Err(()) => wrong(&without_password(&exit.output, &words)),
    })?;
    if args.version {
        return Err(Instead { text: version(), wrong: false });
    }
    match args.command {
        Some(Command::Serve(Serve { no_web: true, ref web, .. })) if !web.is_empty() => {
            Err(wrong("--web and --no-web exclude each other."))
        }
        Some(Command::Serve(Serve { ref web, .. })) if !web.is_empty() && !cfg!(feature = "web") => {
            Err(wrong("--web is not part of this program: it was built without it."))
        }
        Some(Command::Serve(Serve { no_mdns: true, mdns: Some(_), .. })) => {
            Err(wrong("--mdns and --no-mdns exclude each other."))
        }
        Some(Command::Serve(Serve { mdns: Some(_), .. })) if !cfg!(feature = "discovery") => {
            Err(wrong("--mdns is not part of this program: it was built without it."))
        }
        Some(Command::Serve(Serve { link: None, ref link_name, ref link_password_file, .. }))
            if link_name.is_some() || link_password_file.is_some() =>
        {
            Err(wrong("--link-name and --link-password-file belong to --link, which is not there."))
        }
        Some(Command::Find(_)) if !cfg!(feature = "discovery") => {
            Err(wrong("find is not part of this program: it was built without it."))
        }
        Some(command) => Ok(command),
        None => parse(std::iter::once("serve".into())),
    }
}

/// Returns the version, and the commit where the build knew it.
fn version() -> String {
    let commit = option_env!("DYNASTI_COMMIT").map(|commit| format!(" ({commit})"));
    format!("dynasti {}{}\n", env!("CARGO_PKG_VERSION"), commit.unwrap_or_default())
}

/// Makes one line about wrong arguments of what argh or this file says of them.
fn wrong(why: &str) -> Instead {
    let mut why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    // argh does not say what the missing value is.
    let missing = why.strip_prefix("No value provided for option '").and_then(|rest| rest.strip_suffix("'."));
    if let Some(value) = missing.and_then(taken) {
        why += &format!(" It takes {value}");
    }
    Instead { text: format!("dynasti: {why} (see dynasti --help)\n"), wrong: true }
}

/// Returns what argh says, without the URL of a broker, which may hold a password.
fn without_password(said: &str, words: &[&str]) -> String {
    let values = words.windows(2).filter(|pair| pair[0] == "--link" && !pair[1].is_empty());
    values.fold(said.to_owned(), |said, pair| said.replace(pair[1], "…"))
}

/// Returns the value that an option takes, as the help shows it, or `None` if it takes none or is no option.
fn taken(option: &str) -> Option<&'static str> {
    taken_in(HELP, option)
}

/// The same, as this help shows it. Options may share a row: `--a N, --b FILE  what both do`.
fn taken_in<'a>(help: &'a str, option: &str) -> Option<&'a str> {
    let typed = help.lines().filter_map(|line| line.trim_start().split("  ").next());
    let rest =
        typed.flat_map(|typed| typed.split(", ")).find_map(|typed| typed.strip_prefix(option)?.strip_prefix(' '))?;
    rest.split(' ').next().filter(|value| option.starts_with("--") && !value.is_empty())
}

/// Reads an address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "it takes ADDR:PORT, such as 0.0.0.0:4000 or [::]:4000".to_string())
}

/// Reads the name of a host on the network.
fn host_name(text: &str) -> Result<String, String> {
    /// A label of DNS has up to 63 bytes. The rest is for the number that is added when another host has the name.
    const LONGEST: usize = 52;
    let of_letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_one = (1..=LONGEST).contains(&text.len()) && of_letters && !text.starts_with('-') && !text.ends_with('-');
    let why = || format!("it takes NAME, up to {LONGEST} letters, digits and hyphens, and is then NAME.local");
    is_one.then(|| text.to_owned()).ok_or_else(why)
}

/// Reads the name of this server among linked servers.
fn server(text: &str) -> Result<Server, String> {
    let why = || format!("it takes NAME, up to {MAX_SERVER} letters, digits and hyphens");
    Server::parse(text).ok_or_else(why)
}

/// Stands for the broker in a program that was built without the feature `link`.
#[cfg(not(feature = "link"))]
#[derive(Debug)]
pub(crate) enum Broker {}

#[cfg(not(feature = "link"))]
impl std::str::FromStr for Broker {
    type Err = String;

    fn from_str(_: &str) -> Result<Broker, String> {
        Err("it is not part of this program, which was built without it".into())
    }
}

/// Reads a number that is not zero.
fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "it takes a number from 1 up".to_string())
}

/// Reads a number.
fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("it takes a number from 0 to {}", u32::MAX))
}

/// Reads a number of lines that are kept in memory. The limit protects against a mistyped number. A hundred thousand
/// usual lines, of 100 bytes, are 10 MB. If each had the greatest length that [`dynasti::text::line::Line`] allows, of
/// 12 KiB, they would be 1.2 GB.
fn lines(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= 100_000).ok_or_else(|| "it takes a number from 0 to 100000".to_string())
}

/// Reads an amount of memory in MiB. The limit protects against a mistyped number.
fn mebibytes(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= 4000).ok_or_else(|| "it takes a number from 0 to 4000".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What argh itself says of a command.
    fn told(words: &[&str]) -> String {
        Args::from_args(&["dynasti"], words).expect_err("help is no command").output
    }

    #[test]
    fn help_fits_a_terminal() {
        assert!(HELP.lines().count() < 24, "the prompt needs a line too");
        for line in HELP.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn help_leaves_nothing_out() {
        let commands = told(&["--help"]);
        let (_, commands) = commands.split_once("Commands:").expect("argh lists the commands");
        let commands: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(commands.contains(&"serve"), "{commands:?}");
        let mut options = told(&["--help"]);
        for command in commands {
            options += &told(&[command, "--help"]);
        }
        let options: Vec<&str> =
            options.split([' ', '\n', ',', '[', ']']).filter(|word| word.len() > 2 && word.starts_with("--")).collect();
        assert!(options.len() > 9, "{options:?}");
        for option in options {
            assert!(HELP.split([' ', ',']).any(|word| word == option), "{option} is not in the help");
            let is_switch = SWITCHES.contains(&option) || ["--help", "--version"].contains(&option);
            assert_ne!(taken(option).is_some(), is_switch, "{option} is in SWITCHES if it takes nothing");
        }
    }

    #[test]
    fn options_that_share_a_row_of_the_help_are_known_by_what_each_takes() {
        let help = "dynasti serve: serves\n  --a N, --b FILE  both\n  --c, --d  neither\n  --long-one MIB it [9]\n";
        let taken =
            ["--a", "--b", "--c", "--d", "--long-one", "--long", "dynasti"].map(|option| taken_in(help, option));
        assert_eq!(taken, [Some("N"), Some("FILE"), None, None, Some("MIB"), None, None]);
    }

    #[test]
    fn help_shows_the_defaults_that_are() {
        let Ok(Command::Serve(serve)) = parse(std::iter::empty()) else { panic!("without a command it serves") };
        let defaults = [
            ("--max-clients", serve.max_clients),
            ("--max-per-address", serve.max_per_address),
            ("--rate", serve.rate as usize),
            ("--history", serve.history),
            ("--replay", serve.replay),
            ("--files", serve.files),
        ];
        let is_number = |line: &&str| {
            let default = line.strip_suffix(']').and_then(|line| line.rsplit_once('['));
            default.is_some_and(|(_, default)| default.parse::<usize>().is_ok())
        };
        assert_eq!(
            HELP.lines().filter(is_number).count(),
            defaults.len(),
            "a number in the help is not looked at here"
        );
        for (option, default) in defaults {
            let line = HELP.lines().find(|line| line.trim_start().starts_with(option)).unwrap_or_default();
            assert!(line.ends_with(&format!("[{default}]")), "{option}: {line}");
        }
        assert!(serve.listen.is_empty() && serve.transcript.is_none() && !serve.no_console);
    }

    #[test]
    fn a_name_on_the_network_is_one_that_a_host_can_have() {
        let parsed = |word: &str| parse(["--mdns", word].iter().map(OsString::from));
        for name in ["dynasti", "a", "pi-2", "7", "Chat"] {
            let taken = matches!(parsed(name), Ok(Command::Serve(serve)) if serve.mdns.as_deref() == Some(name));
            assert_eq!(taken, cfg!(feature = "discovery"), "{name}");
        }
        for name in ["", "-a", "a-", "a.local", "a b", "ü", "a_b", &"a".repeat(53)] {
            assert!(parsed(name).is_err(), "{name}");
        }
        assert!(parse(["--mdns", "a", "--no-mdns"].iter().map(OsString::from)).is_err());
    }

    #[test]
    fn help_is_the_same_wherever_it_is_asked_for() {
        for words in
            [&["--help"][..], &["-h"], &["help"], &["serve", "--help"], &["serve", "help"], &["--rate", "1", "-h"]]
        {
            let instead = parse(words.iter().map(OsString::from)).expect_err("help is no command");
            assert_eq!((instead.text.as_str(), instead.wrong), (HELP, false), "{words:?}");
        }
    }
}
