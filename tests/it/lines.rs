//! Lines: what makes one, what it may hold, and what is left of it when it reaches somebody else.

use crate::harness::{PROMPT, Server};
use crate::random::Chance;
use fastrand::Rng;

const TOO_LONG: &str = "-- Line too long (4096 bytes at most); not sent.";

/// Says each line and checks what the other member hears of it.
#[track_caller]
fn heard_as<const N: usize>(cases: [(&[u8], &str); N]) {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    for (said, heard) in cases {
        ann.sends([said, b"\n"].concat());
        bob.hears(&format!("Ann: {heard}"));
    }
}

#[test]
fn many_lines_in_one_packet_are_many_lines_in_order() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("one\ntwo\nthree\n");
    bob.hears_each(["Ann: one", "Ann: two", "Ann: three"]);
}

#[test]
fn a_second_line_in_a_packet_cannot_forge_another_author() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("a\n[SERVER]: hi\nBob has left the chat.\r\n");
    bob.hears_each(["Ann: a", "Ann: [SERVER]: hi", "Ann: Bob has left the chat."]);
}

#[test]
fn a_line_split_over_many_packets_is_one_line() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    for byte in "smörgås 🍞".bytes() {
        ann.sends([byte]);
        // The server has read what came before: Bob's next word overtakes the unfinished line.
        bob.says(".");
        ann.hears("Bob: .");
    }
    ann.sends("\n");
    bob.hears("Ann: smörgås 🍞");
}

#[test]
fn a_name_split_over_packets_is_one_name() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut cid = server.guest();
    for part in ["C", "i", "d", "\r", "\nhel"] {
        cid.sends(part);
        bob.says(".");
        ann.hears_until("Bob: .");
    }
    cid.hears("Welcome, Cid! You can now chat. Type messages and press Enter.");
    cid.sends("lo\n");
    bob.hears_each(["Cid has joined the chat.", "Cid: hello"]);
}

#[test]
fn a_carriage_return_before_the_newline_is_not_part_of_the_line() {
    heard_as([
        (b"lf", "lf"),
        (b"crlf\r", "crlf"),
        (b"telnet\r\0", "telnet"),
        (b"two\r\r", "two"),
        (b"mid\rdle", "middle"),
    ]);
}

#[test]
fn the_last_line_counts_without_a_newline() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    bob.sends("first\nlast");
    bob.ends_input();
    ann.hears_each(["Bob: first", "Bob: last", "Bob has left the chat."]);
}

#[test]
fn a_name_without_a_newline_at_the_end_of_input_is_a_visit() {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut cron = server.guest();
    cron.sends("cron");
    cron.ends_input();
    cron.hears("Welcome, cron! You can now chat. Type messages and press Enter.");
    cron.hears_the_end();
    ann.hears_each(["cron has joined the chat.", "cron has left the chat."]);
}

#[test]
fn empty_lines_are_not_said() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("\n\r\n\r\0\n\x1b[0m\n\u{feff}\nhello\n\n");
    ann.says("again");
    bob.hears_each(["Ann: hello", "Ann: again"]);
}

#[test]
fn a_line_of_4096_bytes_is_said_and_one_of_4097_is_not() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let longest = "x".repeat(4096);
    ann.says(&longest);
    bob.hears(&format!("Ann: {longest}"));
    ann.says(&format!("{longest}y"));
    ann.hears(TOO_LONG);
    ann.says(&"z".repeat(60_000));
    ann.hears(TOO_LONG);
    ann.says("shorter");
    bob.hears_nothing_before("Ann: shorter");
}

#[test]
fn a_carriage_return_does_not_make_a_line_too_long() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let longest = "x".repeat(4096);
    ann.sends(format!("{longest}\r\n"));
    bob.hears(&format!("Ann: {longest}"));
}

#[test]
fn what_follows_a_too_long_line_in_the_same_packet_is_said() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends(format!("before\n{}\nafter\n", "x".repeat(5000)));
    ann.hears(TOO_LONG);
    bob.hears_each(["Ann: before", "Ann: after"]);
}

#[test]
fn a_too_long_last_line_is_not_said_either() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("x".repeat(5000));
    ann.ends_input();
    assert_eq!(ann.hears_out(), [TOO_LONG]);
    bob.hears("Ann has left the chat.");
}

#[test]
fn sixty_four_kib_without_a_newline_end_the_connection_and_no_other() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    ann.tries_to_send("x".repeat(80 * 1024));
    ann.hears_out();
    for other in [&mut bob, &mut cid] {
        other.hears_one("why Ann left", |line| line.starts_with("Ann has left the chat (") && line.ends_with(")."));
    }
    bob.says("that was long");
    cid.hears("Bob: that was long");
}

#[test]
fn sixty_four_kib_without_a_newline_at_the_name_prompt_end_the_connection() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut guest = server.dial();
    guest.tries_to_send("x".repeat(80 * 1024));
    guest.hears_out();
    bob.says("nobody came");
    ann.hears_nothing_before("Bob: nobody came");
}

#[test]
fn invalid_utf8_is_shown_as_such() {
    heard_as([
        (b"caf\xe9", "caf\u{fffd}"),
        (b"\x80\xbf", "\u{fffd}\u{fffd}"),
        (b"cut \xf0\x9f", "cut \u{fffd}"),
        (b"caf\xc3\xa9", "café"),
        (b"overlong \xc0\xaf", "overlong \u{fffd}\u{fffd}"),
        (b"half a pair \xed\xa0\x80.", "half a pair \u{fffd}\u{fffd}\u{fffd}."),
    ]);
}

#[test]
fn escape_sequences_are_removed() {
    heard_as([
        (b"\x1b[31;1mred\x1b[0m", "red"),
        (b"clear\x1b[2J\x1b[H.", "clear."),
        (b"\x1b]0;your terminal's title\x07x", "x"),
        (b"\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bPq#0;2;0;0;0\x1b\\sixel", "sixel"),
        (b"\x1b_apc\x1b\\a\x1b^pm\x1b\\b\x1bXsos\x1b\\c", "abc"),
        (b"\x1b(0box\x1b(B", "box"),
        (b"\x1bcreset", "reset"),
        ("\u{9b}31mc1\u{9b}m".as_bytes(), "c1"),
        ("\u{9d}0;title\u{9c}osc".as_bytes(), "osc"),
        ("\u{90}q\u{9c}dcs".as_bytes(), "dcs"),
    ]);
}

#[test]
fn control_characters_are_removed_and_tab_stays() {
    heard_as([
        (b"be\x07ll \x00nul back\x08space", "bell nul backspace"),
        (b"del\x7f form\x0cfeed vertical\x0btab", "del formfeed verticaltab"),
        (b"a\tb", "a\tb"),
        ("c1\u{80}\u{85}\u{9c}.".as_bytes(), "c1."),
    ]);
}

#[test]
fn what_turns_or_breaks_a_line_is_removed() {
    heard_as([
        ("a\u{202a}b\u{202b}c\u{202c}d\u{202d}e\u{202e}f".as_bytes(), "abcdef"),
        ("a\u{2066}b\u{2067}c\u{2068}d\u{2069}e".as_bytes(), "abcde"),
        ("a\u{200e}b\u{200f}c\u{61c}d".as_bytes(), "abcd"),
        ("a\u{2028}[SERVER]: b\u{2029}c".as_bytes(), "a[SERVER]: bc"),
        ("\u{feff}bom".as_bytes(), "bom"),
        ("tag\u{e0001}\u{e0041}\u{e007f}s".as_bytes(), "tags"),
    ]);
}

#[test]
fn emoji_and_every_script_survive() {
    for text in ["👨‍👩‍👧 👩🏽‍💻 ❤️", "नमस्ते", "שלום עולם", "مرحبا", "こんにちは", "e\u{301}", "½ × π → ∞"]
    {
        heard_as([(text.as_bytes(), text)]);
    }
}

#[test]
fn nothing_that_anybody_sends_reads_as_anything_but_theirs() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let pieces: [&[u8]; 24] = [
        b"\r",
        b"\0",
        b"\x1b",
        b"\x1b[",
        b"\x1b]",
        b"\x1bP",
        b"\x1b\\",
        b"\x07",
        b"\x9b",
        b"\xc2",
        b"\xe2\x80",
        b"\xa8",
        b"\xff",
        b"\xff\xff",
        b"\xff\xfa",
        b"\xff\xf0",
        b"\xff\xfd\x01",
        b"[SERVER]: hi",
        b"Bob: hi",
        b"x",
        b" ",
        b"\t",
        "\u{2028}".as_bytes(),
        "\u{202e}".as_bytes(),
    ];
    let mut random = Rng::with_seed(1);
    for round in 0..500 {
        let mut line = Vec::new();
        for _ in 0..round % 12 {
            line.extend_from_slice(random.pick(&pieces));
        }
        // Ends what may still be open: a telnet sequence does not end with its line.
        line.extend_from_slice(b"\n\0\n\xff\xf0\n");
        line.extend_from_slice(format!("round {round}\n").as_bytes());
        ann.sends(&line);
        for heard in bob.hears_until(&format!("Ann: round {round}")) {
            let said = heard.strip_prefix("Ann: ").unwrap_or_else(|| panic!("{line:?} was heard as {heard:?}"));
            assert!(
                !said.chars().any(|c| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{202e}')),
                "{line:?} was heard as {heard:?}"
            );
        }
    }
}

#[test]
fn telnet_options_are_refused_and_not_shown() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends(b"a\xff\xfd\x01b\xff\xfb\x1fc\xff\xfe\x03d\xff\xfc\x05e\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0f\xff\xf1g\n");
    bob.hears("Ann: abcdefg");
    // DO ECHO is met with WONT, WILL NAWS with DONT; DONT and WONT want no answer.
    ann.hears_bytes(b"\xff\xfc\x01\xff\xfe\x1f");
    bob.says("and that is all");
    ann.hears_nothing_before("Bob: and that is all");
}

#[test]
fn telnet_is_answered_at_the_name_prompt_too() {
    let server = Server::start(&[]);
    let mut ann = server.dial();
    ann.hears(PROMPT);
    ann.sends(b"\xff\xfd\x03\xff\xfb\x18");
    ann.hears_bytes(b"\xff\xfc\x03\xff\xfe\x18");
    ann.sends(b"A\xff\xfd\x01nn\r\0\n");
    ann.hears_bytes(b"\xff\xfc\x01");
    ann.hears("Welcome, Ann! You can now chat. Type messages and press Enter.");
}

#[test]
fn a_telnet_sequence_split_over_packets_is_one_sequence() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    for byte in *b"a\xff\xfd\x01b\xff\xfa\x1f\xff\xff\x18\xff\xf0c" {
        ann.sends([byte]);
        if byte == 1 {
            ann.hears_bytes(b"\xff\xfc\x01");
        }
        bob.says(".");
        ann.hears("Bob: .");
    }
    ann.sends("\n");
    bob.hears("Ann: abc");
}

#[test]
fn ctrl_c_in_telnet_is_answered_so_that_it_goes_on_listening() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    // Interrupt Process, then DO TIMING-MARK: telnet discards all output until that is answered (RFC 854, 860).
    ann.sends(b"\xff\xf4\xff\xfd\x06");
    ann.hears_bytes(b"\xff\xfc\x06");
    ann.says("I am still here");
    bob.hears("Ann: I am still here");
    bob.says("so am I");
    ann.hears("Bob: so am I");
}

#[test]
fn a_paste_of_a_thousand_lines_arrives_whole() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    ann.sends(lines.join("\n") + "\n");
    bob.hears_each(lines.iter().map(|line| format!("Ann: {line}")));
    ann.says("all there?");
    bob.hears("Ann: all there?");
}
