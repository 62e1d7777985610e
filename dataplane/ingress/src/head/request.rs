//! The head of a request.

use super::Refusal;
use super::fields::Fields;
use super::lines::{is_token, take_line};
use super::target;

/// The longest method.
const MAX_METHOD: usize = 32;

/// What a head says of what comes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// How the body ends.
    pub(crate) framing: Framing,
    /// The client asks for another protocol (RFC 9110 section 7.8): what follows may not be HTTP.
    pub(crate) upgrade: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// Checks a whole head, from the method up to and with the empty line.
///
/// # Errors
/// The first rule that it breaks.
pub(crate) fn check(head: &[u8]) -> Result<Head, Refusal> {
    let mut rest = head;
    let line = take_line(&mut rest)?.ok_or(Refusal::Line)?;
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if method.is_empty() || method.len() > MAX_METHOD || !method.iter().all(|&byte| is_token(byte)) {
        return Err(Refusal::Method);
    }
    if method == b"CONNECT" {
        return Err(Refusal::Method);
    }
    let is_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Refusal::Version);
        }
        _ => return Err(Refusal::RequestLine),
    };
    let fields = Fields::read(rest)?;
    if is_1_1 && fields.host().is_none() {
        return Err(Refusal::Host);
    }
    target::check(target, method, fields.host())?;
    Ok(Head { framing: fields.framing(is_1_1)?, upgrade: fields.upgrade() && is_1_1 })
}
