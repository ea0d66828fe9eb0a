//! Which of the server's paths a request asks for. Pure: a method and a path go in, and a [`Route`] comes out.

use crate::token::Token;

/// The three files that are the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Page,
    Script,
    Style,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// A part of the page.
    File(File),
    /// The QR code of the page's address.
    Invite,
    /// A session begins.
    Join,
    /// What a session hears.
    Events(Token),
    /// A session says lines.
    Lines(Token),
    /// A file is sent by a session.
    Share(Token),
    /// A session leaves.
    Leave(Token),
    /// A file of this name is sent with this code.
    Send(Token, &'a str),
    /// A file is fetched.
    Fetch(Token),
    /// Lines are said under a name, without a session.
    Say,
    /// Who is here.
    Who,
    /// The room's figures.
    Metrics,
}

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// Nothing is at that path.
    Path,
    /// The path takes these methods only.
    Method(&'static str),
}

/// Finds the route of a request. HEAD has the route of GET.
pub(super) fn route<'a>(method: &str, path: &'a str) -> Result<Route<'a>, NoRoute> {
    const GET: &str = "GET, HEAD";
    let method = if method == "HEAD" { "GET" } else { method };
    let (allowed, route) = match path {
        "/" => (GET, Route::File(File::Page)),
        "/app.js" => (GET, Route::File(File::Script)),
        "/style.css" => (GET, Route::File(File::Style)),
        "/invite.svg" => (GET, Route::Invite),
        "/who" => (GET, Route::Who),
        "/metrics" => (GET, Route::Metrics),
        "/say" => ("POST", Route::Say),
        "/sessions" => ("POST", Route::Join),
        _ => session(path).or_else(|| file(path)).ok_or(NoRoute::Path)?,
    };
    if allowed.split(", ").any(|one| one == method) { Ok(route) } else { Err(NoRoute::Method(allowed)) }
}

/// Finds the route of a session's path, and the methods that it takes.
fn session(path: &str) -> Option<(&'static str, Route<'_>)> {
    let rest = path.strip_prefix("/sessions/")?;
    let (token, what) = rest.split_once('/').unwrap_or((rest, ""));
    let token = Token::read(token)?;
    match what {
        "" if !rest.contains('/') => Some(("DELETE", Route::Leave(token))),
        "events" => Some(("GET, HEAD", Route::Events(token))),
        "lines" => Some(("POST", Route::Lines(token))),
        "files" => Some(("POST", Route::Share(token))),
        _ => None,
    }
}

/// Finds the route of a file's path, and the methods that it takes. A file is found by its number. The name after it is
/// only what programs save it under.
fn file(path: &str) -> Option<(&'static str, Route<'_>)> {
    if let Some(rest) = path.strip_prefix("/send/") {
        let (code, name) = rest.split_once('/')?;
        return Some(("PUT", Route::Send(Token::read(code)?, name)));
    }
    let rest = path.strip_prefix("/files/")?;
    let (id, _) = rest.split_once('/').unwrap_or((rest, ""));
    Some(("GET, HEAD", Route::Fetch(Token::read(id)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn each_thing_has_its_path_and_its_methods() {
        let token = Token::read(TOKEN).expect("it is one");
        for (method, path, expected) in [
            ("GET", "/", Ok(Route::File(File::Page))),
            ("HEAD", "/app.js", Ok(Route::File(File::Script))),
            ("POST", "/", Err(NoRoute::Method("GET, HEAD"))),
            ("POST", "/sessions", Ok(Route::Join)),
            ("GET", "/sessions", Err(NoRoute::Method("POST"))),
            ("GET", &format!("/sessions/{TOKEN}/events"), Ok(Route::Events(token))),
            ("POST", &format!("/sessions/{TOKEN}/lines"), Ok(Route::Lines(token))),
            ("DELETE", &format!("/sessions/{TOKEN}"), Ok(Route::Leave(token))),
            ("POST", &format!("/sessions/{TOKEN}/files"), Ok(Route::Share(token))),
            ("PUT", &format!("/send/{TOKEN}/a%20b/c"), Ok(Route::Send(token, "a%20b/c"))),
            ("PUT", &format!("/send/{TOKEN}/"), Ok(Route::Send(token, ""))),
            ("GET", &format!("/files/{TOKEN}/x.png"), Ok(Route::Fetch(token))),
            ("HEAD", &format!("/files/{TOKEN}"), Ok(Route::Fetch(token))),
            ("BREW", "/who", Err(NoRoute::Method("GET, HEAD"))),
            ("get", "/who", Err(NoRoute::Method("GET, HEAD"))),
        ] {
            assert_eq!(route(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn there_is_nothing_anywhere_else() {
        for path in [
            "/index.html",
            "//",
            "/./app.js",
            "/../app.js",
            "/%61pp.js",
            "/app.js/",
            "/WHO",
            "/sessions/",
            "/sessions/x",
            &format!("/sessions/{TOKEN}/"),
            &format!("/sessions/{TOKEN}/events/"),
            &format!("/sessions/{}", TOKEN.to_uppercase()),
            &format!("/sessions/{TOKEN}0"),
            &format!("/sessions/+{}", &TOKEN[1..]),
            "*",
            &format!("/send/{TOKEN}"),
            "/files/",
            "/files/x/y",
        ] {
            assert_eq!(route("GET", path), Err(NoRoute::Path), "{path}");
        }
    }
}
