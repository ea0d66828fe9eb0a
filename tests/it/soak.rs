//! A soak test: dozens of clients misbehave (`chaos`), while some healthy ones talk. Every line of a healthy client
//! reaches every other exactly once; all of them hear the whole room in the same order, vandals included; and when the
//! vandals have left, the server holds no more memory and descriptors than before.
//!
//! `DYNASTI_SOAK_SECONDS=60 cargo test --release --test it soak -- --ignored --nocapture`
//!
//! It prints its seed, and `DYNASTI_SOAK_SEED` repeats a run as far as time and the system allow. Its last line has the
//! figures.

use crate::chaos::Vandal;
use crate::harness::{Client, STOPS_WITHIN, Server};
use crate::random::{Chance, number_from};
use crate::reference::is_forbidden;
use fastrand::Rng;
use rustix::process::Signal;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Healthy clients who talk and listen.
const TALKERS: usize = 6;

/// So many of them type, a line now and then, and the others are scripts that talk as fast as they are let.
const TYPISTS: usize = 2;

/// Healthy clients in all: two do nothing but listen.
const HEALTHY: usize = TALKERS + 2;

const VANDALS: usize = 40;

/// How long a healthy client waits for what should come at once: so long that only a fault outlasts it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the allocator and the history may keep of so much commotion.
const SLACK_KIB: usize = 8 * 1024;

const LAST: &str = "and that was all";

/// A line, and which healthy client said it if any did, in eight bytes: there are millions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark(u64);

impl Mark {
    const SOMEBODY_ELSE: usize = 15;

    fn of(author: usize, text: &str) -> Mark {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Mark(hasher.finish() & !15 | author as u64)
    }

    fn is_by(self, author: usize) -> bool {
        self.0 & 15 == author as u64
    }
}

/// What a talker has said: to everybody, and to each of the others alone.
#[derive(Default)]
struct Talk {
    said: Vec<Mark>,
    whispered: [Vec<Mark>; HEALTHY],
}

/// What a healthy client has heard: what everybody hears, but for its own lines; and from each of the others alone.
#[derive(Default)]
struct Heard {
    public: Vec<Mark>,
    whispered: [Vec<Mark>; HEALTHY],
    operator: usize,
    /// How long what was typed took, in microseconds.
    delays: Vec<u32>,
}

#[test]
#[ignore = "takes a minute: see the head of its file"]
#[cfg(target_os = "linux")]
fn soak() {
    let seconds = number_from("DYNASTI_SOAK_SECONDS").unwrap_or(60);
    let seed = number_from("DYNASTI_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut random = Rng::with_seed(seed);
    // Without a limit pastes come as fast as they can, with one they wait in the server.
    let rate = random.pick(&["0", "0", "100"]);
    println!("soaking for {seconds} s at --rate {rate}, seed {seed}");
    let mut server = Server::start(&["--rate", rate]);
    let mut healthy: Vec<Client> = Vec::new();
    for number in 0..HEALTHY {
        let newcomer = server.join(&name(number));
        for other in &mut healthy {
            other.hears(&format!("{} has joined the chat.", name(number)));
        }
        healthy.push(newcomer);
    }
    let before = Holding::of(&server);

    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let mut operator = 0;
    let (connections, talks, mut listeners, heard) = thread::scope(|scope| {
        let (mut talking, mut listening) = (Vec::new(), Vec::new());
        for (number, client) in healthy.into_iter().enumerate() {
            let stream = client.into_stream();
            if number < TALKERS {
                let (mouth, random) = (stream.try_clone().unwrap(), Rng::with_seed(random.u64(..)));
                talking.push(scope.spawn(move || talk(number, mouth, random, begun, end)));
            }
            listening.push(scope.spawn(move || listen(number, stream, begun)));
        }
        let mut raging = Vec::new();
        for number in 0..VANDALS {
            // Two for each name.
            let name = format!("Imp{}", number / 2);
            let vandal = Vandal::new(server.addresses()[0], name, Rng::with_seed(random.u64(..)));
            raging.push(scope.spawn(move || vandal.misbehave(end)));
        }
        // So long before the talkers' last lines that the operator's last one comes before them.
        while Instant::now() + Duration::from_secs(2) < end {
            operator += 1;
            server.operator(&format!("notice {operator}"));
            server.operator("/stats");
            thread::sleep(Duration::from_millis(200));
        }
        let connections: u64 = raging.into_iter().map(|vandal| vandal.join().expect("it ends").connections).sum();
        let talks: Vec<Talk> = talking.into_iter().map(|talk| talk.join().expect("a talker is heard")).collect();
        let ended = listening.into_iter().map(|one| one.join().expect("the healthy hear everything"));
        let (listeners, heard): (Vec<_>, Vec<_>) = ended.unzip();
        (connections, talks, listeners, heard)
    });

    let reference = &heard[HEALTHY - 1];
    let mut deliveries = 0;
    for (number, heard) in heard.iter().enumerate() {
        let name = name(number);
        assert_eq!(heard.operator, operator, "{name} heard so many of the operator's lines");
        // Talkers have not waited for their own last lines, so what the others heard may go on a little longer.
        let expected = reference.public.iter().filter(|mark| !mark.is_by(number));
        let wrong = heard.public.iter().zip(expected.clone()).position(|(heard, expected)| heard != expected);
        assert_eq!(wrong, None, "{name} heard other lines than the last listener, or in another order, from there on");
        assert!(heard.public.len() <= expected.count());
        for (author, talk) in talks.iter().enumerate().filter(|(author, _)| *author != number) {
            let from_author = heard.public.iter().filter(|mark| mark.is_by(author));
            assert!(
                from_author.eq(&talk.said),
                "{name} did not hear what {} said, once and in order",
                self::name(author)
            );
            assert!(heard.whispered[author] == talk.whispered[number], "{name} and {author}: not what was whispered");
            deliveries += talk.said.len() + talk.whispered[number].len();
        }
    }

    // The vandals' last connections may still be on their way out; each look takes a trip through the room.
    let give_up = Instant::now() + PATIENCE;
    let mut after = Holding::of(&server);
    for trip in 0.. {
        let [first, second, ..] = &mut listeners[..] else { unreachable!("there are {HEALTHY}") };
        first.get_mut().write_all(format!("trip {trip}\n").as_bytes()).expect("the room goes on");
        while next_line(second).expect("the room goes on") != format!("{}: trip {trip}", name(0)) {}
        after = Holding::of(&server);
        if after.descriptors <= before.descriptors || Instant::now() > give_up {
            break;
        }
    }
    assert!(after.descriptors <= before.descriptors, "{} of {} stay open", after.descriptors, before.descriptors);
    assert!(after.resident_kib <= before.resident_kib + SLACK_KIB, "{} KiB", after.resident_kib);
    server.operator("/who");
    server.prints(&format!("-- {HEALTHY} here, 0 choosing a name"));
    assert_eq!(server.stderr.so_far(), Vec::<String>::new());
    server.signal(Signal::TERM);
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));

    let said: usize = talks.iter().map(|talk| talk.said.len()).sum();
    let mut delays: Vec<u32> = heard.iter().flat_map(|heard| heard.delays.iter().copied()).collect();
    delays.sort_unstable();
    let ms = |per_mille: usize| f64::from(delays[(delays.len() - 1) * per_mille / 1000]) / 1000.0;
    println!(
        "soaked {} s at --rate {rate}, seed {seed}: {said} lines said by {TALKERS}, {deliveries} deliveries checked in \
         {} lines, {connections} connections made; who types waits {:.1} ms at the median, {:.0} ms at 99.9 %, {:.0} ms at most; \
         RSS {} to {} KiB, descriptors {} to {}, threads {} to {}",
        begun.elapsed().as_secs(),
        reference.public.len(),
        ms(500),
        ms(999),
        ms(1000),
        before.resident_kib,
        after.resident_kib,
        before.descriptors,
        after.descriptors,
        before.threads,
        after.threads,
    );
}

fn name(number: usize) -> String {
    format!("well{number}")
}

/// Says numbered lines until the time has come, in all the ways in which a line may be sent.
fn talk(number: usize, mut mouth: TcpStream, mut random: Rng, begun: Instant, end: Instant) -> Talk {
    let words = ["tea", "Ümlaut", "日本", "🙂", "a\tb", "//", "supper is ready", "שלום", "e\u{301}"];
    mouth.set_write_timeout(Some(PATIENCE)).expect("a timeout is to be had");
    let mut talk = Talk::default();
    let mut says = |text: &str| talk.said.push(Mark::of(number, &format!("{}: {text}", name(number))));
    while Instant::now() < end {
        let lines = match number {
            0..TYPISTS => 1,
            _ if random.one_in(200) => 100,
            _ => random.usize(..3),
        };
        let mut bytes = Vec::new();
        for _ in 0..lines {
            let filler: Vec<&str> = (0..random.usize(..10)).map(|_| random.pick(&words)).collect();
            let text = format!("{} t={} {}x", random.u64(..), begun.elapsed().as_micros(), filler.join(" "));
            if random.one_in(20) {
                let to = random.usize(..HEALTHY);
                if to != number {
                    bytes.extend(format!("/msg {} {text}\n", name(to)).bytes());
                    talk.whispered[to].push(Mark::of(number, &format!("{} (private): {text}", name(number))));
                }
                continue;
            }
            says(&text);
            bytes.extend(text.bytes());
            bytes.extend_from_slice(random.pick(&[
                b"\n",
                b"\n",
                b"\r\n",
                b"\r\0\n",
                b"\xff\xf1\n",
                b"\n\n\r\n",
                b"\x1b[0m\n",
            ]));
        }
        let (first, second) = bytes.split_at(random.usize(..bytes.len() + 1));
        for piece in [first, second] {
            mouth.write_all(piece).expect("a healthy client can always talk");
        }
        let pause = if number < TYPISTS { 300 + random.usize(..500) } else { random.usize(..50) };
        thread::sleep(Duration::from_millis(pause as u64));
    }
    says(LAST);
    mouth.write_all(format!("{LAST}\n").as_bytes()).expect("a healthy client can always talk");
    talk
}

/// Hears everything until all others who talk have said that this was all.
fn listen(number: usize, stream: TcpStream, begun: Instant) -> (BufReader<TcpStream>, Heard) {
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    reader.get_ref().set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
    let mut heard = Heard::default();
    let mut talking = (0..TALKERS).filter(|author| *author != number).count();
    while talking > 0 {
        let line = next_line(&mut reader).unwrap_or_else(|error| panic!("{}: {error}", name(number)));
        assert!(!line.contains(is_forbidden), "{line:?}");
        if line.starts_with("-- ") {
            continue;
        }
        let author = line.strip_prefix("well").and_then(|rest| rest.split(": ").next()?.parse().ok());
        let author: usize = author.unwrap_or(Mark::SOMEBODY_ELSE);
        let (name, text) = line.split_once(": ").unwrap_or(("", ""));
        if let (Some(name), false) = (name.strip_suffix(" (private)"), line.starts_with("* ")) {
            if let Some(author) = name.strip_prefix("well").and_then(|number| number.parse::<usize>().ok()) {
                heard.whispered[author].push(Mark::of(author, &line));
            }
            continue;
        }
        if name == "[SERVER]" {
            heard.operator += 1;
            assert_eq!(text, format!("notice {}", heard.operator), "the operator's words");
        } else {
            assert!(line.starts_with(char::is_alphanumeric) || line.starts_with("* "), "{line:?}");
        }
        if author < TALKERS {
            talking -= usize::from(text == LAST);
        }
        if author < TYPISTS {
            let sent = text.split_once(" t=").and_then(|(_, rest)| rest.split_once(' ')?.0.parse::<u128>().ok());
            let delay = sent.map(|sent| begun.elapsed().as_micros().saturating_sub(sent));
            heard.delays.extend(delay.map(|delay| u32::try_from(delay).unwrap_or(u32::MAX)));
        }
        heard.public.push(Mark::of(author, &line));
    }
    (reader, heard)
}

fn next_line(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    match line.pop() {
        Some('\n') => Ok(line),
        _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

/// What the server holds.
struct Holding {
    descriptors: usize,
    resident_kib: usize,
    threads: usize,
}

impl Holding {
    fn of(server: &Server) -> Holding {
        let process = format!("/proc/{}", server.pid().as_raw_nonzero());
        let status = fs::read_to_string(format!("{process}/status")).expect("the server runs");
        let figure = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
            line.trim().trim_end_matches(" kB").parse().expect("the field is a number")
        };
        let descriptors = fs::read_dir(format!("{process}/fd")).expect("the server runs").count();
        Holding { descriptors, resident_kib: figure("VmRSS:"), threads: figure("Threads:") }
    }
}
