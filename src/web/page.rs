//! The page: its three files, which are compiled into the program, and the QR code of its address.

use std::borrow::Cow;
use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

use super::http::Answer;

/// A file of the page.
pub(super) struct File {
    kind: &'static str,
    bytes: &'static [u8],
}

pub(super) const PAGE: File = File { kind: "text/html; charset=utf-8", bytes: include_bytes!("page/index.html") };
pub(super) const SCRIPT: File = File { kind: "text/javascript; charset=utf-8", bytes: include_bytes!("page/app.js") };
pub(super) const STYLE: File = File { kind: "text/css; charset=utf-8", bytes: include_bytes!("page/style.css") };

/// What a browser lets the page do: it loads nothing from other sites, and no other page can frame it.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Answers with a file.
pub(super) fn file(file: &File) -> Answer {
    let body = Some(Cow::Borrowed(file.bytes));
    let answer = Answer { status: (200, "OK"), kind: file.kind, fields: String::new(), body };
    // A browser asks again each time, because a newer server has a newer page.
    answer.with("Content-Security-Policy", POLICY).with("X-Frame-Options", "DENY").with("Cache-Control", "no-cache")
}

/// Answers with the QR code of the page's address. Behind a proxy that speaks TLS only the page knows that, so it says
/// so by the query `https`. Any other query is ignored. `host` has been checked already.
pub(super) fn invite(host: &str, query: &str) -> Answer {
    let scheme = if query == "https" { "https" } else { "http" };
    let address = format!("{scheme}://{host}/");
    let Ok(code) = QrCode::encode_text(&address, QrCodeEcc::Medium) else {
        return Answer::text((404, "Not Found"), "There is no QR code of an address that long.\n");
    };
    let answer = Answer { kind: "image/svg+xml", ..Answer::text((200, "OK"), svg(&code)) };
    answer.with("Content-Security-Policy", "default-src 'none'").with("Cache-Control", "no-store")
}

/// Draws a code, with the margin of four modules that it needs.
fn svg(code: &QrCode) -> String {
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            let _ = write!(path, "M{} {}h1v1h-1z", x + 4, y + 4);
        }
    }
    let whole = size + 8;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{whole}v{whole}H0z\"/><path d=\"{path}\"/></svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_chooses_the_scheme_of_the_invitation_and_nothing_else() {
        let drawn = |address: &str| QrCode::encode_text(address, QrCodeEcc::Medium).map(|code| svg(&code)).ok();
        for (query, address) in [
            ("", "http://pi:4080/"),
            ("https", "https://pi:4080/"),
            ("http", "http://pi:4080/"),
            ("HTTPS", "http://pi:4080/"),
            ("https=1", "http://pi:4080/"),
            ("https://evil.com", "http://pi:4080/"),
            ("https&host=evil.com", "http://pi:4080/"),
            ("javascript", "http://pi:4080/"),
        ] {
            let body = invite("pi:4080", query).body;
            assert_eq!(body.as_deref(), drawn(address).as_deref().map(str::as_bytes), "{query}");
        }
    }
}
