use fastrand::Rng;

use super::super::nats::{Decoder, Frame};
use super::*;

fn word(text: &str) -> Word {
    Word::new(text).expect(text)
}

fn subject(text: &str) -> Subject {
    Subject::new(text).expect(text)
}

/// The only message in what a broker has sent.
#[track_caller]
fn received(bytes: &str) -> Msg {
    let (mut decoder, mut input) = (Decoder::default(), bytes.as_bytes());
    match decoder.next(&mut input) {
        Ok(Some(Frame::Msg(msg))) if input.is_empty() => msg,
        other => panic!("{other:?}, and then {:?}", String::from_utf8_lossy(input)),
    }
}

/// An answer that says this.
fn answering(payload: &str) -> Msg {
    received(&format!("MSG _INBOX.r 1 {}\r\n{payload}\r\n", payload.len()))
}

/// The answer of nats-server 2.9.10 to a request for a stream, the first and every other.
const CREATED: &str = r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","config":{"name":"dynasti","subjects":["dynasti.room.dynasti"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":16777216,"max_age":3600000000000,"max_msgs_per_subject":-1,"max_msg_size":17408,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false},"created":"2026-11-28T13:24:56.417955657Z","state":{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z","consumer_count":0},"did_create":true}"#;

/// Its answer about a stream that somebody else has made, and that has messages.
const INFO: &str = r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","total":0,"offset":0,"limit":0,"config":{"name":"other","subjects":["x","y.>"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":16777216,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"duplicate_window":120000000000,"allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false},"created":"2026-11-28T13:29:07.5377513Z","state":{"messages":900,"bytes":14433300,"first_seq":3,"first_ts":"2026-11-28T13:29:07.600883707Z","last_seq":902,"last_ts":"2026-11-28T13:29:07.778625295Z","num_subjects":1,"consumer_count":0}}"#;

/// Its answer to a request for a consumer, when two messages wait.
const CONSUMER: &str = r#"{"type":"io.nats.jetstream.api.v1.consumer_create_response","stream_name":"dynasti","name":"tEOZP64P","created":"2026-11-28T13:24:58.33296733Z","config":{"deliver_policy":"by_start_sequence","opt_start_seq":3,"ack_policy":"none","max_deliver":1,"replay_policy":"instant","idle_heartbeat":5000000000,"flow_control":true,"deliver_subject":"_INBOX.e23","inactive_threshold":5000000000,"num_replicas":1,"mem_storage":true},"delivered":{"consumer_seq":0,"stream_seq":2},"ack_floor":{"consumer_seq":0,"stream_seq":0},"num_ack_pending":0,"num_redelivered":0,"num_waiting":0,"num_pending":2,"push_bound":true}"#;

/// The same where nobody is subscribed to exactly its subject.
const DEAF: &str = r#"{"type":"io.nats.jetstream.api.v1.consumer_create_response","stream_name":"dynasti","name":"hgQRLUYV","created":"2026-11-28T13:24:56.881106663Z","config":{"deliver_policy":"by_start_sequence","opt_start_seq":1,"ack_policy":"none","max_deliver":1,"replay_policy":"instant","idle_heartbeat":5000000000,"flow_control":true,"deliver_subject":"_INBOX.wild.x","inactive_threshold":5000000000,"num_replicas":1,"mem_storage":true},"delivered":{"consumer_seq":0,"stream_seq":0},"ack_floor":{"consumer_seq":0,"stream_seq":0},"num_ack_pending":0,"num_redelivered":0,"num_waiting":0,"num_pending":0}"#;

#[test]
fn requests_go_where_they_are_answered() {
    let stream = word("dynasti");
    assert_eq!(stream_create(&stream).as_str(), "$JS.API.STREAM.CREATE.dynasti");
    assert_eq!(stream_info(&stream).as_str(), "$JS.API.STREAM.INFO.dynasti");
    assert_eq!(consumer_create(&stream).as_str(), "$JS.API.CONSUMER.CREATE.dynasti");
}

#[test]
fn a_stream_and_a_consumer_are_asked_for_as_they_were_tried() {
    let (stream, room) = (word("dynasti"), subject("dynasti.room.dynasti"));
    assert_eq!(
        stream_config(&stream, &room),
        concat!(
            r#"{"name":"dynasti","subjects":["dynasti.room.dynasti"],"retention":"limits","discard":"old","#,
            r#""max_bytes":16777216,"max_age":3600000000000,"max_msg_size":17408,"duplicate_window":120000000000,"#,
            r#""storage":"file","num_replicas":1}"#
        )
    );
    let config = |start| consumer_config(&stream, &room, &subject("_INBOX.d"), start);
    assert_eq!(
        config(5),
        concat!(
            r#"{"stream_name":"dynasti","config":{"filter_subject":"dynasti.room.dynasti","deliver_subject":"_INBOX.d","#,
            r#""deliver_policy":"by_start_sequence","opt_start_seq":5,"ack_policy":"none","max_deliver":1,"#,
            r#""idle_heartbeat":5000000000,"flow_control":true,"mem_storage":true,"num_replicas":1,"#,
            r#""inactive_threshold":5000000000}}"#
        )
    );
    // It is refused with a start of 0 (10094).
    assert_eq!(config(0), config(1));
    assert!(config(u64::MAX).contains("\"opt_start_seq\":18446744073709551615,"));
    // A word may have quotes.
    let odd = json::read(stream_config(&word("a\"b"), &subject("c\"d")).as_bytes()).expect("it is JSON");
    assert_eq!((json::text(&odd, "name"), json::texts(&odd, "subjects").next()), (Some("a\"b"), Some("c\"d")));
}

#[test]
fn a_stream_is_read() {
    let made = Stream {
        created: "2026-11-28T13:24:56.417955657Z".to_owned(),
        last_seq: 0,
        subjects: vec!["dynasti.room.dynasti".to_owned()],
    };
    assert_eq!(stream(&answering(CREATED)), Ok(made));
    let other = Stream {
        created: "2026-11-28T13:29:07.5377513Z".to_owned(),
        last_seq: 902,
        subjects: vec!["x".to_owned(), "y.>".to_owned()],
    };
    assert_eq!(stream(&answering(INFO)), Ok(other));
}

#[test]
fn a_consumer_is_read() {
    for answer in [CONSUMER, DEAF] {
        assert_eq!(consumer(&answering(answer)), Ok(()));
    }
    assert_eq!(consumer(&answering(&CONSUMER.replace("\"tEOZP64P\"", "1"))), Err(Refused::Unreadable));
}

#[test]
fn an_acknowledgement_is_read() {
    for (answer, seq) in [
        (r#"{"stream":"dynasti", "seq":1}"#, 1),
        (r#"{"stream":"dynasti", "seq":1,"duplicate": true}"#, 1),
        // As nats-server 2.15.1 writes it.
        (r#"{"stream":"dynasti","seq":1}"#, 1),
        (r#"{"stream":"dynasti","domain":"hub","seq":9007199254740992,"duplicate":false}"#, 1 << 53),
    ] {
        assert_eq!(ack(&answering(answer)), Ok(seq), "{answer}");
    }
    for answer in
        ["{}", "{\"stream\":\"dynasti\"}", "{\"seq\":0}", "{\"seq\":-1}", "{\"seq\":\"1\"}", "[1]", "1", "+OK", ""]
    {
        assert_eq!(ack(&answering(answer)), Err(Refused::Unreadable), "{answer}");
    }
}

#[test]
fn what_is_refused_is_told_apart() {
    // As nats-server 2.9.10 has answered; the last three as its sources have them.
    for (answer, refused) in [
        (
            r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","error":{"code":400,"err_code":10058,"description":"stream name already in use with a different configuration"}}"#,
            Refused::OtherConfiguration,
        ),
        (
            r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","error":{"code":400,"err_code":10065,"description":"subjects overlap with an existing stream"}}"#,
            Refused::Overlap,
        ),
        (
            r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","error":{"code":500,"err_code":10047,"description":"insufficient storage resources available"}}"#,
            Refused::NoSpace,
        ),
        (
            r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","error":{"code":404,"err_code":10059,"description":"stream not found"},"total":0,"offset":0,"limit":0}"#,
            Refused::NotFound,
        ),
        (
            r#"{"type":"io.nats.jetstream.api.v1.consumer_delete_response","error":{"code":404,"err_code":10014,"description":"consumer not found"}}"#,
            Refused::NotFound,
        ),
        (
            r#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"dynasti","seq":0}"#,
            Refused::TooLarge,
        ),
        (
            r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","error":{"code":503,"err_code":10039,"description":"JetStream not enabled for account"}}"#,
            Refused::NoJetStream,
        ),
        (
            r#"{"type":"io.nats.jetstream.api.v1.consumer_create_response","error":{"code":400,"err_code":10094,"description":"consumer delivery policy is deliver by start sequence, but optional start sequence is not set"}}"#,
            Refused::Other(
                10094,
                "consumer delivery policy is deliver by start sequence, but optional start sequence is not set"
                    .to_owned(),
            ),
        ),
        (r#"{"error":{"code":503,"err_code":10076,"description":"JetStream not enabled"}}"#, Refused::NoJetStream),
        (
            r#"{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}"#,
            Refused::Other(10008, "JetStream system temporarily unavailable".to_owned()),
        ),
        (r#"{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}"#, Refused::NoSpace),
        // Whatever else it may be.
        (r#"{"error":{"code":500}}"#, Refused::Other(500, String::new())),
        (r#"{"error":null}"#, Refused::Other(0, String::new())),
    ] {
        let answer = answering(answer);
        assert_eq!(stream(&answer), Err(refused.clone()));
        assert_eq!(consumer(&answer), Err(refused.clone()));
        assert_eq!(ack(&answer), Err(refused));
    }
}

#[test]
fn where_nobody_answers_there_is_no_jetstream() {
    for bytes in [
        "HMSG _INBOX.r 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
        // As nats-server 2.15.1 writes it.
        "HMSG _INBOX.r 1 44 44\r\nNATS/1.0 503\r\nNats-Subject: nobody.there\r\n\r\n\r\n",
    ] {
        let msg = received(bytes);
        assert_eq!(stream(&msg), Err(Refused::NoJetStream));
        assert_eq!(consumer(&msg), Err(Refused::NoJetStream));
        assert_eq!(ack(&msg), Err(Refused::NoJetStream));
    }
}

#[test]
fn no_description_is_long_or_moves_a_cursor() {
    let long = "x".repeat(10_000);
    let answer = answering(&format!(r#"{{"error":{{"err_code":1,"description":"a\r\n\u001b[2Jé\u009b{long}"}}}}"#));
    let Err(Refused::Other(1, description)) = ack(&answer) else { panic!("{:?}", ack(&answer)) };
    assert!(description.starts_with("a[2Jéxxx") && description.chars().count() <= MAX_DESCRIPTION, "{description}");
    assert_eq!(Refused::Other(1, "no".to_owned()).to_string(), "no (1)");
    assert_eq!(Refused::NoJetStream.to_string(), "it has no JetStream");
}

#[test]
fn an_answer_that_is_something_else_is_unreadable() {
    let deep = "[".repeat(5000);
    let cut = CREATED.replace("\"state\"", "\"stats\"");
    let (no_time, no_last) =
        (CREATED.replace("\"created\"", "\"x\""), CREATED.replace("\"last_seq\":0", "\"last_seq\":0.5"));
    for answer in ["", "{}", "[]", "null", "{\"created\":\"x\"}", &deep, &cut, &no_time, &no_last, &CREATED[1..]] {
        assert_eq!(stream(&answering(answer)), Err(Refused::Unreadable), "{answer}");
    }
    for answer in ["", "{}", "[]", &deep, CREATED] {
        assert_eq!(consumer(&answering(answer)), Err(Refused::Unreadable), "{answer}");
    }
}

#[test]
fn what_a_consumer_sends_is_told_apart() {
    let message = "HMSG dynasti.room.dynasti 23 $JS.ACK.dynasti.tEOZP64P.1.3.1.1795872297516574743.1 35 41\r\n\
                   NATS/1.0\r\nNats-Msg-Id: pi1:17:2\r\n\r\nline 2\r\n";
    let place = Place { stream_seq: 3, consumer_seq: 1 };
    assert_eq!(sent(&received(message)), Sent::Message(place));
    let bare = "MSG flow.it 5 $JS.ACK.flow.gIjpVAwG.1.1.1.1795872595637001462.899 0\r\n\r\n";
    let place = Place { stream_seq: 1, consumer_seq: 1 };
    assert_eq!(sent(&received(bare)), Sent::Message(place));
    let beat = "HMSG _INBOX.d11 11  75 75\r\nNATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 5\r\n\
                Nats-Last-Stream: 6\r\n\r\n\r\n";
    assert_eq!(sent(&received(beat)), Sent::Heartbeat { consumer_seq: 5, stalled: None });
    let stalled = "HMSG _INBOX.q 7  129 129\r\nNATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 101\r\n\
                   Nats-Last-Stream: 900\r\nNats-Consumer-Stalled: $JS.FC.flow.oJe1If2A.awdC\r\n\r\n\r\n";
    let waits_at = Some(subject("$JS.FC.flow.oJe1If2A.awdC"));
    assert_eq!(sent(&received(stalled)), Sent::Heartbeat { consumer_seq: 101, stalled: waits_at });
    let flow = "HMSG _INBOX.d 5 $JS.FC.flow.gIjpVAwG.WMUO 36 36\r\nNATS/1.0 100 FlowControl Request\r\n\r\n\r\n";
    assert_eq!(sent(&received(flow)), Sent::FlowControl(subject("$JS.FC.flow.gIjpVAwG.WMUO")));
}

#[test]
fn a_message_keeps_its_number_whatever_its_headers_say() {
    for headers in
        ["NATS/1.0 503\r\n\r\n", "NATS/1.0 100 Idle Heartbeat\r\n\r\n", "NATS/1.0 100\r\n\r\n", "", "\r\n", "x"]
    {
        let length = headers.len();
        let reply = "$JS.ACK.dynasti.a.1.7.2.1.0";
        let sent_so = received(&format!("HMSG a 1 {reply} {length} {length}\r\n{headers}\r\n"));
        let Sent::Message(place) = sent(&sent_so) else { panic!("{headers:?}") };
        assert_eq!((place.stream_seq, place.consumer_seq), (7, 2));
    }
    let large = "x".repeat(70_000);
    let bytes = format!("MSG a 1 $JS.ACK.dynasti.a.1.7.2.1.0 70000\r\n{large}\r\n");
    match Decoder::default().next(&mut bytes.as_bytes()) {
        Ok(Some(Frame::TooLarge(msg, 70_000))) => {
            assert!(matches!(sent(&msg), Sent::Message(Place { stream_seq: 7, .. })))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_message_is_sent_nowhere_but_for_flow_control() {
    for reply in ["a", "$JS.API.STREAM.DELETE.dynasti", "$JS.FCX", "$JS.FC.", "$JS.FC.*", "$js.fc.a"] {
        let text = format!("HMSG _INBOX.d 5 {reply} 36 36\r\nNATS/1.0 100 FlowControl Request\r\n\r\n\r\n");
        assert_eq!(sent(&received(&text)), Sent::Other(Some(100)), "{reply}");
        let headers = format!(
            "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 1\r\nNats-Consumer-Stalled: {reply}\r\n\r\n"
        );
        let length = headers.len();
        let text = format!("HMSG _INBOX.d 5 {length} {length}\r\n{headers}\r\n");
        assert_eq!(sent(&received(&text)), Sent::Heartbeat { consumer_seq: 1, stalled: None }, "{reply}");
    }
}

#[test]
fn what_is_nothing_of_a_consumer_is_other() {
    for text in ["MSG a 1 0\r\n\r\n", "MSG a 1 b 0\r\n\r\n"] {
        assert_eq!(sent(&received(text)), Sent::Other(None), "{text:?}");
    }
    for (headers, status) in [
        ("NATS/1.0\r\n\r\n", None),
        ("NATS/1.0 503\r\n\r\n", Some(503)),
        ("NATS/1.0 409 Consumer Deleted\r\n\r\n", Some(409)),
        ("NATS/1.0 409 x\r\nNats-Last-Consumer: 5\r\nNats-Last-Stream: 5\r\n\r\n", Some(409)),
        ("NATS/1.0 100 Idle Heartbeat\r\n\r\n", Some(100)),
        ("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: x\r\nNats-Last-Stream: 5\r\n\r\n", Some(100)),
    ] {
        let length = headers.len();
        let text = format!("HMSG a 1 {length} {length}\r\n{headers}\r\n");
        assert_eq!(sent(&received(&text)), Sent::Other(status), "{text:?}");
    }
    let text = "HMSG _INBOX.d 5 $JS.FC.flow.gIjpVAwG.WMUO 18 18\r\nNATS/1.0 409 x\r\n\r\n\r\n";
    assert_eq!(sent(&received(text)), Sent::Other(Some(409)));
}

#[test]
fn a_place_is_read_in_its_old_and_its_new_form() {
    let expected = Place { stream_seq: 20, consumer_seq: 10 };
    for reply in [
        "$JS.ACK.ORDERS.c.1.20.10.1795872297516574743.5",
        "$JS.ACK._.ACCHASH.ORDERS.c.1.20.10.1795872297516574743.5",
        "$JS.ACK.hub.ACCHASH.ORDERS.c.1.20.10.1795872297516574743.5.random",
        "$JS.ACK.hub.ACCHASH.ORDERS.c.1.20.10.1795872297516574743.5.and.more",
    ] {
        assert_eq!(place(reply), Some(expected), "{reply}");
    }
    for reply in [
        "",
        "$JS.ACK",
        "$JS.ACK.",
        "$JS.ACK.ORDERS.c.1.20.10.5",
        "$JS.ACK.hub.ORDERS.c.1.20.10.1795872297516574743.5",
        "$JS.ACK.ORDERS.c.1.x.10.1795872297516574743.5",
        "$JS.ACK.ORDERS.c.1.+20.10.1795872297516574743.5",
        "$JS.ACK.ORDERS.c.1..10.1795872297516574743.5",
        "$JS.ACK.ORDERS.c.1.20.18446744073709551616.1795872297516574743.5",
        "$JS.NAK.ORDERS.c.1.20.10.1795872297516574743.5",
        "X$JS.ACK.ORDERS.c.1.20.10.1795872297516574743.5",
    ] {
        assert_eq!(place(reply), None, "{reply}");
    }
}

#[test]
fn what_a_broker_says_of_itself_is_read() {
    let with_jetstream = r#"{"server_id":"NCYYIWRBMDO6ZLJFQJIYVLOV2AVWAQ2WGAIWJAZ2H6HIITF73YOUHMNI","server_name":"NCYYIWRBMDO6ZLJFQJIYVLOV2AVWAQ2WGAIWJAZ2H6HIITF73YOUHMNI","version":"2.9.10","proto":1,"go":"go1.19.8","host":"127.0.0.1","port":14223,"headers":true,"auth_required":true,"max_payload":1048576,"jetstream":true,"client_id":4,"client_ip":"127.0.0.1"}"#;
    let expected = Info { version: "2.9.10".to_owned(), max_payload: 1_048_576, headers: true, tls_required: false };
    assert_eq!(info(with_jetstream), Some(expected.clone()));
    let with_tls = with_jetstream.replace("\"auth_required\":true", "\"tls_required\":true");
    assert_eq!(info(&with_tls), Some(Info { tls_required: true, ..expected }));
    for text in ["", "{}", "{\"version\":\"2.9.10\"}", "{\"version\":2,\"max_payload\":1}", "x"] {
        assert_eq!(info(text), None, "{text}");
    }
}

#[test]
fn nothing_that_is_answered_breaks_it() {
    let mut random = Rng::with_seed(16);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..2000 {
        let mut bytes =
            [CREATED, INFO, CONSUMER, DEAF, r#"{"stream":"a", "seq":1}"#][random.usize(..5)].as_bytes().to_vec();
        for _ in 0..random.usize(..4) {
            let at = random.usize(..bytes.len());
            match random.usize(..4) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, b"{}[]\",:\\0-.e"[random.usize(..12)]),
                2 => bytes.truncate(at + 1),
                _ => bytes[at] ^= 1 << random.usize(..8),
            }
        }
        let msg = Msg { payload: bytes, ..answering("") };
        let all = [stream(&msg).is_ok(), consumer(&msg).is_ok(), ack(&msg).is_ok()];
        let _ = info(&String::from_utf8_lossy(&msg.payload));
        if all.contains(&true) { read += 1 } else { refused += 1 }
    }
    assert!(read > 300 && refused > 300, "{read} were read, and {refused} were not");
}
