//! One client's connection from its beginning to its end: a task that reads it, and a task that writes it.
//!
//! The task that ends first ends the connection. The steps are always the same: the member leaves the room, what it has
//! not read is flushed, the peer has a moment to close its side, and the socket is closed. No failure here affects
//! another client.

use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;

use futures_lite::FutureExt;
use smol::{Async, Task};

use super::read::Reading;
use super::write::Writing;
use super::{Context, Guard};
use crate::access::admission::Permit;
use crate::access::goodbye::{self, Goodbye, ended_by_peer};
use crate::access::session::Session;
use crate::access::tasks::contain;
use crate::room::{Closing, End, Id};
use crate::text::message::{Cause, Message};

/// How a connection ended.
pub(super) struct Ending {
    /// None when it was the client's own doing.
    cause: Option<Cause>,
    /// The last words to the client, if any.
    words: Message,
    /// Whether the peer has closed its side.
    peer_closed: bool,
}

impl Ending {
    /// The server ends the connection with these last words.
    pub(super) fn told(cause: Option<Cause>, words: Message) -> Ending {
        Ending { cause, words, peer_closed: false }
    }

    /// The client has half-closed the connection: it has no more to say.
    pub(super) fn end_of_input() -> Ending {
        Ending { cause: None, words: Message::default(), peer_closed: true }
    }

    /// The connection is broken.
    pub(super) fn broken(error: &io::Error) -> Ending {
        let cause = (!ended_by_peer(error)).then_some(Cause::ConnectionLost);
        Ending { cause, words: Message::default(), peer_closed: true }
    }

    /// The writer task has ended first.
    fn written(wrote: &Wrote) -> Ending {
        match wrote {
            Ok(Ok(_)) => Ending::told(None, Message::default()),
            Ok(Err(error)) => Ending::broken(error),
            Err(_) => Ending::fault(),
        }
    }

    fn fault() -> Ending {
        Ending::told(Some(Cause::Fault), Message::fault())
    }
}

/// Serves one client until the connection ends, whoever ends it.
pub(super) fn serve(stream: Async<TcpStream>, guard: Guard, permit: Permit) -> impl Future<Output = ()> {
    let stream = Arc::new(stream);
    // An async block, because an async function would hold its arguments twice.
    async move {
        let context = guard.context();
        let Ok((id, mut writer)) = Box::pin(enter(&stream, permit.address(), context)).await else {
            return Box::pin(goodbye::refuse(&stream, Message::shutdown(), Goodbye::Reset)).await;
        };
        let mut reading = Reading::new(id, &stream, context);
        // The operator may have banned the address after the admission and before the connection was on the room's
        // list.
        let first = match permit.banned() {
            Some(left) => First::Read(Ending::told(None, Message::banned(left))),
            None => {
                // Pinned here. Moved into another future, it would take its memory twice.
                let mut read = pin!(contain(reading.run()));
                let read = async { First::Read((&mut read).await.unwrap_or_else(|_| Ending::fault())) };
                let write = async { First::Wrote((&mut writer).await) };
                // An error of the connection is returned once. If the writer has it, the reader sees an end of input.
                write.or(read).await
            }
        };
        Box::pin(end(id, &stream, context, first, writer)).await;
    }
}

/// Which task ended first, and how.
enum First {
    Read(Ending),
    Wrote(Wrote),
}

/// The result of the writer task, or its panic.
type Wrote = Result<io::Result<End>, Box<dyn Any + Send>>;

/// Lets a connection into the room, and spawns the task that writes what it hears there.
async fn enter(
    stream: &Arc<Async<TcpStream>>,
    address: SocketAddr,
    context: &Arc<Context>,
) -> Result<(Id, Task<Wrote>), Closing> {
    let reader = context.room.enter(address, Session::greeting(context.beginning())).await?;
    let id = reader.id();
    context.holders.insert(id, address.ip(), stream);
    let mut writing = Writing { stream: Arc::clone(stream), reader, context: Arc::clone(context) };
    Ok((id, context.executor.spawn(async move { contain(writing.run()).await })))
}

/// Ends a connection after the first of its tasks has ended: the member leaves the room, what it has not read is
/// written, and the socket is closed.
async fn end(id: Id, stream: &Async<TcpStream>, context: &Context, first: First, writer: Task<Wrote>) {
    #[cfg(test)]
    super::tests::may_break("ending");
    let (Ending { cause, words, peer_closed }, wrote) = match first {
        First::Read(ending) => (ending, None),
        First::Wrote(wrote) => (Ending::written(&wrote), Some(wrote)),
    };
    context.holders.remove(id);
    context.room.leave(id, cause, words).await;
    let wrote = match wrote {
        Some(wrote) => wrote,
        None => writer.await,
    };
    let goodbye = match wrote {
        Ok(Ok(End::TooSlow)) => Goodbye::HalfCloseSlow,
        Ok(Ok(End::Closing)) => Goodbye::Reset,
        _ => Goodbye::HalfClose,
    };
    goodbye::close(stream, matches!(wrote, Ok(Ok(_))), peer_closed, goodbye).await;
}
