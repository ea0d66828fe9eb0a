//! The servers that are compared: where each comes from, how it is started, and what its clients must expect of it.

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fault::{Fault, Result};

/// The argument that makes this program the floor.
pub(crate) const FLOOR: &str = "--be-the-floor";
/// More clients than any workload brings.
const MAX_CLIENTS: &str = "12000";
/// All that ncat can hold: it waits in select(2), which counts to 1024, and has some files of its own.
const NCAT_CLIENTS: &str = "1010";

/// How a server receives a newcomer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manners {
    /// It asks for a name, welcomes, and tells the others.
    Dynasti,
    /// It asks nothing, and tells everybody, the newcomer too. With it comes a list of all who are there, again to
    /// everybody, so that n newcomers cost n³ bytes.
    Ncat,
}

/// Where a server comes from.
enum Source {
    Floor,
    /// dynasti, or another program with its command line.
    Program(PathBuf),
    Ncat(PathBuf),
    Node(PathBuf),
}

/// One of the servers that are compared.
pub(crate) struct Peer {
    /// The head of its column.
    pub(crate) name: String,
    source: Source,
}

impl Peer {
    /// The floor.
    pub(crate) fn floor() -> Self {
        Self { name: "floor".into(), source: Source::Floor }
    }

    /// dynasti as cargo has just built it.
    pub(crate) fn dynasti() -> Self {
        Self { name: "dynasti".into(), source: Source::Program(env!("CARGO_BIN_EXE_dynasti").into()) }
    }

    /// Another program that is called as dynasti is.
    pub(crate) fn program(path: &Path) -> Self {
        Self { name: path.display().to_string(), source: Source::Program(path.to_owned()) }
    }

    /// What people use today, as far as it is installed.
    pub(crate) fn installed() -> Vec<Self> {
        let ncat = find("ncat").map(|path| Self { name: "ncat --chat".into(), source: Source::Ncat(path) });
        let node = find("node").map(|path| Self { name: "Node sketch".into(), source: Source::Node(path) });
        ncat.into_iter().chain(node).collect()
    }

    /// Whether it is dynasti or called as it is. From these everything is asked; of others it is only told.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.source, Source::Program(_))
    }

    /// Whether it is dynasti as cargo has just built it.
    pub(crate) fn is_dynasti(&self) -> bool {
        matches!(&self.source, Source::Program(path) if path == Path::new(env!("CARGO_BIN_EXE_dynasti")))
    }

    /// Whether it is the floor.
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.source, Source::Floor)
    }

    /// What its clients must expect.
    pub(crate) fn manners(&self) -> Manners {
        if matches!(self.source, Source::Ncat(_)) { Manners::Ncat } else { Manners::Dynasti }
    }

    /// How many may come at once to a small room where their coming is not what is measured.
    pub(crate) fn wave(&self) -> usize {
        // ncat listens with a backlog of 10; more would wait for repeated SYNs.
        if matches!(self.source, Source::Ncat(_)) { 10 } else { 100 }
    }

    /// What starts it on a free port of 127.0.0.1.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut command;
        match &self.source {
            Source::Floor => {
                let program = env::current_exe().map_err(|error| Fault::unable("finding this program", error))?;
                command = Command::new(program);
                command.arg(FLOOR);
            }
            Source::Program(path) => {
                command = Command::new(path);
                command.args(["serve", "--listen", "127.0.0.1:0", "--rate", "0", "--no-console"]);
                command.args(["--max-clients", MAX_CLIENTS]);
            }
            Source::Ncat(path) => {
                let port = free_port().map_err(|error| Fault::unable("finding a free port", error))?;
                command = Command::new(path);
                command.args(["-v", "-l", "-k", "--chat", "-m", NCAT_CLIENTS, "127.0.0.1", &port.to_string()]);
            }
            Source::Node(path) => {
                command = Command::new(path);
                command.args(["-e", include_str!("sketch.js")]);
            }
        }
        Ok(command)
    }

    /// The same, with a page on another free port. Only for what is called as dynasti is.
    pub(crate) fn command_with_page(&self) -> Result<Command> {
        let mut command = self.command()?;
        command.args(["--web", "127.0.0.1:0"]);
        Ok(command)
    }

    /// The same, with so many MiB for files.
    pub(crate) fn command_with_files(&self, mebibytes: &str) -> Result<Command> {
        let mut command = self.command_with_page()?;
        command.args(["--files", mebibytes]);
        Ok(command)
    }

    /// What [`Peer::command`] returns, linked through the broker at `url` under this name.
    pub(crate) fn command_linked(&self, url: &str, name: &str) -> Result<Command> {
        let mut command = self.command()?;
        command.args(["--link", url, "--link-name", name]);
        Ok(command)
    }
}

/// The program of that name that the shell would run.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A port of 127.0.0.1 that nobody has.
pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
