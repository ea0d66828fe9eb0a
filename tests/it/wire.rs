//! A wire between two machines: two network namespaces of the test's own, joined by a pair of virtual interfaces.
//! Nothing that is sent on it reaches the real network.
//!
//! On most systems only root may make one. If it cannot be made, its tests say so and pass; with `DYNASTI_DEMAND_TOOLS`
//! set they fail instead.
#![cfg(target_os = "linux")]

use crate::tools::{installed, skipped};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The addresses of the near end, where the server is, and of the far one.
pub(crate) const NEAR: &str = "10.77.0.1";
const FAR: &str = "10.77.0.2";

/// An address of Ethernet that nobody has.
#[cfg(feature = "link")]
const NOBODY: &str = "02:00:00:00:00:99";

/// The interface at either end.
const INTERFACE: &str = "wire";

/// Which way a wire is cut.
#[cfg(feature = "link")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// What the far end sends is lost.
    ToNear,
    /// What the near end sends is lost.
    ToFar,
    /// All is lost, and the far end knows that it has no network.
    Both,
}

/// See the module's head.
pub(crate) struct Wire {
    near: Namespace,
    far: Namespace,
}

impl Wire {
    /// Makes a wire that carries everything at once, or none where that cannot be done.
    pub(crate) fn new() -> Option<Wire> {
        if !installed("tc", "-V", "iproute2") {
            return None;
        }
        let wire = Wire { near: Namespace::new()?, far: Namespace::new()? };
        let (near, far) = (wire.near.0.as_str(), wire.far.0.as_str());
        run("ip", &["link", "add", INTERFACE, "netns", near, "type", "veth", "peer", "name", INTERFACE, "netns", far]);
        for (namespace, address) in [(near, NEAR), (far, FAR)] {
            run("ip", &["-n", namespace, "address", "add", &format!("{address}/24"), "dev", INTERFACE]);
            for interface in ["lo", INTERFACE] {
                run("ip", &["-n", namespace, "link", "set", interface, "up"]);
            }
        }
        Some(wire)
    }

    /// The names of the namespaces at its ends.
    #[cfg(feature = "discovery")]
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.near.0, &self.far.0)
    }

    /// Lets it carry only so much from the near end to the far one, in tc's words: `512kbit`.
    pub(crate) fn carries(&self, rate: &str) {
        let near = self.near.0.as_str();
        run(
            "tc",
            &[
                "-n", near, "qdisc", "add", "dev", INTERFACE, "root", "tbf", "rate", rate, "burst", "4kb", "latency",
                "400ms",
            ],
        );
    }

    /// Pulls it out at the far end: from now on it carries nothing, and nobody is told so.
    pub(crate) fn pull(&self) {
        run("ip", &["-n", &self.far.0, "link", "set", INTERFACE, "down"]);
    }

    /// Cuts it one way or both.
    #[cfg(feature = "link")]
    pub(crate) fn cut(&self, way: Way) {
        // What is sent to nobody's address is lost without a word.
        let lost = |at: &Namespace, to: &str| {
            run("ip", &["-n", &at.0, "neigh", "replace", to, "lladdr", NOBODY, "nud", "permanent", "dev", INTERFACE]);
        };
        match way {
            Way::ToNear => lost(&self.far, NEAR),
            Way::ToFar => lost(&self.near, FAR),
            Way::Both => self.pull(),
        }
    }

    /// Mends it after a cut.
    #[cfg(feature = "link")]
    pub(crate) fn mend(&self, way: Way) {
        let found = |at: &Namespace, to: &str| run("ip", &["-n", &at.0, "neigh", "delete", to, "dev", INTERFACE]);
        match way {
            Way::ToNear => found(&self.far, NEAR),
            Way::ToFar => found(&self.near, FAR),
            Way::Both => run("ip", &["-n", &self.far.0, "link", "set", INTERFACE, "up"]),
        }
    }

    /// Does this at the near end: programs that it starts and sockets that it opens stay there.
    pub(crate) fn near<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.near.enter(what)
    }

    /// Does this at the far end.
    pub(crate) fn far<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        self.far.enter(what)
    }
}

/// A network namespace, by its name. It is removed when dropped.
struct Namespace(String);

impl Namespace {
    /// Makes one, or none where that is not allowed.
    fn new() -> Option<Namespace> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dynasti-{}-{count}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).status();
        if !made.is_ok_and(|status| status.success()) {
            skipped("network namespaces cannot be made here");
            return None;
        }
        Some(Namespace(name))
    }

    /// Does this in a thread of its own, because a namespace is a thread's.
    fn enter<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.0);
        let enter = || {
            let namespace = File::open(path).expect("the namespace has a name");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter");
            what()
        };
        thread::scope(|scope| scope.spawn(enter).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[track_caller]
fn run(tool: &str, arguments: &[&str]) {
    let status = Command::new(tool).args(arguments).status().unwrap_or_else(|error| panic!("{tool} runs: {error}"));
    assert!(status.success(), "{tool} {arguments:?}: {status}");
}
