//! The script of one simulated room: what happens, in order, made from a seed.
//!
//! Every step can be taken in any state of the room, so what remains of a script when steps are removed is a script too.
//! Knows nothing of how a step is taken.

use fastrand::Rng;

/// How many connections there can be at once in most rooms, and in a crowd, whose private answers reach their bound.
const FEW: u16 = 10;
const CROWD: u16 = 400;

/// What a room is opened with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) slots: u16,
    pub(super) history: usize,
    pub(super) replay: usize,
    pub(super) watch: bool,
    /// Whether all sockets take everything before the room closes.
    pub(super) open: bool,
}

/// One thing that happens, and the seed of what the executor does after it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) slot: u16,
    pub(super) seed: u32,
    pub(super) act: Act,
}

/// How fast a socket takes what is written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// All of it at once.
    All,
    /// So many bytes a second, which are enough for a reader to be waited for.
    Healthy(u32),
    /// So many bytes a second, which are too few.
    Trickle(u32),
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Enter(Taking),
    /// Types a name at the prompt.
    Name(u8),
    /// Sends so many lines of about this length at once.
    Say(u16, u16),
    Type(Typed),
    /// The socket takes more or less from now on. A healthy one stays healthy.
    Take(Taking),
    /// The socket is broken: by the peer, or else by the network.
    Break(bool),
    Quit,
    Kick,
    Ban,
    Mute(bool),
    Announce(u16),
    /// The process's output, or the transcript, is not written or is written again.
    Stall(Output, bool),
    EndUnnamed,
    /// So many milliseconds go by, while everybody does what there is to do.
    Wait(u32),
    /// So many milliseconds go by at once.
    Jump(u32),
    /// Everybody does what there is to do.
    Settle,
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Printed,
    Transcript,
}

/// A command of a member. Others are named by their slots.
#[derive(Clone, Copy, Debug)]
pub(super) enum Typed {
    Who,
    Help,
    Unknown,
    History(u16),
    Me,
    Nick(u8),
    Msg(u16),
    Reply,
    Ignore(u16),
}

/// Makes a script of so many steps.
pub(super) fn script(seed: u64, steps: usize) -> (Setting, Vec<Step>) {
    let mut rng = Rng::with_seed(seed);
    let crowd = rng.u8(..64) == 0;
    let slots = if crowd { CROWD } else { rng.u16(2..=FEW) };
    let replay = if crowd || rng.bool() { 0 } else { rng.usize(..200) };
    let history = if crowd { 1000 } else { rng.usize(..200) };
    let setting = Setting { slots, history, replay, watch: rng.bool(), open: rng.bool() };
    // In some rooms most of what is said is pasted, in some most sockets are slow, and in some time hardly passes.
    let moods = [rng.u32(1..40), rng.u32(1..20), rng.u32(2..30), rng.u32(..8)];
    let gathering = if crowd { gathering(slots) } else { Vec::new() };
    let steps = (0..steps).map(|n| match gathering.get(n) {
        Some((slot, act)) => Step { slot: *slot, seed: rng.u32(..), act: act.clone() },
        None => Step { slot: rng.u16(..slots), seed: rng.u32(..), act: act(&mut rng, slots, moods) },
    });
    (setting, steps.collect())
}

/// Many clients come that read nothing, and ask for all that was said before. Together their answers are more than the room
/// may hold.
fn gathering(slots: u16) -> Vec<(u16, Act)> {
    let first = [Act::Enter(Taking::All), Act::Name(0), Act::Say(400, 600), Act::Settle].map(|act| (0, act));
    let come = (1..slots).flat_map(|slot| [(slot, Act::Enter(Taking::Nothing)), (slot, Act::Name(0))]);
    let ask =
        (0..3).flat_map(|_| (1..slots).map(|slot| (slot, Act::Type(Typed::History(999)))).chain([(0, Act::Settle)]));
    first.into_iter().chain(come).chain([(0, Act::Settle)]).chain(ask).collect()
}

fn act(rng: &mut Rng, slots: u16, [paste, slow, time, rare]: [u32; 4]) -> Act {
    let weights = [60, paste, 15, 25, slow, time, 8, rare, 2];
    let mut at = rng.u32(..weights.iter().sum::<u32>());
    let kind = weights.iter().position(|weight| at.checked_sub(*weight).map(|rest| at = rest).is_none());
    match kind.unwrap_or_default() {
        0 => Act::Say(rng.u16(1..4), rng.u16(1..200)),
        1 => Act::Say(rng.u16(1..400), [20, 200, 2000][rng.usize(..3)]),
        2 => Act::Enter(taking(rng, slow)),
        3 => [Act::Name(rng.u8(..)), Act::Type(typed(rng, slots))][rng.usize(..2)].clone(),
        4 => Act::Take(taking(rng, 20)),
        5 => Act::Wait(if rng.u8(..8) == 0 { rng.u32(..2000) } else { rng.u32(..50) }),
        6 => Act::Settle,
        7 => match rng.u8(..10) {
            0 => Act::Break(rng.bool()),
            1 => Act::Quit,
            2 => Act::Kick,
            3 if rng.bool() => Act::Ban,
            3..5 => Act::Mute(rng.bool()),
            5 => Act::Announce(rng.u16(1..200)),
            6 => Act::Stall([Output::Printed, Output::Transcript][rng.usize(..2)], rng.bool()),
            7 => Act::EndUnnamed,
            8 => Act::Jump([1000, 10_000, 70_000][rng.usize(..3)]),
            _ if rng.u8(..100) == 0 => Act::Close,
            _ => Act::Quit,
        },
        _ => Act::Say(rng.u16(200..2000), rng.u16(1..60)),
    }
}

fn taking(rng: &mut Rng, slow: u32) -> Taking {
    if rng.u32(..20) > slow {
        return Taking::All;
    }
    match rng.u8(..3) {
        0 => Taking::Healthy(rng.u32(17 * 1024..80 * 1024)),
        1 => Taking::Trickle(rng.u32(1..6 * 1024)),
        _ => Taking::Nothing,
    }
}

fn typed(rng: &mut Rng, slots: u16) -> Typed {
    match rng.u8(..12) {
        0 => Typed::Who,
        1 => [Typed::Help, Typed::Unknown][rng.usize(..2)],
        2 => Typed::History(rng.u16(..300)),
        3 | 4 => Typed::Me,
        5 => Typed::Nick(rng.u8(..)),
        6..=8 => Typed::Msg(rng.u16(..slots)),
        9 | 10 => Typed::Reply,
        _ => Typed::Ignore(rng.u16(..slots)),
    }
}
