use super::*;

/// Decodes what comes in these pieces.
fn decoded(pieces: &[&[u8]]) -> (Vec<Frame>, Option<Wrong>) {
    let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.next(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(wrong) => return (frames, Some(wrong)),
            }
        }
        assert_eq!(input, b"");
    }
    (frames, None)
}

fn msg(subject: &str, sid: u64, reply: Option<&str>, headers: Option<&str>, payload: &[u8]) -> Msg {
    Msg {
        subject: subject.to_owned(),
        sid,
        reply: reply.map(str::to_owned),
        headers: headers.map(|headers| Headers(headers.into())),
        payload: payload.to_vec(),
    }
}

#[test]
fn every_frame_is_read() {
    for (bytes, frame) in [
        ("INFO {\"a\":1} \r\n", Frame::Info("{\"a\":1}".to_owned())),
        ("PING\r\n", Frame::Ping),
        ("MSG a.b 7 5\r\nhello\r\n", Frame::Msg(msg("a.b", 7, None, None, b"hello"))),
        ("MSG a.b 7 c.d  2\r\n\r\n\r\n", Frame::Msg(msg("a.b", 7, Some("c.d"), None, b"\r\n"))),
        (
            "HMSG a 1 r 14 16\r\nNATS/1.0\r\nA: b\r\n\r\n",
            Frame::Msg(msg("a", 1, Some("r"), Some("NATS/1.0\r\nA: b"), b"\r\n")),
        ),
    ] {
        assert_eq!(decoded(&[bytes.as_bytes()]), (vec![frame], None), "{bytes:?}");
    }
}
