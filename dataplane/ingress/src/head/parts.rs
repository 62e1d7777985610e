//! Requests as hyper hands them up, whatever the version: what must hold of them before anything is made of them.

use http::request::Parts;
use http::{Version, header};

use super::Refusal;
use super::request::is_method;
use super::target;

/// Checks what HTTP/2's codec leaves open, and HTTP/1's filter has made certain.
///
/// # Errors
/// The rule that is broken.
pub(crate) fn check_parts(parts: &Parts) -> Result<(), Refusal> {
    if parts.version != Version::HTTP_2 {
        return Ok(());
    }
    // The codec takes `:protocol` with `CONNECT` alone (RFC 8441 section 4).
    let is_extended = parts.extensions.get::<hyper::ext::Protocol>().is_some();
    if !is_extended && !is_method(parts.method.as_str().as_bytes()) {
        return Err(Refusal::Method);
    }
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = parts.headers.get_all(header::HOST).iter().map(|host| host.as_bytes());
    let (host, None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Host) };
    // RFC 9113 section 8.3.1.
    if let (Some(authority), Some(host)) = (authority, host)
        && !authority.eq_ignore_ascii_case(host)
    {
        return Err(Refusal::Authority);
    }
    authority.or(host).and_then(target::authority).ok_or(Refusal::Host)?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    target::check_path(path.as_bytes(), parts.method.as_str().as_bytes())?;
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let (length, None) = (lengths.next(), lengths.next()) else { return Err(Refusal::ContentLength) };
    match length.map(|length| super::fields::length(length.as_bytes())) {
        Some(None) => Err(Refusal::ContentLength),
        _ => Ok(()),
    }
}
