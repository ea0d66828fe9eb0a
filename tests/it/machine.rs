//! Two machines on a network of their own, with shells in which the commands of a document are typed unchanged: the
//! names, addresses, ports and paths of the document exist there.
//!
//! Each machine is one end of a [`Wire`], with a copy of `/etc` and an empty `/var/lib`, `/run`, `/tmp` and
//! `/usr/local` of its own, which are gone with the machine. `sudo` asks for no password, and `systemctl` knows one
//! unit.
#![cfg(target_os = "linux")]

use crate::harness::{PATIENCE, Program, Scratch, Story, binary};
use crate::tools::installed;
use crate::wire::Wire;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;

/// What the near machine is called, and the address of both. They have no others.
pub(crate) const NAMES: [&str; 3] = ["dynasti.local", "pi.local", "broker.local"];
pub(crate) const NEAR: &str = "192.168.1.10";
const FAR: &str = "192.168.1.11";

/// Makes a machine of what is there. Its arguments are the program, the machine's address, and a directory for its
/// files.
const MAKE: &str = r#"set -e
mount -t tmpfs tmpfs "$3"
cd "$3"
ip address flush dev wire scope global
ip address add "$2/24" dev wire
cp -a /etc etc
mkdir -p lib home local/bin
touch local/bin/dynasti
echo '127.0.0.1 localhost' >etc/hosts
for name in $4; do echo "$5 $name" >>etc/hosts; done
echo 'exec "$@"' >local/bin/sudo
# As the unit of Debian's package starts it.
cat >local/bin/systemctl <<'END'
[ "$*" = 'restart nats-server' ] || exit 1
setpriv --reuid nats --regid nats --clear-groups nats-server -c /etc/nats-server.conf &
END
chmod 755 local/bin/sudo local/bin/systemctl
sed -i '1i #!/bin/sh' local/bin/sudo local/bin/systemctl
mount --bind "$1" local/bin/dynasti
mount --rbind local /usr/local
mount --bind etc /etc
mount --bind lib /var/lib
mount --bind home /mnt
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
echo made
exec cat
"#;

/// See the module's head.
pub(crate) struct Machines {
    // Ended before the wire is.
    near: Machine,
    far: Machine,
    wire: Wire,
}

struct Machine {
    /// A program that does nothing, and keeps the machine's files where they are.
    keeper: Program,
    /// The name of its network namespace.
    namespace: String,
    _scratch: Scratch,
}

/// Where somebody sits.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// The machine that has the names.
    Near,
    /// The other one.
    Far,
}

impl Machines {
    /// Makes them, or none where that cannot be done.
    pub(crate) fn new(name: &str) -> Option<Machines> {
        if !installed("unshare", "--version", "util-linux") || !installed("nsenter", "--version", "util-linux") {
            return None;
        }
        let wire = Wire::new()?;
        let (near, far) = wire.names();
        let near = wire.near(|| Machine::new(&format!("{name}-near"), NEAR, near));
        let far = wire.far(|| Machine::new(&format!("{name}-far"), FAR, far));
        Some(Machines { near, far, wire })
    }

    fn at(&self, at: At) -> &Machine {
        match at {
            At::Near => &self.near,
            At::Far => &self.far,
        }
    }

    /// Somebody sits down at a shell.
    pub(crate) fn shell(&self, at: At) -> Program {
        self.start("shell", at, &["bash"])
    }

    /// Runs a command there.
    pub(crate) fn start(&self, name: &str, at: At, command: &[&str]) -> Program {
        let machine = self.at(at);
        let pid = machine.keeper.pid().as_raw_nonzero().to_string();
        let mut enter = Command::new("nsenter");
        enter.args(["--target", &pid, "--mount", "--net", "sh", "-c", "cd /mnt && exec \"$@\"", "sh"]).args(command);
        let path = std::env::var("PATH").unwrap_or_default();
        enter.env("PATH", format!("/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{path}")).env("HOME", "/mnt");
        Program::start(name, enter, &Story::default())
    }

    /// Types a command at a shell, waits until it has ended well, and returns what it has printed.
    #[track_caller]
    pub(crate) fn runs(&self, at: At, command: &str) -> Vec<String> {
        let mut shell = self.start("shell", at, &["bash", "-c", command]);
        shell.close_stdin();
        let status = shell.exit_code();
        assert_eq!(status, 0, "{command}: {:?}", shell.stderr.so_far());
        shell.stdout.whole()
    }

    /// Does this there: sockets that it opens stay there.
    pub(crate) fn there<T: Send>(&self, at: At, what: impl FnOnce() -> T + Send) -> T {
        match at {
            At::Near => self.wire.near(what),
            At::Far => self.wire.far(what),
        }
    }
}

impl Machine {
    fn new(name: &str, address: &str, namespace: &str) -> Machine {
        let scratch = Scratch::new(name);
        let mut make = Command::new("unshare");
        make.args(["--mount", "bash", "-c", MAKE, "make", binary(), address, &scratch.path("")]);
        make.args([&NAMES.join(" "), NEAR]);
        let keeper = Program::start(name, make, &Story::default());
        keeper.prints("made");
        Machine { keeper, namespace: namespace.to_owned(), _scratch: scratch }
    }
}

impl Drop for Machine {
    /// Ends whatever runs there, what was left in the background included.
    fn drop(&mut self) {
        let listed = Command::new("ip").args(["netns", "pids", &self.namespace]).output();
        let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for pid in listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.keeper.exits_within(PATIENCE);
    }
}
