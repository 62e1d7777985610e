//! Version 1: a line of text.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{Header, ProxyError, begins};

/// The longest line, with its end.
const MAX_LINE: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, ProxyError> {
    if !begins(bytes, b"PROXY ")? {
        return Ok(None);
    }
    let line = bytes.get(..bytes.len().min(MAX_LINE)).unwrap_or_default();
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        return if bytes.len() >= MAX_LINE { Err(ProxyError::TooLong) } else { Ok(None) };
    };
    let text = line.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyError::Malformed)?;
    let text = std::str::from_utf8(text).map_err(|_| ProxyError::Malformed)?;
    let mut words = text.split(' ').skip(1);
    let addresses = match words.next() {
        // What follows is to be ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(pair(words, IpAddr::is_ipv4)?),
        Some("TCP6") => Some(pair(words, IpAddr::is_ipv6)?),
        _ => return Err(ProxyError::Malformed),
    };
    Ok(Some(Header { length: end + 1, addresses }))
}

pub(super) fn header(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let family = match (from, to) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => "TCP4",
        (SocketAddr::V6(_), SocketAddr::V6(_)) => "TCP6",
        _ => return b"PROXY UNKNOWN\r\n".to_vec(),
    };
    format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port()).into_bytes()
}

fn pair<'a>(
    mut words: impl Iterator<Item = &'a str>,
    family: fn(&IpAddr) -> bool,
) -> Result<(SocketAddr, SocketAddr), ProxyError> {
    let (Some(from), Some(to), Some(from_port), Some(to_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(ProxyError::Malformed);
    };
    let address = |text| IpAddr::from_str(text).ok().filter(family).ok_or(ProxyError::Malformed);
    Ok((SocketAddr::new(address(from)?, port(from_port)?), SocketAddr::new(address(to)?, port(to_port)?)))
}

/// Digits without a sign and without zeros in front.
fn port(text: &str) -> Result<u16, ProxyError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(ProxyError::Malformed)
}
