//! A name that somebody asks for is taken from a dead connection within seconds. A living connection keeps its name.
#![cfg(target_os = "linux")]

use crate::harness::{Client, PERHAPS, PROMPT, Program, Server, connect_with_small_window, dynasti, taken};
use crate::wire::Wire;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const GONE: &str = "Ann has left the chat (connection lost).";

/// How long a dead holder may take to be given up: the contract's 6 s, and 2 for a machine that is slow. Nobody having
/// asked, it would take half a minute at the least.
const GIVEN_UP: Duration = Duration::from_secs(8);

/// Where the server listens: at the near end alone, or as it does by default.
const NEAR: &str = "10.77.0.1:0";
const EVERYWHERE: &str = "[::]:0";

fn start(listen: &str) -> Server {
    Server::start(&["--listen", listen, "--rate", "0"])
}

/// The server's address for who comes by the wire.
fn by_wire(server: &Server) -> SocketAddr {
    SocketAddr::from(([10, 77, 0, 1], server.port()))
}

/// Ann at the far end of the wire and Bob at the near one, in one room.
fn room(server: &Server, wire: &Wire) -> [Client; 2] {
    let mut bob = server.join("Bob");
    let address = by_wire(server);
    let mut ann = Client::new(wire.far(|| TcpStream::connect(address)).expect("the wire carries"), server.story());
    ann.hears(PROMPT);
    ann.joins("Ann");
    bob.hears("Ann has joined the chat.");
    // What she was sent is acknowledged with what she sends.
    ann.says("hello");
    bob.hears("Ann: hello");
    [ann, bob]
}

/// Ann's packets stop; after so long, in which something is said to her or not, somebody asks for her name.
fn is_given_up(listen: &str, said: bool, after: Duration) {
    let Some(wire) = Wire::new() else { return };
    wire.near(|| {
        let server = start(listen);
        let [_ann, mut bob] = room(&server, &wire);
        let mut other = server.guest();
        wire.pull();
        if said {
            bob.says("are you there?");
        }
        // The time itself: nothing is waited for.
        thread::sleep(after);
        let asked = Instant::now();
        other.is_refused("Ann", "Ann");
        bob.hears(GONE);
        assert!(asked.elapsed() < GIVEN_UP, "given up after {:?}", asked.elapsed());
        other.joins("Ann");
        bob.hears("Ann has joined the chat.");
    });
}

/// While nothing is in flight to it, and while something has been for a second, or for so long that the system's next
/// try may be far. All at once, because each takes its time.
#[test]
fn a_holder_whose_wire_is_pulled_is_given_up_when_somebody_asks_for_its_name() {
    thread::scope(|scope| {
        scope.spawn(|| is_given_up(NEAR, false, Duration::ZERO));
        scope.spawn(|| is_given_up(EVERYWHERE, true, Duration::from_secs(1)));
        scope.spawn(|| is_given_up(NEAR, true, Duration::from_secs(14)));
        scope.spawn(is_given_up_to_a_member);
        scope.spawn(is_given_up_in_time_however_often_it_is_asked);
    });
}

/// The same for a member who asks by `/nick`.
fn is_given_up_to_a_member() {
    let Some(wire) = Wire::new() else { return };
    wire.near(|| {
        let server = start(NEAR);
        let [_ann, mut bob] = room(&server, &wire);
        wire.pull();
        bob.says("/nick ann");
        bob.hears_each(["-- Name \"ann\" is already taken.", PERHAPS]);
        let asked = Instant::now();
        bob.hears(GONE);
        assert!(asked.elapsed() < GIVEN_UP, "given up after {:?}", asked.elapsed());
        bob.says("/nick ann");
        bob.hears("-- You are now known as ann.");
    });
}

/// A holder that does not read, and whose wire is pulled then, is as if it were alive: until the system gives it up.
/// That it is asked for makes this no later.
fn is_given_up_in_time_however_often_it_is_asked() {
    let Some(wire) = Wire::new() else { return };
    wire.near(|| {
        let server = start(NEAR);
        let mut bob = server.join("Bob");
        let address = by_wire(&server);
        let mut ann = Client::new(wire.far(|| connect_with_small_window(address)), server.story());
        ann.hears(PROMPT);
        ann.joins("Ann");
        bob.hears("Ann has joined the chat.");
        let text = "x".repeat(4000);
        (0..20).for_each(|_| bob.says(&text));
        bob.says("/who");
        bob.hears("-- 2 here: Bob, Ann");
        wire.pull();
        let pulled = Instant::now();
        let mut other = server.guest();
        for tries in 1.. {
            other.says("Ann");
            let told = other.next_line().unwrap_or_default();
            if told.starts_with("Welcome") {
                break;
            }
            assert_eq!([told, other.next_line().unwrap_or_default()], [taken("Ann"), PERHAPS.to_owned()]);
            assert!(pulled.elapsed() < Duration::from_secs(60), "she is kept by being asked");
            if tries % 9 == 0 {
                other = server.guest();
            }
            thread::sleep(Duration::from_secs(2));
        }
        bob.hears_each([GONE, "Ann has joined the chat."]);
    });
}

#[test]
fn dynasti_join_gets_its_own_name_back() {
    let Some(wire) = Wire::new() else { return };
    wire.near(|| {
        let server = start(NEAR);
        let [_ann, mut bob] = room(&server, &wire);
        wire.pull();
        let address = server.addresses()[0].to_string();
        let mut again = Program::start("join", dynasti(&["join", &address, "--name", "Ann"]), server.story());
        bob.hears_each([GONE, "Ann has joined the chat."]);
        again.types("that was me");
        bob.hears("Ann: that was me");
        again.close_stdin();
        assert_eq!(again.exit_code(), 0);
        let welcome = "Welcome, Ann! You can now chat. Type messages and press Enter.";
        assert_eq!(again.stdout.whole(), [PROMPT, &taken("Ann"), welcome]);
        again.stderr.has("Trying again for 8 s, in case that is an old connection of yours.");
    });
}

/// Seconds until the server's system asks Ann's for a sign of life. The table is described in the kernel's
/// Documentation/networking/proc_net_tcp.rst; 02 is the keepalive timer.
fn asked_in(server: &Server) -> Option<u32> {
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp").expect("Linux has such a table");
    let (server, ann) = (format!(" 01004D0A:{:04X} ", server.port()), " 02004D0A:");
    let row = table.lines().find(|row| row.contains(&server) && row.contains(ann)).expect("Ann is connected");
    let ticks = row.split_whitespace().nth(5)?.strip_prefix("02:")?;
    Some(u32::from_str_radix(ticks, 16).expect("a number") / 100)
}

/// What she sends is a sign of life, too. It acknowledges nothing new, and her system is not asked while something
/// comes from it: a flood that is read at the rate, so that nothing is said to her.
#[test]
fn a_living_holder_who_only_sends_keeps_its_name() {
    let server = Server::start(&["--rate", "1"]);
    let mut ann = server.join("Ann");
    ann.sends("x\n".repeat(320));
    let mut other = server.guest();
    // Twice as long as a sign of life may take.
    for _ in 0..2 {
        other.is_refused("Ann", "Ann");
        for _ in 0..16 {
            thread::sleep(Duration::from_millis(330));
            ann.says("x");
        }
    }
    other.is_refused("Ann", "Ann");
}

#[test]
fn a_living_holder_keeps_its_name_and_is_asked_as_rarely_as_before() {
    let Some(wire) = Wire::new() else { return };
    wire.near(|| {
        let server = start(NEAR);
        let [mut ann, mut bob] = room(&server, &wire);
        let mut other = server.guest();
        for asked in ["Ann", "ANN"] {
            other.is_refused(asked, asked);
        }
        let begun = Instant::now();
        let until = |wanted: fn(u32) -> bool| {
            while !asked_in(&server).is_some_and(wanted) {
                assert!(begun.elapsed() < GIVEN_UP, "she is not asked when she should be");
                thread::sleep(Duration::from_millis(20));
            }
        };
        until(|seconds| seconds <= 1);
        until(|seconds| seconds > 50);
        other.is_refused("Ann", "Ann");
        ann.says("I am here");
        bob.hears("Ann: I am here");
        bob.says("fine");
        ann.hears("Bob: fine");
    });
}

/// What waits for it is as much as it may be behind, in large lines or in many small ones.
#[test]
fn a_holder_who_has_stopped_reading_keeps_its_name_whatever_is_asked() {
    thread::scope(|scope| {
        for (lines, length) in [(25, 4000), (900, 1)] {
            scope.spawn(move || keeps_its_name(lines, length));
        }
    });
}

fn keeps_its_name(lines: usize, length: usize) {
    let server = Server::start(&["--rate", "0"]);
    let mut bob = server.join("Bob");
    let mut stopped = server.dial_with_small_window();
    stopped.hears(PROMPT);
    stopped.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let text = "x".repeat(length);
    (0..lines).for_each(|_| bob.says(&text));
    let mut other = server.guest();
    for _ in 0..2 {
        other.is_refused("Ann", "Ann");
        // Longer than a sign of life may take.
        thread::sleep(Duration::from_secs(6));
    }
    other.joins("Cid");
    bob.hears("Cid has joined the chat.");
    stopped.hears_each((0..lines).map(|_| format!("Bob: {text}")));
    stopped.hears("Cid has joined the chat.");
}
