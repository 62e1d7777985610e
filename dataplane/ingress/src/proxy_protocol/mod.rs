//! The PROXY protocol, versions 1 and 2 (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>): whom a balancer in front
//! speaks for, and for whom the gateway speaks to endpoints.
//!
//! Only peers that the settings name are asked for it, and those must begin with it. What is not exactly as the specification
//! has it ends the connection: nobody but a balancer sends it.

mod v1;
mod v2;

use std::net::SocketAddr;

use sluice_model::http::ProxyVersion;

/// The longest header taken. Version 1 ends at 107 bytes; version 2 has room for extensions, which are skipped.
pub(crate) const MAX: usize = 4096;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its length in bytes; behind it the client's own begin.
    pub(crate) length: usize,
    /// The client's address and the one that it connected to; none where the connection is the balancer's own, or of a kind that
    /// has no such addresses.
    pub(crate) addresses: Option<(SocketAddr, SocketAddr)>,
}

/// What is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyError {
    /// It begins with neither version's first bytes.
    #[error("no PROXY protocol header")]
    Signature,
    /// A header that breaks its version's rules.
    #[error("a malformed PROXY protocol header")]
    Malformed,
    /// Longer than it can be, or than is taken.
    #[error("a PROXY protocol header that is too long")]
    TooLong,
}

/// Reads a header from the beginning of a connection. None where more bytes are needed.
///
/// # Errors
/// [`ProxyError`], as soon as it is certain.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, ProxyError> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

/// The header of a client's connection to an endpoint: from the client, to the address that it connected to. Where these are of
/// two families it says that nothing is known.
pub(crate) fn header(version: ProxyVersion, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    match version {
        ProxyVersion::V1 => v1::header(from, to),
        ProxyVersion::V2 => v2::header(from, to),
    }
}

/// Whether `bytes` begins with `signature`, as far as it goes; true where it is all there.
fn begins(bytes: &[u8], signature: &[u8]) -> Result<bool, ProxyError> {
    let length = bytes.len().min(signature.len());
    if bytes.get(..length) != signature.get(..length) {
        return Err(ProxyError::Signature);
    }
    Ok(length == signature.len())
}

/// Any bytes as a header, alone and with more behind it.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn judge(bytes: &[u8]) {
    let header = parse(bytes);
    let more = [bytes, b"GET /"].concat();
    if let Ok(Some(Header { length, .. })) = header {
        assert!(length <= bytes.len(), "a header of {length} bytes in {}", bytes.escape_ascii());
        assert_eq!(parse(&more), header, "{}", bytes.escape_ascii());
        for end in 0..length {
            assert_eq!(parse(bytes.get(..end).unwrap_or_default()), Ok(None), "{}", bytes.escape_ascii());
        }
    }
    if header.is_err() {
        assert_eq!(parse(&more), header, "{}", bytes.escape_ascii());
    }
}

#[cfg(test)]
mod tests;
