//! What everybody must hear, decided when it is said: a room in its simplest form.
//!
//! It has no log and no lag. For each member it holds the bytes that are to come: it adds what is said at their end,
//! and takes what has come off their front. Knows the wording, which is not tested here. Knows no readers and no time.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::SystemTime;

use super::fail;
use super::script::Setting;
use crate::room::backpressure::BEHIND;
use crate::room::history::History;
use crate::room::log::{Id, Size};
use crate::room::members::{MAX_RENAMES, RENAMES_WITHIN};
use crate::room::outputs::Traffic;
use crate::text::line::Line;
use crate::text::message::{Cause, Message};
use crate::text::name::{Key, Name};

/// What one member has yet to receive.
#[derive(Debug, Default)]
pub(super) struct Stream {
    bytes: Vec<u8>,
    /// How much of it has come.
    come: usize,
}

impl Stream {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.come > 64 * 1024 {
            // The last byte stays, which says whether a line has ended.
            self.bytes.drain(..self.come - 1);
            self.come = 1;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes what has come, which must be what comes next.
    pub(super) fn come(&mut self, bytes: &[u8]) {
        if !self.rest().starts_with(bytes) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
            fail("a member hears what is not next", format_args!("{:?}, not {:?}", text(bytes), text(self.rest())));
        }
        self.come += bytes.len();
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.come..]
    }

    /// Leaves of what is to come only the rest of a line that has come in part.
    fn cut(&mut self) {
        let within = self.come > 0 && self.bytes[self.come - 1] != b'\n';
        let rest = self.rest().iter().position(|byte| *byte == b'\n').filter(|_| within);
        self.bytes.truncate(self.come + rest.map_or(0, |end| end + 1));
    }
}

/// What a reader must read that may skip what is said: whole entries, and how many lines of the log each has.
#[derive(Debug, Default)]
pub(super) struct Lossy {
    entries: VecDeque<(Vec<u8>, u64)>,
    /// How many lines were skipped, and are not found yet among the entries.
    lost: u64,
}

impl Lossy {
    fn add(&mut self, bytes: &[u8], lines: u64) {
        self.entries.push_back((bytes.to_vec(), lines));
    }

    /// Takes what has come, which must be what comes next but for what was said and is skipped.
    pub(super) fn come(&mut self, mut bytes: &[u8], lost: u64) {
        self.lost += lost;
        while !bytes.is_empty() {
            let Some((entry, lines)) = self.entries.pop_front() else {
                fail("an output is told what nobody said", String::from_utf8_lossy(bytes))
            };
            match bytes.strip_prefix(&*entry) {
                Some(rest) => bytes = rest,
                None if lines > 0 && lines <= self.lost => self.lost -= lines,
                // Whether who is dropped at their own /nick is so before it is printed depends on what gathers.
                None if self.entries.front().is_some_and(|(next, lines)| *lines == 0 && bytes.starts_with(next)) => {
                    self.entries.insert(1, (entry, lines));
                }
                None => {
                    let (missed, told) = (String::from_utf8_lossy(&entry), String::from_utf8_lossy(bytes));
                    fail("an output misses a line", format_args!("{missed:?}, and is told {told:?}"))
                }
            }
        }
    }

    /// Skips so many lines, which are whole entries.
    pub(super) fn skip(&mut self, mut lost: u64) {
        while lost > 0 {
            let lines = self.entries.pop_front().map_or(u64::MAX, |(_, lines)| lines);
            lost = lost.checked_sub(lines).unwrap_or_else(|| fail("an output counts what it skips", lost));
        }
    }

    /// Whether all has come but what is skipped.
    pub(super) fn is_done(&mut self) -> bool {
        while let Some((_, lines)) = self.entries.front().filter(|(_, lines)| *lines > 0 && *lines <= self.lost) {
            self.lost -= lines;
            self.entries.pop_front();
        }
        self.entries.is_empty()
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: Option<Name>,
    pub(super) address: IpAddr,
    /// Whether the room has it on its list.
    pub(super) here: bool,
    pub(super) hears: Stream,
    muted: bool,
    ignores: Vec<Id>,
    last_writer: Option<Id>,
    renames: Vec<SystemTime>,
    /// What was said lately by those who do not wait for it, and so may be more than it can take.
    pub(super) typed: Size,
    /// Whether that was too much since it last had read everything.
    pub(super) excused: bool,
}

impl Person {
    /// Judges whether more was said to it than half of what it may be behind, bulk aside.
    pub(super) fn judge(&mut self) {
        self.excused |= self.typed.exceeds(Size { lines: 350, bytes: 40 * 1024 });
        if self.hears.rest().is_empty() {
            (self.excused, self.typed) = (false, Size::default());
        }
    }

    /// It could take so much meanwhile.
    pub(super) fn pass(&mut self, bytes: u64) {
        let left = self.typed.bytes.saturating_sub(bytes);
        let lines = (self.typed.lines * left).checked_div(self.typed.bytes).unwrap_or_default();
        self.typed = Size { lines, bytes: left };
    }
}

/// An answer that is given after all that one action makes the room do.
pub(super) type Answer = Option<(Id, Message)>;

#[derive(Debug)]
pub(super) struct Model {
    pub(super) people: BTreeMap<Id, Person>,
    /// How much was ever said in public.
    pub(super) head: Size,
    /// How much was said to one alone by the action that is under way.
    pub(super) told: Size,
    /// Whether what is said now is sent in bulk.
    pub(super) bulk: bool,
    /// What is printed after all that one action makes the room do.
    pub(super) renamed: Option<Message>,
    pub(super) printed: Lossy,
    pub(super) written: Lossy,
    setting: Setting,
    history: History,
    closed: bool,
}

impl Model {
    pub(super) fn new(setting: Setting) -> Model {
        let history = History::new(setting.history, Vec::new());
        let (people, head, told) = (BTreeMap::new(), Size::default(), Size::default());
        let (printed, written) = (Lossy::default(), Lossy::default());
        Model { people, head, told, bulk: false, renamed: None, printed, written, setting, history, closed: false }
    }

    /// Everybody on the list, in the order in which they came.
    pub(super) fn here(&self) -> impl Iterator<Item = (Id, &Person)> {
        self.people.iter().filter(|(_, person)| person.here).map(|(id, person)| (*id, person))
    }

    fn person(&mut self, id: Id) -> Option<&mut Person> {
        self.people.get_mut(&id).filter(|person| person.here)
    }

    /// The name of a member who is on the list.
    pub(super) fn name(&self, id: Id) -> Option<Name> {
        self.people.get(&id).filter(|person| person.here)?.name.clone()
    }

    fn named(&self, key: &Key) -> Option<Id> {
        self.here().find(|(_, person)| person.name.as_ref().is_some_and(|name| name.key() == *key)).map(|(id, _)| id)
    }

    // ---- who hears what

    fn public(&mut self, message: &Message, author: Option<Id>, said: Option<SystemTime>) {
        if self.closed {
            return;
        }
        let size = size(message);
        self.head += size;
        for (id, person) in self.people.iter_mut().filter(|(_, person)| person.here && person.name.is_some()) {
            let ignored = said.is_some() && author.is_some_and(|author| person.ignores.contains(&author));
            if author != Some(*id) && !ignored {
                person.hears.add(message.bytes());
            }
            if !self.bulk || said.is_none() {
                person.typed += size;
            }
        }
        self.written.add(message.bytes(), size.lines);
        if let Some(at) = said {
            self.history.keep(at, author, message);
            if self.setting.watch {
                self.printed.add(message.bytes(), size.lines);
            }
        }
    }

    pub(super) fn tell(&mut self, id: Id, message: &Message) {
        let size = size(message);
        self.told = self.told.max(size);
        if let Some(person) = self.person(id) {
            person.hears.add(message.bytes());
            person.typed += size;
        }
    }

    /// What comes of an action after all that it makes the room do.
    pub(super) fn finish(&mut self, answer: Answer) {
        self.print_renamed();
        if let Some((id, message)) = answer {
            self.tell(id, &message);
        }
    }

    pub(super) fn print_renamed(&mut self) {
        if let Some(renamed) = self.renamed.take() {
            self.printed.add(renamed.bytes(), 0);
        }
    }

    fn print(&mut self, traffic: &Traffic<'_>) {
        self.printed.add(format!("{traffic}\n").as_bytes(), 0);
    }

    // ---- coming and going

    pub(super) fn enter(&mut self, id: Id, address: IpAddr) {
        let (hears, ignores) = (Stream::default(), Vec::new());
        let (typed, last_writer) = (Size::default(), None);
        let person = Person {
            name: None,
            address,
            here: true,
            hears,
            muted: false,
            ignores,
            last_writer,
            renames: Vec::new(),
            typed,
            excused: false,
        };
        self.people.insert(id, person);
        self.tell(id, &Message::greeting());
    }

    /// Gives a connection its first name, unless somebody has it. Returns whether it is a member now.
    pub(super) fn join(&mut self, id: Id, name: &Name, from: std::net::SocketAddr, at: SystemTime) -> bool {
        if self.named(&name.key()).is_some() || self.person(id).is_none() {
            return false;
        }
        self.print(&Traffic::Connected(name, from));
        self.public(&Message::joined(name), None, None);
        let mut welcome = Message::welcome(name);
        if self.setting.replay > 0 {
            welcome.append(&self.history.recall(self.setting.replay, BEHIND, &[], at));
        }
        self.tell(id, &welcome);
        if let Some(person) = self.person(id) {
            person.name = Some(name.clone());
            person.typed = Size::default();
        }
        true
    }

    /// Takes a connection off the list, with these last words.
    pub(super) fn leave(&mut self, id: Id, cause: Option<&Cause>, words: &Message) {
        let Some(person) = self.person(id) else { return };
        if cause == Some(&Cause::TooSlow) {
            person.hears.cut();
        }
        person.hears.add(words.bytes());
        person.here = false;
        let Some(name) = person.name.clone() else { return };
        for other in self.people.values_mut() {
            other.ignores.retain(|ignored| *ignored != id);
            other.last_writer = other.last_writer.filter(|writer| *writer != id);
        }
        self.public(&Message::left(&name, cause), None, None);
        self.print(&Traffic::Disconnected(&name));
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        let here: Vec<Id> = self.here().map(|(id, _)| id).collect();
        here.into_iter().for_each(|id| self.leave(id, None, &Message::shutdown()));
    }

    // ---- what members do

    /// The name of a member who is heard. A muted one is told that nobody hears it.
    fn speaker(&mut self, id: Id) -> Option<Name> {
        if self.person(id)?.muted {
            self.tell(id, &Message::muted());
            return None;
        }
        self.name(id)
    }

    pub(super) fn say(&mut self, id: Id, said: &Message, at: SystemTime) {
        if self.speaker(id).is_some() {
            self.public(said, Some(id), Some(at));
        }
    }

    pub(super) fn announce(&mut self, said: &Message, at: SystemTime) {
        self.public(said, None, Some(at));
    }

    pub(super) fn who(&mut self, id: Id) {
        let names: Vec<Name> = self.here().filter_map(|(_, person)| person.name.clone()).collect();
        self.tell(id, &Message::who(names.len(), names.iter()));
    }

    pub(super) fn recall(&mut self, id: Id, lines: usize, limit: Size, at: SystemTime) {
        let Some(person) = self.people.get(&id) else { return };
        let recalled = self.history.recall(lines, limit, &person.ignores, at);
        self.tell(id, &if recalled.is_empty() { Message::nothing_to_recall() } else { recalled });
    }

    pub(super) fn emote(&mut self, id: Id, action: &Line<'_>, at: SystemTime) -> Answer {
        let name = self.speaker(id)?;
        self.public(&Message::emote(&name, action), Some(id), Some(at));
        Some((id, Message::emoted(&name, action)))
    }

    pub(super) fn rename(&mut self, id: Id, new: &Name, at: SystemTime) -> Answer {
        let old = self.speaker(id)?;
        if new.as_str() == old.as_str() {
            return Some((id, Message::renamed_to_the_same(new)));
        }
        if self.named(&new.key()).is_some_and(|holder| holder != id) {
            return Some((id, Message::not_renamed_taken(new)));
        }
        let person = self.person(id)?;
        person.renames.retain(|renamed| *renamed + RENAMES_WITHIN > at);
        if person.renames.len() == MAX_RENAMES {
            let wait = (person.renames[0] + RENAMES_WITHIN).duration_since(at).unwrap_or_default();
            return Some((id, Message::renamed_too_often(MAX_RENAMES, wait)));
        }
        person.renames.push(at);
        person.name = Some(new.clone());
        self.public(&Message::renamed(&old, new), Some(id), None);
        self.renamed = Some(Message::renamed(&old, new));
        Some((id, Message::renamed_yourself(new)))
    }

    /// Writes to one alone: to whoever has the name that was typed, or to whoever wrote last.
    pub(super) fn msg(&mut self, id: Id, to: Option<&str>, typed: &Line<'_>, text: &Line<'_>) -> Answer {
        let name = self.speaker(id)?;
        let found = match to {
            Some(to) => self.named(&Key::of(to)),
            None => self.person(id)?.last_writer,
        };
        let Some(found) = found else {
            return Some((id, to.map_or_else(Message::nobody_to_reply_to, |_| Message::nobody_called(typed))));
        };
        if found == id {
            return Some((id, Message::that_is_you()));
        }
        let to = self.name(found)?;
        if !self.person(found)?.ignores.contains(&id) {
            self.person(found)?.last_writer = Some(id);
            self.tell(found, &Message::private(&name, text));
        }
        Some((id, Message::private_sent(&to, text)))
    }

    pub(super) fn ignore(&mut self, id: Id, whom: &Line<'_>) -> Answer {
        let Some(other) = self.named(&Key::of(whom)) else { return Some((id, Message::nobody_called(whom))) };
        let name = self.name(other)?;
        let ignores = &mut self.person(id)?.ignores;
        Some((
            id,
            match ignores.iter().position(|ignored| *ignored == other) {
                _ if id == other => Message::that_is_you(),
                Some(at) => {
                    ignores.remove(at);
                    Message::not_ignoring(&name)
                }
                None => {
                    ignores.push(other);
                    Message::ignoring(&name)
                }
            },
        ))
    }

    pub(super) fn mute(&mut self, id: Id, muted: bool) {
        let Some(person) = self.person(id) else { return };
        person.muted = muted;
        self.tell(id, &if muted { Message::muted() } else { Message::unmuted() });
    }
}

pub(super) fn size(message: &Message) -> Size {
    Size { lines: message.lines() as u64, bytes: message.bytes().len() as u64 }
}
