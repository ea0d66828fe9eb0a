//! Packets of multicast DNS: from bytes to records and back, within limits.
//!
//! Knows the format (by `simple-dns`), and which packets are to be ignored. Knows nothing of what the records mean.

use simple_dns::{CLASS, OPCODE, Packet, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE};

/// The largest packet, in bytes, headers included: RFC 6762, section 17.
pub const MAX_PACKET: usize = 9000;

/// The most questions that a packet may have. A program that browses for services asks a few dozen at once.
const MAX_QUESTIONS: u16 = 128;

/// The most records that a packet may have: more than fit into one, if each has some data. The parser allocates as many
/// as the head of a packet announces, so the head is checked before that.
const MAX_RECORDS: u16 = 640;

/// The size of the head: an id, flags, and four counts.
const HEAD: usize = 12;

/// The smallest size of a question, and of a record.
const LEAST_QUESTION: usize = 5;
const LEAST_RECORD: usize = 11;

/// Reads a packet. Returns None if it is malformed, too large, or of a kind that is to be ignored. Clears the flags
/// that have no meaning in multicast DNS.
pub fn decode(bytes: &mut [u8]) -> Option<Packet<'_>> {
    if bytes.len() > MAX_PACKET {
        return None;
    }
    // RFC 6762, sections 18.7 to 18.10: recursion available, zero, authentic data and checking disabled.
    *bytes.get_mut(3)? &= 0x0f;
    let count = |n: usize| Some(u16::from_be_bytes(*bytes.get(4 + 2 * n..)?.first_chunk()?));
    let questions = count(0)?;
    let records = count(1)?.checked_add(count(2)?)?.checked_add(count(3)?)?;
    let least = HEAD + LEAST_QUESTION * usize::from(questions) + LEAST_RECORD * usize::from(records);
    if questions > MAX_QUESTIONS || records > MAX_RECORDS || bytes.len() < least {
        return None;
    }
    let unknown = mask_unknown(bytes, questions)?;
    let mut packet = Packet::parse(bytes).ok()?;
    for (question, kind) in unknown {
        packet.questions.get_mut(question)?.qtype = QTYPE::TYPE(TYPE::Unknown(kind));
    }
    // Sections 18.3 and 18.11.
    (packet.opcode() == OPCODE::StandardQuery && packet.rcode() == RCODE::NoError).then_some(packet)
}

/// Replaces types and classes of questions that `simple-dns` does not know by some that it knows and that no record
/// here has: the type NULL, the class NONE. Otherwise it would refuse the whole packet, and the other questions would
/// not be answered. Returns which questions had other types, and what they were. A question of another class is never
/// answered, so its class is not returned.
fn mask_unknown(bytes: &mut [u8], questions: u16) -> Option<Vec<(usize, u16)>> {
    /// The bit of a question's class that asks for a unicast answer. RFC 6762, section 5.4.
    const UNICAST: u16 = 0x8000;
    let mut masked = Vec::new();
    let mut at = HEAD;
    for question in 0..usize::from(questions) {
        at = end_of_name(bytes, at)?;
        let kind = bytes.get_mut(at..)?.first_chunk_mut()?;
        let asked = u16::from_be_bytes(*kind);
        if QTYPE::try_from(asked).is_err() {
            *kind = u16::from(TYPE::NULL).to_be_bytes();
            masked.push((question, asked));
        }
        let class = bytes.get_mut(at + 2..)?.first_chunk_mut()?;
        let asked = u16::from_be_bytes(*class);
        if QCLASS::try_from(asked & !UNICAST).is_err() {
            *class = (CLASS::NONE as u16 | asked & UNICAST).to_be_bytes();
        }
        at += 4;
    }
    Some(masked)
}

/// Returns where the name ends that begins at `at`: after its last label, or after its first pointer.
fn end_of_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length @ 1..0x40 => at += 1 + usize::from(length),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

/// Returns the bytes of a packet. They are empty if a name in it is too long, and none of our names is.
pub(crate) fn encode(packet: &Packet<'_>) -> Vec<u8> {
    packet.build_bytes_vec_compressed().unwrap_or_default()
}

/// Returns what decides between two hosts that probe for one name: class, type and data, which RFC 6762, section 8.2,
/// compares in this order.
pub(crate) fn order(record: &ResourceRecord<'_>) -> (u16, u16, Vec<u8>) {
    // Names in the data must be uncompressed. So the data is cut out of an uncompressed packet, whose only record has
    // the shortest name, that of the root.
    const DATA: usize = HEAD + LEAST_RECORD;
    let mut packet = Packet::new_reply(0);
    let mut alone = record.clone();
    alone.name = simple_dns::Name::new_with_labels(&[]);
    packet.answers.push(alone);
    let bytes = packet.build_bytes_vec().unwrap_or_default();
    let data = bytes.get(DATA..).unwrap_or_default().to_vec();
    (record.class as u16, u16::from(record.rdata.type_code()), data)
}

#[cfg(test)]
mod tests {
    use simple_dns::rdata::{A, RData, SRV};
    use simple_dns::{Name, PacketFlag, Question};

    use super::*;

    fn question(name: &str) -> Question<'_> {
        Question::new(Name::new_unchecked(name), QTYPE::ANY, QCLASS::CLASS(CLASS::IN), false)
    }

    fn query() -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        packet.questions.push(question("dynasti.local"));
        encode(&packet)
    }

    #[test]
    fn a_packet_comes_back() {
        let mut bytes = query();
        let packet = decode(&mut bytes).expect("it is well formed");
        assert_eq!((packet.id(), packet.questions.len()), (7, 1));
        assert_eq!(packet.questions[0].qname, Name::new_unchecked("DYNASTI.Local"), "case does not matter");
    }

    #[test]
    fn section_18_3_and_18_11_other_operations_and_errors_are_ignored() {
        for (at, bits) in [(2, 0x08), (2, 0x28), (3, 0x01), (3, 0x03)] {
            let mut bytes = query();
            bytes[at] |= bits;
            assert!(decode(&mut bytes).is_none(), "{at} {bits}");
        }
    }

    #[test]
    fn section_18_7_to_18_10_flags_without_a_meaning_are_ignored() {
        let mut bytes = query();
        bytes[3] |= 0xf0;
        assert!(decode(&mut bytes).is_some_and(|packet| !packet.has_flags(PacketFlag::RESPONSE)));
    }

    #[test]
    fn section_17_no_packet_is_larger_than_9000_bytes() {
        let mut bytes = query();
        bytes.resize(MAX_PACKET, 0);
        assert!(decode(&mut bytes).is_some());
        bytes.push(0);
        assert!(decode(&mut bytes).is_none());
    }

    #[test]
    fn malformed_packets_are_none() {
        for length in 0..query().len() {
            assert!(decode(&mut query()[..length]).is_none(), "{length}");
        }
        // Heads that promise more than there is.
        for at in [4, 6, 8, 10] {
            let mut bytes = query();
            bytes[at] = 0xff;
            assert!(decode(&mut bytes).is_none(), "{at}");
        }
        // A name that is a pointer to itself, and two that point at each other.
        let head = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for name in [&[0xc0, 12][..], &[0xc0, 14, 0xc0, 12], &[1, b'a', 0xc0, 12]] {
            let mut bytes = [&head, name, &[0, 255, 0, 1]].concat();
            assert!(decode(&mut bytes).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_question_of_an_unknown_type_or_class_spoils_no_other() {
        let mut packet = Packet::new_query(0);
        packet.questions.extend(["dynasti.local", "pi.local", "dynasti.local"].map(question));
        packet.questions[1].unicast_response = true;
        let whole = encode(&packet);
        // The second name is two bytes less than a whole one, and ends in a pointer to the first one's end.
        let second = HEAD + "\x07dynasti\x05local\0....\x02pi..".len();
        for (kind, class, is_known) in [(1, 1, true), (1234, 1, true), (0, 1, true), (1, 77, false), (1234, 77, false)]
        {
            let mut bytes = whole.clone();
            bytes[second..second + 2].copy_from_slice(&u16::to_be_bytes(kind));
            bytes[second + 2..second + 4].copy_from_slice(&u16::to_be_bytes(class | 0x8000));
            let packet = decode(&mut bytes).expect("it is well formed");
            let asked: Vec<u16> = packet.questions.iter().map(|question| question.qtype.into()).collect();
            assert_eq!(asked, [255, kind, 255]);
            assert_eq!(packet.questions[1].qclass == QCLASS::CLASS(CLASS::IN), is_known, "{class}");
            assert!(packet.questions[1].unicast_response && !packet.questions[2].unicast_response);
            assert_eq!(packet.questions[2].qname, Name::new_unchecked("dynasti.local"));
        }
    }

    #[test]
    fn section_8_2_data_is_compared_as_raw_bytes_with_names_in_full() {
        let record = |rdata| ResourceRecord::new(Name::new_unchecked("dynasti.local"), CLASS::IN, 120, rdata);
        let a = order(&record(RData::A(A { address: 0xa9fe_0102 })).with_cache_flush(true));
        assert_eq!(a, (1, 1, vec![169, 254, 1, 2]));
        let target = Name::new_unchecked("a.local");
        let srv = order(&record(RData::SRV(SRV { priority: 0, weight: 0, port: 4000, target })));
        assert_eq!(srv, (1, 33, [&[0, 0, 0, 0, 0x0f, 0xa0, 1][..], b"a", &[5], b"local", &[0]].concat()));
    }
}
