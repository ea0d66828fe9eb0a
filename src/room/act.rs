//! What members do besides talking: the one place where their commands are obeyed.
//!
//! A new command is a row of the table in `text::command`, and an arm here.

use std::num::NonZeroUsize;

use super::log::{Id, Kind};
use super::members::{Ignored, MAX_IGNORED, MAX_RENAMES};
use super::state::{NotHeard, Now, State};
use crate::text::command::{self, Command, addressees};
use crate::text::file::FileLink;
use crate::text::line::Line;
use crate::text::message::Message;
use crate::text::name::{Key, Name};

/// Lines that `/history` recalls when it is not told how many: a screenful.
const HISTORY_LINES: usize = 20;

/// The result of a command, for the member's own connection.
#[derive(Debug)]
pub enum Acted {
    /// The room has done it, and has answered.
    Done,
    /// The member has another name now.
    Renamed(Name),
    /// This connection has the name that the member wants.
    Taken(Id),
    /// The room knows nothing of files: the connection answers this.
    Files(AboutFiles),
    /// The member wants to leave.
    Quit,
}

/// What a member asks about files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AboutFiles {
    /// How to share one. The member is not muted.
    Send,
    /// Which ones are shared.
    List,
}

impl State {
    /// Obeys a command of a member, and answers the member.
    pub(super) fn act(&mut self, id: Id, line: &Line<'_>, now: Now) -> Acted {
        // The text after a command is a part of a clean line, so it is clean.
        let rest = |text: &str| line.last(text.len());
        match command::parse(line) {
            Command::Who => self.who(id, now),
            Command::Help => self.tell(id, Message::help(), now),
            Command::Me(action) => self.emote(id, &rest(action), now),
            Command::Msg(text) => self.msg(id, &rest(text), now),
            Command::Reply(text) => self.reply(id, &rest(text), now),
            Command::History(lines) => self.recall(id, lines, now),
            Command::Ignore(name) => self.ignore(id, &rest(name), now),
            Command::Misused(usage) => self.tell(id, Message::misused(&usage), now),
            Command::Unknown(word) => self.tell(id, Message::unknown_command(word), now),
            Command::Nick(new) => return self.rename(id, new, now),
            Command::Send if self.speaker(id, now).is_some() => return Acted::Files(AboutFiles::Send),
            Command::Send => {}
            Command::Files => return Acted::Files(AboutFiles::List),
            Command::Quit => return Acted::Quit,
            // These are no commands. The session treats such lines as said, so they do not get here.
            Command::Say | Command::SayAfterSlash => {}
        }
        Acted::Done
    }

    /// Answers a connection that asks who is here.
    pub(super) fn who(&mut self, id: Id, now: Now) {
        let here = self.members.named().map(|(_, name)| name);
        let count = self.members.count() + self.linked.count();
        self.tell(id, Message::who(count, here.chain(self.linked.names())), now);
    }

    /// Lets everybody hear that a member shares a file of so many bytes, the member as well.
    pub(super) fn share(&mut self, id: Id, size: u64, link: &FileLink<'_>, now: Now) -> Result<(), NotHeard> {
        let client = self.members.get(id).filter(|_| !self.is_closing()).ok_or(NotHeard::Gone)?;
        let name = client.name.clone().ok_or(NotHeard::Gone)?;
        if client.muted {
            return Err(NotHeard::Muted);
        }
        let kind = u8::try_from(name.as_str().len()).map_or(Kind::Said, Kind::Shared);
        self.post(Message::shared(&name, size, link), kind, Some(id), now);
        Ok(())
    }

    fn emote(&mut self, id: Id, action: &Line<'_>, now: Now) {
        let Some(name) = self.speaker(id, now) else { return };
        if let Some(other) = self.read_as_another(id, &name, action) {
            return self.tell(id, Message::emote_of_another(&other), now);
        }
        let kind = u8::try_from(name.as_str().len()).map_or(Kind::Said, Kind::Done);
        self.post(Message::emote(&name, action), kind, Some(id), now);
        self.tell(id, Message::emoted(&name, action), now);
    }

    /// Returns another member whose emote this could be. Names have spaces: `* Ann Lee waves` may be Ann's or Ann
    /// Lee's.
    fn read_as_another(&self, id: Id, name: &Name, action: &Line<'_>) -> Option<Name> {
        let text = format!("{name} {}", action.as_str());
        addressees(&text).find_map(|(key, _)| {
            let other = self.members.called(&key).filter(|other| other.id != id);
            let elsewhere = || self.linked.called(&key).and_then(|id| self.linked.name(id));
            other.and_then(|other| other.name.as_ref()).or_else(elsewhere).cloned()
        })
    }

    fn msg(&mut self, id: Id, typed: &Line<'_>, now: Now) {
        let Some(name) = self.speaker(id, now) else { return };
        if let Some((to, other, rest)) = self.linked.find(typed) {
            let (other, rest) = (other.clone(), typed.last(rest.len()));
            return match rest.is_empty() {
                true => self.tell(id, Message::nothing_to_say(&other), now),
                false => self.send_elsewhere(id, &name, to, &rest, now),
            };
        }
        match self.members.find(typed) {
            // No shorter name is tried instead: a private message must not go to a member by a guess.
            Some(to) if to.rest.is_empty() => self.tell(id, Message::nothing_to_say(&to.name), now),
            Some(to) => self.send_private(id, &name, to.id, &typed.last(to.rest.len()), now),
            None => self.tell(id, Message::nobody_called(typed), now),
        }
    }

    fn reply(&mut self, id: Id, text: &Line<'_>, now: Now) {
        let Some(name) = self.speaker(id, now) else { return };
        match self.members.get(id).and_then(|client| client.last_writer()) {
            Some(to) if to.is_elsewhere() => self.send_elsewhere(id, &name, to, text, now),
            Some(to) => self.send_private(id, &name, to, text, now),
            None => self.tell(id, Message::nobody_to_reply_to(), now),
        }
    }

    fn send_private(&mut self, from: Id, name: &Name, to: Id, text: &Line<'_>, now: Now) {
        if from == to {
            return self.tell(from, Message::that_is_you(), now);
        }
        let Some(other) = self.members.get_mut(to) else { return };
        let Some(other_name) = other.name.clone() else { return };
        // A member who is ignored must not notice it.
        let heard = !other.ignores().contains(&from);
        if heard {
            other.written_to_by(from);
        }
        self.stats.lines += 1;
        if heard {
            self.stats.deliveries += 1;
            self.tell(to, Message::private(name, text), now);
        }
        self.tell(from, Message::private_sent(&other_name, text), now);
    }

    fn rename(&mut self, id: Id, typed: &str, now: Now) -> Acted {
        let new = match Name::parse(typed) {
            Ok(new) => new,
            Err(why) => {
                self.tell(id, Message::not_renamed(&why), now);
                return Acted::Done;
            }
        };
        let Some(old) = self.speaker(id, now) else { return Acted::Done };
        if new.as_str() == old.as_str() {
            self.tell(id, Message::renamed_to_the_same(&new), now);
            return Acted::Done;
        }
        let holder = self.members.called(&new.key()).map(|holder| holder.id);
        if let Some(holder) = holder.filter(|holder| *holder != id) {
            self.tell(id, Message::not_renamed_taken(&new), now);
            return Acted::Taken(holder);
        }
        if let Some(Err(wait)) = self.members.get_mut(id).map(|client| client.count_rename(now.instant)) {
            self.tell(id, Message::renamed_too_often(MAX_RENAMES, wait), now);
            return Acted::Done;
        }
        // This does not fail: the holder was looked up above, and it is nobody else.
        let _ = self.members.give(id, &new);
        self.post(Message::renamed(&old, &new), Kind::News, Some(id), now);
        self.print(Message::renamed(&old, &new), now);
        self.tell(id, Message::renamed_yourself(&new), now);
        Acted::Renamed(new)
    }

    fn recall(&mut self, id: Id, lines: Option<NonZeroUsize>, now: Now) {
        let limit = self.room_for_answer(id);
        let Some(client) = self.members.get(id) else { return };
        let lines = lines.map_or(HISTORY_LINES, NonZeroUsize::get);
        let recalled = self.history.recall(lines, limit, client.ignores(), now.system);
        self.tell(id, if recalled.is_empty() { Message::nothing_to_recall() } else { recalled }, now);
    }

    fn ignore(&mut self, id: Id, typed: &Line<'_>, now: Now) {
        let key = Key::of(typed);
        let here = || self.members.called(&key).map(|other| (other.id, other.name.clone()));
        let other = self.linked.called(&key).map(|other| (other, self.linked.name(other).cloned())).or_else(here);
        let Some((other, Some(name))) = other else { return self.tell(id, Message::nobody_called(typed), now) };
        let ignored = match other.is_elsewhere() {
            true => self.ignore_elsewhere(id, other),
            false => self.members.ignore(id, other),
        };
        let answer = match ignored {
            Ignored::Oneself => Message::that_is_you(),
            Ignored::Now => Message::ignoring(&name),
            Ignored::NotAnyMore => Message::not_ignoring(&name),
            Ignored::TooMany => Message::ignoring_too_many(MAX_IGNORED),
        };
        self.tell(id, answer, now);
    }

    /// Returns the name of a member who is heard. Answers a member who is muted, and returns None.
    fn speaker(&mut self, id: Id, now: Now) -> Option<Name> {
        let client = self.members.get(id)?;
        if client.muted {
            self.tell(id, Message::muted(), now);
            return None;
        }
        client.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::room::tests::{Tried, line, message};
    use crate::room::{Manner, Options};
    use crate::text::file::FileName;
    use crate::token::Token;

    /// Two members, and what each of them hears when Ann does something.
    fn heard(typed: &str) -> (String, String) {
        let tried = Tried::new(Options::default());
        let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        ann.does(typed);
        (ann.hears(), bob.hears())
    }

    /// What Ann alone hears when she does something.
    fn answer(typed: &str) -> String {
        let (ann, bob) = heard(typed);
        assert_eq!(bob, "", "{typed}");
        ann
    }

    #[test]
    fn what_is_no_command_is_answered_to_its_author_alone_and_not_at_length() {
        assert_eq!(answer("/dance now"), "-- There is no /dance. Try /help, or //dance to say /dance.\n");
        assert_eq!(answer("/"), "-- There is no /. Try /help, or // to say /.\n");
        let long = format!("/{}", "x".repeat(4000));
        assert!(answer(&long).starts_with(&format!("-- There is no {}…. Try ", &long[..41])));
        assert_eq!(answer("/me"), "-- Usage: /me ACTION (show what you do: * Ann waves)\n");
    }

    #[test]
    fn help_and_who_answer_their_author() {
        assert!(answer("/help").starts_with("-- Type a line"));
        assert_eq!(answer("/WHO"), "-- 2 here: Ann, Bob\n");
        let tried = Tried::new(Options::default());
        let mut unnamed = tried.unnamed();
        block_on(tried.room.who(unnamed.id()));
        assert_eq!(unnamed.hears(), "-- Nobody is here yet.\n");
    }

    #[test]
    fn whoever_changes_the_name_twelve_times_waits_for_a_minute_to_pass() {
        let tried = Tried::new(Options::default());
        let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        for n in 1..=12 {
            ann.does(&format!("/nick Ann{n}"));
        }
        ann.hears();
        assert_eq!(bob.hears().lines().count(), 12);
        // What is refused for another reason does not count.
        ann.does("/nick Bob");
        ann.does("/nick Ann12");
        ann.hears();
        ann.does("/nick Ann");
        let told = ann.hears();
        assert!(told.starts_with("-- Your name has changed 12 times within a minute. Wait "), "{told}");
        assert_eq!(bob.hears(), "");
    }

    #[test]
    fn quitting_is_left_to_the_connection() {
        let tried = Tried::new(Options::default());
        let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        assert!(matches!(ann.does("/quit"), Acted::Quit));
        assert_eq!(bob.hears(), "");
    }

    #[test]
    fn an_emote_is_seen_by_the_others_and_shown_to_its_author() {
        assert_eq!(heard("/me waves"), ("-- * Ann waves\n".into(), "* Ann waves\n".into()));
    }

    #[test]
    fn no_emote_reads_as_if_somebody_else_did_it() {
        let tried = Tried::new(Options::default());
        let [mut ann, lee, mut bob] = tried.join_all(["Ann", "Ann Lee", "Bob"]);
        ann.does("/me LEE waves");
        assert!(ann.hears().starts_with("-- Not sent: while Ann Lee is here, "));
        ann.does("/me leers");
        assert_eq!(bob.hears(), "* Ann leers\n");
        lee.does("/nick Cid");
        ann.does("/me lee waves");
        assert_eq!(bob.hears(), "Ann Lee is now known as Cid.\n* Ann lee waves\n");
    }

    #[test]
    fn a_private_message_is_for_one_alone_and_shown_to_its_author() {
        let tried = Tried::new(Options::default());
        let [mut ann, mut bob, mut cid] = tried.join_all(["Ann", "Bob", "Cid"]);
        ann.does("/msg bob  hello  you");
        assert_eq!(bob.hears(), "Ann (private): hello  you\n");
        assert_eq!(ann.hears(), "-- To Bob (private): hello  you\n");
        assert_eq!(cid.hears(), "");
        assert_eq!(block_on(tried.room.stats()).lines, 1);
        assert_eq!(answer("/msg Ann me"), "-- That is you.\n");
        assert_eq!(answer("/msg Bob"), "-- And what do you want to tell Bob? Usage: /msg Bob TEXT\n");
        let nobody = "-- Nobody here is called \"Cid hello\". /who tells who is here.\n";
        assert_eq!(answer("/msg Cid hello"), nobody);
    }

    #[test]
    fn of_two_names_that_fit_the_longer_is_written_to() {
        let tried = Tried::new(Options::default());
        let [ann, mut cid, mut cid_lee] = tried.join_all(["Ann", "Cid", "Cid Lee"]);
        ann.does("/msg Cid Lee hello");
        assert_eq!((cid.hears(), cid_lee.hears()), (String::new(), "Ann (private): hello\n".into()));
        // Not the shorter one instead, if there is nothing to say to the longer.
        ann.does("/msg Cid Lee");
        assert_eq!((cid.hears(), cid_lee.hears()), (String::new(), String::new()));
    }

    #[test]
    fn a_reply_goes_to_whoever_wrote_last_as_long_as_they_are_here() {
        let nobody = "-- Nobody who is here has written to you with /msg yet.\n";
        assert_eq!(answer("/reply hello"), nobody);
        let tried = Tried::new(Options::default());
        let [mut ann, mut bob, cid] = tried.join_all(["Ann", "Bob", "Cid"]);
        bob.does("/msg Ann one");
        cid.does("/msg Ann two");
        bob.does("/nick Bobby");
        bob.does("/msg Ann three");
        ann.does("/reply four");
        assert!(bob.hears().ends_with("\nAnn (private): four\n"));
        assert!(ann.hears().ends_with("\n-- To Bobby (private): four\n"));
        block_on(tried.room.leave(bob.id(), None, Message::bye()));
        ann.does("/reply five");
        assert!(ann.hears().ends_with(nobody));
    }

    #[test]
    fn a_new_name_is_told_to_everybody_and_the_old_one_is_free() {
        let tried = Tried::new(Options::default());
        let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        let Acted::Renamed(new) = ann.does("/nick  Anna ") else { panic!("refused") };
        assert_eq!(new.as_str(), "Anna");
        assert_eq!(ann.hears(), "-- You are now known as Anna.\n");
        assert_eq!(bob.hears(), "Ann is now known as Anna.\n");
        assert!(matches!(bob.does("/nick ann"), Acted::Renamed(_)));
        // A name's case is its holder's to change.
        assert!(matches!(bob.does("/nick Ann"), Acted::Renamed(_)));
        assert!(ann.hears().ends_with("ann is now known as Ann.\n"));
    }

    #[test]
    fn a_name_that_cannot_be_had_is_refused_to_its_author_alone() {
        assert_eq!(answer("/nick Ann"), "-- Your name is Ann already.\n");
        let taken = "-- Name \"BOB\" is already taken.\n-- If that is you: try again in a few seconds; a connection that \
                     is dead is given up.\n";
        assert_eq!(answer("/nick BOB"), taken);
        let refused = answer("/nick [SERVER]");
        assert!(refused.starts_with("-- That name can't be used: "), "{refused}");
    }

    #[test]
    fn history_recalls_twenty_lines_or_as_many_as_are_asked_for() {
        assert_eq!(answer("/history"), "-- There are no earlier lines to read.\n");
        let tried = Tried::new(Options { history: 100, ..Options::default() });
        let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        (0..50).for_each(|n| ann.says("Ann", &n.to_string()));
        bob.hears();
        for (typed, lines) in [("/history", 20), ("/history 3", 3), ("/history 99", 50)] {
            bob.does(typed);
            let recalled = bob.hears();
            assert_eq!(recalled.lines().count(), lines, "{typed}");
            let last = recalled.lines().last().unwrap();
            assert!(last.starts_with("-- [") && last.ends_with(" ago] Ann: 49"), "{last}");
        }
        assert!(answer("/history 0").starts_with("-- Usage: /history [N]"));
    }

    #[test]
    fn an_answer_from_the_history_leaves_room_for_what_is_said_next() {
        let tried = Tried::new(Options { history: 1000, ..Options::default() });
        let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        for _ in 0..100 {
            ann.says("Ann", &"x".repeat(4000));
            ann.hears();
            bob.hears();
        }
        ann.says("Ann", "last");
        bob.stops();
        // Any number of times, unread.
        (0..20).for_each(|_| _ = bob.does("/history 100"));
        let heard = bob.hears();
        assert!(heard.starts_with("Ann: last\n-- … older lines that do not fit here: "));
        assert!(!heard.contains("too slow") && heard.len() < 128 * 1024);
    }

    #[test]
    fn who_is_ignored_is_not_heard_not_recalled_and_not_told() {
        let tried = Tried::new(Options { history: 9, ..Options::default() });
        let [mut ann, mut bob, mut cid] = tried.join_all(["Ann", "Bob", "Cid"]);
        bob.does("/ignore ann");
        assert_eq!(bob.hears(), "-- You don't hear Ann any more. /ignore Ann again to hear them.\n");
        ann.says("Ann", "hello");
        ann.does("/me waves");
        ann.does("/msg Bob psst");
        assert_eq!(ann.hears(), "-- * Ann waves\n-- To Bob (private): psst\n");
        assert_eq!(cid.hears(), "Ann: hello\n* Ann waves\n");
        ["/history", "/reply who?"].into_iter().for_each(|typed| _ = bob.does(typed));
        let nothing = "-- There are no earlier lines to read.\n";
        assert_eq!(bob.hears(), format!("{nothing}-- Nobody who is here has written to you with /msg yet.\n"));
        // News is for everybody.
        ann.does("/nick Anna");
        assert_eq!(bob.hears(), "Ann is now known as Anna.\n");
        bob.does("/ignore Anna");
        assert_eq!(bob.hears(), "-- You hear Anna again.\n");
        ann.says("Anna", "again");
        assert_eq!(bob.hears(), "Anna: again\n");
    }

    #[test]
    fn what_was_said_before_somebody_was_ignored_is_still_to_be_read() {
        let tried = Tried::new(Options::default());
        let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        ann.says("Ann", "before");
        bob.does("/ignore Ann");
        ann.says("Ann", "after");
        bob.does("/ignore Ann");
        let heard = bob.hears();
        assert!(heard.starts_with("Ann: before\n-- You don't hear Ann") && !heard.contains("after"), "{heard}");
    }

    #[test]
    fn who_comes_back_under_the_name_of_somebody_ignored_is_heard() {
        let tried = Tried::new(Options::default());
        let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        bob.does("/ignore Ann");
        block_on(tried.room.leave(ann.id(), None, Message::bye()));
        let ann = tried.join("Ann");
        ann.says("Ann", "hello");
        assert!(bob.hears().ends_with("Ann: hello\n"));
    }

    #[test]
    fn nobody_ignores_themselves_nobody_or_too_many() {
        assert_eq!(answer("/ignore Ann"), "-- That is you.\n");
        assert_eq!(answer("/ignore Cid"), "-- Nobody here is called \"Cid\". /who tells who is here.\n");
        let tried = Tried::new(Options::default());
        let [mut ann] = tried.join_all(["Ann"]);
        let others: Vec<_> = (0..=MAX_IGNORED).map(|n| tried.join(&format!("other{n}"))).collect();
        for n in 0..=MAX_IGNORED {
            ann.hears();
            ann.does(&format!("/ignore other{n}"));
        }
        assert_eq!(ann.hears(), "-- You ignore 100 people already; hear one of them again first.\n");
        others[0].says("other0", "hello");
        others[MAX_IGNORED].says("last", "hello");
        assert_eq!(ann.hears(), "last: hello\n");
    }

    #[test]
    fn who_is_muted_is_told_so_and_heard_by_nobody() {
        let tried = Tried::new(Options::default());
        let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        assert_eq!(block_on(tried.room.mute("ann", true)).unwrap().as_str(), "Ann");
        let muted = "-- The operator has muted you: nobody hears what you say.\n";
        assert_eq!(ann.hears(), muted);
        ann.says("Ann", "hello");
        ["/me waves", "/msg Bob hello", "/reply hello", "/nick Loud"].into_iter().for_each(|typed| _ = ann.does(typed));
        assert_eq!((ann.hears(), bob.hears()), (muted.repeat(5), String::new()));
        assert!(block_on(tried.room.mute("Ann and more", false)).is_err());
        block_on(tried.room.mute("Ann", false)).unwrap();
        ann.says("Ann", "hello");
        assert_eq!(ann.hears(), "-- The operator lets you be heard again.\n");
        assert_eq!(bob.hears(), "Ann: hello\n");
    }

    #[test]
    fn a_file_is_heard_of_by_everybody_but_who_ignores_its_author() {
        let tried = Tried::new(Options { history: 9, ..Options::default() });
        let [mut ann, mut bob, mut cid] = tried.join_all(["Ann", "Bob", "Cid"]);
        bob.does("/ignore Ann");
        bob.hears();
        let file = FileName::of("x.png");
        let link = FileLink { origin: ([127, 0, 0, 1], 4080).into(), id: Token::from(1), name: &file };
        let before = block_on(tried.room.stats());
        let share = || block_on(tried.room.share(ann.id(), 5, &link, Manner::Typed)).0;
        assert_eq!(share(), Ok(()));
        let shared = format!("Ann shares x.png (5 B): {link}\n");
        assert_eq!((bob.hears(), cid.hears()), (String::new(), shared.clone()));
        bob.does("/history");
        assert_eq!(bob.hears(), "-- There are no earlier lines to read.\n");
        let after = block_on(tried.room.stats());
        assert_eq!((after.lines - before.lines, after.deliveries - before.deliveries), (1, 2));
        block_on(tried.room.mute("Ann", true)).unwrap();
        assert_eq!(share(), Err(NotHeard::Muted));
        block_on(tried.room.leave(ann.id(), None, Message::bye()));
        assert_eq!(share(), Err(NotHeard::Gone));
        assert!(ann.hears().starts_with(&shared));
        assert_eq!(block_on(tried.room.share(bob.id(), 5, &link, Manner::Typed)).0, Ok(()));
        block_on(tried.room.close());
        assert_eq!(block_on(tried.room.share(cid.id(), 5, &link, Manner::Typed)).0, Err(NotHeard::Gone));
    }

    #[test]
    fn a_reason_for_ending_somebodys_connection_is_told_to_them_and_to_everybody() {
        let tried = Tried::new(Options::default());
        let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
        block_on(tried.room.kick(&line("bob  too  loud"))).unwrap();
        assert_eq!(bob.hears(), "-- The operator has ended your connection: too  loud\n");
        assert_eq!(ann.hears(), "Bob has left the chat (kicked: too  loud).\n");
        assert!(block_on(tried.room.kick(&line("bob"))).is_err());
    }

    #[test]
    fn whoever_follows_the_figures_is_told_when_they_change() {
        let tried = Tried::new(Options::default());
        let [ann, bob] = tried.join_all(["Ann", "Bob"]);
        let (before, changed) = block_on(tried.room.follow());
        assert!(!changed.is_closed());
        block_on(tried.room.answer(bob.id(), message("-- for Bob"), Manner::Typed));
        assert!(!changed.is_closed(), "that is nobody else's business");
        ann.says("Ann", "hello");
        assert!(changed.is_closed());
        let after = block_on(tried.room.stats());
        let differences = (after.lines - before.lines, after.deliveries - before.deliveries);
        assert_eq!((differences, after.here, after.most), ((1, 1), 2, 2));
    }
}
