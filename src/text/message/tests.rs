use unicode_width::UnicodeWidthStr;

use super::answers::{WHO_LINES, WHO_WIDTH};
use super::*;
use crate::text::command::usages;
use crate::text::line::{Decoder, Input, Line};
use crate::text::name::{Name, Refusal};

fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap()
}

fn line(typed: &str) -> Line<'static> {
    let typed = format!("{typed}\n");
    match Decoder::default().next(&mut typed.as_bytes()) {
        Some(Input::Line(line)) => line.into_owned(),
        other => panic!("{other:?}"),
    }
}

/// The one line that a message is, without its end.
fn text(message: Message) -> String {
    assert_eq!(message.lines(), 1);
    let text = String::from_utf8(message.into_bytes()).unwrap();
    assert_eq!(text.matches('\n').count(), 1);
    text.strip_suffix('\n').unwrap().to_string()
}

#[test]
fn the_contracts_texts_are_to_the_letter() {
    let (ann, anna) = (name("Ann"), name("Anna"));
    let taken = "Name \"Ann\" is already taken. Choose a different name:\n-- If that is you: try again in a few seconds; a \
                 connection that is dead is given up.\n";
    assert_eq!(Message::name_taken(&ann).bytes(), taken.as_bytes());
    for (message, expected) in [
        (Message::greeting(), "Hi! Welcome to Dynasti. What's your name?"),
        (Message::name_empty(), "Please enter a non-empty name:"),
        (
            Message::name_refused(&line("admin"), &Refusal::Reserved),
            "Name \"admin\" can't be used: it is reserved. Choose a different name:",
        ),
        (Message::welcome(&ann), "Welcome, Ann! You can now chat. Type messages and press Enter."),
        (Message::joined(&ann), "Ann has joined the chat."),
        (Message::left(&ann, None), "Ann has left the chat."),
        (Message::left(&ann, Some(&Cause::TooSlow)), "Ann has left the chat (too slow)."),
        (Message::left(&ann, Some(&Cause::Kicked(None))), "Ann has left the chat (kicked)."),
        (Message::left(&ann, Some(&Cause::Kicked(Some(line("spam"))))), "Ann has left the chat (kicked: spam)."),
        (Message::renamed(&ann, &anna), "Ann is now known as Anna."),
        (Message::server(&line("text")), "[SERVER]: text"),
        (Message::emote(&ann, &line("waves")), "* Ann waves"),
        (Message::private(&ann, &line("text")), "Ann (private): text"),
        (Message::line_too_long(), "-- Line too long (4096 bytes at most); not sent."),
        (Message::shutdown(), "Server is shutting down. Bye!"),
    ] {
        assert_eq!(text(message), expected);
    }
    let mut said = Message::default();
    said.say(&ann, &line("one"));
    said.say(&ann, &line("two: three"));
    assert_eq!((said.bytes(), said.lines()), (b"Ann: one\nAnn: two: three\n".as_slice(), 2));
}

#[test]
fn help_fits_a_terminal_of_sixty_by_twenty() {
    let help = Message::help();
    // One line of the twenty is for the prompt.
    assert!(help.lines() < 20);
    for line in help.texts() {
        assert!(line.starts_with("-- ") && line.width() <= 60, "{line}");
        assert_eq!(line.trim_end(), line);
    }
    assert!(usages().all(|usage| help.texts().any(|line| line.contains(&format!("/{} ", usage.name)))));
}

fn who(names: &[Name]) -> Vec<String> {
    Message::who(names.len(), names.iter()).texts().map(String::from).collect()
}

#[test]
fn who_is_one_line_while_it_fits_and_breaks_between_names() {
    assert_eq!(who(&[]), ["-- Nobody is here yet."]);
    assert_eq!(who(&[name("Ann")]), ["-- 1 here: Ann"]);
    assert_eq!(who(&["Ann", "Bob", "Cid Lee"].map(name)), ["-- 3 here: Ann, Bob, Cid Lee"]);
    for letter in ["n", "名"] {
        let names: Vec<Name> = (0..300).map(|n| name(&format!("{}{n}", letter.repeat(n % 22)))).collect();
        let rows = who(&names);
        let mut told = Vec::new();
        for row in &rows {
            assert!(row.width() <= WHO_WIDTH && row.starts_with("-- "), "{row}");
            told.push(row.trim_start_matches("-- ").trim_start_matches("300 here:").trim());
        }
        assert!(rows.len() > 1 && rows[1..].iter().all(|row| row.starts_with("--   ")));
        let names: Vec<&str> = names.iter().map(Name::as_str).collect();
        assert_eq!(told.join(" "), names.join(", "));
    }
}

#[test]
fn who_of_very_many_tells_how_many_more_there_are() {
    let names: Vec<Name> = (0..1000).map(|n| name(&format!("{n:023}"))).collect();
    let rows = who(&names);
    assert_eq!(rows.len(), WHO_LINES + 1);
    let told: usize = rows[..WHO_LINES].iter().map(|row| row.matches(',').count()).sum();
    assert_eq!(rows[WHO_LINES], format!("-- … and {} more", names.len() - told));
}

#[test]
fn what_was_typed_is_shown_back_but_not_all_of_it() {
    let long = "x".repeat(4000);
    for message in [Message::unknown_command(&long), Message::nobody_called(&line(&long))] {
        assert!(text(message).contains(&format!("{}…", "x".repeat(QUOTED))));
    }
    assert!(text(Message::unknown_command(&long)).len() < 200);
}
