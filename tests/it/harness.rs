//! The harness of every test: the real server as a process, clients on real sockets, and other programs beside them.
//! All that happens is recorded as one [`Story`], which is printed when an expectation fails.
//!
//! Nothing here sleeps. A test waits for what should happen, [`PATIENCE`] at most. To show that something does *not*
//! happen, it checks what comes instead: `hears` takes the very next line and accepts no other. The harness knows
//! nothing of dynasti's sources, only of its contract.

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::collections::VecDeque;
use std::env;
use std::fmt::Display;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once. Only a fault takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The contract's own limit on how long the server may take to stop.
pub(crate) const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// Connects a socket whose kernel takes only a little before it makes the server wait.
pub(crate) fn connect_with_small_window(address: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket is to be had");
    sockopt::set_socket_recv_buffer_size(&socket, 4096).expect("a small buffer is to be had");
    rustix::net::connect(&socket, &address).expect("the server listens");
    TcpStream::from(socket)
}

/// The line that follows the refusal of a taken name.
pub(crate) const PERHAPS: &str =
    "-- If that is you: try again in a few seconds; a connection that is dead is given up.";

/// The refusal of a taken name.
pub(crate) fn taken(name: &str) -> String {
    format!("Name \"{name}\" is already taken. Choose a different name:")
}

/// What every client hears first.
pub(crate) const PROMPT: &str = "Hi! Welcome to Dynasti. What's your name?";

/// What every client hears last when the server stops.
pub(crate) const GOODBYE: &str = "Server is shutting down. Bye!";

/// The program under test: the one that cargo has built with the tests, or the one that `DYNASTI_BIN` names. That may
/// be a script which runs the program of another machine in an emulator.
pub(crate) fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| env::var("DYNASTI_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_dynasti").to_owned()))
}

/// A command for dynasti with these arguments.
pub(crate) fn dynasti(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args);
    command
}

/// A command for dynasti with these arguments, which `sh` starts after `preparation` (such as `ulimit …`) in the same
/// process. `redirection` follows the command.
pub(crate) fn dynasti_through_sh(preparation: &str, args: &[&str], redirection: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{preparation}\nexec \"$0\" \"$@\" {redirection}")).arg(binary()).args(args);
    command
}

// ---------------------------------------------------------------------------------------------------------------
// The story

/// What was said and heard so far, by everybody on one stage.
#[derive(Clone, Default)]
pub(crate) struct Story(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    recent: VecDeque<String>,
    forgotten: usize,
}

impl Story {
    /// How many events are kept: a screen of them. The cause of a failure is seldom further back.
    const KEPT: usize = 60;

    fn tell(&self, who: &str, event: &str, what: &[u8]) {
        let what = String::from_utf8_lossy(what);
        let mut line: String = format!("{who:>8} {event} ");
        line.extend(what.chars().take(100).flat_map(char::escape_debug));
        if what.chars().nth(100).is_some() {
            line.push('…');
        }
        let mut told = lock(&self.0);
        if told.recent.len() == Self::KEPT {
            told.recent.pop_front();
            told.forgotten += 1;
        }
        told.recent.push_back(line);
    }

    #[track_caller]
    fn fail(&self, fault: impl Display) -> ! {
        let told = lock(&self.0);
        let lines: Vec<&str> = told.recent.iter().map(String::as_str).collect();
        let earlier =
            if told.forgotten > 0 { format!(" ({} earlier events left out)", told.forgotten) } else { String::new() };
        let text = format!("{fault}\n--- the story so far{earlier}\n{}\n---", lines.join("\n"));
        drop(lines);
        drop(told);
        panic!("{text}");
    }
}

/// Locks even after a panic in another thread: the story is needed most when something has failed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

// ---------------------------------------------------------------------------------------------------------------
// A program and what it prints

/// One output stream of a program, as lines, read as fast as it is written.
#[derive(Clone)]
pub(crate) struct Output {
    shared: Arc<Printed>,
    story: Story,
    name: String,
}

#[derive(Default)]
struct Printed {
    state: Mutex<PrintedState>,
    changed: Condvar,
    /// Set to close the stream instead of reading on.
    deaf: AtomicBool,
}

#[derive(Default)]
struct PrintedState {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    /// Reads a stream of what `name` prints, or hears.
    pub(crate) fn capture(name: String, stream: impl Read + Send + 'static, story: &Story) -> Output {
        let output = Output { shared: Arc::default(), story: story.clone(), name };
        let kept = output.clone();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while !kept.shared.deaf.load(Ordering::SeqCst)
                && matches!(stream.read_until(b'\n', &mut line), Ok(length) if length > 0)
            {
                kept.story.tell(&kept.name, "prints", &line);
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
                lock(&kept.shared.state).lines.push(text);
                kept.shared.changed.notify_all();
                line.clear();
            }
            drop(stream);
            lock(&kept.shared.state).ended = true;
            kept.shared.changed.notify_all();
        });
        output
    }

    /// Waits until `enough` accepts what was printed. `wanted` describes that.
    #[track_caller]
    fn wait<T>(&self, wanted: impl Display, enough: impl FnMut(&[String], bool) -> Option<T>) -> T {
        self.wait_for(PATIENCE, wanted, enough)
    }

    /// The same, with another limit than [`PATIENCE`].
    #[track_caller]
    pub(crate) fn wait_for<T>(
        &self,
        patience: Duration,
        wanted: impl Display,
        mut enough: impl FnMut(&[String], bool) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.shared.state);
        loop {
            if let Some(found) = enough(&state.lines, state.ended) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended {
                drop(state);
                self.story.fail(format!("{} never printed {wanted}", self.name));
            }
            state = match self.shared.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Waits for a line that `wanted` accepts, whatever comes before or after it, and returns it.
    #[track_caller]
    pub(crate) fn find(&self, description: impl Display, wanted: impl Fn(&str) -> bool) -> String {
        self.wait(description, |lines, _| lines.iter().find(|line| wanted(line)).cloned())
    }

    /// Waits for exactly this line, whatever comes before or after it.
    #[track_caller]
    pub(crate) fn has(&self, line: &str) {
        self.find(format!("{line:?}"), |printed| printed == line);
    }

    /// Waits for the line with `before` others before it, and returns it.
    #[cfg(all(feature = "web", feature = "discovery", feature = "link"))]
    #[track_caller]
    pub(crate) fn nth(&self, before: usize) -> String {
        self.wait(format!("a line after {before} others"), |lines, _| lines.get(before).cloned())
    }

    /// Everything printed so far.
    pub(crate) fn so_far(&self) -> Vec<String> {
        lock(&self.shared.state).lines.clone()
    }

    /// Everything printed, once the stream has ended.
    #[track_caller]
    pub(crate) fn whole(&self) -> Vec<String> {
        self.wait("its last line", |lines, ended| ended.then(|| lines.to_vec()))
    }

    /// Closes this end of the stream when the next line comes. Whatever is printed after that fails with a broken pipe.
    pub(crate) fn close_at_next_line(&self) {
        self.shared.deaf.store(true, Ordering::SeqCst);
    }
}

/// A running program: its standard streams, its signals, its end. Ended by its id when dropped.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What it prints.
    pub(crate) stdout: Output,
    /// What it prints on standard error.
    pub(crate) stderr: Output,
    ended: Receiver<()>,
    name: String,
    story: Story,
}

impl Program {
    /// Starts it. The test holds all three of its standard streams.
    pub(crate) fn start(name: &str, mut command: Command, story: &Story) -> Program {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (end, ended) = mpsc::channel();
        let pid = Pid::from_child(&child);
        // NOWAIT: the child stays a zombie until `Child::wait` collects it, so that no other process gets its id.
        thread::spawn(move || {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let _ = end.send(());
        });
        Program {
            child,
            stdin,
            stdout: Output::capture(name.to_owned(), stdout, story),
            stderr: Output::capture(format!("{name}(2)"), stderr, story),
            ended,
            name: name.to_owned(),
            story: story.clone(),
        }
    }

    /// Types a line on its standard input.
    #[track_caller]
    pub(crate) fn types(&mut self, line: &str) {
        self.types_bytes(format!("{line}\n").as_bytes());
    }

    /// Types just these bytes on its standard input.
    #[track_caller]
    pub(crate) fn types_bytes(&mut self, bytes: &[u8]) {
        self.story.tell(&self.name, "is typed", bytes);
        let written = self.stdin.as_mut().expect("standard input is open").write_all(bytes);
        if let Err(error) = written {
            self.story.fail(format!("{} does not take its input: {error}", self.name));
        }
    }

    /// Types a line on its standard input, if that is still open.
    pub(crate) fn may_be_typed(&mut self, line: &str) {
        self.story.tell(&self.name, "may be typed", line.as_bytes());
        let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(format!("{line}\n").as_bytes()));
    }

    /// Ends its standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.story.tell(&self.name, "has no more input", b"");
        self.stdin = None;
    }

    /// Waits for this line on its standard output.
    #[track_caller]
    pub(crate) fn prints(&self, line: &str) {
        self.stdout.has(line);
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.story.tell(&self.name, "is sent", format!("{signal:?}").as_bytes());
        kill_process(self.pid(), signal).expect("the process is there until it is waited for");
    }

    /// Waits for its end, no longer than `limit`.
    #[track_caller]
    pub(crate) fn exits_within(&mut self, limit: Duration) -> ExitStatus {
        if self.ended.recv_timeout(limit).is_err() {
            self.story.fail(format!("{} has not ended after {limit:?}", self.name));
        }
        let status = self.child.wait().expect("an ended child can be collected");
        self.story.tell(&self.name, "ends with", status.to_string().as_bytes());
        status
    }

    /// Waits for its end and returns its exit status. Fails if a signal has ended it.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> i32 {
        let status = self.exits_within(PATIENCE);
        status.code().unwrap_or_else(|| self.story.fail(format!("{} was ended by a signal: {status}", self.name)))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---------------------------------------------------------------------------------------------------------------
// A place for files

/// A directory of the test's own, empty, and gone with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes it. The name is the test's.
    pub(crate) fn new(name: &str) -> Scratch {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory is to be had");
        Scratch(path)
    }

    /// The path of a file in it, which may or may not be there.
    pub(crate) fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().expect("the path is text").to_owned()
    }

    /// The lines of a file in it.
    #[track_caller]
    pub(crate) fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(file)).expect("the file is there and is text");
        assert!(text.is_empty() || text.ends_with('\n'), "a torn line: {text:?}");
        text.lines().map(String::from).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The server

/// A server of the test's own, on a port of its own.
pub(crate) struct Server {
    program: Program,
    addresses: Vec<SocketAddr>,
}

impl Deref for Server {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

impl Server {
    /// Starts `dynasti serve` with these options, on 127.0.0.1 unless they say where to listen.
    #[track_caller]
    pub(crate) fn start(options: &[&str]) -> Server {
        let arguments = Self::arguments(options);
        let listeners = arguments.iter().filter(|argument| **argument == "--listen").count();
        Self::run(dynasti(&arguments), listeners)
    }

    /// The whole argument list that `start` makes of these options. A server that could be reached from the network
    /// speaks no multicast DNS: what a test sends stays on this machine.
    pub(crate) fn arguments<'a>(options: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["serve"];
        if !options.contains(&"--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        if options.iter().any(|option| option.starts_with("0.0.0.0:") || option.starts_with("[::]:")) {
            arguments.push("--no-mdns");
        }
        arguments.extend(options);
        arguments
    }

    /// Runs a command that becomes the server, or contains it, and waits until it listens on so many addresses.
    #[track_caller]
    pub(crate) fn run(command: Command, listeners: usize) -> Server {
        let program = Program::start("server", command, &Story::default());
        let addresses = program.stdout.wait("where it listens", |lines, _| {
            let addresses = lines.iter().filter_map(|line| line.strip_prefix("Server listening on "));
            let addresses: Vec<SocketAddr> = addresses.filter_map(|address| address.trim_end().parse().ok()).collect();
            (addresses.len() == listeners).then_some(addresses)
        });
        Server { program, addresses }
    }

    /// Where it listens: the address that was really bound, for each `--listen` in turn.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The port of the first listener.
    pub(crate) fn port(&self) -> u16 {
        self.addresses[0].port()
    }

    /// The story that this server is in.
    pub(crate) fn story(&self) -> &Story {
        &self.program.story
    }

    /// A figure of the server's `/proc/PID/status`, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory_kib(&self, field: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero()));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("the field is a number")
    }

    /// The state of the server's process, as in `/proc/PID/stat`: `T` is stopped.
    #[cfg(target_os = "linux")]
    pub(crate) fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero()));
        let stat = stat.expect("the server runs");
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).expect("the state is there")
    }

    /// The operator types a line.
    #[track_caller]
    pub(crate) fn operator(&mut self, line: &str) {
        self.types(line);
    }

    /// Connects, and no more.
    #[track_caller]
    pub(crate) fn dial(&self) -> Client {
        self.dial_to(self.addresses[0])
    }

    /// Connects to another of its addresses, and no more.
    #[track_caller]
    pub(crate) fn dial_to(&self, address: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&address, PATIENCE);
        Client::new(stream.unwrap_or_else(|error| self.story().fail(format!("cannot connect: {error}"))), self.story())
    }

    /// Connects a client whose kernel takes only a little before it makes the server wait: one that will stop reading.
    pub(crate) fn dial_with_small_window(&self) -> Client {
        Client::new(connect_with_small_window(self.addresses[0]), self.story())
    }

    /// Connects from this address, which is one of loopback's, by IPv4.
    pub(crate) fn dial_from(&self, address: [u8; 4]) -> Client {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket is to be had");
        rustix::net::bind(&socket, &SocketAddr::from((address, 0))).expect("all of 127.0.0.0/8 is this machine");
        rustix::net::connect(&socket, &SocketAddr::from(([127, 0, 0, 1], self.port()))).expect("the server listens");
        Client::new(TcpStream::from(socket), self.story())
    }

    /// Connects and hears the prompt: a client without a name.
    #[track_caller]
    pub(crate) fn guest(&self) -> Client {
        let mut client = self.dial();
        client.hears(PROMPT);
        client
    }

    /// Connects and joins under this name.
    #[track_caller]
    pub(crate) fn join(&self, name: &str) -> Client {
        let mut client = self.guest();
        client.joins(name);
        client
    }

    /// A room with these members in it, who have heard each other come.
    #[track_caller]
    pub(crate) fn room<const N: usize>(&self, names: [&str; N]) -> [Client; N] {
        let mut members: Vec<Client> = Vec::new();
        for name in names {
            let newcomer = self.join(name);
            for member in &mut members {
                member.hears(&format!("{name} has joined the chat."));
            }
            members.push(newcomer);
        }
        members.try_into().unwrap_or_else(|_| unreachable!("one member for each name"))
    }
}

// ---------------------------------------------------------------------------------------------------------------
// A client

/// One connection to the server. It reads only when the test lets it hear.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    was_reset: bool,
    /// How long it waits for the next line.
    patience: Duration,
    name: String,
    story: Story,
}

impl Client {
    /// A client on this socket.
    pub(crate) fn new(stream: TcpStream, story: &Story) -> Client {
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout is to be had");
        stream.set_nodelay(true).expect("what is sent is to be sent at once");
        let (name, story) = ("(guest)".to_owned(), story.clone());
        Client { stream, unread: Vec::new(), was_reset: false, patience: PATIENCE, name, story }
    }

    /// From now on it waits so long for the next line, and not [`PATIENCE`].
    #[cfg(feature = "link")]
    pub(crate) fn waits_up_to(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Gives this name and is welcomed.
    #[track_caller]
    pub(crate) fn joins(&mut self, name: &str) {
        self.says(name);
        self.hears(&format!("Welcome, {name}! You can now chat. Type messages and press Enter."));
        self.name = name.to_owned();
    }

    /// Gives a name and is told that `holder` has it.
    #[track_caller]
    pub(crate) fn is_refused(&mut self, name: &str, holder: &str) {
        self.says(name);
        self.hears_each([&taken(holder), PERHAPS]);
    }

    /// Sends a line.
    #[track_caller]
    pub(crate) fn says(&mut self, line: &str) {
        self.sends(format!("{line}\n"));
    }

    /// Sends just these bytes, in one write.
    #[track_caller]
    pub(crate) fn sends(&mut self, bytes: impl AsRef<[u8]>) {
        self.story.tell(&self.name, "sends", bytes.as_ref());
        if let Err(error) = self.stream.write_all(bytes.as_ref()) {
            self.story.fail(format!("{} cannot send: {error}", self.name));
        }
    }

    /// Sends these bytes, if the server still takes them.
    pub(crate) fn tries_to_send(&mut self, bytes: impl AsRef<[u8]>) {
        self.story.tell(&self.name, "tries to send", bytes.as_ref());
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Half-closes the connection: has nothing more to say, and listens on.
    pub(crate) fn ends_input(&mut self) {
        self.story.tell(&self.name, "has nothing more to say", b"");
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Half-closes, and hears the connection end. Returns the lines that were still unheard.
    #[track_caller]
    pub(crate) fn leaves(mut self) -> Vec<String> {
        self.ends_input();
        self.hears_out()
    }

    /// Breaks the connection off with a reset.
    pub(crate) fn resets(self) {
        self.story.tell(&self.name, "resets", b"");
        sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("a socket can linger");
    }

    /// Hears exactly this as the very next line.
    #[track_caller]
    pub(crate) fn hears(&mut self, line: &str) {
        match self.next_line() {
            Some(heard) if heard == line => {}
            Some(heard) => self.story.fail(format!("{} heard {heard:?}, not {line:?}", self.name)),
            None => self.story.fail(format!("{}'s connection ended, and no {line:?}", self.name)),
        }
    }

    /// Hears nothing at all until `sentinel`. It must be a line that comes after whatever should not have come.
    #[track_caller]
    pub(crate) fn hears_nothing_before(&mut self, sentinel: &str) {
        self.hears(sentinel);
    }

    /// Hears exactly these lines, in this order, and nothing between them.
    #[track_caller]
    pub(crate) fn hears_each(&mut self, lines: impl IntoIterator<Item = impl AsRef<str>>) {
        for line in lines {
            self.hears(line.as_ref());
        }
    }

    /// Hears a next line that `wanted` accepts, and returns it. `description` is for the failure.
    #[track_caller]
    pub(crate) fn hears_one(&mut self, description: &str, wanted: impl FnOnce(&str) -> bool) -> String {
        match self.next_line() {
            Some(heard) if wanted(&heard) => heard,
            Some(heard) => self.story.fail(format!("{} heard {heard:?}, not {description}", self.name)),
            None => self.story.fail(format!("{}'s connection ended before {description}", self.name)),
        }
    }

    /// Listens until this line has come, and returns what came before it.
    #[track_caller]
    pub(crate) fn hears_until(&mut self, line: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.next_line() {
                Some(heard) if heard == line => return before,
                Some(heard) => before.push(heard),
                None => self.story.fail(format!("{}'s connection ended, and no {line:?}", self.name)),
            }
        }
    }

    /// Hears these very bytes next, line or no line.
    #[track_caller]
    pub(crate) fn hears_bytes(&mut self, bytes: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while self.unread.len() < bytes.len() {
            if !self.receive(deadline) {
                self.story.fail(format!("{}'s connection ended before the bytes {bytes:?}", self.name));
            }
        }
        let heard: Vec<u8> = self.unread.drain(..bytes.len()).collect();
        self.story.tell(&self.name, "hears bytes", format!("{heard:?}").as_bytes());
        if heard != bytes {
            self.story.fail(format!("{} heard the bytes {heard:?}, not {bytes:?}", self.name));
        }
    }

    /// Takes so many bytes, line or no line.
    #[cfg(feature = "web")]
    #[track_caller]
    pub(crate) fn takes(&mut self, length: usize) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while self.unread.len() < length {
            if !self.receive(deadline) {
                self.story.fail(format!("{}'s connection ended before {length} bytes", self.name));
            }
        }
        let taken: Vec<u8> = self.unread.drain(..length).collect();
        self.story.tell(&self.name, "takes", &taken);
        taken
    }

    /// Hears the connection end, and whatever lines come before that.
    #[track_caller]
    pub(crate) fn hears_out(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    /// Hears the connection end, and not a line before that.
    #[track_caller]
    pub(crate) fn hears_the_end(&mut self) {
        let rest = self.hears_out();
        if !rest.is_empty() {
            self.story.fail(format!("{} should have heard nothing more, and heard {rest:?}", self.name));
        }
    }

    /// Hears the connection end, and ignores what comes before that.
    #[track_caller]
    pub(crate) fn is_let_go(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.receive(deadline) {
            self.unread.clear();
        }
        self.story.tell(&self.name, "hears the end", b"");
    }

    /// The server resets the connection, and does not close it first. A closed one can still be written to, so `nc`
    /// would wait for its user's next key. And `ncat` does not look at it again once it has seen the close.
    #[track_caller]
    pub(crate) fn is_reset(&mut self) {
        self.hears_the_end();
        if !self.was_reset {
            self.story.fail(format!("{}'s connection was closed, not reset", self.name));
        }
    }

    /// The address that the server sees this client at.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// The bare socket, for a load that is too large for the story. Nothing must be left unread.
    pub(crate) fn into_stream(self) -> TcpStream {
        assert!(self.unread.is_empty(), "{} has not heard everything", self.name);
        self.stream
    }

    /// What has come and was not heard yet, and the bare socket.
    #[cfg(feature = "link")]
    pub(crate) fn into_parts(self) -> (Vec<u8>, TcpStream) {
        self.stream.set_read_timeout(None).expect("it can be had");
        (self.unread, self.stream)
    }

    /// The next line without its LF, or `None` at the end of the connection, however that came.
    #[track_caller]
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                self.story.tell(&self.name, "hears", &line);
                let text = String::from_utf8(line[..end].to_vec());
                return Some(
                    text.unwrap_or_else(|error| self.story.fail(format!("the server sent no UTF-8: {error}"))),
                );
            }
            if !self.receive(deadline) {
                if !self.unread.is_empty() {
                    self.story.tell(&self.name, "hears", &self.unread);
                    self.story.fail(format!("{}'s last line has no end", self.name));
                }
                self.story.tell(&self.name, "hears the end", b"");
                return None;
            }
        }
    }

    /// Takes in what has come. Returns whether the connection is still up.
    #[track_caller]
    fn receive(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left)).expect("a timeout is to be had");
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(length) => {
                self.unread.extend_from_slice(&chunk[..length]);
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                self.story.fail(format!("{} heard nothing for {PATIENCE:?} (so far: {:?})", self.name, self.unread))
            }
            Err(error) => {
                self.was_reset = error.kind() == ErrorKind::ConnectionReset;
                // A reset does not wait for the end of a line.
                self.unread.clear();
                false
            }
        }
    }
}
