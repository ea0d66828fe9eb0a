//! The process: arguments, sockets, the executor, signals, standard input and output, the exit status.
//!
//! The only file that prints or exits. What happens in the room is the library's.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod args;
mod stdio;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use dynasti::room::{Notice, Room};
use dynasti::server::{self, Limits, console};
use dynasti::text::message::Message;
use futures_lite::{FutureExt, StreamExt};
use smol::{Executor, Timer};

use crate::args::{Command, Serve};

/// What the room tells the process waits here for a terminal or a log that is slow; what does not fit is lost.
const NOTICES: usize = 1024;

/// How long the last notices may take to print.
const LAST_WORDS: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Command::Serve(options)) => serve(options),
        Err(instead) if instead.wrong => {
            eprint!("{}", instead.text);
            ExitCode::from(2)
        }
        Err(instead) => {
            let _ = std::io::stdout().write_all(instead.text.as_bytes());
            ExitCode::SUCCESS
        }
    }
}

fn serve(options: Serve) -> ExitCode {
    let executor = Arc::new(Executor::new());
    match smol::block_on(executor.run(run(&executor, options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("dynasti: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(executor: &Arc<Executor<'static>>, options: Serve) -> Result<(), String> {
    let listeners = listen(&options.listen)?;
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])
        .map_err(|error| format!("cannot listen for signals: {error}"))?;

    let (notices, heard) = async_channel::bounded(NOTICES);
    let printer = executor.spawn(stdio::print(heard));
    for listener in &listeners {
        let address = listener.local_addr().map_err(|error| format!("cannot tell where it listens: {error}"))?;
        let _ = notices.try_send(Notice::Log(Message::listening(address)));
    }
    let room = Arc::new(Room::new(notices));
    let console = executor.spawn({
        let room = Arc::clone(&room);
        async move {
            if !options.no_console {
                // An end or an error of standard input closes the console, and nothing else.
                let _ = console::listen(stdio::operator(), &room).await;
            }
        }
    });

    let limits =
        Limits { max_clients: options.max_clients, max_per_address: options.max_per_address, rate: options.rate };
    let (stop, stopped) = async_channel::bounded::<()>(1);
    // Held to the end: the second signal is to be heard while the first is being obeyed.
    let _signals = executor.spawn(async move {
        signals.next().await;
        stop.close();
        signals.next().await;
        exit(1);
    });
    let shutdown = async {
        let _ = stopped.recv().await;
        room.log(Message::shutting_down());
    };
    let served = server::run(executor, listeners, &room, limits, shutdown);
    served.await.map_err(|error| format!("cannot serve: {error}"))?;
    drop(console);
    drop(room);
    let late = async {
        Timer::after(LAST_WORDS).await;
    };
    printer.or(late).await;
    Ok(())
}

/// Opens the listening sockets; without any given, for both families, or for IPv4 where there is no IPv6.
fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let cannot = |address: &SocketAddr, error: std::io::Error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": something listens there already; stop it or choose another port with --listen"
            }
            std::io::ErrorKind::PermissionDenied => ": ports below 1024 need permission; choose another with --listen",
            std::io::ErrorKind::AddrNotAvailable => ": no interface of this machine has that address",
            _ => "",
        };
        format!("cannot listen on {address}: {error}{advice}")
    };
    if addresses.is_empty() {
        let both = SocketAddr::from(([0u16; 8], 4000));
        let v4 = SocketAddr::from(([0u8; 4], 4000));
        let listener = match server::bind(both) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
                server::bind(v4).map_err(|error| cannot(&v4, error))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
                server::bind(v4).map_err(|error| cannot(&v4, error))
            }
            bound => bound.map_err(|error| cannot(&both, error)),
        };
        return Ok(vec![listener?]);
    }
    addresses.iter().map(|address| server::bind(*address).map_err(|error| cannot(address, error))).collect()
}
