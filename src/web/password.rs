//! The password as HTTP carries it: `Authorization: Basic`, with any user name (RFC 7617). Pure.

use crate::text::line;

/// Returns the password in an `Authorization` field, or None if there is none in it.
pub(super) fn given(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    let pair = base64(encoded.trim()).filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let pair = String::from_utf8(pair).ok()?;
    let (_, password) = pair.split_once(':')?;
    // Cleaned like a password that is typed at `nc`, so that both are the same text.
    Some(line::clean(password).into_owned())
}

/// Decodes base64 (RFC 4648, 4), with its padding or without.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes().map(|digit| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0u32);
    for digit in digits {
        (held, bits) = (held << 6 | u32::from(digit?), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_the_rfc_writes_it() {
        // RFC 4648, 10.
        for (encoded, text) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(base64(encoded).as_deref(), Some(text.as_bytes()), "{encoded}");
        }
        assert_eq!(base64("Zm9v!"), None);
        assert_eq!(base64("Zm 9v"), None);
    }

    #[test]
    fn any_user_name_will_do() {
        for (field, password) in [
            ("Basic OnNlc2FtZQ==", Some("sesame")),
            ("basic YW5uOnNlc2FtZQ==", Some("sesame")),
            ("Basic OmE6Yg==", Some("a:b")),
            ("Basic c2VzYW1l", None),
            ("Bearer OnNlc2FtZQ==", None),
            ("Basic", None),
            ("", None),
            ("Basic Ov8=", None),
        ] {
            assert_eq!(given(field).as_deref(), password, "{field}");
        }
    }
}
