//! Admits or refuses a connection that was just accepted. A refused one gets a line that says why.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use smol::Async;

use super::{Context, Guard, connection};
use crate::access::accept::REFUSED_AT_ONCE;
use crate::access::admission::Refused;
use crate::access::goodbye::{self, Goodbye};
use crate::access::tasks::spawn;
use crate::text::message::Message;

/// Serves a connection, or refuses it and says why. Returns whether it is served.
pub(super) fn arrive(context: &Arc<Context>, stream: Async<TcpStream>, address: SocketAddr) -> bool {
    #[cfg(test)]
    super::tests::may_break("accepting");
    let guard = Guard::new(context);
    let why = match context.admission.admit(address) {
        Ok(permit) => {
            // Detached: `run` waits for all connections at once, by the context that each holds.
            context.executor.spawn(connection::serve(stream, guard, permit)).detach();
            return true;
        }
        Err(Refused::Full(max)) => Message::full(max),
        Err(Refused::FullForAddress(max)) => Message::full_for_address(max),
        Err(Refused::Banned(left)) => Message::banned(left),
        Err(Refused::WrongPasswords(left)) => Message::too_many_wrong_passwords(left),
    };
    // The context holds one clone itself, which stands for the connection that is refused now.
    let refused = Arc::strong_count(&context.refusing);
    let goodbye = if refused <= REFUSED_AT_ONCE { Goodbye::HalfClose } else { Goodbye::Close };
    let refusing = Arc::clone(&context.refusing);
    let refusing = async move {
        #[cfg(test)]
        super::tests::may_break("refusing");
        goodbye::refuse(&stream, why, goodbye).await;
        drop((guard, refusing));
    };
    // Detached for the same reason.
    spawn(&context.executor, refusing).detach();
    false
}
