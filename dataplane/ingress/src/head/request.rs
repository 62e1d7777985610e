//! The head of a request.

use super::Refusal;
use super::fields::Fields;
use super::lines::take_line;
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
    if !is_method(method) {
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

/// Whether a method is one that is passed on. Any token may be one (RFC 9110 section 9.1), but those that are in use are of
/// capital letters, dashes and underscores; of `get`, some readers make `GET`, and some refuse it.
pub(super) fn is_method(method: &[u8]) -> bool {
    let letters = method.iter().all(|&byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
    letters && (1..=MAX_METHOD).contains(&method.len()) && method != b"CONNECT"
}
