//! What a service manager is told, on a socket of the test's own in place of systemd's.

use crate::harness::{PATIENCE, Server, dynasti};
use rustix::io::{read, retry_on_intr};
use rustix::process::Signal;
use std::env;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;

/// A service manager that starts a server.
struct Manager {
    socket: UnixDatagram,
    /// What it says in `NOTIFY_SOCKET`.
    address: String,
}

impl Manager {
    /// One with a socket in the file system, as systemd's.
    fn new(test: &str) -> Manager {
        let path = env::temp_dir().join(format!("dynasti-{test}-{}.socket", process::id()));
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket is to be had");
        Manager::on(socket, path.to_str().expect("the path is text").to_owned())
    }

    /// One with a socket in the abstract namespace, as container managers have.
    fn hidden(test: &str) -> Manager {
        let name = format!("dynasti-{test}-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("that is a name");
        Manager::on(UnixDatagram::bind_addr(&address).expect("a socket is to be had"), format!("@{name}"))
    }

    fn on(socket: UnixDatagram, address: String) -> Manager {
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
        Manager { socket, address }
    }

    /// Starts a server that is to tell this manager.
    #[track_caller]
    fn starts(&self, environment: &[(&str, &str)]) -> Server {
        let mut command = dynasti(&Server::arguments(&[]));
        command.env("NOTIFY_SOCKET", &self.address).envs(environment.iter().copied());
        Server::run(command, 1)
    }

    /// What it is told next.
    #[track_caller]
    fn told(&self) -> String {
        let mut told = [0; 4096];
        // Whoever was stopped and goes on is interrupted.
        let length = retry_on_intr(|| read(&self.socket, &mut told)).expect("something is told");
        String::from_utf8(told[..length].to_vec()).expect("what is told is text")
    }

    /// Is told exactly this next.
    #[track_caller]
    fn is_told(&self, expected: &str) {
        assert_eq!(self.told(), expected);
    }

    /// Is told this status, perhaps after others that were true for a while.
    #[track_caller]
    fn is_told_at_last(&self, expected: &str) {
        loop {
            let told = self.told();
            assert!(told.starts_with("STATUS="), "{told} came before {expected}");
            if told == expected {
                return;
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if self.address.starts_with('/') {
            let _ = fs::remove_file(&self.address);
        }
    }
}

#[test]
fn the_manager_is_told_of_the_start_of_who_is_here_and_of_the_end() {
    let manager = Manager::new("life");
    let mut server = manager.starts(&[]);
    manager.is_told("READY=1");
    manager.is_told("STATUS=0 here, 0 lines");
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("one");
    bob.hears("Ann: one");
    ann.says("two");
    bob.hears("Ann: two");
    manager.is_told_at_last("STATUS=2 here, 2 lines");
    bob.leaves();
    ann.hears("Bob has left the chat.");
    manager.is_told("STATUS=1 here, 2 lines");
    server.signal(Signal::TERM);
    manager.is_told("STOPPING=1");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn a_manager_with_an_abstract_socket_is_told_too() {
    let manager = Manager::hidden("abstract");
    let mut server = manager.starts(&[]);
    manager.is_told("READY=1");
    manager.is_told("STATUS=0 here, 0 lines");
    server.operator("/quit");
    manager.is_told("STOPPING=1");
}

#[test]
fn a_manager_that_takes_nothing_does_not_keep_the_server_from_stopping() {
    let manager = Manager::new("full");
    let mut server = manager.starts(&[]);
    manager.is_told("READY=1");
    let others = UnixDatagram::unbound().expect("a socket is to be had");
    others.set_nonblocking(true).expect("it need not wait");
    while others.send_to(b"from another service", &manager.address).is_ok() {}
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn signs_of_life_go_on_and_on() {
    let manager = Manager::new("watchdog");
    let _server = manager.starts(&[("WATCHDOG_USEC", "20000")]);
    manager.is_told("READY=1");
    let mut signs = 0;
    while signs < 20 {
        match manager.told().as_str() {
            "WATCHDOG=1" => signs += 1,
            other => assert_eq!(other, "STATUS=0 here, 0 lines"),
        }
    }
}

#[test]
fn signs_of_life_that_are_asked_of_another_process_are_not_given() {
    let manager = Manager::new("other");
    let other = process::id().to_string();
    let server = manager.starts(&[("WATCHDOG_USEC", "2000"), ("WATCHDOG_PID", &other)]);
    manager.is_told("READY=1");
    manager.is_told("STATUS=0 here, 0 lines");
    let _ann = server.join("Ann");
    manager.is_told("STATUS=1 here, 0 lines");
    server.signal(Signal::TERM);
    manager.is_told("STOPPING=1");
}

#[test]
fn the_room_opens_though_no_manager_can_be_told() {
    for nobody in ["/nowhere/at/all", "nonsense", "vsock:2:1"] {
        let mut command = dynasti(&Server::arguments(&[]));
        command.env("NOTIFY_SOCKET", nobody);
        let server = Server::run(command, 1);
        server.stderr.find("that it could not tell", |line| line.contains("NOTIFY_SOCKET"));
        server.join("Ann");
    }
}
