//! Names: what is asked again, what is taken, what cannot be used, and that each refusal says why.

use crate::harness::{self, Client, PERHAPS, Server};

const ASKED_AGAIN: &str = "Please enter a non-empty name:";

/// Gives a name and is told that it cannot be used, and why. Returns the reason.
#[track_caller]
fn refused(guest: &mut Client, name: &str) -> String {
    guest.says(name);
    let told = guest.hears_one("a refusal with its reason", |line| reason(line).is_some_and(|reason| reason.len() > 3));
    reason(&told).unwrap_or_default().to_owned()
}

/// What stands for REASON in a refusal.
fn reason(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("Name \"")?.strip_suffix(". Choose a different name:")?;
    rest.split_once("\" can't be used: ").map(|(_, reason)| reason)
}

/// Gives a name and is told that somebody has it.
#[track_caller]
fn taken(guest: &mut Client, name: &str) {
    guest.says(name);
    guest.hears_one("that the name is taken", |line| {
        line.starts_with("Name \"") && line.ends_with("\" is already taken. Choose a different name:")
    });
    guest.hears(PERHAPS);
}

#[test]
fn an_empty_or_blank_name_is_asked_for_again() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    for blank in ["", " ", "     ", "\r"] {
        guest.says(blank);
        guest.hears(ASKED_AGAIN);
    }
    guest.joins("Ann");
}

#[test]
fn with_guests_an_empty_name_becomes_the_lowest_free_guests() {
    let server = Server::start(&["--guests"]);
    let [mut ann, mut taken] = server.room(["Ann", "guest2"]);
    let mut guests: Vec<Client> = (0..3).map(|_| server.guest()).collect();
    guests.iter_mut().for_each(|guest| guest.says(""));
    let mut welcomes: Vec<String> = guests
        .iter_mut()
        .map(|guest| guest.hears_one("a welcome", |heard| heard.starts_with("Welcome, Guest")))
        .collect();
    welcomes.sort();
    let welcome = |name: &str| format!("Welcome, {name}! You can now chat. Type messages and press Enter.");
    assert_eq!(welcomes, [welcome("Guest1"), welcome("Guest3"), welcome("Guest4")]);
    // A name that is given up is free again.
    taken.says("/nick Bob");
    taken.hears_until("-- You are now known as Bob.");
    let mut guest = server.guest();
    guest.says("  \t ");
    guest.hears("Welcome, Guest2! You can now chat. Type messages and press Enter.");
    guest.says("/nick Cid");
    guest.hears("-- You are now known as Cid.");
    let mut next = server.guest();
    next.says("");
    next.hears("Welcome, Guest2! You can now chat. Type messages and press Enter.");
    next.says("hello");
    ann.hears_until("Guest2: hello");
}

#[test]
fn a_name_of_nothing_but_what_is_removed_is_empty() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    for nothing in ["\u{7}", "\u{1b}[31m", "\u{1b}]0;Ann\u{7}", "\u{202e}\u{feff}"] {
        guest.says(nothing);
        guest.hears(ASKED_AGAIN);
    }
}

#[test]
fn a_name_somebody_has_is_refused_to_the_letter() {
    let server = Server::start(&[]);
    let _ann = server.join("Ann");
    let mut guest = server.guest();
    guest.is_refused("Ann", "Ann");
    guest.joins("Anna");
}

#[test]
fn a_name_is_taken_in_every_case_width_and_spacing() {
    let server = Server::start(&["--rate", "0"]);
    let _ann = server.join("Ann Lee");
    let _zoe = server.join("Zoë");
    let mut guest = server.guest();
    for same in ["ann lee", "ANN LEE", "  aNN    lEE ", "Ａｎｎ Ｌｅｅ", "ＡＮＮ\u{3000}ＬＥＥ"] {
        taken(&mut guest, same);
    }
    taken(&mut guest, "ZOË");
    guest.joins("AnnLee");
}

#[test]
fn spaces_are_trimmed_and_collapsed() {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut guest = server.guest();
    guest.says("   Bob    the  Builder ");
    guest.hears("Welcome, Bob the Builder! You can now chat. Type messages and press Enter.");
    ann.hears("Bob the Builder has joined the chat.");
    guest.says("hi");
    ann.hears("Bob the Builder: hi");
}

#[test]
fn escapes_and_controls_are_not_part_of_a_name() {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut guest = server.guest();
    guest.sends("\x1b[31;1mB\x07o\u{202e}b\x1b[0m\u{feff}\r\n");
    guest.hears("Welcome, Bob! You can now chat. Type messages and press Enter.");
    ann.hears("Bob has joined the chat.");
    taken(&mut server.guest(), "B\u{9b}1mob");
}

#[test]
fn letters_of_every_script_digits_and_a_few_signs_make_a_name() {
    let server = Server::start(&[]);
    for name in ["Zoë", "小明", "Иван", "Ελένη", "محمد", "דנה", "सीता", "R2-D2", "7of9", "j.doe_1", "O", "Ærøskøbing"]
    {
        server.join(name).leaves();
    }
}

#[test]
fn accents_and_apostrophes_have_one_spelling_however_they_are_typed() {
    let server = Server::start(&[]);
    let [mut jose, mut obrien] = server.room(["José", "O'Brien"]);
    let mut guest = server.guest();
    // As macOS types it in names of files.
    guest.is_refused("Jose\u{301}", "José");
    // As a phone types it.
    guest.is_refused("O’Brien", "O'Brien");
    guest.says("L’E\u{301}toile");
    guest.hears("Welcome, L'Étoile! You can now chat. Type messages and press Enter.");
    for member in [&mut jose, &mut obrien] {
        member.hears("L'Étoile has joined the chat.");
    }
    guest.says("/msg o’brien hello");
    guest.hears("-- To O'Brien (private): hello");
    obrien.hears("L'Étoile (private): hello");
    guest.says("/msg jose\u{301} hello");
    jose.hears("L'Étoile (private): hello");
}

#[test]
fn twenty_four_characters_are_a_name_and_twenty_five_are_not() {
    let server = Server::start(&[]);
    server.join("abcdefghijklmnopqrstuvwx").leaves();
    server.join(&"ñ".repeat(24)).leaves();
    let mut guest = server.guest();
    refused(&mut guest, "abcdefghijklmnopqrstuvwxy");
    refused(&mut guest, &"ñ".repeat(25));
    refused(&mut guest, &"x".repeat(4000));
    guest.joins("short");
}

#[test]
fn a_name_that_cannot_be_used_is_refused_with_its_reason() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    guest.says("[SERVER]");
    guest.hears_one("the refusal of [SERVER]", |line| {
        line.starts_with("Name \"[SERVER]\" can't be used: ") && line.ends_with(". Choose a different name:")
    });
    guest.joins("Ann");
}

#[test]
fn no_name_starts_with_anything_but_a_letter_or_a_digit() {
    let server = Server::start(&[]);
    for names in [
        ["[SERVER]:", "-- Ann", "* Ann", ".ann", "_ann", "-ann", "\"Ann\""],
        ["@Ann", "#1", "(Ann)", "🙂", "<b>", "“Ann”", "‑Ann"],
    ] {
        let mut guest = server.guest();
        for name in names {
            refused(&mut guest, name);
        }
    }
}

#[test]
fn no_name_holds_what_a_line_is_made_of() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    for name in ["Ann:", "Ann: hi", "Ann (private)", "Ann*", "Ann, Bob", "Ann/Bob", "Ann🙂", "Ann: \u{fffd}"] {
        refused(&mut guest, name);
    }
    guest.sends(b"Ann\xc3\n");
    guest.hears_one("a refusal", |line| reason(line).is_some());
}

#[test]
fn reserved_names_are_refused_however_they_are_written() {
    let server = Server::start(&[]);
    let reserved = ["server", "system", "operator", "admin", "dynasti", "everyone", "all", "you"];
    for name in reserved {
        let mut guest = server.guest();
        refused(&mut guest, name);
        refused(&mut guest, &name.to_uppercase());
        let wide = name.chars().map(|letter| char::from_u32(letter as u32 + 0xfee0).unwrap_or(letter));
        refused(&mut guest, &format!("  {} ", wide.collect::<String>()));
        guest.joins(&format!("{name}2"));
        guest.leaves();
    }
}

#[test]
fn a_name_with_the_words_of_a_notice_is_refused() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    for name in [
        "Ann has joined the chat",
        "A HAS LEFT THE CHAT.",
        "A has  joined  the chat",
        "Bob is now known as",
        "has left the chat",
    ] {
        refused(&mut guest, name);
    }
}

#[test]
fn a_name_that_only_looks_like_another_is_refused() {
    let server = Server::start(&["--rate", "0"]);
    let _ann = server.join("Ann");
    for names in [
        // Blank look-alikes and characters that nobody sees.
        ["\u{115f}", "Ann\u{1160}", "A\u{3164}nn", "Ann\u{ffa0}", "Ann\u{200b}", "A\u{200d}nn"],
        // Combining marks alone, and more characters that nobody sees.
        ["\u{301}", "\u{301}\u{302}", "Ann\u{2060}", "Ann\u{ad}", "Ann\u{200c}", "Ann\u{180e}"],
        // Cyrillic and Greek letters among ASCII ones.
        ["Annа", "Аnn", "Bоb", "Sеrvеr", "Αnn", "οperator"],
    ] {
        let mut guest = server.guest();
        for name in names {
            refused(&mut guest, name);
        }
    }
}

#[test]
fn the_tenth_try_may_be_the_right_one() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    for _ in 0..9 {
        refused(&mut guest, "[SERVER]");
    }
    guest.joins("Ann");
}

#[test]
fn after_ten_tries_the_guest_is_told_so_and_let_go() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut guest = server.guest();
    for _ in 0..9 {
        taken(&mut guest, "Ann");
    }
    guest.sends("Ann\nGil\n");
    let last = guest.hears_out();
    assert!(last.starts_with(&[harness::taken("Ann"), PERHAPS.to_owned()]), "the last refusal: {last:?}");
    assert!(!last[last.len() - 1].ends_with("Choose a different name:"), "there is no choosing any more: {last:?}");
    bob.says("nobody came");
    ann.hears_nothing_before("Bob: nobody came");
}
