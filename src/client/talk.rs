//! A person at a terminal: keys and lines in, a window out, until the person or the server goes.

use std::io;

use async_channel::{Receiver, RecvError, Sender, TrySendError};
use futures_lite::{FutureExt, Stream, StreamExt};

use super::editor::{Editor, Outcome};
use super::keys::Keys;
use super::link::{Event, Standing};
use super::names::{Names, mention};
use super::paint::Painter;
use super::screen::Screen;
use super::terminal::Terminal;
use crate::text::command::{self, Command};
use crate::text::line;
use crate::text::spoken::{Spoken, names_in};

/// Bytes read from the terminal at once; a paste comes in pieces of this size.
const READ: usize = 4096;

/// So many events are shown before the window is drawn again, so that a busy room costs one drawing and not hundreds.
const EVENTS_AT_ONCE: usize = 256;

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The person left, while the server was there to be told or was not.
    Left { connected: bool },
    /// The link has nothing more to tell.
    Unlinked,
}

/// What happens next.
enum Happening {
    Typed(io::Result<usize>),
    Told(Result<Event, RecvError>),
    /// The window has changed, or the program was brought back.
    Woken,
}

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
    standing: Standing,
}

impl<W: Stream<Item = ()> + Unpin> Talk<W> {
    /// At this terminal, with a link at the other end of the channels.
    pub(crate) fn new(
        terminal: Terminal,
        wakes: W,
        (outgoing, events): (Sender<Vec<u8>>, Receiver<Event>),
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
            standing: Standing::Away,
        }
    }

    /// Talks until somebody goes. The terminal is then as it was before.
    ///
    /// # Errors
    /// The terminal cannot be used any more.
    pub(crate) async fn run(mut self) -> io::Result<End> {
        let mut buffer = [0; READ];
        loop {
            self.draw().await?;
            match self.next(&mut buffer).await {
                // The terminal is gone, and the person with it.
                Happening::Typed(Ok(0)) | Happening::Typed(Err(_)) => return Ok(self.left()),
                Happening::Typed(Ok(read)) => {
                    for key in self.keys.decode(&buffer[..read]) {
                        match self.editor.press(key, &self.names) {
                            Outcome::Edited => {}
                            Outcome::Refused => self.screen.ring(),
                            Outcome::Line(text) => self.say(text),
                            Outcome::Clear => self.screen.clear(),
                            Outcome::Suspend => self.suspend().await?,
                            Outcome::Leave => {
                                self.end().await?;
                                return Ok(self.left());
                            }
                        }
                    }
                }
                Happening::Told(Ok(event)) => {
                    self.take(event);
                    for _ in 1..EVENTS_AT_ONCE {
                        let Ok(event) = self.events.try_recv() else { break };
                        self.take(event);
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
        // By chance, so that neither a long paste nor a busy room can keep the others waiting.
        woken.race(typed.race(told)).await
    }

    fn left(&self) -> End {
        End::Left { connected: self.standing != Standing::Away }
    }

    // ---- the window

    async fn draw(&mut self) -> io::Result<()> {
        self.screen.draw(self.editor.text(), self.editor.cursor());
        self.flush().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.terminal.write(&self.screen.take_output()).await
    }

    /// Leaves the window in order: a line that was being typed stays to be read, an empty one goes.
    async fn end(&mut self) -> io::Result<()> {
        if self.editor.text().is_empty() {
            self.screen.erase();
        } else {
            self.screen.draw(self.editor.text(), self.editor.text().len());
            self.screen.leave_standing();
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

    /// Takes the terminal over again, as soon as it is ours, in whatever size it is now.
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

    fn take(&mut self, event: Event) {
        match event {
            Event::Notice(words) => self.screen.show(&self.painter.notice(&words)),
            Event::Lines(lines) => lines.iter().for_each(|line| self.hear(line)),
            Event::Standing(standing) => self.standing = standing,
        }
    }

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

    /// Sends a line and shows it as ours, or says why not and keeps it for Up.
    fn say(&mut self, text: String) {
        let shown = match &self.standing {
            Standing::Here(_) if text.trim().is_empty() => return,
            Standing::Away => return self.keep(&text, "Not connected"),
            _ if text.len() > line::MAX_LINE => {
                return self.keep(&text, &format!("Line too long ({} bytes at most)", line::MAX_LINE));
            }
            Standing::Naming => Some(text.clone()),
            Standing::Here(me) => self.echo(&text, me),
        };
        match self.outgoing.try_send(format!("{text}\n").into_bytes()) {
            Ok(()) => {
                if self.standing != Standing::Naming {
                    self.editor.remember(&text);
                }
                shown.iter().for_each(|line| self.screen.show(line));
            }
            Err(TrySendError::Full(_)) => self.keep(&text, "The server has not taken the last lines yet"),
            Err(TrySendError::Closed(_)) => self.keep(&text, "Not connected"),
        }
    }

    fn keep(&mut self, text: &str, why: &str) {
        self.editor.remember(text);
        self.screen.show(&self.painter.notice(&format!("-- {why}; not sent. Up brings it back.")));
        self.screen.ring();
    }

    /// How a line of ours looks in the conversation. The server sends it to everybody but us.
    fn echo(&self, text: &str, me: &str) -> Option<String> {
        match command::parse(text) {
            Command::Say => Some(self.painter.said(me, text)),
            Command::SayAfterSlash => Some(self.painter.said(me, &text[1..])),
            // The answer says it all again.
            Command::Me(_) | Command::Msg(_) | Command::Reply(_) => None,
            _ => Some(self.painter.notice(&format!("> {text}"))),
        }
    }
}
