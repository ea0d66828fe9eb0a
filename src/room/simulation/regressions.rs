//! Scripts that have once failed, each shrunk to what it takes.

use super::run;
use super::script::Act::*;
use super::script::Taking::*;
use super::script::Typed::*;
use super::script::{Act, Setting, Step};

/// Runs a script of slots, seeds and acts.
fn check(setting: Setting, steps: &[(u16, u32, Act)]) {
    let step = |(slot, seed, act): &(u16, u32, Act)| Step { slot: *slot, seed: *seed, act: act.clone() };
    let steps: Vec<Step> = steps.iter().map(step).collect();
    assert_eq!(run(setting, &steps), Ok(()));
}

/// Lines that are appended to a segment that nobody has looked at are not notified of. They were not measured either.
#[test]
fn who_is_too_far_behind_is_dropped_by_lines_that_wake_nobody() {
    let setting = Setting { slots: 10, history: 106, replay: 0, watch: false, open: true };
    let steps = [
        (2, 60996493, Enter(Nothing)),
        (2, 3653958160, Name(132)),
        (7, 2153423043, Enter(Trickle(5537))),
        (7, 2158697925, Name(71)),
        (7, 3698541259, Say(346, 200)),
        (7, 1252921290, Type(History(153))),
        (7, 1618550098, Say(920, 25)),
        (3, 4150493696, Enter(All)),
        (8, 2337138237, Wait(17)),
        (3, 2903183165, Say(202, 200)),
        (3, 3261838396, Name(244)),
        (2, 1920665011, Wait(1256)),
        (3, 1379596782, Say(2, 78)),
    ];
    check(setting, &steps);
}

/// A reader that was gone before it had its turn was waited for by everybody, by its own last step too: for ever.
#[test]
fn nobody_waits_for_the_turn_of_a_reader_whose_connection_is_lost() {
    let setting = Setting { slots: 8, history: 52, replay: 0, watch: true, open: true };
    let steps = [
        (6, 2156952477, Enter(All)),
        (0, 1415089180, Enter(Healthy(72506))),
        (1, 4247907421, Enter(Trickle(4212))),
        (6, 336074160, Name(130)),
        (0, 2118680911, Name(30)),
        (1, 1856144195, Name(107)),
        (1, 3834556781, Say(349, 200)),
        (1, 2243678712, Say(305, 2000)),
        (6, 2535737774, Break(false)),
        (0, 2455060673, Say(194, 200)),
        (6, 2980263845, Say(334, 200)),
        (4, 1437714977, Enter(Trickle(2397))),
        (4, 3728095912, Say(1, 57)),
        (5, 1518140733, Enter(All)),
        (5, 1526187476, Settle),
    ];
    check(setting, &steps);
}

/// Two who left at once began to gather as two, which the publisher was not woken for.
#[test]
fn members_who_are_banned_together_are_ended_while_others_speak() {
    let setting = Setting { slots: 5, history: 94, replay: 191, watch: true, open: true };
    let steps = [
        (4, 4231687896, Enter(Nothing)),
        (0, 3335666714, Enter(Healthy(35693))),
        (0, 98123586, Name(88)),
        (4, 625663962, Name(130)),
        (4, 541966713, Take(Healthy(40256))),
        (1, 2712532772, Enter(Nothing)),
        (1, 991937618, Name(219)),
        (2, 3134010510, Enter(Nothing)),
        (2, 4000494939, Name(166)),
        (2, 2434969176, Say(196, 2000)),
        (3, 903705785, Wait(1460)),
        (0, 3894316283, Ban),
    ];
    check(setting, &steps);
}

/// A reader that was blocked in that turn went on being waited for, for a second.
#[test]
fn who_types_goes_on_once_the_reader_they_wait_for_has_had_its_turn() {
    let setting = Setting { slots: 7, history: 158, replay: 195, watch: false, open: false };
    let steps = [
        (3, 2350104081, Enter(Nothing)),
        (6, 1052063148, Enter(Nothing)),
        (3, 3688346499, Name(208)),
        (3, 323631150, Take(Healthy(58217))),
        (4, 2080368408, Enter(Nothing)),
        (5, 945038677, Enter(Nothing)),
        (6, 481937274, Name(234)),
        (4, 3041481112, Name(176)),
        (5, 3746384240, Name(149)),
        (2, 1274292962, Wait(9)),
        (3, 717333938, Type(History(276))),
        (5, 218130463, Say(79, 2000)),
        (4, 962782413, Type(Msg(5))),
        (6, 2438097927, Say(1, 63)),
        (6, 3219209001, Say(345, 2000)),
        (3, 1745377172, Wait(32)),
    ];
    check(setting, &steps);
}

/// An answer of which whole lines were written had one more of them sent before the last words.
#[test]
fn who_is_too_slow_hears_no_further_line_of_an_answer() {
    let setting = Setting { slots: 9, history: 33, replay: 81, watch: false, open: true };
    let steps = [
        (7, 3716071924, Enter(Healthy(32017))),
        (6, 794192447, Enter(Trickle(4216))),
        (7, 580339914, Name(107)),
        (8, 1238636102, Enter(Healthy(72165))),
        (6, 1496027585, Name(184)),
        (7, 3991189167, Say(1031, 1)),
        (0, 140561632, Enter(Trickle(5250))),
        (5, 3701608566, Wait(36)),
        (8, 2804729425, Name(73)),
        (8, 61970309, Say(1826, 2)),
        (0, 4280136106, Name(81)),
        (0, 1705308193, Take(Trickle(361))),
        (4, 3995175608, Enter(Nothing)),
        (6, 1976329770, Break(false)),
        (2, 2979162800, Say(2, 10)),
        (2, 4275602265, Wait(576)),
        (1, 341808481, Enter(Nothing)),
        (1, 2455603224, Take(Trickle(1263))),
        (4, 1868416738, Wait(109)),
        (0, 21750220, Wait(9)),
        (4, 2467104449, Name(48)),
        (0, 2128829852, Say(2, 48)),
        (0, 3256953115, Wait(29)),
        (4, 157812393, Type(Me)),
        (4, 793041196, Say(2, 182)),
        (0, 1206505617, Wait(42)),
        (1, 3134632005, Take(Nothing)),
        (1, 1360623277, Name(0)),
        (0, 1787347059, Wait(1353)),
    ];
    check(setting, &steps);
}

/// Where nothing happens but that time jumps, who waits is seen to wait each time: once for the reader's second, and once
/// for what follows it. The check took that for waiting without an end.
#[test]
fn time_that_jumps_is_no_time_that_somebody_waits() {
    let setting = Setting { slots: 9, history: 99, replay: 198, watch: false, open: false };
    let steps = [
        (6, 3919896244, Enter(Nothing)),
        (4, 3764919322, Enter(Nothing)),
        (6, 157386450, Name(158)),
        (6, 4207236357, Say(124, 2000)),
        (7, 77514696, Jump(10_000)),
        (8, 3894875472, Jump(70_000)),
        (7, 1076655614, Jump(70_000)),
        (3, 3840954584, Jump(70_000)),
        (5, 2050781119, Jump(10_000)),
        (4, 1039073699, Announce(119)),
        (4, 1926336204, Type(History(246))),
        (4, 266576522, Name(131)),
        (5, 2032364011, Jump(10_000)),
        (4, 3385990215, Jump(70_000)),
        (2, 3130577446, Wait(10)),
    ];
    check(setting, &steps);
}
