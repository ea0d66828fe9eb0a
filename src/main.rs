//! The process: it puts together arguments, sockets, the executor, signals, standard streams and the exit status. Only
//! it and its modules in `process/` print, and only this file exits. What happens in the room is the library's.
#![allow(clippy::exit)]

mod process;

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use dynasti::client::Options;
use dynasti::room::transcript::{self, Transcript};
use dynasti::room::{self, Notice, Room};
use dynasti::server;
use dynasti::server::console::{self, Left};
use dynasti::server::door::Door;
use dynasti::within::within;
use futures_lite::{FutureExt, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::Executor;

use crate::process::args::{self, Command, Serve};
use crate::process::drive::drive;
use crate::process::notify::Manager;
use crate::process::{interfaces, join, report, stdio};

/// How many of the room's notices may wait for a slow terminal or log. Those beyond are lost.
const NOTICES: usize = 1024;

/// Descriptors that are not for clients: three standard streams, seven for signals, three of the reactor, two listeners
/// and a connection that each is accepting, the transcript and the file that replaces it, and one to the service
/// manager. They are twenty; eight are spare. Connections that are being refused come on top.
const RESERVED: u64 = 28 + server::REFUSED_AT_ONCE as u64;

/// How long printing the last notices may take. Connections have a second and a half before that, so the process ends
/// within the contract's two seconds.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long the notification of the service manager that the server stops may take.
const LAST_SIGN: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve(options)) => serve(options),
        Ok(Command::Join(join)) => {
            let options = Options { address: join.address, name: join.name, retry: join.retry };
            match join::join(&options, !join.no_bell) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    complain(&why.to_string());
                    ExitCode::FAILURE
                }
            }
        }
        Err(instead) if instead.wrong => {
            complain(instead.text.trim_end());
            ExitCode::from(2)
        }
        Err(instead) => {
            let _ = std::io::stdout().write_all(instead.text.as_bytes());
            ExitCode::SUCCESS
        }
    }
}

/// Prints a line on standard error. If nobody can read it, that is no reason to stop.
fn complain(words: &str) {
    let _ = std::io::stderr().write_all(format!("{words}\n").as_bytes());
}

/// Serves the room on an executor.
fn serve(options: Serve) -> ExitCode {
    let executor = Arc::new(Executor::new());
    match smol::block_on(drive(&executor).or(run(&executor, options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&report::failed(why));
            ExitCode::FAILURE
        }
    }
}

/// Serves the room until a signal or the operator stops it.
///
/// # Errors
/// The server cannot start. The error says what to do.
async fn run(executor: &Arc<Executor<'static>>, options: Serve) -> Result<(), String> {
    let listeners = listen(&options.listen)?;
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1, Signal::Xfsz])
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (notices, to_print) = async_channel::bounded(NOTICES);

    let mut writing = None;
    let mut remembered = room::Options {
        history: options.history,
        replay: options.replay,
        watch: std::io::stdout().is_terminal(),
        ..room::Options::default()
    };
    if let Some(path) = &options.transcript {
        let (transcript, writer, earlier) = transcript::open(path, options.history, notices.clone())
            .map_err(|error| report::cannot_open_transcript(path, &error))?;
        writing = Some((transcript.clone(), executor.spawn(writer.run())));
        remembered.transcript = Some(transcript);
        remembered.earlier = earlier;
    }
    let transcript = remembered.transcript.clone();

    let printer = executor.spawn(stdio::print(to_print));
    for listener in &listeners {
        let address = listener.local_addr().map_err(|error| format!("cannot tell where it listens: {error}"))?;
        let _ = notices.try_send(Notice::Log(report::listening(address)));
        for join in interfaces::join_addresses(address) {
            let _ = notices.try_send(Notice::Log(report::join_with(join, address.port())));
        }
    }
    let room = Arc::new(Room::new(notices, remembered));
    let door = Arc::new(Door::new(fit_descriptors(options.max_clients, &room), options.max_per_address));

    let (stop, stopped) = async_channel::bounded::<()>(1);
    // This task is held to the end, so that a second signal is noticed while the server stops after the first.
    let _signals = executor.spawn({
        let stop = stop.clone();
        async move {
            while let Some(Ok(signal)) = signals.next().await {
                match signal {
                    Signal::Usr1 => transcript.iter().for_each(Transcript::reopen),
                    // The transcript is as large as a file may be (ulimit -f). The failing write reports it.
                    Signal::Xfsz => {}
                    _ if stop.close() => {}
                    _ => exit(1),
                }
            }
        }
    });
    let console = (!options.no_console).then(|| {
        let (room, door) = (Arc::clone(&room), Arc::clone(&door));
        executor.spawn(async move {
            // The end of standard input, or an error, closes the console and nothing else.
            if let Ok(Left::Quit) = console::listen(stdio::operator(), &room, &door).await {
                stop.close();
            }
        })
    });

    let manager = notify_ready().await;
    let informed = manager.clone().map(|manager| {
        let room = Arc::clone(&room);
        executor.spawn(async move { manager.keep_informed(&room).await })
    });

    let shutdown = async {
        let _ = stopped.recv().await;
        room.log(report::shutting_down());
        if let Some(manager) = &manager {
            // The manager may have gone, or not read any more. The server stops all the same.
            let _ = within(LAST_SIGN, manager.stopping()).await;
        }
    };
    let served = server::run(executor, listeners, &room, &door, options.rate, shutdown);
    served.await.map_err(|error| format!("cannot serve: {error}"))?;
    drop((console, informed));
    drop(room);
    let finish = async {
        if let Some((transcript, writer)) = writing {
            transcript.close();
            writer.await;
        }
        printer.await;
    };
    // What is not printed by then is lost.
    let _ = within(LAST_WORDS, finish).await;
    Ok(())
}

/// Notifies the service manager, if there is one, that the listeners are bound. Returns the manager.
async fn notify_ready() -> Option<Arc<Manager>> {
    let told = async {
        let manager = Manager::from_env()?;
        if let Some(manager) = &manager {
            manager.ready().await?;
        }
        Ok::<_, std::io::Error>(manager.map(Arc::new))
    };
    told.await.unwrap_or_else(|error| {
        complain(&report::cannot_notify(&error));
        None
    })
}

/// Raises the limit on descriptors as far as possible, and returns how many of the clients asked for fit under it.
fn fit_descriptors(asked: usize, room: &Room) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it may not be raised, it stays as it is. It is read next.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return asked };
    let fit = usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX).max(1);
    if asked > fit {
        room.warn(report::fewer_clients(asked, fit, descriptors));
    }
    asked.min(fit)
}

/// Opens the listening sockets. Without any address given they are for both families, or for IPv4 where there is no
/// IPv6.
fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let bind = |address| server::bind(address).map_err(|error| (address, error));
    let bound = if addresses.is_empty() {
        let (both, v4) = (SocketAddr::from(([0u16; 8], 4000)), SocketAddr::from(([0u8; 4], 4000)));
        match bind(both) {
            Err((_, error)) if is_without_ipv6(&error) => bind(v4),
            bound => bound,
        }
        .map(|listener| vec![listener])
    } else {
        addresses.iter().map(|address| bind(*address)).collect()
    };
    bound.map_err(|(address, error)| report::cannot_listen(address, &error))
}

/// Returns whether an error of binding to `[::]` means that there is no IPv6, in the kernel or on any interface.
fn is_without_ipv6(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        || error.kind() == std::io::ErrorKind::AddrNotAvailable
}
