//! The whole room under a simulator: members of every kind, sockets that take any number of bytes, a clock that jumps.
//!
//! Each room is a [`script`] made from a seed. A [`world`] takes its steps: it does the [`acts`] with the room and with a
//! [`model`] that knows what everybody must hear, gives the tasks of each [`client`] their [`turns`], and [`checks`] what
//! comes out. A script that fails is shrunk and printed with its seed; those that have once failed are the
//! [`regressions`]. `DYNASTI_SIMULATION_STEPS` says how many steps are taken, and `DYNASTI_SIMULATION_SEED` is the seed
//! of the first room; the next room has the next seed. Opens no socket, and never sleeps.

mod acts;
mod checks;
mod client;
mod model;
mod regressions;
mod script;
mod turns;
mod world;

use std::any::Any;
use std::env;
use std::fmt::{Display, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use self::script::{Setting, Step, script};
use self::world::World;

/// How many steps there are in all, in a few seconds of a debug build.
const STEPS: usize = 100_000;

/// How many of them one room has.
const STEPS_A_ROOM: usize = 2000;

/// Ends a simulation, because this promise is broken. Unlike a panic it prints nothing, because the script is shrunk first.
fn fail(promise: &str, how: impl Display) -> ! {
    resume_unwind(Box::new(format!("{promise}: {how}")))
}

/// Runs a script. Returns what is wrong, if anything is.
fn run(setting: Setting, steps: &[Step]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| World::new(setting).run(steps))).map_err(|panic| words(&*panic))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or(panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// How long a script is shrunk.
const SHRINKING: Duration = Duration::from_secs(30);

/// Removes ever smaller pieces of a script while what remains fails in the same way.
fn shrink(setting: Setting, mut steps: Vec<Step>, wrong: &str) -> Vec<Step> {
    let kind = |wrong: &str| wrong.split(':').next().map(String::from);
    let fails = |steps: &[Step]| run(setting, steps).is_err_and(|other| kind(&other) == kind(wrong));
    let (mut piece, start) = (steps.len() / 2, Instant::now());
    while piece > 0 {
        let (before, mut at) = (steps.len(), 0);
        while at < steps.len() && start.elapsed() < SHRINKING {
            let mut fewer = steps.clone();
            fewer.drain(at..steps.len().min(at + piece));
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += piece;
            }
        }
        piece = if start.elapsed() > SHRINKING {
            0
        } else if piece == 1 && steps.len() < before {
            1
        } else {
            piece / 2
        };
    }
    steps
}

/// Fails with the seed and the shrunk script of a room where something is wrong.
fn report(seed: u64, taken: usize, setting: Setting, steps: Vec<Step>, wrong: &str) -> ! {
    let steps = shrink(setting, steps, wrong);
    let wrong = run(setting, &steps).expect_err("what was shrunk fails");
    let mut text =
        format!("{wrong}\nDYNASTI_SIMULATION_SEED={seed}, after {taken} steps, shrunk to {}:\n", steps.len());
    let _ = writeln!(text, "{setting:?}");
    for Step { slot, seed, act } in &steps {
        let _ = writeln!(text, "Step {{ slot: {slot}, seed: {seed}, act: {act:?} }}");
    }
    panic!("{text}");
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|number| number.parse().expect("a number"))
}

#[test]
fn whatever_happens_everybody_hears_what_is_for_them_and_nobody_healthy_is_dropped() {
    let steps = number("DYNASTI_SIMULATION_STEPS").map_or(STEPS, |steps| steps as usize);
    // Without a variable the rooms are always the same: a test that sometimes fails holds up somebody else's change.
    let first = number("DYNASTI_SIMULATION_SEED").unwrap_or(0);
    for room in 0..steps.div_ceil(STEPS_A_ROOM) {
        let seed = first.wrapping_add(room as u64);
        let (setting, steps) = script(seed, STEPS_A_ROOM);
        if let Err(wrong) = run(setting, &steps) {
            report(seed, (room + 1) * STEPS_A_ROOM, setting, steps, &wrong);
        }
    }
}
