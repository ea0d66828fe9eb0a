//! Requests about files: who may send one and who may fetch one, and what is answered.
//!
//! [`crate::files`] knows which files there are and how long they stay. `transfer` moves their bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use smol::Timer;

use super::answers::{
    Asked, FORBIDDEN, NOT_FOUND, Outcome, TOO_LARGE, TOO_MANY, UNAVAILABLE, check_not_banned, gone, lost, says,
};
use super::http::{Answer, Framing, Status, in_query};
use super::sessions::Session;
use super::transfer::NotReceived;
use crate::files::kind::Kind;
use crate::files::range::{Wanted, wanted};
use crate::files::{Files, Refused, Upload};
use crate::room::{Manner, NotHeard};
use crate::text::file::{FileLink, FileName, decoded, encoded};
use crate::text::message::Message;
use crate::token::Token;

/// How often it is checked, during an upload, that its member may still share a file.
const CHECK_EVERY: Duration = Duration::from_secs(1);

const CREATED: Status = (201, "Created");

/// How many files and codes that never were there an address may ask for in a second, after a burst. Nobody finds one
/// of 128 random bits at this rate.
const GUESSES: u32 = 1;

/// When an upload that found no room is to be tried again, in seconds: a small one under way is over by then.
const TRY_AGAIN: &str = "10";

impl Asked<'_> {
    /// Receives a file from a session, and shares it.
    pub(super) async fn share(self, token: Token) -> Result<Answer, Answer> {
        let session = self.session(token)?;
        let files = self.files()?;
        let name = in_query(&self.head.query, "name").unwrap_or_default();
        let upload = files.begin(session.id, self.length()?).map_err(refused)?;
        self.take(&files, upload, &FileName::of(&name), Some(&session)).await
    }

    /// Receives a file from somebody who has a member's code, and shares it as that member's.
    pub(super) async fn share_by_code(self, code: Token, name: &str) -> Result<Answer, Answer> {
        check_not_banned(self.context, self.connection.from.ip())?;
        let files = self.files()?;
        let upload = match files.begin_with(code, self.length()?, Instant::now()) {
            Err(Refused::BadCode) => {
                self.count_guess()?;
                return Err(refused(Refused::BadCode));
            }
            upload => upload.map_err(refused)?,
        };
        // No pace here: when the member asked for the code, that counted.
        self.take(&files, upload, &FileName::of(&decoded(name)), None).await
    }

    /// Receives a file, and lets everybody hear of it. `session` is the one whose pace counts, if it is one's.
    async fn take(
        self,
        files: &Arc<Files>,
        mut upload: Upload,
        name: &FileName,
        session: Option<&Session>,
    ) -> Result<Answer, Answer> {
        let Asked { connection, head, body, context } = self;
        let (room, by, from) = (&context.room, upload.by, connection.from.ip());
        room.name_if_heard(by).await.map_err(not_heard)?;
        let received = async {
            let received = connection.receive_file(head, body, &mut upload, &context.large_buffers).await;
            received.map_err(|why| match why {
                NotReceived::Refused(why) => refused(why),
                NotReceived::Lost => lost(),
            })
        };
        let ended = async {
            loop {
                Timer::after(CHECK_EVERY).await;
                room.name_if_heard(by).await.map_err(not_heard)?;
                check_not_banned(context, from)?;
            }
        };
        received.or(ended).await?;
        let manner = match session {
            Some(session) => paced(session).await,
            None => Manner::Typed,
        };
        // A member who has left or was muted meanwhile shares nothing, and one who has a new name shares under that.
        let by_name = room.name_if_heard(by).await.map_err(not_heard)?;
        let shared = files.finish(upload, name.clone(), by_name, Instant::now()).map_err(refused)?;
        let local = connection.stream.get_ref().local_addr().map_err(|_| lost())?;
        let link = FileLink { origin: files.origin().for_whoever_reached(local), id: shared.id, name };
        let (heard, waited) = room.share(by, shared.about.size, &link, manner).await;
        if let Some(session) = session {
            session.saying.lock().await.talk.sending.waited(waited);
        }
        if let Err(why) = heard {
            let _ = files.forget(&shared.id.to_string());
            return Err(not_heard(why));
        }
        Ok(Answer::text(CREATED, format!("{link}\n")).with("Location", &link.path()))
    }

    /// Answers with a file, or a part of it.
    pub(super) fn fetch(self, id: Token) -> Result<Outcome, Answer> {
        check_not_banned(self.context, self.connection.from.ip())?;
        let files = self.files()?;
        let Some(file) = files.find(id, Instant::now()) else {
            // To ask for a file that was there is no guess.
            match files.about(id) {
                Some(_) => self.check_guesses()?,
                None => self.count_guess()?,
            }
            return Err(Answer::text(NOT_FOUND, "There is no such file, or not any more.\n"));
        };
        let (tag, length) = (format!("\"{id}\""), file.bytes.len());
        // RFC 9110, 14.2: only GET asks for parts. A file has one version, so a part of another version cannot be
        // given.
        let is_wanted = self.head.method == "GET" && self.head.if_range.as_ref().is_none_or(|known| *known == tag);
        let range = self.head.range.as_deref().filter(|_| is_wanted);
        let (status, part) = match wanted(range, length) {
            Wanted::Whole => ((200, "OK"), 0..length),
            Wanted::Part(part) => ((206, "Partial Content"), part),
            Wanted::Beyond => {
                let beyond = Answer::text((416, "Range Not Satisfiable"), format!("It has {length} bytes.\n"));
                return Err(beyond.with("Content-Range", &format!("bytes */{length}")));
            }
        };
        let answer = Answer { status, kind: file.about.kind.media_type(), fields: String::new(), body: None }
            .with("Content-Length", &part.len().to_string())
            .with("Content-Disposition", &disposition(file.about.kind, &file.name))
            // A browser runs nothing in it.
            .with("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; media-src 'self'")
            .with("Cache-Control", "private, max-age=3600, immutable")
            .with("Accept-Ranges", "bytes")
            .with("ETag", &tag);
        let answer = match status.0 {
            206 => answer.with("Content-Range", &format!("bytes {}-{}/{length}", part.start, part.end - 1)),
            _ => answer,
        };
        match self.head.method.as_str() {
            "HEAD" => Ok(Outcome::Answer(answer)),
            _ => Ok(Outcome::File(answer, file.bytes, part)),
        }
    }

    /// Checks that this address has not guessed too often.
    fn check_guesses(&self) -> Result<(), Answer> {
        match self.context.guesses.wait(self.connection.from.ip(), GUESSES) {
            None => Ok(()),
            Some(_) => Err(Answer::text(
                TOO_MANY,
                "Too many files and codes that are not there were asked for. Try again in a second.\n",
            )
            .with("Retry-After", "1")),
        }
    }

    /// Counts one more guess of this address, unless it has guessed too often.
    fn count_guess(&self) -> Result<(), Answer> {
        self.check_guesses()?;
        self.context.guesses.spend(self.connection.from.ip(), GUESSES);
        Ok(())
    }

    /// The files of this server, if it keeps any.
    fn files(&self) -> Result<Arc<Files>, Answer> {
        let files = self.context.options.sharing.files();
        files.cloned().ok_or_else(|| says(NOT_FOUND, &Message::keeps_no_files()))
    }

    /// How many bytes the body is said to have.
    fn length(&self) -> Result<u64, Answer> {
        match self.head.framing {
            Framing::Length(length) if self.head.has_length => Ok(length),
            _ => Err(Answer::text((411, "Length Required"), "A file is sent with its length (Content-Length).\n")),
        }
    }
}

/// Waits until a session's pace allows one more line. Returns how it sends.
async fn paced(session: &Session) -> Manner {
    let mut saying = session.saying.lock().await;
    while let Some(wait) = saying.talk.pace.wait(Instant::now()) {
        Timer::after(wait).await;
    }
    saying.talk.pace.spend(true, 0);
    let now = saying.talk.pace.now();
    saying.talk.sending.sent(1, 0, now);
    saying.talk.sending.manner()
}

/// The answer to an upload that is refused.
fn refused(why: Refused) -> Answer {
    match why {
        Refused::TooLarge(most) => Answer::text(TOO_LARGE, format!("{most} bytes at most.\n")),
        Refused::NoRoom => {
            Answer::text(UNAVAILABLE, "There is no room while other files are on their way. Try again.\n")
                .with("Retry-After", TRY_AGAIN)
        }
        Refused::InUse => Answer::text(UNAVAILABLE, "A file is being sent with this code. Try again.\n")
            .with("Retry-After", TRY_AGAIN),
        Refused::BadCode => Answer::text(NOT_FOUND, "This code is not good any more. /send gives another.\n"),
        Refused::NoRandom => says(UNAVAILABLE, &Message::no_random_numbers()),
    }
}

/// The answer to an upload of a member who is not heard.
fn not_heard(why: NotHeard) -> Answer {
    match why {
        NotHeard::Gone => gone(),
        NotHeard::Muted => says(FORBIDDEN, &Message::muted()),
    }
}

/// Returns how a browser treats a file, and the name that it saves it under (RFC 6266, and RFC 8187 for what is not
/// ASCII).
fn disposition(kind: Kind, name: &FileName) -> String {
    let manner = if kind == Kind::Other { "attachment" } else { "inline" };
    let plain = |char: char| char.is_ascii_graphic() && !matches!(char, '"' | '\\' | '%') || char == ' ';
    let ascii: String = name.as_str().chars().map(|char| if plain(char) { char } else { '_' }).collect();
    format!("{manner}; filename=\"{ascii}\"; filename*=UTF-8''{}", encoded(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_in_ascii_and_in_full() {
        let told = |name| disposition(Kind::Png, &FileName::of(name));
        assert_eq!(told("a b.png"), "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png");
        let expected = "inline; filename=\"_ _x__.png\"; filename*=UTF-8''%C3%A9%20%22x%22%25.png";
        assert_eq!(told("é \"x\"%.png"), expected);
        assert!(disposition(Kind::Other, &FileName::of("x.svg")).starts_with("attachment; "));
    }
}
