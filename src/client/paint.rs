//! How a line looks: names in colours of their own, notices dim, our own name reversed where somebody mentions it.
//!
//! Knows nothing of where a line comes from or where it is shown. A line must be clean. Only SGR sequences are added.

use super::names::{Names, mention};
use crate::text::spoken::Spoken;

/// Colours of the 256-colour palette with a strong hue and a contrast of at least 4 to 1 with white and with black. The
/// contrast is that of WCAG 2.2, and the tests measure it.
const PALETTE: [u8; 11] = [27, 28, 30, 31, 64, 99, 130, 131, 133, 161, 164];

const RESET: &str = "\x1b[m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const REVERSED: &str = "\x1b[7m";
const NOT_REVERSED: &str = "\x1b[27m";

/// Paints lines, or returns them as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Painter {
    /// Whether anything is painted at all.
    pub(crate) colours: bool,
}

impl Painter {
    /// Paints a line that the server sent to the person called `me`.
    pub(crate) fn heard(self, line: &str, spoken: Spoken<'_>, names: &Names, me: Option<&str>) -> String {
        if !self.colours {
            return line.to_owned();
        }
        let me = me.unwrap_or_default();
        match spoken {
            Spoken::Said(who, text) => format!("{}: {}", name(who), mentioning(text, me)),
            Spoken::Private(who, text) => format!("{}{DIM} (private){RESET}: {}", name(who), mentioning(text, me)),
            Spoken::Emote(action) => {
                let first = action.split(' ').next().unwrap_or_default();
                let who = names.at_start_of(action).unwrap_or(first);
                format!("* {}{}", name(who), mentioning(&action[who.len()..], me))
            }
            Spoken::Emoted(action) => match action.strip_prefix(me) {
                Some(rest) => format!("{DIM}-- {RESET}* {BOLD}{}{rest}", name(me)),
                None => self.notice(line),
            },
            Spoken::PrivateSent(whom, text) => {
                format!("{DIM}-- To {RESET}{}{DIM} (private){RESET}: {text}", name(whom))
            }
            Spoken::Server(text) => format!("{BOLD}[SERVER]: {text}{RESET}"),
            Spoken::Password | Spoken::Greeting | Spoken::NameRefused => line.to_owned(),
            _ => self.notice(line),
        }
    }

    /// Paints what we said ourselves.
    pub(crate) fn said(self, me: &str, text: &str) -> String {
        if self.colours { format!("{BOLD}{}: {text}", name(me)) } else { format!("{me}: {text}") }
    }

    /// Paints a notice.
    pub(crate) fn notice(self, line: &str) -> String {
        if self.colours { format!("{DIM}{line}{RESET}") } else { line.to_owned() }
    }
}

/// Paints a name.
fn name(name: &str) -> String {
    format!("\x1b[38;5;{}m{name}{RESET}", colour(name))
}

/// Paints a text in which somebody may mention us.
fn mentioning(text: &str, me: &str) -> String {
    let (mut painted, mut rest) = (String::new(), text);
    while let Some(place) = mention(rest, me) {
        painted.push_str(&rest[..place.start]);
        painted.push_str(&format!("{REVERSED}{}{NOT_REVERSED}", &rest[place.clone()]));
        rest = &rest[place.end..];
    }
    painted + rest
}

/// Returns the colour of a name. It is always the same, in upper and in lower case.
///
/// The hash is FNV-1a (RFC 9923), because std's hashes may change from one release to the next.
fn colour(name: &str) -> u8 {
    let hash = name
        .to_lowercase()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    PALETTE[hash as usize % PALETTE.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: Painter = Painter { colours: true };

    fn painted(painter: Painter, line: &str) -> String {
        let mut names = Names::default();
        names.hear("Jean Paul");
        painter.heard(line, Spoken::read(line), &names, Some("Ann"))
    }

    /// Escape sequences made legible: `<1>`.
    fn legible(painted: &str) -> String {
        painted.replace("\x1b[", "<").replace("m", ">").replace("<>", "</>")
    }

    #[test]
    fn every_kind_of_line() {
        let (bob, jean) = (colour("Bob"), colour("Jean Paul"));
        for (line, look) in [
            ("Bob: hi", format!("<38;5;{bob}>Bob</>: hi")),
            ("Bob: hi ann! Ann?", format!("<38;5;{bob}>Bob</>: hi <7>ann<27>! <7>Ann<27>?")),
            ("Bob (private): hi", format!("<38;5;{bob}>Bob</><2> (private)</>: hi")),
            ("* Jean Paul cries", format!("* <38;5;{jean}>Jean Paul</> cries")),
            ("* Bob Ross cries", format!("* <38;5;{bob}>Bob</> Ross cries")),
            ("*", "<2>*</>".into()),
            ("[SERVER]: lunch", "<1>[SERVER]: lunch</>".into()),
            ("Bob has left the chat.", "<2>Bob has left the chat.</>".into()),
            ("-- * Ann waves", format!("<2>-- </>* <1><38;5;{}>Ann</> waves", colour("Ann"))),
            ("-- To Bob (private): hi", format!("<2>-- To </><38;5;{bob}>Bob</><2> (private)</>: hi")),
            ("-- 2 here: Ann, Bob", "<2>-- 2 here: Ann, Bob</>".into()),
        ] {
            assert_eq!(legible(&painted(COLOURS, line)), look);
            assert_eq!(painted(Painter { colours: false }, line), line);
        }
        let ann = colour("Ann");
        assert_eq!(legible(&COLOURS.said("Ann", "hi")), format!("<1><38;5;{ann}>Ann</>: hi"));
        assert_eq!(Painter { colours: false }.said("Ann", "hi"), "Ann: hi");
    }

    #[test]
    fn colours_are_steady() {
        assert_eq!(colour("Ann"), colour("aNN"));
        let used: std::collections::HashSet<u8> = (0..200).map(|n| colour(&format!("name {n}"))).collect();
        assert_eq!(used.len(), PALETTE.len());
    }

    #[test]
    fn colours_are_readable_on_dark_and_on_light() {
        // https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
        let linear = |level: u8| {
            let level = f64::from(level) / 255.0;
            if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
        };
        for colour in PALETTE {
            let level = |place: u8| [0, 95, 135, 175, 215, 255][usize::from((colour - 16) / place % 6)];
            let luminance = 0.2126 * linear(level(36)) + 0.7152 * linear(level(6)) + 0.0722 * linear(level(1));
            let (on_black, on_white) = ((luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05));
            assert!(on_black >= 4.0 && on_white >= 4.0, "{colour}: {on_black} {on_white}");
        }
    }
}
