//! What is done about each request, and what is answered.
//!
//! Knows the room and its members. Knows of the connection only how a body is read from it; requests about files are in
//! `files`.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use smol::Timer;

use super::connection::{Connection, Held, NoBody};
use super::events::EventId;
use super::http::{Answer, Body, Head, Status, Wrong, in_query};
use super::route::{File, NoRoute, Route, route};
use super::sessions::Session;
use super::speakers::Said;
use super::{Context, events, origin, page, password, speakers};
use crate::access::admission::{Permit, Place, Refused};
use crate::access::password::Tried;
use crate::access::session::{self as conversation, Act, Session as Conversation};
use crate::access::talk::Talk;
use crate::files::Bytes;
use crate::room::{Acted, Id, NotJoined, Reader, Size};
use crate::text::line::{Decoder, Input, Line};
use crate::text::message::Message;
use crate::text::name::{Name, Refusal};
use crate::token::Token;

/// The largest body of a request that says lines, in bytes: the contract's 64 KiB, as for a line without an end.
const MAX_LINES: usize = 64 * 1024;

/// The largest body of a request that gives a name, in bytes: that of a line.
const MAX_NAME: usize = 4096;

/// How much of one request is published as one block: the contract's burst of 200 lines. The bytes, and one more line
/// of the largest size, are less than half of what a reader may lag: a larger block could put a good reader too far
/// behind.
const BLOCK: Size = Size { lines: 200, bytes: 48 * 1024 };

/// The longest `Idempotency-Key`, in bytes.
const MAX_KEY: usize = 128;

pub(super) const BAD_REQUEST: Status = (400, "Bad Request");
const UNAUTHORIZED: Status = (401, "Unauthorized");
pub(super) const FORBIDDEN: Status = (403, "Forbidden");
pub(super) const NOT_FOUND: Status = (404, "Not Found");
const CONFLICT: Status = (409, "Conflict");
pub(super) const TOO_LARGE: Status = (413, "Content Too Large");
pub(super) const TOO_MANY: Status = (429, "Too Many Requests");
pub(super) const UNAVAILABLE: Status = (503, "Service Unavailable");

/// How a request is to be answered.
pub(super) enum Outcome {
    Answer(Answer),
    /// This session's events are to be streamed, beginning after the event with this id.
    Stream(Arc<Session>, Option<EventId>),
    /// The body of the answer is this part of a file.
    File(Answer, Arc<Bytes>, Range<usize>),
}

/// Answers with a sentence that clients of `nc` hear, too.
pub(super) fn says(status: Status, message: &Message) -> Answer {
    Answer::text(status, message.bytes())
}

/// The answer to a request that cannot be read.
pub(super) fn wrong(wrong: Wrong) -> Answer {
    let status = match wrong {
        Wrong::Malformed => BAD_REQUEST,
        Wrong::HeadTooLarge => (431, "Request Header Fields Too Large"),
        Wrong::UnknownEncoding => (501, "Not Implemented"),
        Wrong::UnknownVersion => (505, "HTTP Version Not Supported"),
    };
    Answer::text(status, format!("{}\n", status.1))
}

/// The answer to a connection, or a session, for which there is no place.
pub(super) fn refused(why: &Refused) -> Answer {
    let soon = |answer: Answer, wait: Duration| answer.with("Retry-After", &wait.as_secs().max(1).to_string());
    match why {
        Refused::Full(max) => soon(says(UNAVAILABLE, &Message::full(*max)), Duration::from_secs(10)),
        Refused::FullForAddress(max) => {
            soon(says(UNAVAILABLE, &Message::full_for_address(*max)), Duration::from_secs(10))
        }
        Refused::Banned(left) => says(FORBIDDEN, &Message::banned(*left)),
        Refused::WrongPasswords(left) => soon(says(TOO_MANY, &Message::too_many_wrong_passwords(*left)), *left),
    }
}

/// Does what a request asks for.
pub(super) async fn answer(connection: &mut Connection, head: &Head, body: &mut Body, context: &Context) -> Outcome {
    match outcome(connection, head, body, context).await {
        Ok(outcome) => outcome,
        Err(answer) => Outcome::Answer(answer),
    }
}

async fn outcome(
    connection: &mut Connection,
    head: &Head,
    body: &mut Body,
    context: &Context,
) -> Result<Outcome, Answer> {
    let host = head.host.as_deref();
    if host.is_some_and(|host| !origin::is_ours(host)) {
        let words = "This server answers only to IP addresses and local names (.local, .lan, .home.arpa, .internal), and \
                     not to the Host of this request. Use the address that it shows at its start.\n";
        return Err(Answer::text((421, "Misdirected Request"), words));
    }
    if let Some(from) = &head.origin {
        if !host.is_some_and(|host| origin::is_own(from, host)) {
            let words =
                "The Origin of this request is not this server's own page. A proxy must pass on the browser's Host.\n";
            return Err(Answer::text(FORBIDDEN, words));
        }
    }
    let route = route(&head.method, &head.path).map_err(|why| match why {
        NoRoute::Path => Answer::text(NOT_FOUND, "There is nothing here.\n"),
        NoRoute::Method(allowed) => {
            Answer::text((405, "Method Not Allowed"), format!("This path takes {allowed}.\n")).with("Allow", allowed)
        }
    })?;
    let asked = Asked { connection, head, body, context };
    let answer = match route {
        Route::File(file) => page::file(match file {
            File::Page => &page::PAGE,
            File::Script => &page::SCRIPT,
            File::Style => &page::STYLE,
        }),
        Route::Invite => match host {
            Some(host) => page::invite(host, &head.query),
            None => return Err(wrong(Wrong::Malformed)),
        },
        Route::Metrics => asked.metrics().await,
        Route::Who => asked.who().await?,
        Route::Join => asked.join().await?,
        Route::Say => asked.say().await?,
        Route::Lines(token) => asked.lines(token).await?,
        Route::Leave(token) => asked.leave(token).await?,
        Route::Share(token) => asked.share(token).await?,
        Route::Send(code, name) => asked.share_by_code(code, name).await?,
        Route::Fetch(id) => return asked.fetch(id),
        Route::Events(token) => {
            let session = asked.session(token)?;
            if head.method != "HEAD" {
                return Ok(Outcome::Stream(session, asked.after()));
            }
            Answer { status: (200, "OK"), kind: "text/event-stream", ..Answer::nothing() }
        }
    };
    Ok(Outcome::Answer(answer))
}

/// A request, and what it is answered with.
pub(super) struct Asked<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) head: &'a Head,
    pub(super) body: &'a mut Body,
    pub(super) context: &'a Context,
}

impl Asked<'_> {
    /// Reads the body, `most` bytes at most.
    async fn body(&mut self, most: usize) -> Result<Held, Answer> {
        let read = self.connection.body(self.head, self.body, most, &self.context.held).await;
        read.map_err(|why| match why {
            NoBody::TooLarge => Answer::text(TOO_LARGE, format!("{most} bytes at most.\n")),
            NoBody::TooMany => {
                Answer::text(UNAVAILABLE, "Other requests hold all the memory that there is for requests. Try again.\n")
                    .with("Retry-After", "5")
            }
            NoBody::Wrong(why) => wrong(why),
            NoBody::Lost => lost(),
        })
    }

    /// Checks that this address is not refused, and that the password is right where there is one.
    fn admitted(&self) -> Result<(), Answer> {
        let (admission, from) = (&self.context.admission, self.connection.from.ip());
        admission.refused(from).map_or(Ok(()), |why| Err(refused(&why)))?;
        if !admission.has_password() {
            return Ok(());
        }
        let Some(given) = self.head.authorization.as_deref().and_then(password::given) else {
            return Err(wants_password(&Message::password_wanted()));
        };
        match admission.try_password(&given, from) {
            Tried::Right => Ok(()),
            Tried::Wrong => Err(wants_password(&Message::password_wrong())),
            Tried::NotNow(left) => Err(refused(&Refused::WrongPasswords(left))),
        }
    }

    /// Finds a session, and checks that the address is not banned.
    pub(super) fn session(&self, token: Token) -> Result<Arc<Session>, Answer> {
        let session = self.context.sessions.get(token).ok_or_else(gone)?;
        check_not_banned(self.context, self.connection.from.ip())?;
        Ok(session)
    }

    /// The event that the client says it has.
    fn after(&self) -> Option<EventId> {
        let given = self.head.last_event_id.clone().or_else(|| in_query(&self.head.query, "after"));
        given.and_then(|id| EventId::read(&id))
    }

    // ---- without a session

    async fn metrics(&self) -> Answer {
        let stats = self.context.room.stats().await;
        let mdns_dropped = self.context.options.mdns_dropped.as_ref().map(|count| count.load(Ordering::Relaxed));
        super::metrics::answer(&stats, self.context.admission.connections(), mdns_dropped)
    }

    async fn who(&self) -> Result<Answer, Answer> {
        self.admitted()?;
        let (here, elsewhere) = self.context.room.names().await;
        let mut json = format!("{{\"here\":{},\"names\":[", here.len() + elsewhere.len()).into_bytes();
        for (n, name) in here.iter().chain(&elsewhere).enumerate() {
            if n > 0 {
                json.push(b',');
            }
            events::string(&mut json, name.as_str());
        }
        json.extend_from_slice(b"]}\n");
        let answer = Answer { kind: "application/json", ..Answer::text((200, "OK"), json) };
        Ok(answer.with("Cache-Control", "no-store"))
    }

    async fn say(mut self) -> Result<Answer, Answer> {
        self.admitted()?;
        let name = in_query(&self.head.query, "name").unwrap_or_default();
        let name = line(&name);
        let name = Name::parse(&name).map_err(|why| not_named(&name, &why))?;
        let text = self.body(MAX_LINES).await?;
        match speakers::say(self.context, self.connection, &name, &text).await {
            Said::All => Ok(Answer::nothing()),
            Said::AllButLongLines => Err(says(TOO_LARGE, &Message::line_too_long())),
            Said::Taken => Err(says(CONFLICT, &Message::name_taken(&name))),
            Said::Refused(why) => Err(refused(&why)),
            Said::Closing => Err(says(UNAVAILABLE, &Message::shutdown())),
            Said::Lost => Err(lost()),
        }
    }

    // ---- sessions

    async fn join(mut self) -> Result<Answer, Answer> {
        self.admitted()?;
        let typed = self.body(MAX_NAME).await?;
        let typed = line(&String::from_utf8_lossy(&typed));
        let named = match Name::parse(&typed) {
            Ok(name) => Some(name),
            Err(Refusal::Empty) if self.context.options.guests => None,
            Err(why) => return Err(not_named(&typed, &why)),
        };
        let place = self.context.admission.place(self.connection.from, Place::Session);
        let permit = place.map_err(|why| refused(&why))?;
        let no_random = |_| says(UNAVAILABLE, &Message::no_random_numbers());
        let token = Token::random().map_err(no_random)?;
        let (reader, name) = self.enter(&permit, named).await?;
        let mut conversation = Conversation::new(conversation::Beginning::default());
        conversation.named(name);
        let talk = Talk::new(conversation, self.context.options.rate, Instant::now());
        self.context.sessions.begin(token, permit, reader, talk);
        let created = Answer::text((201, "Created"), token.to_string());
        Ok(created.with("Cache-Control", "no-store"))
    }

    /// Makes the client a member, under this name or as a guest.
    async fn enter(&self, permit: &Permit, named: Option<Name>) -> Result<(Reader, Name), Answer> {
        let room = &self.context.room;
        let closing = |_| says(UNAVAILABLE, &Message::shutdown());
        let reader = room.enter(self.connection.from, Message::default()).await.map_err(closing)?;
        let joined = match permit.banned() {
            // The ban came after the request was let in, and before the member was on the list.
            Some(left) => Err(refused(&Refused::Banned(left))),
            None => self.name(reader.id(), named).await,
        };
        match joined {
            Ok(name) => Ok((reader, name)),
            Err(answer) => {
                room.leave(reader.id(), None, Message::default()).await;
                Err(answer)
            }
        }
    }

    /// Gives the member this name, or a guest's.
    async fn name(&self, id: Id, named: Option<Name>) -> Result<Name, Answer> {
        let room = &self.context.room;
        let closing = || says(UNAVAILABLE, &Message::shutdown());
        let Some(name) = named else { return room.join_as_guest(id).await.ok_or_else(closing) };
        loop {
            match room.join(id, &name).await {
                Ok(()) => return Ok(name),
                Err(NotJoined::Gone) => return Err(closing()),
                // That holder is gone, so the next try finds another holder, or none.
                Err(NotJoined::Taken(holder)) if self.ask_for_name(holder).await => {}
                Err(NotJoined::Taken(_)) => return Err(says(CONFLICT, &Message::name_taken(&name))),
            }
        }
    }

    /// Has the holder of a wanted name probed. Returns whether the holder was given up at once.
    async fn ask_for_name(&self, holder: Id) -> bool {
        self.context.holders.ask(&self.context.room, holder, self.connection.from.ip()).await
    }

    async fn lines(mut self, token: Token) -> Result<Answer, Answer> {
        let session = self.session(token)?;
        let key = self.head.idempotency_key.clone().filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| key.len() > MAX_KEY) {
            return Err(Answer::text(BAD_REQUEST, format!("An Idempotency-Key has {MAX_KEY} bytes at most.\n")));
        }
        let text = self.body(MAX_LINES).await?;
        // Under this lock a repeated request waits until the first one, which waits for the pace, is done.
        let mut saying = session.saying.lock().await;
        // Decoded as UTF-8 here, so that no byte of it is taken for telnet's. The last line ends with the request.
        let text = [String::from_utf8_lossy(&text).as_bytes(), b"\n"].concat();
        let Some(mut rest) = text.get(saying.done_of(key.as_deref())..) else { return Ok(Answer::nothing()) };
        saying.talk.begin_anew();
        while !rest.is_empty() {
            while let Some(wait) = saying.talk.pace.wait(Instant::now()) {
                Timer::after(wait).await;
                if self.connection.is_broken() {
                    // The rest is said when the request comes again.
                    saying.done(key, text.len() - rest.len());
                    return Err(lost());
                }
            }
            if !self.context.room.is_member(session.id).await {
                return Err(gone());
            }
            let (turn, after) = saying.talk.turn(rest, BLOCK);
            if after.len() == rest.len() {
                // It was a line without an end. Nothing after it is read.
                break;
            }
            rest = after;
            if !turn.said.is_empty() {
                let manner = saying.talk.sending.manner();
                let waited = self.context.room.say(session.id, turn.said, manner).await;
                saying.talk.sending.waited(waited);
            }
            if let Some(act) = turn.act {
                if !self.act(&session, &mut saying.talk, act).await {
                    break;
                }
            }
        }
        saying.done(key, usize::MAX);
        Ok(Answer::nothing())
    }

    /// Does what a line asks for besides being said. Returns whether the session goes on.
    async fn act(&self, session: &Session, talk: &mut Talk, act: Act) -> bool {
        let (room, manner) = (&self.context.room, talk.sending.manner());
        match act {
            Act::Answer(message) => talk.sending.waited(room.answer(session.id, message, manner).await),
            Act::Command(line) => {
                let (acted, waited) = room.act(session.id, &line, manner).await;
                talk.sending.waited(waited);
                match acted {
                    Acted::Done => {}
                    Acted::Renamed(name) => talk.session.named(name),
                    Acted::Taken(holder) => {
                        self.ask_for_name(holder).await;
                    }
                    Acted::Files(about) => {
                        if let Ok(local) = self.connection.stream.get_ref().local_addr() {
                            let answer = self.context.options.sharing.answer(about, session.id, local);
                            talk.sending.waited(room.answer(session.id, answer, manner).await);
                        }
                    }
                    Acted::Quit => {
                        self.end(session, Message::bye()).await;
                        return false;
                    }
                }
            }
            // A line without an end is answered like one that is too long: the next request can still be read.
            Act::End(..) => talk.sending.waited(room.answer(session.id, Message::line_too_long(), manner).await),
            // These come only from a client without a name, and a session always has one.
            Act::Password(_) | Act::Join(_) | Act::JoinAsGuest | Act::Who => {}
        }
        true
    }

    async fn leave(self, token: Token) -> Result<Answer, Answer> {
        let session = self.session(token)?;
        self.end(&session, Message::bye()).await;
        Ok(Answer::nothing())
    }

    /// Ends a session. Its stream, if it has one, still writes `words`.
    async fn end(&self, session: &Session, words: Message) {
        self.context.sessions.remove(session);
        self.context.room.leave(session.id, None, words).await;
    }
}

/// The answer to a request for a session that has ended, or never was.
pub(super) fn gone() -> Answer {
    Answer::text(NOT_FOUND, "There is no such session any more.\n")
}

/// The answer to a client whose connection is broken, or was silent for too long. Few read it.
pub(super) fn lost() -> Answer {
    Answer::text((408, "Request Timeout"), "The rest of the request did not come.\n")
}

fn wants_password(message: &Message) -> Answer {
    // No browser knows this scheme, so none opens a dialog of its own: the page asks for the password.
    says(UNAUTHORIZED, message).with("WWW-Authenticate", "Dynasti")
}

/// Checks that the operator has not banned this address.
pub(super) fn check_not_banned(context: &Context, from: IpAddr) -> Result<(), Answer> {
    let banned = context.admission.refused(from).filter(|why| matches!(why, Refused::Banned(_)));
    banned.map_or(Ok(()), |why| Err(refused(&why)))
}

fn not_named(typed: &Line<'_>, why: &Refusal) -> Answer {
    match why {
        Refusal::Empty => says(CONFLICT, &Message::name_empty()),
        why => says(CONFLICT, &Message::name_refused(typed, why)),
    }
}

/// Returns the first line of a text, decoded as if typed. It is empty if that line is too long.
fn line(text: &str) -> Line<'static> {
    let first = text.lines().next().unwrap_or_default();
    match Decoder::default().next(&mut format!("{first}\n").as_bytes()) {
        Some(Input::Line(line)) => line.into_owned(),
        _ => Line::empty(),
    }
}
