//! The load benchmark: dynasti is compared with a floor that only copies bytes, and with what people use today.
//!
//! `cargo bench` runs all of it in under three minutes; `cargo bench -- --help` lists the options. The clients of all
//! servers are in this one process, so it knows of every line who has received it. If a line is lost, doubled, damaged
//! or out of order, the run does not count. This file reads the arguments and prints the reports; `plan` says what is
//! run in which order.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod arrivals;
mod beside;
mod broker;
mod elsewhere;
mod fault;
mod files;
mod floor;
mod generator;
mod instructions;
mod linked;
mod page;
mod peers;
mod plan;
mod process;
mod report;
mod room;
mod svg;
mod syscalls;
mod tally;
mod transfer;
mod workloads;

use std::env;
use std::path::PathBuf;
use std::process::exit;

use files::FileServer;
use peers::Peer;
use plan::{Bench, Kind, Scale};
use report::Report;

const HELP: &str = "\
Usage: cargo bench [-- OPTIONS]

Measures dynasti beside a floor (a bare loop that only copies bytes) and, where they are
installed, `ncat --chat` and a Node.js server, and prints medians and ratios to the floor;
as a server of files, beside Python's and dufs. Where nats-server is installed, two linked
servers beside one.
Counts system calls where perf or strace is installed, and instructions where valgrind is.
Exit status 1 if any line was lost, doubled, damaged or out of order.

    --quick            seconds, no other servers: only whether all is right
    --only WORKLOAD    one, busy, rush, idle, latency, stopped, pages, files, link or
                       instructions; repeatable
    --rounds N         rounds that the medians are taken of
    --binary PATH      measure this program too, called as dynasti is; repeatable
    --no-peers         dynasti and the floor alone
    --svg FILE         draw the picture
";

/// What the command line asks for.
#[derive(Default)]
struct Options {
    quick: bool,
    only: Vec<Kind>,
    rounds: Option<usize>,
    binaries: Vec<PathBuf>,
    no_peers: bool,
    svg: Option<PathBuf>,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments == [peers::FLOOR] {
        if let Err(error) = floor::run() {
            eprintln!("floor: {error}");
            exit(1);
        }
    }
    let options = parse(arguments).unwrap_or_else(|message| {
        eprintln!("{message}");
        exit(2);
    });

    let mut servers = vec![Peer::dynasti(), Peer::floor()];
    servers.extend(options.binaries.iter().map(|path| Peer::program(path)));
    let others = !options.quick && !options.no_peers;
    if others {
        servers.extend(Peer::installed());
    }
    let file_servers = FileServer::all(&servers, others);
    let mut scale = if options.quick { Scale::quick() } else { Scale::full() };
    if let Some(rounds) = options.rounds {
        scale = scale.with_rounds(rounds);
    }

    let reports = Bench::new(servers, file_servers, scale, options.only).run();
    println!("{}", plan::machine());
    for report in reports.iter().filter(|report| !report.is_empty()) {
        println!("\n{}", report.table());
    }
    if let Some(path) = options.svg {
        if let Err(error) = std::fs::write(&path, svg::draw(&reports[0], &plan::machine())) {
            eprintln!("writing {}: {error}", path.display());
            exit(1);
        }
    }
    exit(i32::from(reports.iter().any(Report::is_wrong)));
}

fn parse(arguments: Vec<String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = |what: &str| arguments.next().ok_or_else(|| format!("{argument} takes {what}"));
        match argument.as_str() {
            "--bench" => {} // cargo says so to every benchmark
            "--quick" => options.quick = true,
            "--only" => options.only.push(value("a workload")?.parse()?),
            "--rounds" => {
                let rounds = value("a number")?.parse().ok().filter(|rounds| *rounds > 0);
                options.rounds = Some(rounds.ok_or("--rounds takes a number from 1 up")?);
            }
            "--binary" => options.binaries.push(value("a path")?.into()),
            "--no-peers" => options.no_peers = true,
            "--svg" => options.svg = Some(value("a path")?.into()),
            "--help" | "-h" => {
                print!("{HELP}");
                exit(0);
            }
            _ => return Err(format!("{argument}: no such option\n\n{HELP}")),
        }
    }
    Ok(options)
}
