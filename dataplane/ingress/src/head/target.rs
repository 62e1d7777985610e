//! Request targets and hosts.

use super::Refusal;

/// A host, with a port where there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

impl Authority<'_> {
    /// Whether both lead to the same host; `default` is the port where none is named.
    fn is(&self, other: &Authority<'_>, default: u16) -> bool {
        let same_port = self.port.unwrap_or(default) == other.port.unwrap_or(default);
        same_port && self.host.eq_ignore_ascii_case(other.host)
    }
}

/// Checks a target (RFC 9112 section 3.2) against the method and `Host`.
pub(super) fn check(target: &[u8], method: &[u8], host: Option<&Authority<'_>>) -> Result<(), Refusal> {
    match check_path(target, method) {
        Err(_) if target.iter().all(|&byte| is_uri(byte)) => absolute(target, host),
        path => path,
    }
}

/// Checks a path with its query, or the `*` of `OPTIONS`.
pub(super) fn check_path(path: &[u8], method: &[u8]) -> Result<(), Refusal> {
    let begins = path.first() == Some(&b'/') || path == b"*" && method == b"OPTIONS";
    if begins && path.iter().all(|&byte| is_uri(byte)) { Ok(()) } else { Err(Refusal::Target) }
}

fn absolute(target: &[u8], host: Option<&Authority<'_>>) -> Result<(), Refusal> {
    let (rest, default) = match (strip(target, b"http://"), strip(target, b"https://")) {
        (Some(rest), _) => (rest, 80),
        (_, Some(rest)) => (rest, 443),
        _ => return Err(Refusal::Target),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    // `http://host?query` has an empty path, which not every reader fills in.
    if rest.get(end) == Some(&b'?') {
        return Err(Refusal::Target);
    }
    let named = rest.get(..end).and_then(authority).ok_or(Refusal::Target)?;
    match host {
        Some(host) if !host.is(&named, default) => Err(Refusal::Authority),
        _ => Ok(()),
    }
}

fn strip<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = target.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A host as `Host` has it (RFC 9110 section 7.2): a name, an IPv4 address or an IPv6 address in brackets, with a port or
/// without. No user, no percent-encoding, none that is empty.
pub(super) fn authority(value: &[u8]) -> Option<Authority<'_>> {
    let (host, port) = match value {
        [b'[', ..] => {
            let end = value.iter().position(|&byte| byte == b']')?;
            let address = std::str::from_utf8(value.get(1..end)?).ok()?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            value.split_at(end + 1)
        }
        _ => {
            let end = value.iter().position(|&byte| byte == b':').unwrap_or(value.len());
            let (host, port) = value.split_at(end);
            if !is_name(host) {
                return None;
            }
            (host, port)
        }
    };
    let port = match port {
        [] => None,
        [b':', digits @ ..] => Some(number(digits)?),
        _ => return None,
    };
    Some(Authority { host, port })
}

fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a host is a name, in whose labels nothing is missing. One dot may come last.
fn is_name(host: &[u8]) -> bool {
    let labels = host.strip_suffix(b".").unwrap_or(host);
    host.len() <= 255
        && host.iter().all(|&byte| is_host(byte))
        && labels.split(|&byte| byte == b'.').all(|label| !label.is_empty())
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// What RFC 3986 has in paths and queries, and four bytes that browsers send as they are. No `#`: a fragment is never sent. No
/// `\`: some readers take it for `/`.
fn is_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%{}|^".contains(&byte)
}
