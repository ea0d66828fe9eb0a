//! The commands in README and the guide work. Every command in a block of `sh` is typed unchanged at a machine that has
//! the document's names and addresses, or is run by another test or by `.ci/run`, or a reason is given here why it is
//! not run. A command that is not known here fails the test, and so does one that is no longer in a document.
//!
//! The commands from one heading to the next are run together, as one test.
#![cfg(target_os = "linux")]

use crate::browser::{Browser, Member};
use crate::harness::{Client, PATIENCE, PROMPT, Program, Server, Story, dynasti};
use crate::link::sees;
use crate::machine::{At, Machines, NEAR};
use crate::tools::installed;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// What plays a part.
type Play = fn(&Machines, &Part);

/// The parts with commands, each with the page and the heading that it stands under.
const PLAYS: &[(&str, &str, Play)] = &[
    ("README", "Start it", start),
    ("README", "Join it", join_and_find),
    ("README", "Files", share_a_file),
    ("README", "Scripts", post_by_scripts),
    ("README", "Several servers, one room", link_two_servers),
    ("build", "With an older Rust", name_the_target),
    ("files", "Files", share_and_fetch_files),
    ("link", "Set it up", link_two_servers_and_one_alone),
    ("link", "stunnel at both ends", link_through_stunnel),
    ("link", "A NATS server on each machine", link_through_a_leaf_node),
    ("privacy", "Through ssh", come_in_through_ssh),
    ("privacy", "Through stunnel", come_in_through_stunnel),
    ("scripts", "One line", post_and_ask_with_a_password),
    ("scripts", "Figures", read_figures),
    ("scripts", "Everything that is heard", hear_everything),
    ("service", "The transcript", rotate_the_transcript),
    ("service", "Found by name", find),
    ("trouble", "When something is wrong", look_what_is_wrong),
];

/// Commands that are run elsewhere: in this file, which has these words. An ellipsis stands for the rest of a command.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("sudo apt install ./dynasti_*.deb", ".debian/try", "apt on install /run/dynasti.deb"),
    ("systemctl status dynasti", ".debian/try", "on systemctl status"),
    ("journalctl -u dynasti -f", ".debian/try", "on journalctl --no-pager --unit=dynasti"),
    ("sudo systemctl restart dynasti", ".debian/try", "on systemctl restart dynasti"),
    ("sudo apt install nats-server", ".ci/run", "nats-server"),
    ("sudo apt install stunnel4", ".ci/run", "stunnel4"),
    ("cargo build --release", ".ci/run", "cargo build --release --locked"),
    ("cargo build --release --target aarch64-unknown-linux-gnu", ".ci/run", "aarch64-unknown-linux-gnu"),
    ("cargo build --release --no-default-features", ".ci/run", "--no-default-features"),
    (".debian/package arm64 …", ".ci/run", ".debian/package "),
    ("avahi-browse -rt _dynasti._tcp", "tests/it/discovery.rs", "\"avahi-browse\", \"-rtp\", \"_dynasti._tcp\""),
    ("cargo test", ".ci/run", "cargo test --locked"),
    ("cargo test --test it -- talk", "tests/it/main.rs", "mod talk;"),
    ("DYNASTI_SOAK_SECONDS=60 …", ".ci/run", "DYNASTI_SOAK_SECONDS=60 cargo test --locked"),
    ("DYNASTI_FUZZ_SECONDS=600 …", "tests/it/fuzz.rs", "DYNASTI_FUZZ_SECONDS"),
    ("DYNASTI_SIMULATION_STEPS=10000000 …", ".ci/run", "DYNASTI_SIMULATION_SEED=$seed cargo test --locked"),
    ("cargo bench -- --quick", ".ci/run", "cargo bench --profile dev --locked -- --quick"),
    ("cargo bench -- --only pages", "tests/load/main.rs", "\"--only\" =>"),
    ("cargo bench -- --only files", "tests/load/main.rs", "\"--only\" =>"),
    ("cargo bench -- --only instructions", "tests/load/main.rs", "\"--only\" =>"),
    ("cargo bench -- --only files --rounds 15", "tests/load/main.rs", "\"--rounds\" =>"),
    ("cargo bench -- --svg bench.svg", "tests/load/main.rs", "\"--svg\" =>"),
    ("cargo bench", ".ci/run", "cargo bench"),
    ("(cd tests/web && npm ci && npm test)", ".ci/run", "npm ci --no-audit"),
    (".ci/run --list", ".ci/run", "${1-} == --list"),
];

/// Commands that nothing runs, and why not.
const NOWHERE: &[(&str, &str)] = &[
    ("sudo apt install rustc cargo", "it would change which Rust runs the tests"),
    ("sudo cp target/*/release/dynasti /usr/local/bin/", "it is this machine's target/ that it means"),
    ("sudo apt install gcc-aarch64-linux-gnu", "the step arm has a toolchain of its own, of Rust 1.85"),
    ("rustup target add aarch64-unknown-linux-gnu", "the same"),
    ("export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc", "the same"),
    ("scp target/aarch64-unknown-linux-gnu/release/dynasti pi.local:", "it takes another machine"),
    ("sudo ufw allow …", "it opens this machine's firewall"),
    ("sudo firewall-cmd …", "it opens this machine's firewall"),
    (".ci/run", "it runs this"),
];

// ---------------------------------------------------------------------------------------------------------------
// The documents

/// A part of a page. What stands there is taken in its order; what nobody takes is not known.
struct Part {
    page: String,
    heading: String,
    commands: RefCell<VecDeque<String>>,
    texts: RefCell<VecDeque<Vec<String>>>,
}

impl Part {
    /// The next command, which begins like this.
    #[track_caller]
    fn command(&self, beginning: &str) -> String {
        let next = self.commands.borrow_mut().pop_front().unwrap_or_default();
        assert!(next.starts_with(beginning), "{self}: what comes next is not {beginning:?} but {next:?}");
        next
    }

    /// The next block that is no command, which begins like this. Those before it are passed over.
    #[track_caller]
    fn text(&self, beginning: &str) -> Vec<String> {
        loop {
            let next = self.texts.borrow_mut().pop_front();
            let next = next.unwrap_or_else(|| panic!("{self}: no block begins with {beginning:?}"));
            if next.first().is_some_and(|line| line.starts_with(beginning)) {
                return next;
            }
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, under {:?}", self.page, self.heading)
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages, by their names.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::from([("README".to_owned(), read("README.md"))]);
    for entry in fs::read_dir(root("src/guide")).expect("there is a guide") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            pages.insert(name, fs::read_to_string(&path).expect("it is text"));
        }
    }
    assert!(pages.len() > 9, "{:?}", pages.keys());
    pages
}

/// The parts of a page, with all commands that stand there.
fn parts(page: &str, text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut fence: Option<(bool, Vec<String>)> = None;
    for line in text.lines() {
        match (&mut fence, line.strip_prefix("```")) {
            (None, Some(language)) => fence = Some((language == "sh", Vec::new())),
            (Some(_), Some(_)) => {
                let (is_sh, lines) = fence.take().expect("it was seen");
                let part = parts.last_mut().expect("a page begins with a heading");
                match is_sh {
                    true => part.commands.borrow_mut().extend(commands(&lines)),
                    false => part.texts.borrow_mut().push_back(lines),
                }
            }
            (Some((_, lines)), None) => lines.push(line.to_owned()),
            (None, None) => {
                if let Some(heading) = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
                {
                    let (page, heading) = (page.to_owned(), heading.to_owned());
                    parts.push(Part { page, heading, commands: RefCell::default(), texts: RefCell::default() });
                }
            }
        }
    }
    assert!(fence.is_none(), "{page} has a block without an end");
    parts
}

/// Commands, one of which may stand on several lines, without the comments behind them.
fn commands(lines: &[String]) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let command = line.find(" # ").map_or(line.as_str(), |at| &line[..at]).trim_end();
        match commands.last_mut().filter(|_| goes_on) {
            Some(last) => *last += &format!("\n{command}"),
            None => commands.push(command.to_owned()),
        }
        goes_on = command.ends_with('\\');
    }
    commands
}

/// The commands that are not played.
fn for_others() -> impl Iterator<Item = &'static str> {
    ELSEWHERE.iter().map(|known| known.0).chain(NOWHERE.iter().map(|known| known.0))
}

/// Which of these commands this is.
fn known_as(command: &str) -> Option<&'static str> {
    for_others().find(|known| match known.strip_suffix('…') {
        Some(beginning) => command.starts_with(beginning),
        None => command == *known,
    })
}

/// Plays the parts of a page, each on machines of its own.
#[track_caller]
fn plays(page: &str) {
    let text = &pages()[page];
    for part in parts(page, text) {
        part.commands.borrow_mut().retain(|command| known_as(command).is_none());
        let play = PLAYS.iter().find(|(on, under, _)| (*on, *under) == (page, &part.heading));
        let Some((.., play)) = play else { continue };
        let Some(machines) = Machines::new(&format!("{page}-{}", part.heading.replace([' ', ','], "-"))) else {
            return;
        };
        play(&machines, &part);
        let rest = part.commands.take();
        assert!(rest.is_empty(), "{part}: nothing types {rest:?}");
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Whether all is known

#[test]
fn every_command_is_known() {
    let (mut used, mut played) = (BTreeSet::new(), BTreeSet::new());
    for (page, text) in pages() {
        for part in parts(&page, &text) {
            let mut to_play = Vec::new();
            for command in part.commands.take() {
                match known_as(&command) {
                    Some(known) => _ = used.insert(known),
                    None => to_play.push(command),
                }
            }
            let play = PLAYS.iter().position(|(on, under, _)| (*on, *under) == (&page, &part.heading));
            played.extend(play);
            assert!(play.is_some() || to_play.is_empty(), "{part}: {to_play:?} is not known to tests/it/readme.rs");
        }
    }
    let unused: Vec<_> = for_others().filter(|known| !used.contains(known)).collect();
    assert!(unused.is_empty(), "nobody writes this any more: {unused:?}");
    let unplayed: Vec<_> = (0..PLAYS.len()).filter(|n| !played.contains(n)).map(|n| (PLAYS[n].0, PLAYS[n].1)).collect();
    assert!(unplayed.is_empty(), "there is no such part: {unplayed:?}");
}

#[test]
fn what_runs_commands_elsewhere_is_there() {
    for (command, file, words) in ELSEWHERE {
        assert!(read(file).contains(words), "{file} has no {words:?}, and so nothing runs {command}");
    }
}

#[test]
fn links_lead_somewhere() {
    for (page, text) in pages() {
        let folder = if page == "README" { root("") } else { root("src/guide") };
        let mut links = Vec::new();
        for before in ["](", "src=\"", "srcset=\""] {
            links.extend(text.split(before).skip(1).filter_map(|rest| rest.split([')', '"']).next()));
        }
        for link in links.into_iter().filter(|link| !link.starts_with("http")) {
            assert!(folder.join(link).exists(), "{page}: {link}");
            assert!(page == "README", "{page}: {link} leads nowhere from the crate's documentation");
        }
    }
}

#[test]
fn readme_is_for_who_has_two_minutes() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 300, "{lines} lines");
}

#[test]
fn readme_has_every_command_of_the_room_and_of_the_operator() {
    let text = read("README.md");
    let (_, part) = text.split_once("\n## What everybody can type\n").expect("there is such a part");
    let part = part.split("\n## ").next().unwrap_or_default();
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    ann.says("/help");
    ann.says("/quit");
    server.operator("/help");
    server.operator("/frobnicate");
    server.stdout.find("the end of the help", |line| line.starts_with("-- There is no /frobnicate."));
    let helped = [ann.hears_out(), server.stdout.so_far()].concat();
    let commands = helped.iter().filter_map(|line| line.strip_prefix("-- /")?.split("  ").next());
    let commands: Vec<&str> = commands.map(str::trim_end).collect();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        // What the operator's take is told by /help.
        let name = command.split(' ').next().unwrap_or_default();
        let found = part.contains(&format!("`/{command}`")) || part.contains(&format!("`/{name}`"));
        assert!(found, "README has no /{command}");
    }
}

#[test]
fn options_in_readme_are_those_that_there_are() {
    let help = dynasti(&["--help"]).output().expect("the program runs").stdout;
    let help = String::from_utf8(help).expect("the help is text");
    let text = read("README.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `--")).collect();
    assert!(rows.len() > 9, "{rows:?}");
    for row in rows {
        let columns: Vec<&str> = row.split(" | ").collect();
        let options: Vec<&str> = columns[0].split('`').filter(|word| word.starts_with("--")).collect();
        let defaults = columns[2].trim_end_matches(" |").split(", ");
        for (option, default) in options.iter().zip(defaults.chain(std::iter::repeat(""))) {
            let line =
                help.lines().find(|line| line.split([' ', ',']).any(|word| Some(word) == option.split(' ').next()));
            let line = line.unwrap_or_else(|| panic!("there is no {option}"));
            assert!(option.split(' ').all(|word| line.contains(word)), "{option} is {line}");
            let is_number = default.bytes().all(|byte| byte.is_ascii_digit()) && !default.is_empty();
            assert!(!is_number || line.ends_with(&format!("[{default}]")), "{option}: not {default}, but {line}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The plays

macro_rules! pages {
    ($($test:ident: $page:literal,)*) => {$(
        #[test]
        fn $test() {
            plays($page);
        }
    )*};
}

pages! {
    what_readme_says_is_so: "README",
    what_is_said_of_building_is_so: "build",
    what_is_said_of_files_is_so: "files",
    what_is_said_of_several_servers_is_so: "link",
    what_is_said_of_privacy_is_so: "privacy",
    what_is_said_of_scripts_is_so: "scripts",
    what_is_said_of_the_service_is_so: "service",
    what_is_said_of_trouble_is_so: "trouble",
}

/// Starts what a command starts, whose standard input is the test's.
fn starts(machines: &Machines, at: At, command: &str) -> Program {
    machines.start("program", at, &["bash", "-c", command])
}

/// Starts a server at the near machine, and waits until it listens and has its name.
#[track_caller]
fn serves(machines: &Machines, command: &str) -> Program {
    let server = starts(machines, At::Near, command);
    server.prints("Server listening on [::]:4000");
    server.prints("This is dynasti.local.");
    server
}

/// The operator stops a server.
#[track_caller]
fn stops(mut server: Program) {
    server.types("/quit");
    assert_eq!(server.exit_code(), 0);
}

/// Somebody at a machine joins the server there.
#[track_caller]
fn joins_at(machines: &Machines, at: At, name: &str) -> Client {
    machines.there(at, || {
        let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], 4000)), PATIENCE);
        let mut client = Client::new(stream.expect("the server listens"), &Story::default());
        client.hears(PROMPT);
        client.joins(name);
        client
    })
}

/// Somebody at the near machine joins.
#[track_caller]
fn joins(machines: &Machines, name: &str) -> Client {
    joins_at(machines, At::Near, name)
}

/// Somebody joins with a program, and types a name there.
#[track_caller]
fn joins_with(machines: &Machines, at: At, command: &str, name: &str) -> Program {
    let mut client = starts(machines, at, command);
    client.prints(PROMPT);
    client.types(name);
    client.prints(&format!("Welcome, {name}! You can now chat. Type messages and press Enter."));
    client
}

/// All of it is printed.
#[track_caller]
fn shows(shell: &Program, lines: &[String]) {
    lines.iter().for_each(|line| shell.prints(line));
}

fn start(machines: &Machines, part: &Part) {
    part.command("cargo run --release");
    let mut server = starts(machines, At::Near, "dynasti");
    shows(&server, &part.text("Server listening on "));
    let mut ann = joins(machines, "Ann");
    server.types("hello");
    ann.hears("[SERVER]: hello");
}

fn join_and_find(machines: &Machines, part: &Part) {
    let _server = serves(machines, "dynasti");
    let ann = starts(machines, At::Far, &part.command("dynasti join"));
    ann.prints("Welcome, Ann! You can now chat. Type messages and press Enter.");
    assert_eq!(machines.runs(At::Far, &part.command("dynasti find")), part.text("dynasti.local:4000"));
}

fn find(machines: &Machines, part: &Part) {
    let _server = serves(machines, "dynasti");
    assert_eq!(machines.runs(At::Far, &part.command("dynasti find")), part.text("dynasti.local:4000"));
}

/// The address in a document, with another code or number.
fn with(command: &str, instead: &str) -> String {
    let parts = ["/send/6bbf6ef95c0af241fab3129884271093/", "/files/e79c6f4dfa7186f3dfe03b4305d576db/"];
    let part = parts.into_iter().find(|part| command.contains(part)).expect("an address of a file");
    command.replace(part, instead)
}

/// A code, as in `/send/CODE/`.
#[track_caller]
fn may_send(client: &mut Client) -> String {
    client.says("/send");
    let told = client.hears_one("where to send it", |line| line.starts_with("-- Send it with: "));
    let address = told.strip_prefix(&format!("-- Send it with: curl -T FILE http://{NEAR}:4080")).expect("an address");
    address.to_owned()
}

/// Reads where a file is that was just shared, as in `/files/ID/`.
#[track_caller]
fn hears_where(client: &mut Client) -> String {
    let told = client.hears_one("where it is", |line| line.starts_with("Ann shares holiday.jpg (12 B): http://"));
    let from = told.find("/files/").expect("an address");
    told[from..].trim_end_matches("holiday.jpg").to_owned()
}

/// Makes the file that documents speak of.
fn takes_a_picture(machines: &Machines) {
    machines.runs(At::Far, "printf 'a bright day' >holiday.jpg");
}

fn share_a_file(machines: &Machines, part: &Part) {
    let _server = serves(machines, "dynasti");
    let mut ann = joins(machines, "Ann");
    takes_a_picture(machines);
    let command = part.command("curl -T holiday.jpg");
    machines.runs(At::Far, &with(&command, &may_send(&mut ann)));
    hears_where(&mut ann);
}

fn share_and_fetch_files(machines: &Machines, part: &Part) {
    let _server = serves(machines, "dynasti");
    let mut ann = joins(machines, "Ann");
    takes_a_picture(machines);
    let command = part.command("curl -T holiday.jpg");
    machines.runs(At::Far, &with(&command, &may_send(&mut ann)));
    let file = hears_where(&mut ann);
    for tool in ["curl -O", "wget"] {
        let command = with(&part.command(tool), &file);
        assert_eq!(
            machines.runs(At::Far, &format!("mkdir -p saved; cd saved; {command} && cat holiday.jpg*")),
            ["a bright day"]
        );
        machines.runs(At::Far, "rm -r saved");
    }
    let command = part.command("printf 'PUT /send/");
    let answer = machines.runs(At::Far, &with(&command, &may_send(&mut ann)));
    assert_eq!(answer[0], "HTTP/1.1 201 Created\r");
    hears_where(&mut ann);
}

fn post_by_nc(machines: &Machines, part: &Part, ann: &mut Client) {
    machines.runs(At::Far, &part.command("printf 'cron"));
    ann.hears_each(["cron has joined the chat.", "cron: backup done", "cron has left the chat."]);
    assert_eq!(machines.runs(At::Far, &part.command("echo /who | nc")), [PROMPT, "-- 1 here: Ann"]);
}

fn post_by_http(machines: &Machines, part: &Part, ann: &mut Client) {
    machines.runs(At::Far, &part.command("curl -d 'backup done'"));
    ann.hears("cron: backup done");
    assert_eq!(machines.runs(At::Far, &part.command("curl http://")), ["{\"here\":1,\"names\":[\"Ann\"]}"]);
}

fn post_by_scripts(machines: &Machines, part: &Part) {
    let _server = serves(machines, "dynasti");
    let mut ann = joins(machines, "Ann");
    post_by_nc(machines, part, &mut ann);
    post_by_http(machines, part, &mut ann);
    let figures = machines.runs(At::Far, &part.command("curl http://dynasti.local:4080/metrics"));
    assert!(figures.iter().any(|line| line == "dynasti_members 1"), "{figures:?}");
}

fn post_and_ask_with_a_password(machines: &Machines, part: &Part) {
    let server = serves(machines, "dynasti");
    let mut ann = joins(machines, "Ann");
    post_by_nc(machines, part, &mut ann);
    post_by_http(machines, part, &mut ann);
    stops(server);
    let _server = serves(machines, "umask 077; echo PASSWORD >password; dynasti --password-file password");
    let who = part.command("curl -u :PASSWORD");
    assert_eq!(machines.runs(At::Far, &who), ["{\"here\":0,\"names\":[]}"]);
    let refused = machines.runs(At::Far, &who.replace("PASSWORD", "wrong"));
    assert!(refused.iter().all(|line| !line.contains("here")), "{refused:?}");
}

fn read_figures(machines: &Machines, part: &Part) {
    let _server = serves(machines, "dynasti");
    let (_ann, _bob) = (joins(machines, "Ann"), joins(machines, "Bob"));
    let figures = machines.runs(At::Far, &part.command("curl http://dynasti.local:4080/metrics"));
    for line in part.text("# HELP dynasti_members") {
        assert!(figures.contains(&line), "{line} is not in {figures:?}");
    }
}

fn hear_everything(machines: &Machines, part: &Part) {
    let _server = serves(machines, "dynasti");
    let mut ann = joins(machines, "Ann");
    let mut shell = machines.shell(At::Far);
    shell.types(&part.command("session="));
    ann.hears("logger has joined the chat.");
    shell.types(&part.command("curl -N \"$session/events\" &"));
    shell.prints("event: welcome");
    ann.says("hello");
    // What was heard, but for when.
    let event = part.text("id: 64000000");
    let (data, _) = event[2].split_once("\"at\":").expect("a time");
    shell.stdout.find("the event", |line| line.starts_with(data));
    shows(&shell, &event[..2]);
    shell.types(&part.command("curl -d 'I write down"));
    ann.hears("logger: I write down what is said here");
    ann.says("and later?");
    shell.types("kill %1; wait");
    let mut again = machines.shell(At::Far);
    again.types(&format!("session={}", session(&mut shell)));
    again.types(&format!("{} &", part.command("curl -N \"$session/events?after=64000000\"")));
    again.stdout.find("what came after", |line| line.contains("\"words\":\"and later?\""));
    assert!(again.stdout.so_far().iter().all(|line| !line.contains("\"words\":\"hello\"")));
    let once = part.command("curl -d 'done'");
    again.types(&format!("{once}; {once}"));
    again.types(&part.command("curl -X DELETE"));
    ann.hears_each(["logger: done", "logger has left the chat."]);
}

/// What a shell knows as the session.
fn session(shell: &mut Program) -> String {
    shell.types("echo \"session is $session\"");
    let told = shell.stdout.find("the session", |line| line.starts_with("session is http://"));
    told.trim_start_matches("session is ").to_owned()
}

fn rotate_the_transcript(machines: &Machines, part: &Part) {
    let mut shell = machines.shell(At::Near);
    shell.types(&part.command("dynasti --transcript transcript &"));
    shell.prints("This is dynasti.local.");
    let mut ann = joins(machines, "Ann");
    ann.says("hello");
    shell.types(&part.command("mv transcript"));
    shell.types(&part.command("kill -USR1"));
    // The signal takes its time; no line is lost meanwhile.
    let mut said = 1;
    while machines.runs(At::Near, "ls").iter().all(|file| file != "transcript") {
        ann.says("hello");
        said += 1;
    }
    shell.types("kill -INT $!; wait; echo ended");
    shell.prints("ended");
    let written = machines.runs(At::Near, "cat transcript.1 transcript");
    let shown = part.text("2026-").concat();
    let alike = written.iter().filter(|line| line.len() == shown.len() && line[20..] == shown[20..]);
    assert_eq!(alike.count(), said, "{written:?}");
}

fn name_the_target(machines: &Machines, part: &Part) {
    let command = part.command("cargo build --release --target \"$(rustc");
    let (_, target) = command.split_once("--target ").expect("a target");
    let named = machines.runs(At::Near, &format!("echo {target}"));
    assert!(named[0].starts_with(std::env::consts::ARCH), "{named:?}");
}

fn look_what_is_wrong(machines: &Machines, part: &Part) {
    if !installed("ss", "-V", "iproute2") {
        return part.commands.take().clear();
    }
    let first = serves(machines, "dynasti");
    let who = machines.runs(At::Near, &part.command("ss -ltnp"));
    assert!(who.iter().any(|line| line.contains("\"dynasti\"")), "{who:?}");
    let mut another = starts(machines, At::Near, "dynasti --no-web");
    another.stderr.find("what is wrong", |line| line.contains("something listens there already"));
    assert_eq!(another.exit_code(), 1);
    let another = starts(machines, At::Near, &part.command("dynasti --listen"));
    another.prints("Server listening on [::]:4001");
    another.prints("This is dynasti-2.local.");
    stops(first);
    let mut shell = machines.shell(At::Near);
    shell.types(&part.command("setsid dynasti </dev/null &"));
    shell.prints("Server listening on [::]:4000");
    // It stays when the terminal is gone.
    shell.types("exit");
    shell.exits_within(PATIENCE);
    joins(machines, "Ann");
    let limit = machines.runs(At::Near, &part.command("ulimit -Hn"));
    assert!(limit[0] == "unlimited" || limit[0].parse::<u64>().is_ok(), "{limit:?}");
}

// ---- Who can read along

fn come_in_through_ssh(machines: &Machines, part: &Part) {
    if !installed("ssh", "-V", "OpenSSH") || !installed("/usr/sbin/sshd", "-?", "OpenSSH") {
        return part.commands.take().clear();
    }
    let mut server = starts(machines, At::Near, &part.command("dynasti --listen 127.0.0.1:4000"));
    server.prints("Or open: http://127.0.0.1:4080/");
    // An account there: a key that is known, and a host that is.
    let key = machines.runs(At::Far, "ssh-keygen -q -t ed25519 -N '' -f key && cat key.pub").concat();
    machines.runs(
        At::Near,
        &format!("mkdir /run/sshd && echo '{key}' >keys && chmod 600 keys && ssh-keygen -q -t ed25519 -N '' -f host"),
    );
    let options =
        "-o AuthorizedKeysFile=/mnt/keys -o StrictModes=no -o UsePAM=no -o PermitRootLogin=yes -o HostKey=/mnt/host";
    let sshd =
        machines.start("sshd", At::Near, &["sh", "-c", &format!("exec /usr/sbin/sshd -D -e -f /dev/null {options}")]);
    sshd.stderr.find("that it listens", |line| line.contains("Server listening on 0.0.0.0"));
    machines.runs(
        At::Far,
        "printf 'IdentityFile /mnt/key\\nStrictHostKeyChecking no\\nUserKnownHostsFile /dev/null\\n' >/etc/ssh/ssh_config",
    );
    machines.runs(At::Far, &format!("{} >/dev/null 2>&1", part.command("ssh -f -N -L")));
    let mut ann = joins_with(machines, At::Far, &part.command("nc localhost 4000"), "Ann");
    server.types("hello");
    ann.prints("[SERVER]: hello");
    assert_eq!(machines.runs(At::Far, "curl -s http://localhost:4080/who"), ["{\"here\":1,\"names\":[\"Ann\"]}"]);
    ann.types("/quit");
}

fn stunnel() -> bool {
    installed("stunnel", "-version", "stunnel") && installed("openssl", "version", "OpenSSL")
}

fn come_in_through_stunnel(machines: &Machines, part: &Part) {
    if !stunnel() || !installed("ncat", "--version", "Ncat") {
        return part.commands.take().clear();
    }
    let _server = serves(machines, "dynasti");
    for command in ["openssl req", "sudo cp", "printf '[dynasti]", "sudo stunnel"] {
        machines.runs(At::Near, &part.command(command));
    }
    let mut ann = joins_with(machines, At::Far, &part.command("ncat --ssl"), "Ann");
    let bob = joins_with(machines, At::Far, &part.command("openssl s_client"), "Bob");
    ann.prints("Bob has joined the chat.");
    ann.types("hello");
    bob.prints("Ann: hello");
}

// ---- Several servers

fn nats() -> bool {
    installed("nats-server", "--version", "nats-server") && installed("setpriv", "--version", "util-linux")
}

/// The broker's configuration, as it stands in a document.
fn configures(machines: &Machines, at: At, lines: &[String]) {
    machines.runs(at, &format!("cat >/etc/nats-server.conf <<'END'\n{}\nEND", lines.join("\n")));
}

/// Has systemd start the broker, and waits until it listens.
#[track_caller]
fn starts_a_broker(machines: &Machines, at: At, command: &str) -> Program {
    let mut shell = machines.shell(at);
    shell.types(command);
    shell.stderr.find("that it listens", |line| line.ends_with("Server is ready"));
    shell
}

/// Starts a server, and waits until it is linked.
#[track_caller]
fn serves_linked(machines: &Machines, at: At, command: &str, this_is: &str) -> Program {
    let server = starts(machines, at, command);
    server.prints(this_is);
    server
}

/// Ann at the near machine and Bob at the far one hear each other.
#[track_caller]
fn hear_each_other(machines: &Machines) {
    let (mut ann, mut bob) = (joins_at(machines, At::Near, "Ann"), joins_at(machines, At::Far, "Bob"));
    sees(&mut ann, "2 here: Ann, Bob@pi2");
    sees(&mut bob, "2 here: Bob, Ann@pi1");
    bob.says("hello\n/msg Ann@pi1 psst");
    ann.hears_until("Bob@pi2: hello");
    ann.hears("Bob@pi2 (private): psst");
    ann.says("/reply yes?\n/me waves");
    bob.hears_until("Ann@pi1 (private): yes?");
    bob.hears("* Ann@pi1 waves");
}

/// The broker that is described, and both servers.
fn two_servers(machines: &Machines, part: &Part, password: &str) -> [Program; 3] {
    machines.runs(At::Near, &part.command("sudo install -d -o nats"));
    configures(machines, At::Near, &part.text("listen: "));
    let broker = starts_a_broker(machines, At::Near, &part.command("sudo systemctl restart nats-server"));
    machines.runs(At::Near, password);
    machines.runs(At::Far, password);
    let pi1 =
        serves_linked(machines, At::Near, &part.command("dynasti serve"), "This is pi1 at nats://192.168.1.10:4222.");
    let pi2 =
        serves_linked(machines, At::Far, &part.command("dynasti serve"), "This is pi2 at nats://192.168.1.10:4222.");
    [broker, pi1, pi2]
}

const PASSWORD: &str = "(umask 077 && echo swordfish >link-password)";

fn link_two_servers(machines: &Machines, part: &Part) {
    if !nats() {
        return part.commands.take().clear();
    }
    let _all = two_servers(machines, part, PASSWORD);
    hear_each_other(machines);
    // What is kept there outlives it.
    assert_eq!(machines.runs(At::Near, "ls /var/lib/nats/jetstream"), ["$G"]);
}

fn link_two_servers_and_one_alone(machines: &Machines, part: &Part) {
    if !nats() {
        return part.commands.take().clear();
    }
    // It stands between the broker and the servers.
    let at = part.commands.borrow().iter().position(|command| command.starts_with("(umask"));
    let password = at.and_then(|at| part.commands.borrow_mut().remove(at)).expect("a file is made");
    let [_broker, _pi1, pi2] = two_servers(machines, part, &password);
    hear_each_other(machines);
    stops(pi2);
    let _broker = starts_a_broker(machines, At::Far, &part.command("nats-server -js"));
    let command = "dynasti serve --link nats://127.0.0.1 --link-name pi2";
    serves_linked(machines, At::Far, command, "This is pi2 at nats://127.0.0.1:4222.");
}

fn link_through_stunnel(machines: &Machines, part: &Part) {
    if !nats() || !stunnel() {
        return part.commands.take().clear();
    }
    machines.runs(At::Near, "install -d -o nats -g nats /var/lib/nats");
    let conf = ["listen: 127.0.0.1:4222", "jetstream { store_dir: \"/var/lib/nats\" }", AUTHORIZATION];
    configures(machines, At::Near, &conf.map(String::from));
    let _broker = starts_a_broker(machines, At::Near, "systemctl restart nats-server");
    for command in ["openssl req", "sudo sh -c", "printf '[nats]", "sudo stunnel"] {
        machines.runs(At::Near, &part.command(command));
    }
    copies_the_certificate(machines);
    for command in ["sudo cp nats.crt", "printf '[nats]", "sudo stunnel"] {
        machines.runs(At::Far, &part.command(command));
    }
    for at in [At::Near, At::Far] {
        machines.runs(at, PASSWORD);
    }
    let pi2 = part.command("dynasti serve");
    let pi1 = pi2.replace("pi2", "pi1");
    let _pi1 = serves_linked(machines, At::Near, &pi1, "This is pi1 at nats://127.0.0.1:4222.");
    let _pi2 = serves_linked(machines, At::Far, &pi2, "This is pi2 at nats://127.0.0.1:4222.");
    hear_each_other(machines);
}

const AUTHORIZATION: &str = "authorization { user: dynasti, password: \"swordfish\" }";

fn copies_the_certificate(machines: &Machines) {
    let certificate = machines.runs(At::Near, "cat nats.crt").join("\n");
    machines.runs(At::Far, &format!("cat >nats.crt <<'END'\n{certificate}\nEND"));
}

fn link_through_a_leaf_node(machines: &Machines, part: &Part) {
    if !nats() || !stunnel() {
        return part.commands.take().clear();
    }
    machines.runs(At::Near, "install -d -o nats -g nats /var/lib/nats");
    machines.runs(At::Near, &part.command("openssl req"));
    machines.runs(At::Near, &part.command("sudo install -o nats"));
    configures(machines, At::Near, &part.text("listen: "));
    let _broker = starts_a_broker(machines, At::Near, &part.command("sudo systemctl restart nats-server"));
    copies_the_certificate(machines);
    machines.runs(At::Far, &part.command("sudo install -m 444"));
    configures(machines, At::Far, &part.text("listen: "));
    let _leaf = starts_a_broker(machines, At::Far, &part.command("sudo systemctl restart nats-server"));
    let pi2 = part.command("dynasti serve");
    let pi1 = pi2.replace("pi2", "pi1");
    let _pi1 = serves_linked(machines, At::Near, &pi1, "This is pi1 at nats://127.0.0.1:4222.");
    let _pi2 = serves_linked(machines, At::Far, &pi2, "This is pi2 at nats://127.0.0.1:4222.");
    hear_each_other(machines);
}

// ---------------------------------------------------------------------------------------------------------------
// What is shown, and is no command

/// Every way to join that the table names, at which somebody says who they are.
#[test]
fn every_way_to_join_that_readme_shows_is_one() {
    let text = read("README.md");
    let (_, part) = text.split_once("\n## Join it\n").expect("there is such a part");
    let rows =
        part.lines().skip_while(|line| !line.starts_with("| --- ")).skip(1).take_while(|line| line.starts_with('|'));
    let ways: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(ways.len(), 7, "{ways:?}");
    let tools = [
        ("nc", "-h", "OpenBSD"),
        ("ncat", "--version", "Ncat"),
        ("busybox", "--help", "BusyBox"),
        ("socat", "-V", "socat"),
        ("telnet", "-?", "elnet"),
        ("curl", "--version", "libcurl"),
    ];
    if !tools.iter().all(|(tool, argument, mark)| installed(tool, argument, mark)) {
        return;
    }
    let Some(machines) = Machines::new("ways") else { return };
    let _server = serves(&machines, "dynasti");
    let mut ann = joins(&machines, "Ann");
    for (n, way) in ways.iter().enumerate() {
        if way.starts_with("http") {
            let page = machines.runs(At::Far, &format!("curl -s {way}"));
            assert_eq!(page[0].to_lowercase(), "<!doctype html>");
            continue;
        }
        let name = format!("Bob{n}");
        let mut bob = starts(&machines, At::Far, way);
        bob.stdout.find("the greeting", |line| line.contains(PROMPT));
        bob.types(&name);
        ann.hears(&format!("{name} has joined the chat."));
        bob.types("hello");
        ann.hears(&format!("{name}: hello"));
        bob.types("/quit");
        ann.hears(&format!("{name} has left the chat."));
    }
}

/// What stands beside the phone: the room as Jonas sees it, who types what is set in bold.
#[test]
fn the_room_beside_the_phone_is_one() {
    if !installed("nc", "-h", "OpenBSD") {
        return;
    }
    let text = read("README.md");
    let (_, shown) = text.split_once("<pre>\n").expect("README shows it");
    let (shown, _) = shown.split_once("\n</pre>").expect("it ends");
    let mut lines = shown.lines();
    let command = lines.next().and_then(|line| line.strip_prefix("$ <b>")?.strip_suffix("</b>")).expect("a command");
    let Some(machines) = Machines::new("phone") else { return };
    let mut server = serves(&machines, "dynasti");
    let mut people = ["Rosa", "Mei Lin"].map(|name| (name, joins(&machines, name)));
    let mut jonas = starts(&machines, At::Far, command);
    let browser = Browser::at(SocketAddr::new(NEAR.parse().expect("an address"), 4080));
    let mut ann: Option<Member> = None;
    let mut heard = 0;
    for line in lines {
        if let Some(typed) = line.strip_prefix("<b>").and_then(|line| line.strip_suffix("</b>")) {
            jonas.types(typed);
            continue;
        }
        if line == "Ann has joined the chat." {
            ann = Some(machines.there(At::Far, || browser.joins("Ann")));
        } else if let Some(words) = line.strip_prefix("[SERVER]: ") {
            server.types(words);
        } else if let Some((name, words)) = line.split_once(": ") {
            match people.iter_mut().find(|(who, _)| *who == name) {
                Some((_, client)) => client.says(words),
                None if name == "Ann" => machines.there(At::Far, || ann.as_ref().expect("she is here").says(words)),
                None if line.starts_with("Jonas shares ") => {
                    let told = jonas.stdout.nth(heard - 1);
                    let address = told.rsplit(' ').next().expect("an address");
                    // As large as the picture.
                    machines
                        .runs(At::Far, &format!("head -c 3192 /dev/zero >view.png && curl -s -T view.png {address}"));
                }
                None => assert!(line.starts_with("-- "), "who says {line:?}?"),
            }
        }
        let (beginning, end) = line.split_once('…').unwrap_or((line, ""));
        let told = jonas.stdout.nth(heard);
        heard += 1;
        assert!(
            told == line || line.contains('…') && told.starts_with(beginning) && end.is_empty(),
            "{told} is not {line}"
        );
    }
}
