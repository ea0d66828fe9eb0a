//! One link: its records, and when they are probed for, announced, sent as answers and taken back. Most rules of RFC
//! 6762 are here; "section" means a section of it.
//!
//! A link is one interface of the machine and one family, IPv4 or IPv6: by section 20 these are two separate networks.
//! Packets and the time are passed in. Knows no other link, no socket, and not what the server is called next when a
//! name is lost.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::dice::Dice;
use super::packet::order;
use super::records::{Net, Told, is_link_local};

/// The port of multicast DNS. A host that asks from another port speaks plain DNS, and is answered so (section 6.7).
pub(crate) const PORT: u16 = 5353;

/// How many probes are sent, and how far apart. Section 8.1.
const PROBES: u8 = 3;
const BETWEEN_PROBES: Duration = Duration::from_millis(250);

/// The first probe comes after a random time up to this, in milliseconds, so that machines that start together do not
/// all send at once.
const PROBE_WITHIN: u64 = 250;

/// If two hosts probe for a name at once, the loser probes again after this. Section 8.2.
const AFTER_LOSING: Duration = Duration::from_secs(1);

/// How many announcements are sent, and how far apart. Section 8.3.
const ANNOUNCEMENTS: u8 = 2;
const BETWEEN_ANNOUNCEMENTS: Duration = Duration::from_secs(1);

/// A record is multicast again no sooner than this; in the answer to a probe, no sooner than the second figure. Section
/// 6.
const APART: Duration = Duration::from_secs(1);
const APART_FOR_A_PROBE: Duration = Duration::from_millis(250);

/// How long an answer with a shared record waits, so that not all hosts that have one send at once; and how long an
/// answer waits if the querier says that more known answers follow. At least and at most, in milliseconds. Sections 6
/// and 7.2.
const SHARED: (u64, u64) = (20, 120);
const TRUNCATED: (u64, u64) = (400, 500);

/// How long known answers that come in several packets can delay an answer in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest time to live in an answer to a host that speaks plain DNS, because its cache does not hear of changes.
/// Section 6.7.
const LEGACY_TTL: u32 = 10;

/// How many answers may wait. Further ones are joined to the last of them. Each record is sent once a second at most,
/// so a flood of questions has few answers anyway.
const WAITING: usize = 32;

/// How many unicast answers are sent at once, and then one each so long. The address of a querier may be forged, so
/// this bounds what the machine can be made to send to a victim: about 20 kB a second.
const UNICAST_AT_ONCE: u32 = 40;
const UNICAST_EACH: Duration = Duration::from_millis(50);

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Everybody on the link.
    Everybody,
    /// One host.
    One(SocketAddr),
}

/// Which of our names another host has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) host: bool,
    pub(crate) instance: bool,
}

impl Conflict {
    fn any(self) -> bool {
        self.host || self.instance
    }
}

/// A record of ours, and when it was last multicast.
#[derive(Debug)]
struct Own {
    record: ResourceRecord<'static>,
    sent: Option<Instant>,
}

/// Answers that wait until they are due.
#[derive(Debug)]
struct Waiting {
    /// Who asked. That host may still say which answers it knows.
    from: Option<SocketAddr>,
    asked: Instant,
    due: Instant,
    /// Whether this answers a probe for one of our names, which is more urgent.
    is_defence: bool,
    /// Indices into the list of records.
    records: Vec<usize>,
}

#[derive(Debug)]
enum Phase {
    /// We probe for the names: how many probes are sent, and when the next is due.
    Probing { sent: u8, next: Instant },
    /// The names are ours: how many announcements are sent, and when the next is due.
    Ours { announced: u8, next: Option<Instant> },
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Link {
    nets: Vec<Net>,
    own: Vec<Own>,
    host: Name<'static>,
    phase: Phase,
    waiting: Vec<Waiting>,
    /// When the next unicast answer would be sent if all were spread evenly.
    unicast: Instant,
    /// What is to be sent.
    outbox: Vec<(To, Packet<'static>)>,
}

impl Link {
    /// Makes a link with these addresses. Probing for the names begins in a moment, but not before `start`.
    pub(crate) fn new(nets: Vec<Net>, told: &Told, names: (&str, &str), start: Instant, dice: &mut Dice) -> Link {
        let phase = Phase::Probing { sent: 0, next: start };
        let (own, waiting, outbox) = (Vec::new(), Vec::new(), Vec::new());
        let mut link = Link { nets, own, host: Name::new_with_labels(&[]), phase, waiting, unicast: start, outbox };
        link.tell(told, names);
        link.probe(start, dice);
        link
    }

    /// Begins to probe for the names, in a moment, but not before `start`. Answers that wait are dropped.
    pub(crate) fn probe(&mut self, start: Instant, dice: &mut Dice) {
        self.waiting.clear();
        self.phase = Phase::Probing { sent: 0, next: start + dice.between(0, PROBE_WITHIN) };
    }

    /// Sets what is told from now on.
    pub(crate) fn tell(&mut self, told: &Told, (host, instance): (&str, &str)) {
        self.host = super::records::name(&[host, "local"]);
        let records = told.records(host, instance);
        let sent = |record: &ResourceRecord<'static>| self.own.iter().find(|own| own.record == *record)?.sent;
        self.own = records.into_iter().map(|record| Own { sent: sent(&record), record }).collect();
        // Their indices are into the former list.
        self.waiting.clear();
    }

    /// The addresses of the interface have changed, or what is told of them. Records that are no longer true are taken
    /// back, and the others are announced anew. Names that are ours stay so (section 8.4). Probing that is under way is
    /// not begun anew: a host that advertises IPv6 networks can change our addresses as often as it likes, and would
    /// keep us probing.
    pub(crate) fn change(&mut self, nets: Vec<Net>, told: &Told, names: (&str, &str), now: Instant) {
        let before: Vec<ResourceRecord<'static>> = self.own.iter().map(|own| own.record.clone()).collect();
        self.nets = nets;
        self.tell(told, names);
        if let Phase::Ours { announced, next } = &mut self.phase {
            (*announced, *next) = (0, Some(now));
            let gone = before.into_iter().filter(|record| !self.own.iter().any(|own| own.record == *record));
            self.take_back(gone.collect());
        }
    }

    /// Takes back all records, if they were announced. Section 10.1.
    pub(crate) fn goodbye(&mut self) {
        if self.is_ours() {
            self.take_back(self.own.iter().map(|own| own.record.clone()).collect());
        }
    }

    fn take_back(&mut self, mut records: Vec<ResourceRecord<'static>>) {
        records.retain(|record| record.rdata.type_code() != TYPE::NSEC);
        records.iter_mut().for_each(|record| record.ttl = 0);
        if !records.is_empty() {
            let mut packet = reply(0);
            packet.answers = records;
            self.outbox.push((To::Everybody, packet));
        }
    }

    /// Returns the addresses of its interface.
    pub(crate) fn nets(&self) -> &[Net] {
        &self.nets
    }

    /// Whether the names are ours on this link.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.phase, Phase::Ours { .. })
    }

    /// Takes the packets that are to be sent.
    pub(crate) fn outbox(&mut self) -> Vec<(To, Packet<'static>)> {
        std::mem::take(&mut self.outbox)
    }

    /// Returns when `tick` is to be called, if no packet comes before.
    pub(crate) fn due(&self) -> Option<Instant> {
        let next = match self.phase {
            Phase::Probing { next, .. } => Some(next),
            Phase::Ours { next, .. } => next,
        };
        self.waiting.iter().map(|waiting| waiting.due).chain(next).min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        match self.phase {
            Phase::Probing { sent, next } if next <= now && sent < PROBES => {
                self.outbox.push((To::Everybody, self.probe_packet()));
                self.phase = Phase::Probing { sent: sent + 1, next: now + BETWEEN_PROBES };
            }
            Phase::Probing { next, .. } if next <= now => {
                self.phase = Phase::Ours { announced: 0, next: Some(now) };
                self.announce(now);
            }
            Phase::Ours { next: Some(next), .. } if next <= now => self.announce(now),
            _ => {}
        }
        let (due, waiting): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|waiting| waiting.due <= now);
        self.waiting = waiting;
        for waiting in due {
            self.answer(waiting, now);
        }
    }

    /// Returns the names that no other host may have.
    fn unique_names(&self) -> Vec<&Name<'static>> {
        let mut names: Vec<&Name<'static>> = Vec::new();
        for own in self.own.iter().filter(|own| own.record.cache_flush) {
            if !names.contains(&&own.record.name) {
                names.push(&own.record.name);
            }
        }
        names
    }

    /// Returns the records that a probe claims, by which it is compared with another host's probe.
    fn claimed(&self) -> impl Iterator<Item = &ResourceRecord<'static>> {
        let claimed = |record: &&ResourceRecord<'_>| record.cache_flush && record.rdata.type_code() != TYPE::NSEC;
        self.own.iter().map(|own| &own.record).filter(claimed)
    }

    /// Returns a probe for all names. It asks for multicast answers, because a unicast one may reach only another
    /// responder of this host.
    fn probe_packet(&self) -> Packet<'static> {
        let mut packet = Packet::new_query(0);
        let ask = |name: &&Name<'static>| Question::new((*name).clone(), QTYPE::ANY, QCLASS::CLASS(CLASS::IN), false);
        packet.questions = self.unique_names().iter().map(ask).collect();
        packet.name_servers = self.claimed().cloned().map(|record| record.with_cache_flush(false)).collect();
        packet
    }

    /// Announces all records. Section 8.3.
    fn announce(&mut self, now: Instant) {
        let Phase::Ours { announced, next } = &mut self.phase else { return };
        // The names may have been won twice within a second.
        if let Some(sent) = self.own.iter().filter_map(|own| own.sent).max().filter(|sent| now < *sent + APART) {
            *next = Some(sent + APART);
            return;
        }
        *announced += 1;
        *next = (*announced < ANNOUNCEMENTS).then_some(now + BETWEEN_ANNOUNCEMENTS);
        let mut packet = reply(0);
        for own in &mut self.own {
            own.sent = Some(now);
            packet.answers.push(own.record.clone());
        }
        self.outbox.push((To::Everybody, packet));
    }

    /// Takes in a packet of another host. Returns which of our names that host has.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>, from: SocketAddr, now: Instant, dice: &mut Dice) -> Conflict {
        if packet.has_flags(PacketFlag::RESPONSE) {
            // Section 6: an answer from another port is to be ignored.
            return if from.port() == PORT { self.hear(packet, now) } else { Conflict::default() };
        }
        match self.phase {
            Phase::Probing { sent, .. } => self.break_tie(packet, sent, now),
            Phase::Ours { .. } => self.asked(packet, from, now, dice),
        }
        Conflict::default()
    }

    // -----------------------------------------------------------------------------------------------------------
    // Answers and announcements of other hosts

    /// Takes in an answer or an announcement.
    fn hear(&mut self, packet: &Packet<'_>, now: Instant) -> Conflict {
        let mut conflict = Conflict::default();
        for record in packet.answers.iter().chain(&packet.additional_records) {
            // The other sections are empty in an answer, and other classes have no meaning here.
            if record.class == CLASS::IN {
                self.hear_record(record, now, &mut conflict);
            }
        }
        if conflict.any() && self.is_ours() {
            // We probe once more, and what the other host answers then decides. Section 9.
            self.waiting.clear();
            self.phase = Phase::Probing { sent: 0, next: now };
            return Conflict::default();
        }
        conflict
    }

    fn hear_record(&mut self, record: &ResourceRecord<'_>, now: Instant, conflict: &mut Conflict) {
        let Some(at) = self.own.iter().position(|own| own.record.name == record.name && own.record.cache_flush) else {
            // It may be a shared record that we have, too. Another host has just sent it, so we need not (section 7.4).
            // But if that host takes it back, we must send it, because here it is still true (section 6.6).
            if let Some(at) = self.own.iter().position(|own| is_same(&own.record, record)) {
                self.hear_same(at, record.ttl, now);
            }
            return;
        };
        let is_host = self.own[at].record.name == self.host;
        let theirs = match self.phase {
            // Before the first probe, an answer is no answer to us. A record that is taken back is no claim. If this
            // host's own Avahi has the name, it is taken, though the records are the same.
            Phase::Probing { sent, .. } => sent > 0 && record.ttl > 0,
            Phase::Ours { .. } => match self.own.iter().position(|own| is_same(&own.record, record)) {
                Some(at) => {
                    self.hear_same(at, record.ttl, now);
                    false
                }
                // NSEC says which records there are not. It speaks only of its sender's own records, and claims
                // nothing.
                None => record.ttl > 0 && record.rdata.type_code() != TYPE::NSEC && self.has_type(record),
            },
        };
        conflict.host |= theirs && is_host;
        conflict.instance |= theirs && !is_host;
    }

    /// Whether we have a record of that name and type, or an address of the other family under that name.
    fn has_type(&self, record: &ResourceRecord<'_>) -> bool {
        let kind = record.rdata.type_code();
        let is_address = |kind| matches!(kind, TYPE::A | TYPE::AAAA);
        self.own.iter().any(|own| {
            let ours = own.record.rdata.type_code();
            own.record.name == record.name && (ours == kind || is_address(kind) && is_address(ours))
        })
    }

    /// Another host has sent one of our records, with this time to live.
    fn hear_same(&mut self, at: usize, ttl: u32, now: Instant) {
        let Some(own) = self.own.get(at).filter(|_| self.is_ours()) else { return };
        if ttl < own.record.ttl / 2 {
            // All hosts would forget it too early, or at once. Section 6.6.
            let (from, records) = (None, vec![at]);
            self.wait(Waiting { from, asked: now, due: now, is_defence: false, records });
        } else if ttl >= own.record.ttl {
            self.waiting.iter_mut().for_each(|waiting| waiting.records.retain(|waits| *waits != at));
        }
    }

    /// Another host asks while we probe. If it probes for one of our names and its claim is greater than ours, we wait.
    /// Section 8.2.
    fn break_tie(&mut self, packet: &Packet<'_>, sent: u8, now: Instant) {
        if sent == 0 {
            return;
        }
        let lost = self.unique_names().into_iter().any(|name| {
            let mut theirs: Vec<_> =
                packet.name_servers.iter().filter(|record| record.name == *name).map(order).collect();
            let mut ours: Vec<_> = self.claimed().filter(|record| record.name == *name).map(order).collect();
            theirs.sort();
            ours.sort();
            !theirs.is_empty() && ours < theirs
        });
        if lost {
            self.phase = Phase::Probing { sent: 0, next: now + AFTER_LOSING };
        }
    }

    // -----------------------------------------------------------------------------------------------------------
    // Questions of other hosts

    /// Answers the questions of a packet, now or later.
    fn asked(&mut self, packet: &Packet<'_>, from: SocketAddr, now: Instant, dice: &mut Dice) {
        if packet.questions.is_empty() {
            self.add_known_answers(packet, from, now, dice);
            return;
        }
        let mut records: Vec<usize> = Vec::new();
        for question in &packet.questions {
            for at in self.answers_to(question) {
                if !records.contains(&at) {
                    records.push(at);
                }
            }
        }
        let is_unicast = packet.questions.iter().all(|question| question.unicast_response);
        let is_defence = packet.name_servers.iter().any(|theirs| self.unique_names().contains(&&theirs.name));
        if from.port() != PORT {
            self.answer_legacy(packet, from, &records, now);
            return;
        }
        if !is_defence {
            records.retain(|at| !self.is_known(*at, packet));
        }
        if records.is_empty() {
            return;
        }
        let is_recent = |at: &usize| {
            // It was multicast within the last quarter of its time to live. Section 5.4.
            let quarter = |own: &Own| Duration::from_secs(u64::from(own.record.ttl) / 4);
            self.own.get(*at).is_some_and(|own| own.sent.is_some_and(|sent| now < sent + quarter(own)))
        };
        if is_unicast && !is_defence && self.is_on_link(from.ip()) && records.iter().all(is_recent) {
            self.answer_unicast(from, &records, now);
            return;
        }
        let is_shared = records.iter().any(|at| self.own.get(*at).is_some_and(|own| !own.record.cache_flush));
        let due = if packet.has_flags(PacketFlag::TRUNCATION) {
            now + dice.between(TRUNCATED.0, TRUNCATED.1)
        } else if is_shared && !is_defence {
            now + dice.between(SHARED.0, SHARED.1)
        } else {
            now
        };
        self.wait(Waiting { from: Some(from), asked: now, due, is_defence, records });
    }

    /// Returns the indices of the records that answer a question. If the name is ours and has no such record, that is
    /// the NSEC record, which says so (section 6.1).
    fn answers_to(&self, question: &Question<'_>) -> Vec<usize> {
        if !matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY) {
            return Vec::new();
        }
        let of_name = || self.own.iter().enumerate().filter(|(_, own)| own.record.name == question.qname);
        let is_nsec = |own: &Own| own.record.rdata.type_code() == TYPE::NSEC;
        let asked = of_name().filter(|(_, own)| !is_nsec(own) && own.record.match_qtype(question.qtype));
        let asked: Vec<usize> = asked.map(|(at, _)| at).collect();
        if asked.is_empty() { of_name().filter(|(_, own)| is_nsec(own)).map(|(at, _)| at).collect() } else { asked }
    }

    /// Whether the querier knows this answer, and will know it for long enough. Section 7.1.
    fn is_known(&self, at: usize, packet: &Packet<'_>) -> bool {
        let Some(own) = self.own.get(at) else { return true };
        packet.answers.iter().any(|known| is_same(&own.record, known) && known.ttl >= own.record.ttl / 2)
    }

    /// Takes in a packet with more known answers of a host that has asked. Section 7.2.
    fn add_known_answers(&mut self, packet: &Packet<'_>, from: SocketAddr, now: Instant, dice: &mut Dice) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for waiting in waiting.iter_mut().filter(|waiting| waiting.from == Some(from) && !waiting.is_defence) {
            waiting.records.retain(|at| !self.is_known(*at, packet));
            if packet.has_flags(PacketFlag::TRUNCATION) {
                waiting.due = (now + dice.between(TRUNCATED.0, TRUNCATED.1)).min(waiting.asked + PATIENCE);
            }
        }
        self.waiting = waiting;
    }

    /// Keeps an answer until it is due.
    fn wait(&mut self, waiting: Waiting) {
        if self.waiting.len() < WAITING {
            self.waiting.push(waiting);
        } else if let Some(last) = self.waiting.iter_mut().rfind(|last| last.is_defence == waiting.is_defence) {
            last.records.retain(|at| !waiting.records.contains(at));
            last.records.extend(waiting.records);
            last.asked = waiting.asked;
        }
    }

    /// Multicasts an answer that is due. Leaves out records that were multicast since they were asked for. Records that
    /// were multicast too recently go on waiting. Section 6.
    fn answer(&mut self, mut waiting: Waiting, now: Instant) {
        let apart = if waiting.is_defence { APART_FOR_A_PROBE } else { APART };
        let (mut say, mut later) = (Vec::new(), None);
        for at in std::mem::take(&mut waiting.records) {
            match self.own.get(at).map(|own| own.sent) {
                Some(Some(sent)) if sent >= waiting.asked => {}
                Some(Some(sent)) if now < sent + apart => {
                    later = later.max(Some(sent + apart));
                    waiting.records.push(at);
                }
                Some(_) => say.push(at),
                None => {}
            }
        }
        if let Some(due) = later {
            waiting.due = due;
            self.waiting.push(waiting);
        }
        if say.is_empty() {
            return;
        }
        let mut packet = reply(0);
        let additional = self.additional(&say, Some(now));
        for (section, places) in [(&mut packet.answers, say), (&mut packet.additional_records, additional)] {
            for at in places {
                if let Some(own) = self.own.get_mut(at) {
                    own.sent = Some(now);
                    section.push(own.record.clone());
                }
            }
        }
        self.outbox.push((To::Everybody, packet));
    }

    /// Returns the indices of the additional records of an answer, which would be asked for next (RFC 6763, section
    /// 12). With `multicast`, it leaves out those that were multicast too recently.
    fn additional(&self, answers: &[usize], multicast: Option<Instant>) -> Vec<usize> {
        let mut wanted: Vec<&Name<'static>> = Vec::new();
        for at in answers {
            match self.own.get(*at).map(|own| (&own.record.rdata, &own.record.name)) {
                Some((RData::PTR(to), _)) => wanted.extend([&to.0, &self.host]),
                Some((RData::A(_) | RData::AAAA(_) | RData::SRV(_) | RData::TXT(_), name)) => {
                    wanted.extend([name, &self.host])
                }
                _ => {}
            }
        }
        let is_wanted = |(at, own): &(usize, &Own)| {
            let is_soon = own.sent.zip(multicast).is_some_and(|(sent, now)| now < sent + APART);
            own.record.cache_flush && wanted.contains(&&own.record.name) && !answers.contains(at) && !is_soon
        };
        self.own.iter().enumerate().filter(is_wanted).map(|(at, _)| at).collect()
    }

    /// Sends a unicast answer. Section 5.4.
    fn answer_unicast(&mut self, to: SocketAddr, records: &[usize], now: Instant) {
        if !self.may_unicast(now) {
            return;
        }
        let all = |places: &[usize]| places.iter().filter_map(|at| Some(self.own.get(*at)?.record.clone())).collect();
        let mut packet = reply(0);
        packet.answers = all(records);
        packet.additional_records = all(&self.additional(records, None));
        self.outbox.push((To::One(to), packet));
    }

    /// Answers a host that speaks plain DNS: unicast, with the id and the questions of its query, and without the flags
    /// of multicast DNS. Section 6.7.
    fn answer_legacy(&mut self, asked: &Packet<'_>, from: SocketAddr, records: &[usize], now: Instant) {
        if records.is_empty() || !self.is_on_link(from.ip()) || !self.may_unicast(now) {
            return;
        }
        let plain = |at: &usize| {
            let mut record = self.own.get(*at)?.record.clone().with_cache_flush(false);
            record.ttl = record.ttl.min(LEGACY_TTL);
            Some(record)
        };
        let mut packet = reply(asked.id());
        let answered = |question: &&Question<'_>| !self.answers_to(question).is_empty();
        packet.questions =
            asked.questions.iter().filter(answered).map(|question| question.clone().into_owned()).collect();
        packet.questions.iter_mut().for_each(|question| question.unicast_response = false);
        packet.answers = records.iter().filter_map(plain).collect();
        packet.additional_records = self.additional(records, None).iter().filter_map(plain).collect();
        self.outbox.push((To::One(from), packet));
    }

    /// Returns whether a unicast answer may be sent now, and counts it if so.
    fn may_unicast(&mut self, now: Instant) -> bool {
        let next = self.unicast.max(now) + UNICAST_EACH;
        let may = next <= now + UNICAST_AT_ONCE * UNICAST_EACH;
        if may {
            self.unicast = next;
        }
        may
    }

    /// Whether that address is in a network of this link's interface. Section 11.
    fn is_on_link(&self, ip: IpAddr) -> bool {
        is_link_local(ip) || self.nets.iter().any(|net| net.contains(ip))
    }
}

/// Whether another host's record is the same as ours, apart from its time to live.
fn is_same(ours: &ResourceRecord<'_>, theirs: &ResourceRecord<'_>) -> bool {
    ours.name == theirs.name && ours.class == theirs.class && ours.rdata == theirs.rdata
}

/// Returns an empty answer with the flags of section 18.
fn reply(id: u16) -> Packet<'static> {
    let mut packet = Packet::new_reply(id);
    packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    packet
}
