//! The process: it puts together arguments, sockets, the executor, signals, standard streams and the exit status. Only
//! this file and its modules in `process/` print, and only this file exits. What happens in the room is in the library.
#![allow(clippy::exit)]

mod process;

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::process::{ExitCode, exit};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use dynasti::access;
use dynasti::access::admission::Admission;
use dynasti::access::sharing::Sharing;
use dynasti::client::{Address, Options};
#[cfg(feature = "discovery")]
use dynasti::discovery;
use dynasti::files::{Files, Origin};
#[cfg(feature = "link")]
use dynasti::link;
use dynasti::room::transcript::{self, Transcript};
use dynasti::room::{self, Room};
use dynasti::server;
use dynasti::server::console::{self, Left};
#[cfg(feature = "link")]
use dynasti::text::server::Server;
#[cfg(feature = "web")]
use dynasti::web;
use dynasti::within::within;
use futures_lite::{FutureExt, StreamExt, future};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::{Executor, Task};

use crate::process::args::{self, Command, Serve};
use crate::process::drive::drive;
use crate::process::notify::Manager;
use crate::process::{interfaces, join, password, report, stdio};

/// Descriptors that are not for clients: three standard streams, seven for signals, three of the reactor, the
/// transcript and the file that replaces it, one to the service manager, and one to ask about a connection
/// (`access/diag.rs`). These are seventeen. Seven are spare: the link needs one for its connection, and before that up
/// to six to look up a name. Connections that are being refused are added.
const RESERVED: u64 = 24 + access::REFUSED_AT_ONCE as u64;

/// Descriptors for each listener: its own, and that of a connection which it is accepting.
const PER_LISTENER: u64 = 2;

/// When the server stops: how long the transcript has to reach the disk, counted from the signal, and how long the last
/// lines may then take to print. With both, the process ends within the contract's two seconds.
const FINISHING: Duration = Duration::from_millis(1800);
const PRINTING: Duration = Duration::from_millis(100);

/// How long it may take then to notify the service manager that the server stops.
const NOTIFYING: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve(options)) => serve(options),
        #[cfg(feature = "discovery")]
        Ok(Command::Find(_)) => match process::find::find() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(why) => {
                complain(&why);
                ExitCode::FAILURE
            }
        },
        // This is not reached: `parse` refuses the command.
        #[cfg(not(feature = "discovery"))]
        Ok(Command::Find(_)) => ExitCode::FAILURE,
        Ok(Command::Join(join)) => {
            let address = match join.address.map_or_else(server_to_join, Ok) {
                Ok(address) => address,
                Err(why) => {
                    complain(&why);
                    return ExitCode::FAILURE;
                }
            };
            let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(Into::into);
            let options = Options { address, name: join.name, retry: join.retry, home };
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

/// Returns the server to join when none was named: one that is found on this network, else the one of this machine.
fn server_to_join() -> Result<Address, String> {
    #[cfg(feature = "discovery")]
    {
        let found = process::find::choose()?;
        Ok(found.unwrap_or_else(|| {
            let instead = Address::default();
            complain(&report::none_found(&instead));
            instead
        }))
    }
    #[cfg(not(feature = "discovery"))]
    Ok(Address::default())
}

/// Prints a line on standard error. An error is ignored, because a closed stream is no reason to stop.
fn complain(words: &str) {
    let _ = std::io::stderr().write_all(format!("{words}\n").as_bytes());
}

/// Serves the room on an executor.
fn serve(options: Serve) -> ExitCode {
    let executor = Arc::new(Executor::new());
    // It is a task, because a future beside `drive` would be polled each time that this thread looks at the sockets.
    let served = executor.spawn(run(Arc::clone(&executor), options));
    match smol::block_on(drive(&executor).or(served)) {
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
/// When the server cannot start. The error says what to do.
async fn run(executor: Arc<Executor<'static>>, options: Serve) -> Result<(), String> {
    let password = match &options.password_file {
        Some(path) => Some(password::read(path).map_err(|why| report::no_password(path, why))?),
        None => None,
    };
    let listeners = listen(&options.listen, 4000, "--listen")?;
    let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1, Signal::Xfsz])
        .map_err(|error| format!("cannot handle signals: {error}"))?;
    let (warnings, warned) = room::warnings();
    let mut warner = access::spawn(&executor, stdio::warn(warned));

    let mut remembered = room::Options {
        history: options.history,
        replay: options.replay,
        watch: std::io::stdout().is_terminal(),
        ..room::Options::default()
    };
    let mut file = None;
    if let Some(path) = &options.transcript {
        let (transcript, writer, earlier) = transcript::open(path, options.history, warnings.clone())
            .map_err(|error| report::cannot_open_transcript(path, &error))?;
        (remembered.transcript, remembered.earlier) = (true, earlier);
        file = Some((path, transcript, writer));
    }
    #[cfg(feature = "link")]
    let linked = link_options(&options)?;
    #[cfg(feature = "link")]
    {
        remembered.link = linked.is_some();
    }
    let (room, outputs) = Room::new(warnings.clone(), remembered);
    let room = Arc::new(room);
    let mut printer = access::spawn(&executor, stdio::print(outputs.output));
    let mut writing = file.zip(outputs.transcript).map(|((path, transcript, writer), reader)| {
        let writer = access::spawn(&executor, writer.run(reader));
        (path, transcript, writer)
    });
    #[cfg(feature = "link")]
    let mut linking = linked.zip(outputs.link).map(|(linked, reader)| {
        let room = Arc::clone(&room);
        access::spawn(&executor, async move { link::run(linked, &room, reader).await })
    });
    for listener in &listeners {
        let address = listener.local_addr().map_err(|error| report::no_local_address(&error))?;
        room.print(report::listening(address)).await;
        for join in interfaces::join_addresses(address) {
            room.print(report::join_with(join, address.port())).await;
        }
    }
    let pages = listen_for_browsers(&options, &room)?;
    for listener in &pages {
        let address = listener.local_addr().map_err(|error| report::no_local_address(&error))?;
        let at = |ip| SocketAddr::new(ip, address.port());
        let open: Vec<SocketAddr> = interfaces::join_addresses(address).into_iter().map(at).collect();
        for address in &open {
            room.print(report::open(*address)).await;
        }
        #[cfg(feature = "web")]
        if let Some(address) = open.first().filter(|_| std::io::stdout().is_terminal()) {
            room.print(process::qr::code(&report::page(*address))).await;
        }
    }
    #[cfg(feature = "discovery")]
    let announced = announced(&options, &listeners, &pages);
    let sharing = sharing(&pages, options.files)?;
    let page = pages.first().and_then(|listener| listener.local_addr().ok()).map(|address| address.port());
    let reserved = PER_LISTENER * (listeners.len() + pages.len()) as u64;
    #[cfg(feature = "discovery")]
    let reserved = reserved + announced.as_ref().map_or(0, discovery::Options::descriptors) as u64;
    let max_clients = fit_descriptors(options.max_clients, RESERVED + reserved, &room);
    let admission = Arc::new(Admission::new(max_clients, options.max_per_address).with_password(password));

    let (stop, stopped) = async_channel::bounded::<()>(1);
    // This task is kept to the end, so that it sees a second signal while the server stops after the first one.
    let mut signalled = access::spawn(&executor, {
        let stop = stop.clone();
        let transcript = writing.as_ref().map(|(_, transcript, _)| transcript.clone());
        async move {
            while let Some(Ok(signal)) = signals.next().await {
                match signal {
                    Signal::Usr1 => transcript.iter().for_each(Transcript::reopen),
                    // The transcript is as large as a file may be (ulimit -f). The write fails, and that is reported.
                    Signal::Xfsz => {}
                    _ if stop.close() => {}
                    _ => exit(1),
                }
            }
        }
    });
    let mut console = (!options.no_console).then(|| {
        let (room, admission, sharing) = (Arc::clone(&room), Arc::clone(&admission), sharing.clone());
        access::spawn(&executor, async move {
            // The end of standard input, or an error, ends only the console.
            if let Ok(Left::Quit) = console::listen(stdio::operator(), &room, &admission, &sharing).await {
                stop.close();
            }
        })
    });

    let manager = notify_ready().await;
    let mut informed = manager.clone().map(|manager| {
        let room = Arc::clone(&room);
        access::spawn(&executor, async move { manager.keep_informed(&room).await })
    });

    let since = OnceLock::new();
    let shutdown = async {
        let _ = stopped.recv().await;
        since.get_or_init(Instant::now);
        room.print(report::shutting_down()).await;
        if let Some(manager) = &manager {
            // The manager may be gone, or may not read any more. The server stops all the same.
            let _ = within(NOTIFYING, manager.stopping()).await;
        }
    };
    let clients = server::Options { rate: options.rate, guests: options.guests, page, sharing: sharing.clone() };
    let holders = Arc::default();
    let served = server::run(&executor, listeners, &room, (&admission, &holders), clients, shutdown);
    #[cfg(feature = "web")]
    let served = {
        #[cfg(feature = "discovery")]
        let mdns_dropped = announced.as_ref().map(|announced| Arc::clone(&announced.dropped));
        #[cfg(not(feature = "discovery"))]
        let mdns_dropped = None;
        let options = web::Options { rate: options.rate, guests: options.guests, sharing, mdns_dropped };
        let shutdown = async {
            let _ = stopped.recv().await;
        };
        let browsers = web::run(&executor, pages, &room, (&admission, &holders), options, shutdown);
        async { future::try_zip(served, browsers).await.map(|_| ()) }
    };
    #[cfg(feature = "discovery")]
    let (tell, news) = async_channel::bounded(1);
    #[cfg(feature = "discovery")]
    let served = {
        let shutdown = async {
            let _ = stopped.recv().await;
        };
        let announcing = async {
            if let Some(announced) = announced {
                discovery::run(announced, tell, shutdown).await;
            }
            Ok(())
        };
        let reporting = async {
            while let Ok(news) = news.recv().await {
                match news {
                    discovery::News::Named(name) => room.print(report::named(&name)).await,
                    discovery::News::Failed(error) => room.warn(report::not_found_by_name(&error)),
                }
            }
            future::pending().await
        };
        async { future::try_zip(served, announcing.or(reporting)).await.map(|_| ()) }
    };
    // A panic in one of these tasks goes on in this one. It ends the server, and its supervisor starts it again.
    let mut tasks = vec![&mut warner, &mut printer, &mut signalled];
    tasks.extend(console.as_mut());
    tasks.extend(informed.as_mut());
    tasks.extend(writing.as_mut().map(|(_, _, writer)| writer));
    #[cfg(feature = "link")]
    tasks.extend(linking.as_mut());
    served.or(propagate_panics(tasks)).await.map_err(|error| format!("cannot serve: {error}"))?;
    drop((console, informed));

    let deadline = *since.get_or_init(Instant::now) + FINISHING;
    let remaining = || deadline.saturating_duration_since(Instant::now());
    room.end_outputs().await;
    #[cfg(feature = "link")]
    if let Some(linking) = linking {
        // The link ends by itself in less time than that, whatever the broker does.
        let _ = within(remaining(), linking).await;
    }
    if let Some((path, transcript, writer)) = writing {
        // Lines that are not written by then are lost, and a warning says how many.
        let _ = within(remaining(), writer).await;
        let missing = transcript.unwritten() + room.transcript_behind().await;
        if missing > 0 {
            warnings.warn(report::unwritten(path, missing));
        }
    }
    warnings.close();
    let _ = within(remaining() + PRINTING, async { (printer.await, warner.await) }).await;
    Ok(())
}

/// Polls these tasks for ever, so that a panic in one of them goes on in the caller.
async fn propagate_panics<T>(mut tasks: Vec<&mut Task<()>>) -> T {
    future::poll_fn(|cx| {
        tasks.retain_mut(|task| Pin::new(&mut **task).poll(cx).is_pending());
        Poll::Pending
    })
    .await
}

/// Notifies the service manager, if there is one, that the listeners are bound. Returns the manager.
async fn notify_ready() -> Option<Arc<Manager>> {
    let notified = async {
        let manager = Manager::from_env()?;
        if let Some(manager) = &manager {
            manager.ready().await?;
        }
        Ok::<_, std::io::Error>(manager.map(Arc::new))
    };
    notified.await.unwrap_or_else(|error| {
        complain(&report::cannot_notify(&error));
        None
    })
}

/// Returns what is announced about this server on the network, unless nothing is.
#[cfg(feature = "discovery")]
fn announced(options: &Serve, listeners: &[TcpListener], pages: &[TcpListener]) -> Option<discovery::Options> {
    let service = |kind, listeners: &[TcpListener]| {
        let listening = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        discovery::Service { kind, listening }
    };
    let services = vec![service(discovery::ROOM, listeners), service(discovery::PAGE, pages)];
    let machine = machine_name();
    let instance = machine.split('.').next().filter(|name| !name.is_empty()).unwrap_or("dynasti").to_owned();
    let host = options.mdns.clone().unwrap_or_else(|| "dynasti".into());
    (!options.no_mdns).then_some(discovery::Options { host, instance, services, dropped: Arc::default() })
}

/// Returns how the room is linked with other servers, if it is.
#[cfg(feature = "link")]
fn link_options(options: &Serve) -> Result<Option<link::Options>, String> {
    let Some(mut broker) = options.link.clone() else { return Ok(None) };
    if let Some(path) = &options.link_password_file {
        let password = password::of_link(path).map_err(|why| report::no_password(path, why))?;
        broker = broker.with_password(password)?;
    }
    let server = options.link_name.clone().unwrap_or_else(|| Server::of_machine(&machine_name()));
    Ok(Some(link::Options { broker, server }))
}

/// Returns the name of this machine.
#[cfg(any(feature = "discovery", feature = "link"))]
fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns whether files are shared. They need a page and memory.
fn sharing(pages: &[TcpListener], mebibytes: usize) -> Result<Sharing, String> {
    let Some(page) = pages.first() else { return Ok(Sharing::NoPage) };
    if mebibytes == 0 {
        return Ok(Sharing::Off);
    }
    let listener = page.local_addr().map_err(|error| report::no_local_address(&error))?;
    let shown = interfaces::join_addresses(listener).first().map_or(listener.ip(), |ip| *ip);
    let shown = SocketAddr::new(shown, listener.port());
    Ok(Sharing::Here(Arc::new(Files::new(mebibytes * 1024 * 1024, Origin { listener, shown }))))
}

/// Raises the limit on descriptors as far as possible. Returns how many of the clients that were asked for fit under it,
/// beside the reserved descriptors.
fn fit_descriptors(asked: usize, reserved: u64, room: &Room) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // This may fail, so the limit is read again below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return asked };
    let fit = usize::try_from(descriptors.saturating_sub(reserved)).unwrap_or(usize::MAX).max(1);
    if asked > fit {
        room.warn(report::fewer_clients(asked, fit, descriptors));
    }
    asked.min(fit)
}

/// Opens the listening sockets. Without an address it opens one for both families, or for IPv4 where there is no IPv6.
fn listen(addresses: &[SocketAddr], port: u16, option: &str) -> Result<Vec<TcpListener>, String> {
    let bind = |address| access::bind(address).map_err(|error| (address, error));
    let bound = if addresses.is_empty() {
        let (both, v4) = (SocketAddr::from(([0u16; 8], port)), SocketAddr::from(([0u8; 4], port)));
        match bind(both) {
            Err((_, error)) if is_without_ipv6(&error) => bind(v4),
            bound => bound,
        }
        .map(|listener| vec![listener])
    } else {
        addresses.iter().map(|address| bind(*address)).collect()
    };
    bound.map_err(|(address, error)| report::cannot_listen(address, option, &error))
}

/// Opens the listening sockets for browsers. Without `--web` a failure is only a warning, and there is no page.
fn listen_for_browsers(options: &Serve, room: &Room) -> Result<Vec<TcpListener>, String> {
    let by_default = options.web.is_empty();
    if options.no_web || !cfg!(feature = "web") || by_default && !options.listen.is_empty() {
        return Ok(Vec::new());
    }
    let listeners = listen(&options.web, 4080, "--web");
    match listeners {
        Err(why) if by_default => {
            room.warn(report::no_page(&why));
            Ok(Vec::new())
        }
        listeners => listeners,
    }
}

/// Returns whether an error of binding to `[::]` means that there is no IPv6, in the kernel or on any interface.
fn is_without_ipv6(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        || error.kind() == std::io::ErrorKind::AddrNotAvailable
}
