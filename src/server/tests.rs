use std::cell::Cell;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};

use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt};
use smol::net::TcpStream as Stream;

use super::*;
use crate::access::bind;
use crate::room::{Options, warnings};

thread_local! {
    /// Where this test wants the server to break. All tasks of a test's server run on the test's own thread.
    static BREAKS: Cell<&'static str> = const { Cell::new("") };
}

/// Panics, if this test wants that here.
pub(super) fn may_break(here: &str) {
    assert!(BREAKS.get() != here, "as asked");
}

struct Person(BufReader<Stream>);

impl Person {
    async fn dial(server: SocketAddr) -> Person {
        Person(BufReader::new(Stream::connect(server).await.unwrap()))
    }

    async fn join(server: SocketAddr, name: &str) -> Person {
        let mut person = Person::dial(server).await;
        person.says(name).await;
        person.hears("Hi! Welcome to Dynasti. What's your name?").await;
        person.hears(&format!("Welcome, {name}! You can now chat. Type messages and press Enter.")).await;
        person
    }

    async fn says(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn hears(&mut self, expected: &str) {
        let line = (&mut self.0).lines().next().await;
        assert_eq!(line.expect("a line").unwrap(), expected);
    }
}

/// A server of a test's own.
struct Served {
    executor: Arc<Executor<'static>>,
    listener: TcpListener,
    room: Arc<Room>,
    admission: Arc<Admission>,
}

impl Served {
    fn new(max: usize) -> (Served, SocketAddr) {
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let server = listener.local_addr().unwrap();
        let (executor, room) = (Arc::new(Executor::new()), Arc::new(Room::new(warnings().0, Options::default()).0));
        (Served { executor, listener, room, admission: Arc::new(Admission::new(max, max)) }, server)
    }

    /// Serves while people talk. Returns when they are done and the server has stopped.
    fn until(self, talk: impl Future<Output = ()>) {
        self.run(talk).expect("an end").unwrap();
    }

    /// Whether the server ends with a panic while people talk, rather than going on without a task that it needs.
    fn breaks(self, here: &'static str, talk: impl Future<Output = ()>) -> bool {
        BREAKS.set(here);
        let broken = panic::catch_unwind(AssertUnwindSafe(|| self.run(talk))).is_err();
        BREAKS.set("");
        broken
    }

    fn run(self, talk: impl Future<Output = ()>) -> Option<io::Result<()>> {
        let Served { executor, listener, room, admission } = self;
        let entrance = (&admission, &Arc::default());
        let served = run(&executor, vec![listener], &room, entrance, super::Options::default(), talk);
        smol::block_on(executor.run(within(Duration::from_secs(10), served)))
    }
}

#[test]
fn a_panic_ends_one_client_and_nothing_else() {
    let (served, server) = Served::new(9);
    served.until(async {
        let mut bob = Person::join(server, "Bob").await;
        let mut ann = Person::join(server, "Ann").await;
        bob.hears("Ann has joined the chat.").await;
        ann.says("panic!").await;
        ann.hears("-- Sorry, something broke on the server's side. Please connect again.").await;
        bob.hears("Ann has left the chat (server fault).").await;
        let mut ann = Person::join(server, "Ann").await;
        bob.hears("Ann has joined the chat.").await;
        bob.says("still here").await;
        ann.hears("Bob: still here").await;
    });
}

#[test]
fn who_is_here_when_the_server_stops_hears_so() {
    let (served, server) = Served::new(9);
    let (put, take) = async_channel::bounded(1);
    let room = Arc::clone(&served.room);
    served.until(async {
        let bob = Person::join(server, "Bob").await;
        put.try_send(bob).ok().unwrap();
    });
    smol::block_on(take.try_recv().unwrap().hears("Server is shutting down. Bye!"));
    assert_eq!(smol::block_on(room.stats()).here, 0);
}

#[test]
fn a_panic_of_a_task_that_the_room_needs_ends_the_server() {
    for here in ["publishing", "accepting", "ending the nameless", "judging holders"] {
        let (served, server) = Served::new(9);
        let dial = async {
            let _person = Person::dial(server).await;
            future::pending().await
        };
        assert!(served.breaks(here, dial), "{here}");
    }
}

#[test]
fn a_panic_at_the_end_of_a_connection_ends_the_server_and_leaves_no_ghost() {
    let (served, server) = Served::new(9);
    let leave = async {
        let mut ann = Person::join(server, "Ann").await;
        ann.says("/quit").await;
        future::pending().await
    };
    assert!(served.breaks("ending", leave));
}

#[test]
fn a_panic_while_somebody_is_refused_ends_the_server() {
    let (served, server) = Served::new(0);
    let dial = async {
        let _person = Person::dial(server).await;
        future::pending().await
    };
    assert!(served.breaks("refusing", dial));
}
