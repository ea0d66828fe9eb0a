//! The rules of RFC 6762, each by the number of its section: packets and times in, packets and times out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use simple_dns::rdata::{A, AAAA, PTR, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::packet::{decode, encode};
use super::{Key, Net, Outgoing, PAGE, ROOM, Responder, Service, To};

const WIRE: Key = Key { index: 2, v6: false };
const OTHER: Key = Key { index: 3, v6: false };

const MS: Duration = Duration::from_millis(1);

fn ours() -> Vec<Net> {
    vec![Net { ip: [192, 168, 1, 10].into(), prefix: 24 }]
}

fn services() -> Vec<Service> {
    let listening = |port| vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))];
    vec![Service { kind: ROOM, listening: listening(4000) }, Service { kind: PAGE, listening: listening(4080) }]
}

/// Somebody else on the link, who speaks multicast DNS.
fn somebody() -> SocketAddr {
    SocketAddr::from(([192, 168, 1, 7], 5353))
}

/// Somebody else on the link, who does not.
fn simple() -> SocketAddr {
    SocketAddr::from(([192, 168, 1, 8], 40_000))
}

/// A responder, its clock, and what it has sent since it was last looked at.
struct Play {
    responder: Responder,
    now: Instant,
    sent: Vec<(Instant, Outgoing)>,
}

impl Play {
    /// A responder on one link that has just begun.
    fn begun(seed: u64) -> Play {
        let mut responder = Responder::new("dynasti", "pi", services(), seed);
        let now = Instant::now();
        responder.set_links(BTreeMap::from([(WIRE, ours())]), now);
        Play { responder, now, sent: Vec::new() }
    }

    /// One that has won its names and said everything.
    fn settled() -> Play {
        let mut play = Play::begun(1);
        play.runs(5000);
        assert_eq!(play.responder.news().as_deref(), Some("dynasti.local"));
        assert_eq!(play.responder.due(), None, "it has nothing to do");
        play.sent.clear();
        play
    }

    /// Lets so many milliseconds pass.
    fn runs(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(due) = self.responder.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.ticks();
        }
        self.now = end;
    }

    /// Has it do what is due, and say what it says at once.
    fn ticks(&mut self) {
        let sends = self.responder.tick(self.now);
        self.sent.extend(sends.into_iter().map(|send| (self.now, send)));
    }

    fn hears(&mut self, from: SocketAddr, packet: &Packet<'_>) {
        self.responder.receive(WIRE, from, &mut encode(packet), self.now);
    }

    /// What it has sent, as packets.
    fn takes(&mut self) -> Vec<Heard> {
        self.sent.drain(..).map(|(at, send)| Heard { at, to: send.to, bytes: send.bytes }).collect()
    }

    /// The one packet that it has sent.
    #[track_caller]
    fn takes_one(&mut self) -> Heard {
        let mut sent = self.takes();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }
}

#[derive(Debug)]
struct Heard {
    at: Instant,
    to: To,
    bytes: Vec<u8>,
}

impl Heard {
    fn packet<T>(&self, mut what: impl FnMut(&Packet<'_>) -> T) -> T {
        let mut bytes = self.bytes.clone();
        assert!(bytes.len() < 1440, "it fits into a packet of an Ethernet: {}", bytes.len());
        what(&decode(&mut bytes).expect("it sends what is well formed"))
    }

    fn is_query(&self) -> bool {
        self.packet(|packet| !packet.has_flags(PacketFlag::RESPONSE))
    }

    fn id(&self) -> u16 {
        self.packet(|packet| packet.id())
    }

    /// The answers, in short: type and time to live.
    fn answers(&self) -> Vec<(TYPE, u32)> {
        self.packet(|packet| packet.answers.iter().map(|record| (record.rdata.type_code(), record.ttl)).collect())
    }

    fn additional(&self) -> Vec<TYPE> {
        self.packet(|packet| packet.additional_records.iter().map(|record| record.rdata.type_code()).collect())
    }

    /// The names in the first section that has any.
    fn names(&self) -> Vec<String> {
        self.packet(|packet| {
            let asked = packet.questions.iter().map(|question| question.qname.to_string());
            asked.chain(packet.answers.iter().map(|record| record.name.to_string())).collect()
        })
    }
}

fn name(text: &str) -> Name<'_> {
    Name::new_unchecked(text)
}

fn question(text: &str, kind: TYPE) -> Question<'_> {
    Question::new(name(text), QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false)
}

fn query<'a>(questions: &[(&'a str, TYPE)]) -> Packet<'a> {
    let mut packet = Packet::new_query(0);
    packet.questions = questions.iter().map(|(name, kind)| question(name, *kind)).collect();
    packet
}

fn record(text: &str, ttl: u32, rdata: RData<'static>) -> ResourceRecord<'static> {
    ResourceRecord::new(name(text).into_owned(), CLASS::IN, ttl, rdata)
}

fn a(text: &str, last: u8, ttl: u32) -> ResourceRecord<'static> {
    let address = Ipv4Addr::new(192, 168, 1, last).into();
    record(text, ttl, RData::A(A { address })).with_cache_flush(true)
}

fn pointer(ttl: u32) -> ResourceRecord<'static> {
    record("_dynasti._tcp.local", ttl, RData::PTR(PTR(name("pi._dynasti._tcp.local"))))
}

fn reply(records: Vec<ResourceRecord<'static>>) -> Packet<'static> {
    let mut packet = Packet::new_reply(0);
    packet.answers = records;
    packet
}

/// Somebody else's probe for a name, who claims these.
fn probe<'a>(text: &'a str, claims: Vec<ResourceRecord<'static>>) -> Packet<'a> {
    let mut packet = Packet::new_query(0);
    packet.questions.push(Question::new(name(text), QTYPE::ANY, QCLASS::CLASS(CLASS::IN), false));
    packet.name_servers = claims;
    packet
}

// ---------------------------------------------------------------------------------------------------------------
// Claiming

#[test]
fn section_8_1_three_probes_250_ms_apart_after_a_random_wait() {
    let mut starts = Vec::new();
    for seed in 0..20 {
        let mut play = Play::begun(seed);
        let begun = play.now;
        play.runs(900);
        let sent = play.takes();
        let probes: Vec<&Heard> = sent.iter().filter(|heard| heard.is_query()).collect();
        assert_eq!(probes.len(), 3);
        assert!(probes[0].at <= begun + 250 * MS, "the first one comes within 250 ms");
        assert_eq!((probes[1].at - probes[0].at, probes[2].at - probes[1].at), (250 * MS, 250 * MS));
        starts.push(probes[0].at - begun);
        for probe in probes {
            let wanted = ["dynasti.local", "pi._dynasti._tcp.local", "pi._http._tcp.local"];
            assert_eq!((probe.names(), probe.to), (wanted.map(str::to_owned).to_vec(), To::Everybody));
            probe.packet(|packet| {
                assert_eq!(packet.id(), 0, "section 18.1");
                for question in &packet.questions {
                    assert_eq!((question.qtype, question.unicast_response), (QTYPE::ANY, false));
                }
                let claimed: Vec<TYPE> = packet.name_servers.iter().map(|record| record.rdata.type_code()).collect();
                assert_eq!(claimed, [TYPE::A, TYPE::SRV, TYPE::TXT, TYPE::SRV, TYPE::TXT]);
            });
        }
    }
    starts.sort();
    starts.dedup();
    assert!(starts.len() > 10, "they differ: {starts:?}");
}

#[test]
fn section_8_1_nothing_is_answered_before_the_names_are_won() {
    let mut play = Play::begun(1);
    play.hears(somebody(), &query(&[("dynasti.local", TYPE::A)]));
    play.hears(simple(), &query(&[("dynasti.local", TYPE::A)]));
    play.runs(700);
    assert!(play.takes().iter().all(Heard::is_query));
    assert_eq!(play.responder.news(), None);
}

#[test]
fn section_8_1_a_name_that_is_answered_for_is_somebodys() {
    let mut play = Play::begun(1);
    play.runs(300);
    play.takes();
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    play.runs(5000);
    assert_eq!(play.responder.news().as_deref(), Some("dynasti-2.local"));
    assert_eq!(play.responder.news(), None, "it is said once");
    let sent = play.takes();
    assert_eq!(sent[0].names()[..2], ["dynasti-2.local", "pi._dynasti._tcp.local"]);
    assert!(sent.iter().all(|heard| !heard.names().contains(&"dynasti.local".to_owned())));
}

#[test]
fn section_8_1_a_service_that_is_answered_for_gets_a_number_of_its_own() {
    let mut play = Play::begun(1);
    play.runs(300);
    let srv = SRV { priority: 0, weight: 0, port: 4000, target: name("elsewhere.local") };
    play.hears(somebody(), &reply(vec![record("PI._dynasti._tcp.local", 120, RData::SRV(srv))]));
    play.takes();
    play.runs(5000);
    assert_eq!(play.responder.news().as_deref(), Some("dynasti.local"));
    assert_eq!(play.takes()[0].names()[1], "pi-2._dynasti._tcp.local");
}

#[test]
fn section_8_1_what_this_hosts_own_avahi_has_is_somebodys_too() {
    let mut play = Play::begun(1);
    play.runs(300);
    play.hears(SocketAddr::from(([192, 168, 1, 10], 5353)), &reply(vec![a("dynasti.local", 10, 120)]));
    play.runs(5000);
    assert_eq!(play.responder.news().as_deref(), Some("dynasti-2.local"));
}

#[test]
fn section_8_1_our_own_probes_that_come_back_are_no_conflict() {
    let mut play = Play::begun(1);
    for _ in 0..100 {
        play.runs(50);
        for heard in play.takes() {
            let mut bytes = heard.bytes.clone();
            play.responder.receive(WIRE, SocketAddr::from(([192, 168, 1, 10], 5353)), &mut bytes, play.now);
        }
    }
    assert_eq!(play.responder.news().as_deref(), Some("dynasti.local"));
    assert_eq!(play.responder.due(), None);
}

#[test]
fn section_8_1_what_is_taken_back_while_we_ask_is_nobodys() {
    let mut play = Play::begun(1);
    play.runs(300);
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 0)]));
    play.runs(5000);
    assert_eq!(play.responder.news().as_deref(), Some("dynasti.local"));
}

#[test]
fn section_8_2_of_two_who_ask_at_once_the_greater_wins() {
    // The addresses are compared: 192.168.1.10 loses against 192.168.1.11, and against one that has more records.
    for (claims, loses) in [
        (vec![a("dynasti.local", 9, 120)], false),
        (vec![a("dynasti.local", 11, 120)], true),
        (vec![a("dynasti.local", 10, 120)], false),
        (vec![a("dynasti.local", 10, 120), a("dynasti.local", 9, 120)], false),
        (vec![a("dynasti.local", 10, 120), a("dynasti.local", 200, 120)], true),
        (vec![record("dynasti.local", 120, RData::AAAA(AAAA { address: 0 }))], true),
        (vec![], false),
        (vec![a("other.local", 200, 120)], false),
    ] {
        let mut play = Play::begun(1);
        play.runs(300);
        play.takes();
        let at = play.now;
        play.hears(somebody(), &probe("dynasti.local", claims.clone()));
        play.runs(6000);
        let next = play.takes().remove(0).at;
        assert_eq!(next == at + 1000 * MS, loses, "{claims:?}: the loser waits a second");
        assert_eq!(play.responder.news().as_deref(), Some("dynasti.local"), "nobody has answered");
    }
}

#[test]
fn section_8_3_everything_is_announced_twice_a_second_apart() {
    let mut play = Play::begun(1);
    play.runs(10_000);
    let sent = play.takes();
    let announced: Vec<&Heard> = sent.iter().filter(|heard| !heard.is_query()).collect();
    assert_eq!(announced.len(), 2);
    assert_eq!(announced[1].at - announced[0].at, 1000 * MS);
    let probed = sent.iter().rfind(|heard| heard.is_query()).expect("it has asked");
    assert_eq!(announced[0].at - probed.at, 250 * MS);
    let kinds: Vec<TYPE> = announced[0].answers().iter().map(|(kind, _)| *kind).collect();
    let service = [TYPE::PTR, TYPE::SRV, TYPE::TXT, TYPE::NSEC, TYPE::PTR];
    assert_eq!(kinds, [&[TYPE::A, TYPE::NSEC][..], &service, &service].concat());
    announced[0].packet(|packet| {
        assert_eq!(packet.id(), 0, "section 18.1");
        assert!(packet.has_flags(PacketFlag::AUTHORITATIVE_ANSWER), "section 18.4");
        for record in &packet.answers {
            let is_shared = record.rdata.type_code() == TYPE::PTR;
            assert_eq!(record.cache_flush, !is_shared, "section 10.2: {record:?}");
        }
    });
}

#[test]
fn section_8_3_a_link_that_comes_back_is_asked_again() {
    let mut play = Play::settled();
    play.responder.set_links(BTreeMap::new(), play.now);
    assert_eq!((play.responder.due(), play.responder.news()), (None, None));
    play.responder.set_links(BTreeMap::from([(WIRE, ours())]), play.now);
    play.runs(5000);
    assert_eq!(play.takes().iter().filter(|heard| heard.is_query()).count(), 3);
    assert_eq!(play.responder.news(), None, "the name is the same");
}

#[test]
fn section_8_4_a_changed_address_is_announced_and_the_former_taken_back() {
    let mut play = Play::settled();
    let nets = vec![Net { ip: [192, 168, 1, 99].into(), prefix: 24 }];
    play.responder.set_links(BTreeMap::from([(WIRE, nets)]), play.now);
    play.runs(5000);
    let sent = play.takes();
    assert!(sent.iter().all(|heard| !heard.is_query()), "the names are ours already");
    assert_eq!(sent[0].answers(), [(TYPE::A, 0)]);
    let ip = sent[1].packet(|packet| match packet.answers[0].rdata {
        RData::A(ref a) => IpAddr::from(Ipv4Addr::from(a.address)),
        _ => panic!("the address comes first"),
    });
    assert_eq!(ip, IpAddr::from([192, 168, 1, 99]));
    assert_eq!(sent.len(), 3);
}

// ---------------------------------------------------------------------------------------------------------------
// Conflicts

#[test]
fn section_9_a_conflict_makes_it_ask_again_and_a_silent_other_loses() {
    let mut play = Play::settled();
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    play.runs(5000);
    let sent = play.takes();
    assert_eq!(sent.iter().filter(|heard| heard.is_query()).count(), 3);
    assert_eq!(sent.iter().filter(|heard| !heard.is_query()).count(), 2);
    assert_eq!(play.responder.news(), None, "the name is still ours");
}

#[test]
fn section_9_a_conflict_with_somebody_who_answers_loses_the_name() {
    let mut play = Play::settled();
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    play.runs(0);
    assert!(play.takes_one().is_query());
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    play.runs(5000);
    assert_eq!(play.responder.news().as_deref(), Some("dynasti-2.local"));
}

#[test]
fn section_9_the_same_data_is_no_conflict_nor_is_what_is_not_ours() {
    let mut play = Play::settled();
    play.hears(somebody(), &reply(vec![a("dynasti.local", 10, 120), a("dynasti-2.local", 7, 120), pointer(4500)]));
    // From another port it is no multicast DNS: section 6.
    play.hears(simple(), &reply(vec![a("dynasti.local", 7, 120)]));
    // What is taken back is nobody's.
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 0)]));
    play.runs(5000);
    assert!(play.takes().is_empty());
}

#[test]
fn section_9_an_address_of_the_other_family_is_a_conflict_too() {
    let mut play = Play::settled();
    play.hears(somebody(), &reply(vec![record("dynasti.local", 120, RData::AAAA(AAAA { address: 7 }))]));
    play.runs(0);
    assert!(play.takes_one().is_query());
}

#[test]
fn section_9_whoever_takes_every_name_makes_it_rename_once_a_minute() {
    let mut play = Play::settled();
    let (mut renames, mut latest) = (0, 1);
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    // Ten minutes of answers to everything that it asks or says.
    for _ in 0..6000 {
        play.runs(100);
        for heard in play.takes() {
            let host = heard.names().remove(0);
            let number = host.strip_prefix("dynasti-").and_then(|rest| rest.strip_suffix(".local"));
            let number: u32 = number.map_or(1, |number| number.parse().expect("a number"));
            renames += u32::from(number > latest);
            latest = latest.max(number);
            play.hears(somebody(), &reply(vec![a(&host, 7, 120)]));
        }
        // And of claims to names that it does not ask for yet.
        for number in latest..latest + 5 {
            play.hears(somebody(), &reply(vec![a(&format!("dynasti-{number}.local"), 7, 120)]));
        }
    }
    assert!((9..=11).contains(&renames), "{renames} in ten minutes");
    assert_eq!(play.responder.news(), None);
    // It is left alone, and recovers.
    play.runs(70_000);
    assert!(play.responder.news().is_some());
}

#[test]
fn section_9_addresses_that_change_let_nobody_make_it_rename_sooner() {
    let mut play = Play::settled();
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    let mut latest = String::new();
    // Ten minutes in which somebody advertises other networks again and again, and takes every name that is asked for.
    for second in 0..600 {
        let other = Net { ip: [10, 0, 0, (second % 200) as u8].into(), prefix: 24 };
        play.responder.set_links(BTreeMap::from([(WIRE, vec![ours()[0], other])]), play.now);
        for _ in 0..10 {
            play.runs(100);
            for heard in play.takes() {
                latest = heard.names().remove(0);
                play.hears(somebody(), &reply(vec![a(&latest, 7, 120)]));
            }
        }
    }
    let number = latest.strip_prefix("dynasti-").and_then(|rest| rest.strip_suffix(".local"));
    let number: u32 = number.expect("it has another name").parse().expect("a number");
    assert!((10..=12).contains(&number), "{latest} after ten minutes");
}

#[test]
fn section_9_a_link_that_comes_after_a_name_was_lost_is_asked_at_once() {
    let mut play = Play::settled();
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    play.runs(0);
    play.hears(somebody(), &reply(vec![a("dynasti.local", 7, 120)]));
    let other = vec![Net { ip: [10, 0, 0, 1].into(), prefix: 8 }];
    play.responder.set_links(BTreeMap::from([(WIRE, ours()), (OTHER, other)]), play.now);
    play.runs(5000);
    assert_eq!(play.responder.news().as_deref(), Some("dynasti-2.local"));
}

#[test]
fn section_9_at_the_start_taken_names_are_passed_by_quickly() {
    let mut play = Play::begun(1);
    for _ in 0..50 {
        play.runs(100);
        for heard in play.takes() {
            let host = heard.names().remove(0);
            if ["dynasti.local", "dynasti-2.local", "dynasti-3.local"].contains(&&*host) {
                play.hears(somebody(), &reply(vec![a(&host, 7, 120)]));
            }
        }
    }
    assert_eq!(play.responder.news().as_deref(), Some("dynasti-4.local"));
}

#[test]
fn section_8_1_a_lost_name_is_defended_from_probes_by_an_answer_within_250_ms() {
    let mut play = Play::settled();
    for _ in 0..3 {
        let at = play.now;
        play.hears(somebody(), &probe("dynasti.local", vec![a("dynasti.local", 200, 120)]));
        play.runs(250);
        let answer = play.takes_one();
        assert_eq!((answer.to, answer.at), (To::Everybody, at), "section 6: at once, and no sooner than 250 ms after");
        assert_eq!(answer.answers()[0], (TYPE::A, 120));
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Answers

#[test]
fn section_6_a_unique_record_is_answered_at_once_and_a_shared_one_after_20_to_120_ms() {
    let mut play = Play::settled();
    let at = play.now;
    play.hears(somebody(), &query(&[("Dynasti.LOCAL", TYPE::A)]));
    play.runs(2000);
    let answer = play.takes_one();
    assert_eq!((answer.at, answer.to, answer.answers()), (at, To::Everybody, vec![(TYPE::A, 120)]));
    assert!(answer.packet(|packet| packet.questions.is_empty()), "a multicast answer repeats no question");
    let mut waits = Vec::new();
    for _ in 0..20 {
        let at = play.now;
        play.hears(somebody(), &query(&[("_dynasti._tcp.local", TYPE::PTR)]));
        play.runs(2000);
        let answer = play.takes_one();
        assert_eq!(answer.answers(), [(TYPE::PTR, 4500)]);
        assert_eq!(
            answer.additional(),
            [TYPE::A, TYPE::NSEC, TYPE::SRV, TYPE::TXT, TYPE::NSEC],
            "RFC 6763, section 12.1"
        );
        waits.push(answer.at - at);
    }
    assert!(waits.iter().all(|wait| (20 * MS..=120 * MS).contains(wait)), "{waits:?}");
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 5, "they differ: {waits:?}");
}

#[test]
fn section_6_a_record_is_multicast_once_a_second_at_most() {
    let mut play = Play::settled();
    for _ in 0..1000 {
        play.hears(somebody(), &query(&[("dynasti.local", TYPE::A), ("_http._tcp.local", TYPE::PTR)]));
        play.runs(10);
    }
    let mut last: BTreeMap<Vec<u8>, Instant> = BTreeMap::new();
    let sent = play.takes();
    assert!((10..=40).contains(&sent.len()), "{} packets in ten seconds", sent.len());
    for heard in sent {
        heard.packet(|packet| {
            for record in packet.answers.iter().chain(&packet.additional_records) {
                let mut alone = Packet::new_reply(0);
                alone.answers.push(record.clone());
                if let Some(last) = last.insert(encode(&alone), heard.at) {
                    assert!(heard.at - last >= 1000 * MS, "{record:?}");
                }
            }
        });
    }
}

#[test]
fn section_6_who_asks_too_soon_after_the_last_answer_is_answered_when_it_may_be() {
    let mut play = Play::settled();
    play.hears(somebody(), &query(&[("dynasti.local", TYPE::A)]));
    play.runs(400);
    let first = play.takes_one().at;
    play.hears(somebody(), &query(&[("dynasti.local", TYPE::A)]));
    play.runs(3000);
    assert_eq!(play.takes_one().at - first, 1000 * MS);
}

#[test]
fn section_6_1_what_there_is_not_is_said() {
    let mut play = Play::settled();
    play.hears(somebody(), &query(&[("dynasti.local", TYPE::AAAA)]));
    play.runs(2000);
    assert_eq!(play.takes_one().answers(), [(TYPE::NSEC, 120)]);
    play.hears(somebody(), &query(&[("nobody.local", TYPE::AAAA), ("_ssh._tcp.local", TYPE::PTR)]));
    play.runs(2000);
    assert!(play.takes().is_empty(), "of names that are not ours nothing is known");
}

#[test]
fn section_6_1_a_question_of_any_type_is_answered_and_spoils_none_beside_it() {
    // What a telephone asks for before it opens a page (HTTPS), what it may ask for one day, and what nobody knows.
    for other in [TYPE::HTTPS, TYPE::SVCB, TYPE::Unknown(262), TYPE::Unknown(65_280)] {
        let mut play = Play::settled();
        play.hears(somebody(), &query(&[("dynasti.local", TYPE::A), ("dynasti.local", other)]));
        play.runs(2000);
        assert_eq!(play.takes_one().answers(), [(TYPE::A, 120), (TYPE::NSEC, 120)], "{other:?}");
        play.hears(simple(), &query(&[("dynasti.local", other)]));
        play.ticks();
        let answer = play.takes_one();
        assert_eq!(answer.answers(), [(TYPE::NSEC, 10)], "{other:?}");
        answer.packet(|packet| assert_eq!(packet.questions[0].qtype, QTYPE::TYPE(other), "it is repeated as it was"));
    }
}

#[test]
fn section_6_3_all_questions_of_a_packet_are_answered_together() {
    let mut play = Play::settled();
    play.hears(
        somebody(),
        &query(&[("dynasti.local", TYPE::A), ("_dynasti._tcp.local", TYPE::PTR), ("dynasti.local", TYPE::A)]),
    );
    play.runs(2000);
    assert_eq!(play.takes_one().answers(), [(TYPE::A, 120), (TYPE::PTR, 4500)]);
}

#[test]
fn section_6_6_what_others_would_forget_too_early_is_said_again() {
    let mut play = Play::settled();
    // Goodbyes, forged or of somebody who has the same: both are put right, once a second at most.
    for _ in 0..50 {
        play.hears(somebody(), &reply(vec![a("dynasti.local", 10, 0), pointer(0)]));
        play.runs(100);
    }
    let sent = play.takes();
    assert!((5..=12).contains(&sent.len()), "{}", sent.len());
    assert_eq!(sent[0].answers(), [(TYPE::A, 120)]);
    assert_eq!(sent[1].answers(), [(TYPE::PTR, 4500)]);
}

#[test]
fn section_6_7_who_knows_no_multicast_dns_is_answered_as_dns_does() {
    let mut play = Play::settled();
    let mut asked = query(&[("dynasti.local", TYPE::A), ("nobody.local", TYPE::A)]);
    asked.set_id(4711);
    play.hears(simple(), &asked);
    play.runs(0);
    assert!(play.takes().is_empty(), "it is not sent by a tick that nothing has asked for");
    play.ticks();
    let answer = play.takes_one();
    assert_eq!((answer.to, answer.id(), answer.answers()), (To::One(simple()), 4711, vec![(TYPE::A, 10)]));
    answer.packet(|packet| {
        assert_eq!(packet.questions.len(), 1, "the question that is answered is repeated");
        let records = packet.answers.iter().chain(&packet.additional_records);
        assert!(records.into_iter().all(|record| !record.cache_flush && record.ttl <= 10));
    });
}

#[test]
fn section_7_1_known_answers_are_not_repeated() {
    let mut play = Play::settled();
    let mut asked = query(&[("_dynasti._tcp.local", TYPE::PTR)]);
    asked.answers.push(pointer(2250));
    play.hears(somebody(), &asked);
    play.runs(2000);
    assert!(play.takes().is_empty());
    asked.answers[0].ttl = 2249;
    play.hears(somebody(), &asked);
    play.runs(2000);
    assert_eq!(play.takes_one().answers(), [(TYPE::PTR, 4500)], "it is known for less than half its time");
}

#[test]
fn section_7_2_known_answers_may_follow_in_further_packets() {
    for (is_known, from) in [(true, somebody()), (false, SocketAddr::from(([192, 168, 1, 9], 5353)))] {
        let mut play = Play::settled();
        let at = play.now;
        let mut asked = query(&[("_dynasti._tcp.local", TYPE::PTR)]);
        asked.set_flags(PacketFlag::TRUNCATION);
        play.hears(somebody(), &asked);
        play.runs(300);
        let mut more = Packet::new_query(0);
        more.answers.push(pointer(4500));
        play.hears(from, &more);
        play.runs(2000);
        if is_known {
            assert!(play.takes().is_empty());
        } else {
            let wait = play.takes_one().at - at;
            assert!((400 * MS..=500 * MS).contains(&wait), "somebody else's: {wait:?}");
        }
    }
}

#[test]
fn section_7_4_what_somebody_else_has_just_answered_is_not_repeated() {
    let mut play = Play::settled();
    play.hears(somebody(), &query(&[("_services._dns-sd._udp.local", TYPE::PTR)]));
    let meta = |ttl| record("_services._dns-sd._udp.local", ttl, RData::PTR(PTR(name("_http._tcp.local"))));
    play.hears(somebody(), &reply(vec![meta(4500)]));
    play.runs(2000);
    let answer = play.takes_one();
    answer.packet(|packet| match &packet.answers[..] {
        [only] => assert_eq!(only.rdata, RData::PTR(PTR(name("_dynasti._tcp.local")))),
        more => panic!("{more:?}"),
    });
}

#[test]
fn section_5_4_who_wants_an_answer_alone_gets_it_if_the_others_have_heard_it_lately() {
    let mut play = Play::settled();
    let mut asked = query(&[("dynasti.local", TYPE::A)]);
    asked.questions[0].unicast_response = true;
    play.hears(somebody(), &asked);
    play.ticks();
    let answer = play.takes_one();
    assert_eq!((answer.to, answer.id(), answer.answers()), (To::One(somebody()), 0, vec![(TYPE::A, 120)]));
    // A quarter of 120 seconds later it is time that everybody hears it.
    play.runs(30_000);
    play.hears(somebody(), &asked);
    play.runs(2000);
    assert_eq!(play.takes_one().to, To::Everybody);
}

#[test]
fn section_11_nobody_off_the_link_is_answered_alone() {
    let mut play = Play::settled();
    play.hears(SocketAddr::from(([8, 8, 8, 8], 40_000)), &query(&[("dynasti.local", TYPE::A)]));
    assert!(play.responder.tick(play.now).is_empty());
}

#[test]
fn section_6_answers_to_one_alone_are_bounded_because_who_asks_may_be_forged() {
    let mut play = Play::settled();
    let mut bytes = 0;
    for _ in 0..10_000 {
        play.hears(simple(), &query(&[("_dynasti._tcp.local", TYPE::PTR)]));
        bytes += play.responder.tick(play.now).iter().map(|send| send.bytes.len()).sum::<usize>();
        play.now += MS;
    }
    assert!((10_000..=10 * 20_000).contains(&bytes), "{bytes} bytes in ten seconds");
}

// ---------------------------------------------------------------------------------------------------------------
// The rest

#[test]
fn section_10_1_everything_is_taken_back_at_the_end() {
    let mut play = Play::settled();
    let sends = play.responder.goodbye();
    play.sent.extend(sends.into_iter().map(|send| (play.now, send)));
    let goodbye = play.takes_one();
    assert_eq!(goodbye.answers().len(), 9);
    assert!(goodbye.answers().iter().all(|(_, ttl)| *ttl == 0));
    // Who has said nothing has nothing to take back.
    assert!(Play::begun(1).responder.goodbye().is_empty());
}

#[test]
fn section_15_each_link_is_told_its_own_addresses() {
    let mut play = Play::settled();
    let other = vec![Net { ip: [10, 0, 0, 1].into(), prefix: 8 }];
    play.responder.set_links(BTreeMap::from([(WIRE, ours()), (OTHER, other)]), play.now);
    play.runs(5000);
    let mut told: BTreeMap<Key, Vec<Ipv4Addr>> = BTreeMap::new();
    for (_, send) in &mut play.sent {
        let packet = decode(&mut send.bytes).expect("it is well formed");
        for record in packet.answers.iter().chain(&packet.name_servers) {
            if let RData::A(a) = &record.rdata {
                told.entry(send.link).or_default().push(Ipv4Addr::from(a.address));
            }
        }
    }
    assert!(!told.contains_key(&WIRE), "on the first one nothing has changed");
    assert!(told[&OTHER].iter().all(|ip| *ip == Ipv4Addr::new(10, 0, 0, 1)), "{told:?}");
    assert_eq!(play.responder.news(), None, "the name is the same");
}

#[test]
fn section_14_two_interfaces_on_one_link_are_no_conflict() {
    let mut play = Play::begun(1);
    let other = vec![Net { ip: [192, 168, 1, 11].into(), prefix: 24 }];
    play.responder.set_links(BTreeMap::from([(WIRE, ours()), (OTHER, other)]), play.now);
    for _ in 0..100 {
        play.runs(50);
        for (_, mut send) in std::mem::take(&mut play.sent) {
            let (to, from) = if send.link == WIRE { (OTHER, 10) } else { (WIRE, 11) };
            let from = SocketAddr::from(([192, 168, 1, from], 5353));
            play.responder.receive(to, from, &mut send.bytes, play.now);
        }
    }
    assert_eq!(play.responder.news().as_deref(), Some("dynasti.local"));
}

#[test]
fn section_14_nobody_who_asks_makes_it_forget_what_it_has_just_said_itself() {
    let mut play = Play::begun(1);
    let third = Key { index: 4, v6: false };
    let nets = |last| vec![Net { ip: [192, 168, 1, last].into(), prefix: 24 }];
    play.responder.set_links([(WIRE, nets(10)), (OTHER, nets(11)), (third, nets(12))].into(), play.now);
    play.runs(5000);
    play.sent.clear();
    play.hears(somebody(), &query(&[("dynasti.local", TYPE::A)]));
    for _ in 0..100 {
        for link in [OTHER, third] {
            play.responder.receive(link, simple(), &mut encode(&query(&[("dynasti.local", TYPE::A)])), play.now);
        }
    }
    play.ticks();
    let (_, mut said) = play.sent.iter().find(|(_, send)| send.to == To::Everybody).expect("an answer").clone();
    play.sent.clear();
    play.responder.receive(OTHER, SocketAddr::from(([192, 168, 1, 10], 5353)), &mut said.bytes, play.now);
    play.runs(2000);
    assert!(play.takes().is_empty(), "it is on that link as well, and asks nobody whose the name is");
}

#[test]
fn malformed_packets_are_dropped_and_counted() {
    let mut play = Play::settled();
    play.responder.receive(WIRE, somebody(), &mut [0; 5], play.now);
    play.responder.receive(WIRE, somebody(), &mut [0xff; 9001], play.now);
    assert_eq!(play.responder.dropped(), 2);
    assert_eq!(play.responder.due(), None);
}
