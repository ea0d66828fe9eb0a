//! The process: arguments, sockets, the executor, signals, standard input and output, the exit status.
//!
//! The only file that prints or exits. What happens in the room is the library's.
#![allow(clippy::exit)]

mod args;
mod join;
mod lan;
mod notify;
mod stdio;

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use dynasti::client::Options;
use dynasti::room::transcript::{self, Transcript};
use dynasti::room::{self, Notice, Room};
use dynasti::server;
use dynasti::server::console::{self, Left};
use dynasti::server::door::Door;
use dynasti::text::message::Message;
use dynasti::within::within;
use futures_lite::{FutureExt, StreamExt, future};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::Executor;

use crate::args::{Command, Serve};
use crate::notify::Manager;

/// What the room tells the process waits here for a terminal or a log that is slow; what does not fit is lost.
const NOTICES: usize = 1024;

/// Descriptors that are not for clients: three standard streams, seven for signals, three of the reactor's, two
/// listeners and what each is accepting, the transcript and the file that replaces it, the service manager's, are
/// twenty, with eight to spare; and those of connections that are being refused.
const RESERVED: u64 = 28 + server::REFUSED_AT_ONCE as u64;

/// How long the last notices may take to print. With the second and a half that connections have, and the time before
/// that, it leaves the process within the contract's two seconds.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long a service manager may take to hear that the server is stopping.
const LAST_SIGN: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve(options)) => serve(options),
        Ok(Command::Join(join)) => {
            let options = Options { address: join.address, name: join.name, retry: join.retry };
            match join::join(&options, !join.no_bell) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    complain(&format!("{why}\n"));
                    ExitCode::FAILURE
                }
            }
        }
        Err(instead) if instead.wrong => {
            complain(&instead.text);
            ExitCode::from(2)
        }
        Err(instead) => {
            let _ = std::io::stdout().write_all(instead.text.as_bytes());
            ExitCode::SUCCESS
        }
    }
}

/// Runs tasks on this thread for ever, and looks at the sockets when all have had their turn, and now and then meanwhile.
///
/// `Executor::run` would do, but shares its tasks out among threads, of which there is one: that costs a tenth of what it
/// takes to serve a line.
///
/// async-io (2.6, `driver.rs`) has a thread of its own that looks after sleeping 50 µs, 75 µs and so on up to 10 ms, if
/// nobody else did so meanwhile. It then waits for each event and wakes this thread for it, which costs more than to look
/// in time. So the pauses between looks grow as those sleeps do, and begin anew now and then, for whenever a single task
/// outlasts a sleep that thread is back. What is new, timers included, so waits some 3 ms at most.
async fn drive<T>(executor: &Executor<'static>) -> T {
    const FIRST_LOOK: Duration = Duration::from_micros(30);
    const ANEW: Duration = Duration::from_millis(10);
    /// To ask what time it is costs a twentieth of a task.
    const TASKS_PER_GLANCE: usize = 4;
    let (mut begun, mut pause) = (Instant::now(), FIRST_LOOK);
    loop {
        executor.tick().await;
        let mut looked = Instant::now();
        while (0..TASKS_PER_GLANCE).all(|_| executor.try_tick()) {
            let now = Instant::now();
            if now - begun >= ANEW {
                (begun, pause) = (now, FIRST_LOOK);
            }
            if now - looked >= pause {
                (looked, pause) = (now, pause * 3 / 2);
                future::yield_now().await;
            }
        }
    }
}

/// Says what is wrong, where anybody reads it.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn serve(options: Serve) -> ExitCode {
    let executor = Arc::new(Executor::new());
    match smol::block_on(drive(&executor).or(run(&executor, options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&format!("dynasti: {why}\n"));
            ExitCode::FAILURE
        }
    }
}

async fn run(executor: &Arc<Executor<'static>>, options: Serve) -> Result<(), String> {
    let listeners = listen(&options.listen)?;
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1, Signal::Xfsz])
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let (notices, heard) = async_channel::bounded(NOTICES);

    let mut writing = None;
    let mut remembered = room::Options {
        history: options.history,
        replay: options.replay,
        watch: std::io::stdout().is_terminal(),
        ..room::Options::default()
    };
    if let Some(path) = &options.transcript {
        let (transcript, writer, earlier) =
            transcript::open(path, options.history, notices.clone()).map_err(|error| {
                format!("cannot open the transcript {}: {error}; name a file that can be written", path.display())
            })?;
        writing = Some((transcript.clone(), executor.spawn(writer.run())));
        remembered.transcript = Some(transcript);
        remembered.earlier = earlier;
    }
    let transcript = remembered.transcript.clone();

    let printer = executor.spawn(stdio::print(heard));
    for listener in &listeners {
        let address = listener.local_addr().map_err(|error| format!("cannot tell where it listens: {error}"))?;
        let _ = notices.try_send(Notice::Log(Message::listening(address)));
        for join in lan::join_addresses(address) {
            let _ = notices.try_send(Notice::Log(Message::join_with(join, address.port())));
        }
    }
    let room = Arc::new(Room::new(notices, remembered));
    let door = Arc::new(Door::new(fit_descriptors(options.max_clients, &room), options.max_per_address));

    let (stop, stopped) = async_channel::bounded::<()>(1);
    // Held to the end: a second signal is to be heard while the first is being obeyed.
    let _signals = executor.spawn({
        let stop = stop.clone();
        async move {
            while let Some(Ok(signal)) = signals.next().await {
                match signal {
                    Signal::Usr1 => transcript.iter().for_each(Transcript::reopen),
                    // The transcript is as large as a file may be (ulimit -f). It says so itself.
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
            // An end or an error of standard input closes the console, and nothing else.
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
        room.log(Message::shutting_down());
        if let Some(manager) = &manager {
            // It was told that the server is ready; if it is gone since, or takes nothing, that is no reason not to stop.
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

/// Tells the service manager, if there is one, that the listeners are bound.
async fn notify_ready() -> Option<Arc<Manager>> {
    let told = async {
        let manager = Manager::from_env()?;
        if let Some(manager) = &manager {
            manager.ready().await?;
        }
        Ok::<_, std::io::Error>(manager.map(Arc::new))
    };
    told.await.unwrap_or_else(|error| {
        complain(&format!("dynasti: cannot tell the service manager at NOTIFY_SOCKET that it runs: {error}\n"));
        None
    })
}

/// Raises the limit on descriptors as far as it goes, and tells how many clients fit under it.
fn fit_descriptors(asked: usize, room: &Room) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it may not be raised it stays as it is, which is looked at next.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return asked };
    let fit = usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX).max(1);
    if asked > fit {
        room.warn(Message::fewer_clients(asked, fit, descriptors));
    }
    asked.min(fit)
}

/// Opens the listening sockets; without any given, for both families, or for IPv4 where there is no IPv6.
fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let cannot = |address: &SocketAddr, error: std::io::Error| {
        let advice = match error.kind() {
            // What the system says of a link-local address of no interface.
            std::io::ErrorKind::InvalidInput if address.is_ipv6() => {
                return format!(
                    "cannot listen on {address}: {error}: it needs the number of its interface, as in [{}%2]:{}",
                    address.ip(),
                    address.port()
                );
            }
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
