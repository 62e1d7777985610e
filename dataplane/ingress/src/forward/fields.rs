//! Fields that are one connection's own, and those that only the gateway may set.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// What the fields of a request's connection asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// `TE: trailers`.
    pub trailers: bool,
    /// `Upgrade`, where `Connection` names it.
    pub upgrade: Option<HeaderValue>,
}

/// Takes a request's hop-by-hop fields out (RFC 9110 section 7.6.1), and those that `Connection` nominates. What the gateway
/// sets itself is not to be nominated away.
pub fn take_connection(headers: &mut HeaderMap) -> Connection {
    let mut asked = Connection::default();
    // Most requests have none of them: one look at the names, and not one for each that it could be.
    if !headers.keys().any(is_hop_by_hop) {
        return asked;
    }
    let mut upgrade = false;
    take_nominated(headers, |token| {
        upgrade |= token.eq_ignore_ascii_case(b"upgrade");
        // Those are dealt with below.
        token.eq_ignore_ascii_case(b"upgrade")
            || token.eq_ignore_ascii_case(b"te")
            || may_not_be_nominated(token)
    });
    if let Some(te) = headers.remove(TE) {
        let mut codings = te.as_bytes().split(|&byte| byte == b',');
        asked.trailers = codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    }
    asked.upgrade = headers.remove(UPGRADE).filter(|_| upgrade);
    for name in [TRANSFER_ENCODING, CONTENT_LENGTH, PROXY_AUTHORIZATION, PROXY_AUTHENTICATE] {
        headers.remove(name);
    }
    // The last is no field of HTTP's: CGI programs take it for a setting (CVE-2016-5385).
    for name in ["keep-alive", "proxy-connection", "http2-settings", "proxy"] {
        headers.remove(name);
    }
    asked
}

/// Takes `Connection` out, and the fields that it nominates, but those that `keep` says are not to be.
fn take_nominated(headers: &mut HeaderMap, mut keep: impl FnMut(&[u8]) -> bool) {
    let http::header::Entry::Occupied(entry) = headers.entry(CONNECTION) else { return };
    let (_, values) = entry.remove_entry_mult();
    let values: Vec<HeaderValue> = values.collect();
    for token in values.iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b',')) {
        let token = token.trim_ascii();
        if !keep(token)
            && let Ok(name) = HeaderName::from_bytes(token)
        {
            headers.remove(name);
        }
    }
}

/// Takes a response's hop-by-hop fields out. The seconds that `Keep-Alive` promises, and the value of `Upgrade`.
pub fn clean_response(headers: &mut HeaderMap) -> (Option<u64>, Option<HeaderValue>) {
    if !headers.keys().any(is_hop_by_hop) {
        return (None, None);
    }
    take_nominated(headers, |token| {
        let known = [&b"close"[..], b"keep-alive", b"upgrade", b"content-length"];
        known.iter().any(|known| token.eq_ignore_ascii_case(known))
    });
    // Of most endpoints that was all.
    if !headers.keys().any(|name| *name != CONTENT_LENGTH && is_hop_by_hop(name)) {
        return (None, None);
    }
    let seconds = headers.remove("keep-alive").and_then(|value| {
        let mut parameters = value.to_str().ok()?.split(',');
        parameters.find_map(|parameter| parameter.trim().strip_prefix("timeout=")?.parse().ok())
    });
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
    for name in ["proxy-connection", "http2-settings"] {
        headers.remove(name);
    }
    (seconds, headers.remove(UPGRADE))
}

/// Takes out of trailers what must not come so late (RFC 9110 section 6.5.1): framing, routing, and what the gateway sets.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    let bad: Vec<HeaderName> = trailers.keys().filter(|name| !may_trail(name)).cloned().collect();
    for name in bad {
        trailers.remove(name);
    }
}

/// Takes out what only the gateway may say, of a client that is not trusted; of one that is, only what would be read as such a
/// field by servers to which `_` and `-` are the same.
pub fn take_reserved(headers: &mut HeaderMap, trusted: bool) {
    let is_bad = |name: &HeaderName| {
        let name = name.as_str();
        if name.contains('_') {
            is_reserved(&name.replace('_', "-")) || is_framing(name)
        } else {
            !trusted && is_reserved(name)
        }
    };
    if !headers.keys().any(is_bad) {
        return;
    }
    let bad: Vec<HeaderName> = headers.keys().filter(|name| is_bad(name)).cloned().collect();
    for name in bad {
        headers.remove(name);
    }
}

/// HTTP/2 clients may send `Cookie` in parts, which HTTP/1.1 does not know (RFC 9113 section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let parts: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&parts.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// The value of a cookie; of several with the name the first.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

/// What [`take_connection`] and [`clean_response`] look for.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        CONNECTION
            | CONTENT_LENGTH
            | PROXY_AUTHENTICATE
            | PROXY_AUTHORIZATION
            | TE
            | TRANSFER_ENCODING
            | UPGRADE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings" | "proxy")
}

/// What a client might nominate to have the gateway drop it.
fn may_not_be_nominated(token: &[u8]) -> bool {
    HeaderName::from_bytes(token)
        .is_ok_and(|name| is_reserved(name.as_str()) || matches!(name, HOST | EXPECT | CONTENT_LENGTH))
}

fn is_reserved(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || matches!(
            name,
            "forwarded" | "x-real-ip" | "x-request-id" | "x-scheme" | "x-original-forwarded-for"
        )
}

fn is_framing(name: &str) -> bool {
    matches!(name, "content_length" | "transfer_encoding")
}

fn may_trail(name: &HeaderName) -> bool {
    let known = matches!(
        *name,
        CONNECTION
            | CONTENT_LENGTH
            | COOKIE
            | EXPECT
            | HOST
            | PROXY_AUTHENTICATE
            | PROXY_AUTHORIZATION
            | TE
            | TRAILER
            | TRANSFER_ENCODING
            | UPGRADE
            | http::header::AUTHORIZATION
            | http::header::SET_COOKIE
            | http::header::CONTENT_TYPE
            | http::header::CONTENT_ENCODING
            | http::header::CONTENT_RANGE
    );
    !known
        && !is_reserved(name.as_str())
        && !matches!(name.as_str(), "keep-alive" | "proxy-connection" | "proxy")
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
