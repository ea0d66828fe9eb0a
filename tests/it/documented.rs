//! The documents are complete and true: the manual page, the shells' completions and the service's options have every
//! option and command that the program itself lists, with its default, and no others.
//!
//! To add an option, add it to `dynasti.1`, `dynasti.bash`, `_dynasti` and `dynasti.fish` in `.debian/`, and an option
//! of `serve` to `dynasti.default`. To add a command of the room, add it to `dynasti.1` and to the page's `app.js`.

use crate::harness::{Server, dynasti};
use crate::seat::Seat;
use crate::tools::installed;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// Options with what they take, as `--listen ADDR:PORT`, or names.
type Words = BTreeSet<String>;

/// Something that is explained: an option or a command, and the text about it.
struct Entry {
    /// The part of the manual that it stands in.
    part: String,
    /// How it is typed.
    typed: String,
    text: String,
}

/// Where the package is made.
const PACKAGED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.debian");

fn packaged(file: &str) -> String {
    let path = format!("{PACKAGED}/{file}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The options that a line begins with: `--no-web, --no-mdns  no page` has two, `--rate N  lines a second` one.
fn options(line: &str) -> Vec<String> {
    let mut words = line.split(' ').peekable();
    let mut options = Vec::new();
    while let Some(option) = words.next_if(|word| word.starts_with('-')) {
        let takes = |word: &&str| {
            let word = word.trim_end_matches(',');
            !word.is_empty() && word.chars().all(|char| char.is_ascii_uppercase() || char == ':')
        };
        let option = match words.next_if(takes) {
            Some(value) => format!("{option} {value}"),
            None => option.to_owned(),
        };
        options.push(option.trim_end_matches(',').to_owned());
        if !option.ends_with(',') {
            break;
        }
    }
    options
}

/// What `--help` prints after this command.
fn help(command: &[&str]) -> String {
    let output = dynasti(&[command, &["--help"]].concat()).output().expect("the program runs");
    String::from_utf8(output.stdout).expect("the help is text")
}

/// The options that the program lists for each command. Those that are no command's are under the empty name.
fn listed() -> BTreeMap<String, Words> {
    let help = help(&[]);
    let mut listed = BTreeMap::<String, Words>::new();
    let mut command = String::new();
    for line in help.lines() {
        if let Some(options_of) = line.strip_prefix("  ") {
            listed.entry(command.clone()).or_default().extend(options(options_of));
        } else if let Some(rest) = line.strip_prefix("dynasti ") {
            let word = rest.split([' ', ':']).next().unwrap_or_default();
            if word.starts_with("--") {
                let alone = line.split("dynasti ").filter_map(|usage| usage.split(':').next()).flat_map(options);
                listed.entry(String::new()).or_default().extend(alone);
            } else if word != "-" {
                command = word.trim_matches(['[', ']']).to_owned();
                listed.entry(command.clone()).or_default();
            }
        }
    }
    // So that nothing is overlooked here.
    let names: Words = listed.values().flatten().map(|option| name(option)).collect();
    for word in help.split(|char: char| !char.is_ascii_lowercase() && char != '-').filter(|word| word.len() > 2) {
        assert!(!word.starts_with("--") || names.contains(word), "{word} was overlooked in {help}");
    }
    listed
}

/// An option without what it takes.
fn name(option: &str) -> String {
    option.split(' ').next().unwrap_or_default().to_owned()
}

/// Numbers that the program says are the defaults.
fn defaults() -> Vec<(String, String)> {
    let number = |line: &str| {
        let (_, default) = line.strip_suffix(']')?.rsplit_once('[')?;
        let option = options(line.trim_start()).pop()?;
        default.parse::<u64>().ok().map(|_| (option, default.to_owned()))
    };
    help(&[]).lines().filter_map(number).collect()
}

/// What a section of the manual page explains.
fn manual(section: &str) -> Vec<Entry> {
    let page = packaged("dynasti.1").replace("\\-", "-");
    let (mut part, mut inside) = (String::new(), false);
    let mut entries: Vec<Entry> = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix(".Sh ") {
            inside = heading == section;
        } else if let Some(heading) = line.strip_prefix(".Ss ") {
            heading.clone_into(&mut part);
        } else if !inside {
        } else if let Some(item) = line.strip_prefix(".It ") {
            entries.push(Entry { part: part.clone(), typed: typed(item), text: String::new() });
        } else if let Some(entry) = entries.last_mut() {
            entry.text += line;
            entry.text += " ";
        }
    }
    assert!(!entries.is_empty(), "there is no {section}");
    entries
}

/// How an item of the manual page looks: `Ic /history Op Ar N` is `/history [N]`.
fn typed(item: &str) -> String {
    let (mut typed, mut before, mut after) = (String::new(), "", "");
    for word in item.split(' ') {
        match word {
            "Ar" | "Ic" => {}
            "Fl" => before = "-",
            "Op" => (before, after) = ("[", "]"),
            "," => typed.push(','),
            word => {
                if !typed.is_empty() {
                    typed.push(' ');
                }
                typed += before;
                typed += word;
                before = "";
            }
        }
    }
    typed + after
}

/// What the file with the service's options explains.
fn service() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in packaged("dynasti.default").lines().filter_map(|line| line.strip_prefix('#')) {
        let line = line.trim_start();
        if line.starts_with("--") && options(line).concat() == line {
            entries.push(Entry { part: "serve".into(), typed: line.to_owned(), text: String::new() });
        } else if let Some(entry) = entries.last_mut() {
            entry.text += line;
            entry.text += " ";
        }
    }
    entries
}

fn all_options<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Words {
    entries.into_iter().flat_map(|entry| options(&entry.typed)).collect()
}

#[test]
fn every_command_shows_the_same_help() {
    for command in listed().keys().filter(|command| !command.is_empty()) {
        assert_eq!(help(&[command]), help(&[]), "{command}");
    }
}

#[test]
fn the_manual_page_explains_every_option() {
    let entries = manual("OPTIONS");
    let mut explained = BTreeMap::<String, Words>::new();
    for entry in &entries {
        let command = entry.part.strip_prefix("dynasti").expect("a part for each command").trim_start();
        explained.entry(command.to_owned()).or_default().extend(options(&entry.typed));
    }
    let page = packaged("dynasti.1");
    for (command, options) in listed() {
        assert!(page.contains(format!(".Ss dynasti {command}").trim_end()), "nothing about dynasti {command}");
        assert_eq!(explained.remove(&command).unwrap_or_default(), options, "dynasti {command}");
    }
    assert_eq!(explained, BTreeMap::new());
}

#[test]
fn the_services_options_are_explained_where_they_are_set() {
    assert_eq!(all_options(&service()), listed()["serve"]);
}

#[test]
fn defaults_are_what_they_are_said_to_be() {
    let defaults = defaults();
    assert!(defaults.len() > 4, "{defaults:?}");
    for (place, entries) in [("dynasti.1", manual("OPTIONS")), ("dynasti.default", service())] {
        for (option, default) in &defaults {
            let entry = entries.iter().find(|entry| entry.typed == *option).expect("every option is explained");
            assert!(entry.text.contains(&format!("The default is {default}.")), "{option} in {place}: {}", entry.text);
        }
    }
}

/// The commands that an answer to `/help` lists, one a line, with what they do behind two spaces.
fn helped(lines: impl IntoIterator<Item = String>) -> Words {
    let lines: Vec<String> = lines.into_iter().collect();
    let rows = lines.iter().filter_map(|line| line.trim_start().strip_prefix("-- /")?.split("  ").next());
    rows.map(|row| format!("/{}", row.trim_end())).collect()
}

#[test]
fn the_page_completes_every_command_of_the_room() {
    let script = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/page/app.js")).expect("it is there");
    let (_, list) = script.split_once("const COMMANDS = [").expect("the page has a list");
    let (list, _) = list.split_once(']').expect("it ends");
    let completed: Words = list.split(',').map(|word| word.trim().trim_matches('\'').to_owned()).collect();
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    ann.says("/help");
    ann.says("/quit");
    let commands = helped(ann.hears_out());
    assert_eq!(completed, commands.iter().map(|command| name(command)).collect());
}

#[test]
fn the_manual_page_explains_every_command_of_the_room() {
    let entries = manual("COMMANDS");
    let explained = |part: &str| -> Words {
        entries.iter().filter(|entry| entry.part == part).map(|entry| entry.typed.clone()).collect()
    };
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    ann.says("/help");
    ann.says("/quit");
    let room = helped(ann.hears_out());
    assert_eq!(explained("Commands of the room"), room);

    server.operator("/help");
    server.operator("/frobnicate");
    server.stdout.find("the end of the help", |line| line.starts_with("-- There is no /frobnicate."));
    assert_eq!(explained("Commands of the operator"), helped(server.stdout.so_far()));

    let mut bob = Seat::join(100, 40, &[&format!("127.0.0.1:{}", server.port()), "--name", "Bob"]);
    bob.shows_where("the welcome", |emulator| emulator.everything().contains("Welcome, Bob!"));
    bob.types("/help\r/frobnicate\r");
    bob.shows_where("the end of the help", |emulator| emulator.everything().contains("There is no /frobnicate"));
    let own = explained("Commands of dynasti join at a terminal");
    let at_the_terminal = helped(bob.emulator.lines());
    assert_eq!(own.union(&room).cloned().collect::<Words>(), at_the_terminal);
    assert_eq!(own, at_the_terminal.difference(&room).cloned().collect());
}

#[test]
fn the_package_has_the_programs_version() {
    let changelog = packaged("changelog");
    let newest = format!("dynasti ({}-", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&newest), "the newest entry is not about this version: {newest}");
}

/// What a shell should offer behind each of these command lines.
fn offered() -> Vec<(String, Words)> {
    let listed = listed();
    let names = |command: &str| -> Words { listed[command].iter().map(|option| name(option)).collect() };
    let anywhere: Words = ["-h", "--help"].map(String::from).into();
    let commands: Words = listed.keys().filter(|command| !command.is_empty()).cloned().collect();
    let mut offered = vec![
        ("dynasti ".into(), commands.clone()),
        ("dynasti -".into(), names("serve").union(&names("")).cloned().collect()),
        ("dynasti --listen 127.0.0.1:0 -".into(), names("serve").union(&anywhere).cloned().collect()),
    ];
    for command in commands {
        offered.push((format!("dynasti {command} -"), names(&command).union(&anywhere).cloned().collect()));
    }
    offered
}

/// The same behind each option that takes a value: no option. (fish offers options behind any hyphen.)
fn offered_as_values() -> Vec<(String, Words)> {
    let commands = listed().into_iter().filter(|(command, _)| !command.is_empty());
    let valued = commands.flat_map(|(command, options)| {
        let valued = options.into_iter().filter(|option| option.contains(' '));
        valued.map(move |option| (format!("dynasti {command} {} -", name(&option)), Words::new()))
    });
    valued.collect()
}

/// The words that begin like the last one of what was typed.
fn fitting<'a>(words: impl Iterator<Item = &'a str>, typed: &str) -> Words {
    let begun = typed.rsplit(' ').next().unwrap_or_default();
    words.filter(|word| word.starts_with(begun) && !["", "-", "--"].contains(word)).map(String::from).collect()
}

/// The lines that a script of a shell prints.
fn printed(shell: &str, options: &[&str], script: &str, typed: &str) -> String {
    let output = Command::new(shell).args(options).args(["-c", script]).arg(typed).current_dir(PACKAGED).output();
    let output = output.unwrap_or_else(|error| panic!("{shell}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{shell}: {errors}");
    String::from_utf8(output.stdout).expect("completions are text")
}

#[test]
fn bash_offers_every_option() {
    if !installed("bash", "--version", "GNU bash") {
        return;
    }
    let script = r#"source ./dynasti.bash
        read -ra COMP_WORDS <<<"$0"
        [[ $0 != *' ' ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _dynasti
        printf '%s\n' "${COMPREPLY[@]}""#;
    for (typed, expected) in [offered(), offered_as_values()].concat() {
        let candidates = printed("bash", &["--norc"], script, &typed);
        assert_eq!(fitting(candidates.lines(), &typed), expected, "{typed}");
    }
}

#[test]
fn fish_offers_every_option() {
    if !installed("fish", "--version", "fish") {
        return;
    }
    for (typed, expected) in offered() {
        let script = "source ./dynasti.fish; complete --do-complete $argv[1]";
        let candidates = printed("fish", &["--no-config"], script, &typed);
        let words = candidates.lines().filter_map(|line| line.split('\t').next());
        assert_eq!(fitting(words, &typed), expected, "{typed}");
    }
}

#[test]
fn zsh_offers_every_option() {
    if !installed("zsh", "--version", "zsh") {
        return;
    }
    for (typed, expected) in offered() {
        // On a terminal that can do nothing, zsh writes plain text.
        let mut command = Seat::session("zsh");
        command.args(["-f", "-i", "-o", "no_prompt_sp"]).env("TERM", "dumb").current_dir(PACKAGED);
        let mut zsh = Seat::run(160, 50, command);
        zsh.types("PS1='ready '; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D\r");
        zsh.shows("ready ");
        zsh.types(&format!("{typed}\t"));
        zsh.shows_where(&format!("{expected:?} and no more"), |emulator| {
            let rows = emulator.lines();
            let rows = rows.iter().skip_while(|row| !row.starts_with("ready dynasti"));
            let listed = rows.filter(|row| !row.starts_with("ready "));
            // Behind two hyphens it says what a word is for.
            let words = listed.flat_map(|row| row.split(" -- ").next().unwrap_or_default().split(' '));
            fitting(words, &typed) == expected
        });
    }
}
