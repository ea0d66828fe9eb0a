use fastrand::Rng;

use super::*;
use crate::text::message::Cause;

fn server(name: &str) -> Server {
    Server::parse(name).unwrap()
}

fn epoch() -> Epoch {
    Epoch::new(SystemTime::UNIX_EPOCH + Duration::from_millis(0x123), Token::from(0xffff_ffff_0000_00aa))
}

/// What a member of this server, pi1, hears of a line that pi2 sends.
fn heard(sent: &str) -> Option<String> {
    Some(match received(sent, &server("pi2"), &server("pi1"))? {
        Elsewhere::Said(_, said) => said.to_string(),
        Elsewhere::Did(name, action) => Message::emote(&name, &action).to_string(),
        Elsewhere::Shared(name, what) => Message::shared_elsewhere(&name, &what).to_string(),
        Elsewhere::Operator(server, line) => Message::server_at(&server, &line).to_string(),
        Elsewhere::Joined(name) => Message::joined(&name).to_string(),
        Elsewhere::Left(name, None) => Message::left(&name, None).to_string(),
        Elsewhere::Left(name, Some(why)) => Message::left_elsewhere(&name, &why).to_string(),
        Elsewhere::Renamed(old, new) => Message::renamed(&old, &new).to_string(),
        Elsewhere::Private(from, to, text) => format!("to {to}: {}", Message::private(&from, &text)),
        Elsewhere::Missed(..) | Elsewhere::Linked(..) | Elsewhere::Unlinked(_) => return None,
    })
}

/// The same, of what the room at pi2 has said.
fn crosses(line: &str, actor: u8) -> Option<String> {
    heard(&sent(line, Spoken::read(line), actor)?)
}

#[test]
fn each_kind_of_line_crosses() {
    let link = "http://pi2:4080/files/1/a%20b";
    for (line, actor, expected) in [
        ("Ann: hello", 0, "Ann@pi2: hello"),
        ("Ann Lee: a: b", 0, "Ann Lee@pi2: a: b"),
        ("* Ann Lee waves", 7, "* Ann Lee@pi2 waves"),
        ("* Ann Lee waves", 3, "* Ann@pi2 Lee waves"),
        ("[SERVER]: lunch", 0, "[SERVER@pi2]: lunch"),
        ("Ann has joined the chat.", 0, "Ann@pi2 has joined the chat."),
        ("Ann has left the chat.", 0, "Ann@pi2 has left the chat."),
        ("Ann has left the chat (kicked: a (b).).", 0, "Ann@pi2 has left the chat (kicked: a (b).)."),
        ("Ann is now known as Bea.", 0, "Ann@pi2 is now known as Bea@pi2."),
        (&format!("Ann shares a b (1 B): {link}"), 3, &format!("Ann@pi2 shares a b (1 B): {link}")),
        ("Ann (private to Bob@pi1): psst", 0, "to Bob: Ann@pi2 (private): psst"),
    ] {
        assert_eq!(crosses(line, actor).as_deref(), Some(expected), "{line}");
    }
}

#[test]
fn what_is_not_for_other_servers_stays() {
    for (line, actor) in [("-- pi3 is linked.", 0), ("-- The link is down", 0), ("* Ann waves", 0), ("", 0)] {
        assert_eq!(sent(line, Spoken::read(line), actor), None, "{line}");
    }
    // What is private is for one server alone.
    assert_eq!(crosses("Ann (private to Bob@pi3): psst", 0), None);
}

#[test]
fn what_no_server_sends_is_not_heard() {
    for sent in [
        "",
        "*",
        "* Ann waves",
        "*3",
        "*3 Ann",
        "*3 Annwaves",
        "*4 Ann  waves",
        "*1 é waves",
        "*300 Ann waves",
        "*-1 Ann waves",
        "hello",
        "-- pi3 is linked.",
        "Server is shutting down. Bye!",
        "[SERVER@pi3]: lunch",
        "Ann@pi1: hello",
        "Ann@pi3: hello",
        "server: hello",
        " Ann: hello",
        "Ann : hello",
        "A\u{200b}nn: hello",
        "Ann@pi1 has joined the chat.",
        "Ann is now known as Bob@pi1.",
        "-- 1 here: Ann",
        "Ann (private): psst",
        "Ann (private to Bob): psst",
        "Ann@pi1 (private to Bob@pi1): psst",
        "Ann (private to Bob@pi1@pi1): psst",
        "Welcome, Ann! You can now chat.",
        "Name \"Ann\" is already taken. Choose a different name:",
    ] {
        assert_eq!(heard(sent), None, "{sent:?}");
    }
    let long = format!("Ann: {}", "x".repeat(3 * 4096 + 1));
    assert_eq!(heard(&long), None);
    assert_eq!(heard("Ann: \u{1b}[31mred\u{7}\u{202e}").as_deref(), Some("Ann@pi2: red"));
    assert_eq!(heard("*3 Ann \u{1b}[31mred").as_deref(), Some("* Ann@pi2 red"));
    assert_eq!(heard("Ann has left the chat (\u{9b}31mx).").as_deref(), Some("Ann@pi2 has left the chat (x)."));
}

/// Nothing that comes from another server looks like a member of this one, its operator or its notices.
#[test]
fn whatever_is_sent_names_the_server_that_it_comes_from() {
    #[rustfmt::skip]
    const PARTS: [&str; 32] = [
        "Ann", "Ann Lee", "pi1", "@", "@pi1", "@pi2", ": ", ":", " ", ".", "*", "*3 ", "* ", "[SERVER]", "[SERVER@pi1]: ",
        " (private to ", ")", " (private): ", " has joined the chat.", " has left the chat", " (", ").", " is now known as ",
        " shares ", "http://pi/files/1/a", "-- ", "\u{1b}[2J", "\u{202e}", "\u{9b}", "\t", "\n", "Bob@pi1",
    ];
    let mut random = Rng::with_seed(16);
    let mut heard_some = 0;
    for _ in 0..200_000 {
        let sent: String = (0..random.usize(..9)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
        let Some(heard) = heard(&sent) else { continue };
        heard_some += 1;
        assert!(!heard.contains(['\n', '\u{1b}', '\u{9b}', '\u{202e}']), "{sent:?} {heard:?}");
        let named = match Spoken::read(
            heard.split_once(": ").filter(|_| heard.starts_with("to ")).map_or(&heard, |(_, rest)| rest),
        ) {
            Spoken::Said(who, _) | Spoken::Private(who, _) | Spoken::Joined(who) | Spoken::Left(who) => who.to_owned(),
            Spoken::Shared(who, ..) | Spoken::Renamed(_, who) => who.to_owned(),
            Spoken::Emote(action) => action.split_inclusive("@pi2 ").next().unwrap().trim_end().to_owned(),
            Spoken::Server(_) => heard.split_once("]: ").unwrap().0.to_owned(),
            other => panic!("{sent:?} {other:?}"),
        };
        assert!(named.ends_with("@pi2") && named.matches('@').count() == 1, "{sent:?} {heard:?}");
    }
    assert!(heard_some > 1000, "{heard_some}");
}

#[test]
fn every_cause_crosses() {
    let ann = Name::parse("Ann").unwrap();
    for cause in
        [Cause::TooSlow, Cause::ConnectionLost, Cause::EndlessLine, Cause::Kicked(None), Cause::Banned, Cause::Fault]
    {
        let line = Message::left(&ann, Some(&cause)).to_string();
        assert_eq!(crosses(&line, 0), Some(format!("Ann@pi2 has left the chat ({cause}).")));
    }
}

#[test]
fn a_message_s_name_is_read_back() {
    let origin = Origin { server: server("pi-1"), epoch: epoch(), first: 42 };
    assert_eq!(origin.id().as_str(), "pi-1:000000000123000000aa:42");
    assert_eq!(Origin::read(origin.id().as_str()), Some(origin));
    for id in [
        "",
        "pi-1",
        "pi-1:000000000123000000aa",
        "pi-1:000000000123000000aa:",
        "pi-1:000000000123000000aa:0",
        "pi-1:000000000123000000aa:+1",
        "pi-1:000000000123000000aa:1:2",
        "pi.1:000000000123000000aa:1",
        "pi-1:000000000123000000AA:1",
        "pi-1:123:1",
        "pi-1:000000000123000000aa:9007199254740993",
        "pi-1:000000000123000000aa:18446744073709551616",
    ] {
        assert_eq!(Origin::read(id), None, "{id}");
    }
    let later = Epoch::new(SystemTime::UNIX_EPOCH + Duration::from_millis(0x124), Token::from(0));
    assert!(epoch() < later);
}

#[test]
fn what_a_server_says_of_itself_is_read_back() {
    let (pi, epoch) = (server("pi"), epoch());
    assert_eq!(presence(&hello(&pi, epoch)), Some((pi.clone(), epoch, Presence::Hello)));
    assert_eq!(presence(&bye(&pi, epoch)), Some((pi.clone(), epoch, Presence::Bye)));
    assert_eq!(presence(&mine(&pi, epoch)), Some((pi.clone(), epoch, Presence::Mine)));
    for many in [0, 1, 2000] {
        let names: Vec<Name> = (0..many).map(|n| Name::parse(&format!("Ann {n}")).unwrap()).collect();
        let parts = here(&pi, epoch, 7, 99, &names);
        let mut read = Vec::new();
        for (n, payload) in parts.iter().enumerate() {
            assert!(payload.len() <= MAX_MESSAGE);
            let Some((_, _, Presence::Here(here))) = presence(payload) else { panic!("{payload}") };
            assert_eq!((here.revision, here.part, here.parts, here.stored), (7, n, parts.len(), 99));
            read.extend(here.names(&pi).map(|name| name.to_string()));
        }
        assert_eq!(read, names.iter().map(|name| format!("{name}@pi")).collect::<Vec<_>>());
    }
    for payload in [
        "",
        "hello pi",
        "hello pi 0",
        "hello pi 000000000123000000aa",
        "hello pi 000000000123000000aa x\n",
        "here pi 000000000123000000aa 1 0 1\n",
        "here pi 000000000123000000aa 1 1 1 0\n",
        "here pi 000000000123000000aa 1 0 257 0\n",
        "here pi 000000000123000000aa -1 0 1 0\n",
        "there pi 000000000123000000aa\n",
        "hello a@b 000000000123000000aa\n",
    ] {
        assert_eq!(presence(payload), None, "{payload:?}");
    }
    let Some((_, _, Presence::Here(here))) =
        presence("here pi 000000000123000000aa 1 0 1 0\nAnn\nserver\n\u{1b}x\nBob@pi\nCid")
    else {
        panic!("this is a list")
    };
    assert_eq!(here.names(&pi).map(|name| name.to_string()).collect::<Vec<_>>(), ["Ann@pi", "Cid@pi"]);
}
