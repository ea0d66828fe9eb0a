//! A person at a terminal: connects the editor, the screen and the link. Keys and lines go in, a window comes out,
//! until the person leaves or the server is lost. Knows nothing of sockets.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, RecvError, Sender, TrySendError};
use futures_lite::{FutureExt, Stream, StreamExt};

use super::editor::{Editor, Outcome};
use super::keys::{Key, Keys};
use super::known::Known;
use super::link::{Event, Standing};
use super::names::{Complete, Completions, Names, mention};
use super::own;
use super::paint::Painter;
use super::paths;
use super::screen::Screen;
use super::terminal::Terminal;
use crate::blocking::unblock;
use crate::text::command::{self, Command};
use crate::text::line;
use crate::text::spoken::{Spoken, names_in};
use crate::within::within;

/// Bytes that are read from the terminal at once. A paste comes in pieces of this size.
const READ: usize = 4096;

/// How many events are shown before the window is drawn again, so that a busy room does not cost hundreds of drawings.
const EVENTS_AT_ONCE: usize = 256;

/// How long a directory may take to be read when a path is completed. Nothing else is done meanwhile.
const LOOKS_FOR: Duration = Duration::from_secs(1);

/// How the conversation has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The person has left. If there is a connection, the server is told.
    Left { connected: bool },
    /// The link has ended.
    Unlinked,
}

/// What happens next.
enum Happening {
    /// So many bytes were typed.
    Typed(io::Result<usize>),
    /// The link has an event, or has ended.
    Told(Result<Event, RecvError>),
    /// The window has changed its size, or the program was continued.
    Woken,
}

/// The conversation of a person at a terminal.
pub(crate) struct Talk<W> {
    terminal: Terminal,
    wakes: W,
    events: Receiver<Event>,
    outgoing: Sender<Vec<u8>>,
    painter: Painter,
    bell: bool,
    keys: Keys,
    editor: Editor,
    screen: Screen,
    names: Names,
    /// The files that were heard of.
    known: Rc<RefCell<Known>>,
    /// The person's own directory.
    home: Option<PathBuf>,
    standing: Standing,
}

/// All that Tab completes: commands and names, numbers of files, and paths.
struct Completable<'a> {
    names: &'a Names,
    files: &'a Known,
    /// What the path before the cursor can be completed to, if there is one.
    paths: Option<Completions>,
}

impl Complete for Completable<'_> {
    fn completions(&self, before: &str) -> Option<Completions> {
        match (own::path_in(before), own::id_in(before)) {
            (Some(_), _) => self.paths.clone(),
            (None, Some(at)) => self.files.completions(&before[at..], at),
            (None, None) => self.names.completions(before),
        }
    }
}

impl<W: Stream<Item = ()> + Unpin> Talk<W> {
    /// Begins at this terminal. The link is at the other end of the channels.
    pub(crate) fn new(
        terminal: Terminal,
        wakes: W,
        (outgoing, events): (Sender<Vec<u8>>, Receiver<Event>),
        (known, home): (Rc<RefCell<Known>>, Option<PathBuf>),
        painter: Painter,
        bell: bool,
    ) -> Talk<W> {
        let (columns, rows) = terminal.size();
        Talk {
            terminal,
            wakes,
            events,
            outgoing,
            painter,
            bell,
            keys: Keys::default(),
            editor: Editor::default(),
            screen: Screen::new(columns, rows),
            names: Names::default(),
            known,
            home,
            standing: Standing::Away,
        }
    }

    /// Runs until the person leaves or the link ends. The terminal is then as it was before.
    ///
    /// # Errors
    /// The terminal cannot be used any more.
    pub(crate) async fn run(mut self) -> io::Result<End> {
        let mut buffer = [0; READ];
        loop {
            self.draw().await?;
            match self.next(&mut buffer).await {
                // The terminal was closed, so the person has left.
                Happening::Typed(Ok(0)) | Happening::Typed(Err(_)) => return Ok(self.leaving()),
                Happening::Typed(Ok(read)) => {
                    for key in self.keys.decode(&buffer[..read]) {
                        match self.press(key).await {
                            Outcome::Edited => {}
                            Outcome::Refused => self.screen.ring(),
                            Outcome::Line(text) => self.say(text),
                            Outcome::Clear => self.screen.clear(),
                            Outcome::Suspend => self.suspend().await?,
                            Outcome::Leave => {
                                self.end().await?;
                                return Ok(self.leaving());
                            }
                        }
                    }
                }
                Happening::Told(Ok(event)) => {
                    self.handle(event);
                    for _ in 1..EVENTS_AT_ONCE {
                        let Ok(event) = self.events.try_recv() else { break };
                        self.handle(event);
                    }
                }
                Happening::Told(Err(RecvError)) => {
                    self.end().await?;
                    return Ok(End::Unlinked);
                }
                Happening::Woken => self.come_back().await?,
            }
        }
    }

    async fn next(&mut self, buffer: &mut [u8]) -> Happening {
        let typed = async { Happening::Typed(self.terminal.read(buffer).await) };
        let told = async { Happening::Told(self.events.recv().await) };
        let woken = async {
            match self.wakes.next().await {
                Some(()) => Happening::Woken,
                None => std::future::pending().await,
            }
        };
        // `race` polls in random order, so that neither a long paste nor a busy room keeps the others waiting.
        woken.race(typed.race(told)).await
    }

    /// Does what one key asks the editor for.
    async fn press(&mut self, key: Key) -> Outcome {
        let paths = if key == Key::Tab { self.paths().await } else { None };
        let known = Completable { names: &self.names, files: &self.known.borrow(), paths };
        self.editor.press(key, &known)
    }

    /// Returns what the path before the cursor can be completed to. A directory that cannot be read soon, because it is
    /// on another machine that is gone, counts as empty.
    async fn paths(&self) -> Option<Completions> {
        let before = &self.editor.text()[..self.editor.cursor()];
        let start = own::path_in(before)?;
        let (typed, home) = (before[start..].to_owned(), self.home.clone());
        within(LOOKS_FOR, unblock(move || paths::completions(&typed, start, home.as_deref()))).await?
    }

    /// Returns how the conversation ends when the person leaves now.
    fn leaving(&self) -> End {
        End::Left { connected: self.standing != Standing::Away }
    }

    // ---- the window

    async fn draw(&mut self) -> io::Result<()> {
        let (text, cursor) = (self.editor.text(), self.editor.cursor());
        match self.standing {
            // Nobody nearby is to read it.
            Standing::Password => {
                let stars = |text: &str| "*".repeat(text.chars().count());
                self.screen.draw(&stars(text), text[..cursor].chars().count());
            }
            _ => self.screen.draw(text, cursor),
        }
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.terminal.write(&self.screen.take_output()).await
    }

    /// Ends the use of the window. A typed line stays visible, an empty one is erased.
    async fn end(&mut self) -> io::Result<()> {
        self.screen.set_status("");
        if self.editor.text().is_empty() {
            self.screen.erase();
        } else {
            self.screen.draw(self.editor.text(), self.editor.text().len());
            self.screen.keep();
        }
        self.flush().await?;
        self.terminal.leave();
        Ok(())
    }

    async fn suspend(&mut self) -> io::Result<()> {
        self.screen.erase();
        self.flush().await?;
        self.terminal.leave();
        Terminal::stop();
        self.come_back().await
    }

    /// Continues after a stop or a change of the window's size, as soon as the terminal is ours.
    async fn come_back(&mut self) -> io::Result<()> {
        while !self.terminal.is_ours() {
            if self.wakes.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
        self.terminal.enter()?;
        let (columns, rows) = self.terminal.size();
        self.screen.resize(columns, rows);
        Ok(())
    }

    // ---- what is heard

    /// Does what an event asks for.
    fn handle(&mut self, event: Event) {
        match event {
            Event::Notice(words) => self.screen.show(&self.painter.notice(&words)),
            Event::Lines(lines) => lines.iter().for_each(|line| self.hear(line)),
            Event::Standing(standing) => self.standing = standing,
            Event::Progress(words) => self.screen.set_status(&words),
        }
    }

    /// Shows a line from the server, and learns from it who is here.
    fn hear(&mut self, line: &str) {
        let spoken = Spoken::read(line);
        let me = match &self.standing {
            Standing::Here(name) => Some(name.as_str()),
            _ => None,
        };
        let called = |text| me.is_some_and(|me| mention(text, me).is_some());
        match spoken {
            Spoken::Said(who, _) | Spoken::Private(who, _) | Spoken::Joined(who) => self.names.hear(who),
            Spoken::Left(who) => self.names.forget(who),
            Spoken::Renamed(old, new) => {
                self.names.forget(old);
                self.names.hear(new);
            }
            Spoken::Present(row) => {
                names_in(row).filter(|name| Some(*name) != me).for_each(|name| self.names.know(name))
            }
            _ => {}
        }
        let wanted = match spoken {
            Spoken::Said(_, text) | Spoken::Emote(text) | Spoken::Server(text) => called(text),
            Spoken::Private(..) => true,
            _ => false,
        };
        self.screen.show(&self.painter.heard(line, spoken, &self.names, me));
        if wanted && self.bell {
            self.screen.ring();
        }
    }

    // ---- what is said

    /// Sends a line and shows it as ours. If it cannot be sent, the reason is shown and Up recalls the line.
    fn say(&mut self, text: String) {
        let shown = match &self.standing {
            Standing::Here(_) if text.trim().is_empty() => return,
            Standing::Away => return self.keep(&text, "Not connected"),
            _ if text.len() > line::MAX_LINE => {
                return self.keep(&text, &format!("Line too long ({} bytes at most)", line::MAX_LINE));
            }
            Standing::Password => None,
            Standing::Naming => Some(text.clone()),
            Standing::Here(me) => self.echo(&text, me),
        };
        match self.outgoing.try_send(format!("{text}\n").into_bytes()) {
            Ok(()) => {
                if matches!(self.standing, Standing::Here(_)) {
                    self.editor.remember(&text);
                }
                shown.iter().for_each(|line| self.screen.show(line));
            }
            Err(TrySendError::Full(_)) => self.keep(&text, "The server has not taken the last lines yet"),
            Err(TrySendError::Closed(_)) => self.keep(&text, "Not connected"),
        }
    }

    /// Shows why a line is not sent, and keeps it for Up.
    fn keep(&mut self, text: &str, why: &str) {
        self.editor.remember(text);
        self.screen.show(&self.painter.notice(&format!("-- {why}; not sent. Up brings it back.")));
        self.screen.ring();
    }

    /// Returns how a line of ours is shown in the conversation. The server sends it to everybody but us.
    fn echo(&self, text: &str, me: &str) -> Option<String> {
        match command::parse(text) {
            Command::Say => Some(self.painter.said(me, text)),
            Command::SayAfterSlash => Some(self.painter.said(me, &text[1..])),
            // The server's answer shows it.
            Command::Me(_) | Command::Msg(_) | Command::Reply(_) => None,
            _ => Some(self.painter.notice(&format!("> {text}"))),
        }
    }
}
