//! The account of who has come: who was prompted and welcomed, and whether everybody was told of everybody who came
//! after, once and in the same order. Knows nothing of sockets.

use std::cmp::Reverse;
use std::io::BufRead;

use crate::fault::{Fault, Result};
use crate::peers::Manners;

/// Up to so many clients it is remembered who was told of whom; beyond, only of how many.
const REMEMBERED: usize = 1000;

const PROMPT: &[u8] = b"Hi! Welcome to Dynasti. What's your name?";
const WELCOME: &[u8] = b"Welcome, ";
const JOINED: &[u8] = b" has joined the chat.";
const LEFT: &[u8] = b" has left the chat";
const NCAT_LIST: &[u8] = b"<announce> already connected: ";
const NCAT_JOINED: &[u8] = b" is connected as <user";

/// What one line says of coming and going.
enum Meaning<'a> {
    Prompt,
    Welcome,
    /// The client of this name has joined; ncat names only a descriptor.
    Joined(Option<&'a [u8]>),
    /// It is right that it is said, and of no account here.
    Other,
}

/// The account of who has come to one room.
pub(crate) struct Arrivals {
    manners: Manners,
    /// How many have come and were received.
    pub(crate) welcomed: usize,
    /// How many times somebody was told that somebody joined.
    pub(crate) notices: usize,
    /// The clients that were asked for their name and have not been looked at.
    pub(crate) prompted: Vec<usize>,
    /// How many lines about newcomers each client has heard.
    told: Vec<usize>,
    /// Whom each client was told of.
    told_of: Vec<Vec<u32>>,
}

impl Arrivals {
    /// Nobody has come to a server with these manners.
    pub(crate) fn new(manners: Manners) -> Self {
        let (told, told_of) = (Vec::new(), Vec::new());
        Self { manners, welcomed: 0, notices: 0, prompted: Vec::new(), told, told_of }
    }

    /// One more client is connecting.
    pub(crate) fn expect_one(&mut self) {
        self.told.push(0);
        self.told_of.push(Vec::new());
    }

    /// The client that came last has gone.
    pub(crate) fn forget_last(&mut self) {
        self.told.pop();
        self.told_of.pop();
        self.welcomed -= 1;
    }

    /// How many notices `newcomers` cause among themselves and the `present`.
    pub(crate) fn notices_due(&self, present: usize, newcomers: usize) -> usize {
        let of_others = (present..present + newcomers).sum::<usize>();
        match self.manners {
            Manners::Dynasti => of_others,
            // ncat tells each newcomer of itself too.
            Manners::Ncat => of_others + newcomers,
        }
    }

    /// Accounts for what `client` heard, whole lines.
    pub(crate) fn receive(&mut self, client: usize, mut lines: &[u8]) -> Result<()> {
        let mut rest = lines;
        // On a slice it cannot fail, and it is the one way to libc's memchr that std has.
        while let Ok(length @ 1..) = rest.skip_until(b'\n') {
            let line = &lines[..length - 1];
            lines = &lines[length..];
            match meaning(self.manners, line) {
                Some(Meaning::Prompt) => self.prompted.push(client),
                Some(Meaning::Welcome) => self.welcomed += 1,
                Some(Meaning::Joined(name)) => {
                    // ncat's first words to a newcomer are of itself.
                    self.welcomed += usize::from(self.manners == Manners::Ncat && self.told[client] == 0);
                    self.notices += 1;
                    self.told[client] += 1;
                    if self.told.len() <= REMEMBERED {
                        self.told_of[client].extend(name.and_then(number));
                    }
                }
                Some(Meaning::Other) => {}
                None => {
                    let line = String::from_utf8_lossy(line).into_owned();
                    return Err(Fault::Wrong(format!("client {client} was told {line:?}")));
                }
            }
        }
        Ok(())
    }

    /// Whoever came first was told of all others, whoever came last of nobody, and all in the same order.
    pub(crate) fn check(&self) -> Result<()> {
        let total = self.told.len();
        let mut order: Vec<u32> = (0..total as u32).collect();
        order.sort_by_key(|client| Reverse(self.told[*client as usize]));
        for (rank, client) in order.iter().enumerate() {
            let client = *client as usize;
            let expected = total - rank - usize::from(self.manners == Manners::Dynasti);
            if self.told[client] != expected {
                let heard = format!("client {client} was told of {} newcomers", self.told[client]);
                return Err(Fault::Wrong(format!("{heard}; {expected} came after it")));
            }
            // ncat's notices name a descriptor, which says nothing here.
            let known = self.manners == Manners::Dynasti && total <= REMEMBERED;
            if known && self.told_of[client] != order[rank + 1..] {
                return Err(Fault::Wrong(format!("client {client} was told of the newcomers in an order of its own")));
            }
        }
        Ok(())
    }
}

fn meaning(manners: Manners, line: &[u8]) -> Option<Meaning<'_>> {
    let contains = |part: &[u8]| line.windows(part.len()).any(|window| window == part);
    match manners {
        Manners::Ncat if line.starts_with(NCAT_LIST) => Some(Meaning::Other),
        Manners::Ncat if contains(NCAT_JOINED) => Some(Meaning::Joined(None)),
        Manners::Ncat => Some(Meaning::Other),
        Manners::Dynasti => {
            if let Some(name) = line.strip_suffix(JOINED) {
                return Some(Meaning::Joined(Some(name)));
            }
            match line {
                PROMPT => Some(Meaning::Prompt),
                _ if line.starts_with(WELCOME) => Some(Meaning::Welcome),
                _ if contains(LEFT) => Some(Meaning::Other),
                _ => None,
            }
        }
    }
}

/// The client's number: what its name ends in.
fn number(name: &[u8]) -> Option<u32> {
    std::str::from_utf8(name.rsplit(u8::is_ascii_alphabetic).next()?).ok()?.parse().ok()
}
