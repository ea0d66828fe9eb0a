//! Between the person and the link: the desk obeys the client's own commands, and passes on everything else.
//!
//! ```text
//! person ── lines ──→ desk ── lines ──→ link
//!    ↑                 │ ↑                │
//!    └──── events ─────┘ └──── events ────┘
//! ```
//!
//! For `/send PATH` it asks the server with `/send`, keeps the answer for itself, and sends the file there. For `/get`
//! it fetches a file from the address that the server has said. In each direction one file goes after the other, while
//! the talk goes on.
//!
//! Knows nothing of terminals and pipes. How files are sent, fetched and stored is known to `sending` and `fetching`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::pending;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::{FutureExt, future};

use super::fetching::{Fetching, News, Place};
use super::http::Url;
use super::known::{Known, Wanted};
use super::link::{Event, Standing};
use super::own::{self, Own};
use super::paths::{expanded, meant, shown, unquoted};
use super::sending::Outbound;
use crate::text::command::{self, Command, table};
use crate::text::file::ByteCount;
use crate::text::spoken::Spoken;
use crate::within::within;

/// How many files may wait to be sent, and how many to be fetched.
const WAITING_FILES: usize = 16;

/// How long the server may take to answer `/send`: it may be reading many lines that came before.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// How often the progress of a file is shown. A person reads no faster.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// See the module's head.
pub(crate) struct Desk {
    events: Sender<Event>,
    /// The person's own directory.
    home: Option<PathBuf>,
    known: Rc<RefCell<Known>>,
    /// Whether a line is said in the room, and not taken for a name or a password.
    here: Cell<bool>,
    /// Who waits for an answer to `/send`, in the order of the asking. It is None for the person, who has no channel.
    waiting: RefCell<VecDeque<Option<Sender<Answer>>>>,
    sends: (Sender<String>, Receiver<String>),
    gets: (Sender<Get>, Receiver<Get>),
    /// Requests to say `/send`, each with the channel for the answer.
    asks: (Sender<Sender<Answer>>, Receiver<Sender<Answer>>),
    /// The progress of the file that is sent, and of the one that is fetched, in words.
    progress: [RefCell<String>; 2],
    /// When progress was last shown.
    told: Cell<Option<Instant>>,
}

/// What the server answers to `/send`: where to send the file, or why not.
type Answer = Result<Url, String>;

/// A file to fetch.
struct Get {
    wanted: Wanted,
    path: String,
}

/// Which way a file goes. The numbers are indices into [`Desk::progress`].
#[derive(Clone, Copy)]
enum Way {
    Out = 0,
    In = 1,
}

/// What comes next to be passed on to the link.
enum Next {
    Said(Vec<u8>),
    Ask(Sender<Answer>),
    End,
}

impl Desk {
    /// Makes a desk that shows its notices through `events`, and adds each file that it hears of to `known`.
    pub(crate) fn new(events: Sender<Event>, known: Rc<RefCell<Known>>, home: Option<PathBuf>) -> Desk {
        Desk {
            events,
            home,
            known,
            here: Cell::new(false),
            waiting: RefCell::default(),
            sends: async_channel::bounded(WAITING_FILES),
            gets: async_channel::bounded(WAITING_FILES),
            asks: async_channel::bounded(1),
            progress: Default::default(),
            told: Cell::new(None),
        }
    }

    /// Runs until the link has ended, or the person has left and all that they said is passed on.
    pub(crate) async fn run(self, said: Receiver<Vec<u8>>, outgoing: Sender<Vec<u8>>, heard: Receiver<Event>) {
        let all_said = Cell::new(false);
        let mut saying = pin!(async {
            self.pass_on(said, outgoing).await;
            all_said.set(true);
        });
        let hearing = self.hear(heard);
        let said = async {
            saying.as_mut().await;
            pending().await
        };
        let files = async {
            future::zip(self.send_each(), self.get_each()).await;
            pending().await
        };
        let left = hearing.or(said).or(files).await;
        if left && !all_said.get() {
            saying.await;
        }
    }

    // ---- what is said

    /// Passes lines on to the link, except those that are for the client, until there are no more.
    async fn pass_on(&self, said: Receiver<Vec<u8>>, outgoing: Sender<Vec<u8>>) {
        loop {
            let line = async { said.recv().await.map_or(Next::End, Next::Said) };
            let ask = async { self.asks.1.recv().await.map_or(Next::End, Next::Ask) };
            let lines = match line.or(ask).await {
                Next::Said(lines) => self.obey(lines).await,
                Next::Ask(whom) => {
                    self.waiting.borrow_mut().push_back(Some(whom));
                    b"/send\n".to_vec()
                }
                Next::End => return,
            };
            if !lines.is_empty() && outgoing.send(lines).await.is_err() {
                return;
            }
        }
    }

    /// Obeys the lines that are for the client, and returns those that are for the server.
    async fn obey(&self, lines: Vec<u8>) -> Vec<u8> {
        if !self.here.get() || !lines.contains(&b'/') {
            return lines;
        }
        let mut rest = Vec::with_capacity(lines.len());
        for bytes in lines.split_inclusive(|&byte| byte == b'\n') {
            let line = String::from_utf8_lossy(bytes);
            let line = line.trim_end_matches(['\n', '\r']);
            match own::parse(line) {
                Some(Own::Send(path)) => self.queue(&self.sends.0, path.to_owned()).await,
                Some(Own::Get(what, path)) => {
                    let found = self.known.borrow().find(what);
                    let path = path.unwrap_or_default().to_owned();
                    match found {
                        Ok(wanted) => self.queue(&self.gets.0, Get { wanted, path }).await,
                        Err(why) => self.notice(why).await,
                    }
                }
                Some(Own::Misused(usage)) => {
                    self.notice(format!("Usage: /{} {} ({})", usage.name, usage.takes, usage.does)).await;
                }
                Some(Own::Help) => {
                    for row in table(own::usages()) {
                        self.notice(row).await;
                    }
                    rest.extend_from_slice(bytes);
                }
                None => {
                    if command::parse(line) == Command::Send {
                        self.waiting.borrow_mut().push_back(None);
                    }
                    rest.extend_from_slice(bytes);
                }
            }
        }
        rest
    }

    async fn queue<T>(&self, to: &Sender<T>, file: T) {
        if to.try_send(file).is_err() {
            self.notice(format!("{WAITING_FILES} files are waiting already. Try again later.")).await;
        }
    }

    // ---- what is heard

    /// Passes events on to the person, and learns from them. Returns true if the person has left, false if the link has
    /// ended.
    async fn hear(&self, heard: Receiver<Event>) -> bool {
        let left = async {
            self.events.closed().await;
            true
        };
        let hearing = async {
            while let Ok(event) = heard.recv().await {
                let event = match event {
                    Event::Lines(mut lines) => {
                        lines.retain(|line| self.learn(line));
                        if lines.is_empty() {
                            continue;
                        }
                        Event::Lines(lines)
                    }
                    Event::Standing(standing) => {
                        self.here.set(matches!(standing, Standing::Here(_)));
                        if standing == Standing::Away {
                            // No answer comes any more.
                            self.waiting.borrow_mut().clear();
                        }
                        Event::Standing(standing)
                    }
                    other => other,
                };
                if self.events.send(event).await.is_err() {
                    return true;
                }
            }
            false
        };
        // The receiver `heard` is dropped at the end, which tells the link that the person has left.
        hearing.or(left).await
    }

    /// Learns from a line of the server. Returns whether the person is to see it.
    fn learn(&self, line: &str) -> bool {
        match Spoken::read(line) {
            Spoken::Shared(_, _, size, link) | Spoken::SharedBefore(_, _, size, link) => {
                self.known.borrow_mut().hear(link, size);
            }
            Spoken::SendWith(link) => {
                // A file is sent to no other path, whatever the server says.
                let url = Url::parse(link).filter(|url| url.path().starts_with("/send/") && url.path().ends_with('/'));
                if let Some(url) = &url {
                    self.known.borrow_mut().hear_of_server(url);
                }
                let nowhere = || "the server names no address that a file can be sent to.".to_owned();
                return !self.answer(url.ok_or_else(nowhere));
            }
            Spoken::CannotSend => {
                return !self.answer(Err(line.strip_prefix("-- ").unwrap_or(line).to_owned()));
            }
            _ => {}
        }
        true
    }

    /// Passes an answer to `/send` to the upload that waits for it. Returns false if the person waits for it instead.
    fn answer(&self, answer: Answer) -> bool {
        let waiting = self.waiting.borrow_mut().pop_front().flatten();
        // This fails only if the upload has given up.
        waiting.is_some_and(|waiting| waiting.try_send(answer).is_ok())
    }

    // ---- files

    /// Sends files, one after the other.
    async fn send_each(&self) {
        while let Ok(typed) = self.sends.1.recv().await {
            match Outbound::open(meant(&typed, self.home.as_deref())).await {
                Ok(file) => {
                    let name = file.name.clone();
                    if let Err(why) = self.send(file).await {
                        self.notice(format!("{name} is not sent: {why}")).await;
                    }
                    self.over(Way::Out).await;
                }
                Err(why) => self.notice(why).await,
            }
        }
    }

    /// Sends one file. Afterwards the server tells everybody of it.
    async fn send(&self, file: Outbound) -> Result<(), String> {
        let (answer, answered) = async_channel::bounded(1);
        // Both ends of this channel are the desk's.
        let _ = self.asks.0.send(answer).await;
        let url = match within(ANSWERS_WITHIN, answered.recv()).await {
            Some(Ok(answer)) => answer?,
            Some(Err(_)) => return Err("the connection to the server was lost.".into()),
            None => return Err("the server does not answer /send.".into()),
        };
        let (name, whole) = (file.name.clone(), file.length);
        let sent = |bytes| self.progress(Way::Out, || format!("{name}: {} sent", part(bytes, whole)));
        file.send(&url, sent).await
    }

    /// Fetches files, one after the other.
    async fn get_each(&self) {
        let mut fetching = Fetching::default();
        while let Ok(Get { wanted, path }) = self.gets.1.recv().await {
            let words = match self.get(&mut fetching, &wanted, &path).await {
                Ok(words) => words,
                Err(why) => format!("{} is not fetched: {why}", called(&wanted)),
            };
            self.over(Way::In).await;
            self.notice(words).await;
        }
    }

    /// Fetches one file. Returns what is to be said about it.
    async fn get(&self, fetching: &mut Fetching, wanted: &Wanted, typed: &str) -> Result<String, String> {
        let place = Place::of(self.wanted_place(typed)).await?;
        let name = called(wanted);
        let tell = async |news: News<'_>| match news {
            News::Come(come, whole) => self.progress(Way::In, || format!("{name}: {} fetched", part(come, whole))),
            News::Cut(why, come, pause) => {
                let come = ByteCount(come);
                self.notice(format!("{name}: {why} {come} are here. Trying again in {pause} s.")).await;
            }
        };
        let fetched = fetching.fetch(wanted, &place, &tell).await?;
        let (size, path) = (ByteCount(fetched.length), shown(&fetched.path));
        let renamed = fetched.path.file_name().is_none_or(|name| name.to_string_lossy() != fetched.name);
        let there_was = if renamed { ", beside the one that was there" } else { "" };
        Ok(format!("Fetched {} ({size}){there_was}: {path}", fetched.name))
    }

    /// Returns the path that a person means: what is typed, without the quotes that a shell would have removed.
    fn wanted_place(&self, typed: &str) -> PathBuf {
        expanded(unquoted(typed), self.home.as_deref())
    }

    // ---- what is shown

    /// Shows the progress of a file, unless it was shown a moment ago.
    fn progress(&self, way: Way, words: impl FnOnce() -> String) {
        if self.told.get().is_some_and(|told| told.elapsed() < TOLD_EVERY) {
            return;
        }
        self.told.set(Some(Instant::now()));
        self.progress[way as usize].replace(words());
        // A terminal that is too slow for this misses nothing important.
        let _ = self.events.try_send(Event::Progress(self.in_progress()));
    }

    /// Removes the progress of a file that is not under way any more.
    async fn over(&self, way: Way) {
        self.progress[way as usize].take();
        self.show(Event::Progress(self.in_progress())).await;
    }

    fn in_progress(&self) -> String {
        let [out, into] = &self.progress;
        let words = [out.borrow().clone(), into.borrow().clone()];
        words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("  ")
    }

    async fn notice(&self, words: String) {
        self.show(Event::Notice(format!("-- {words}"))).await;
    }

    async fn show(&self, event: Event) {
        // This fails only when nobody reads the events any more.
        let _ = self.events.send(event).await;
    }
}

/// Returns a file's name by its address, until the server has said its name.
fn called(wanted: &Wanted) -> String {
    wanted.url.name().map_or_else(|| wanted.url.to_string(), |name| name.to_string())
}

/// Returns how much of a file has come, as people read it.
fn part(come: u64, whole: u64) -> String {
    let percent = (u128::from(come) * 100).checked_div(whole.into()).unwrap_or(100);
    format!("{percent} % of {}", ByteCount(whole))
}
