//! What the fields of a head say of its body and its host.

use super::lines::{field, take_line, trim};
use super::target::{self, Authority};
use super::{Framing, Refusal};

/// The most field lines of a head, or of trailers. hyper's own limit.
pub(super) const MAX_FIELDS: usize = 100;

/// What was found in a head's fields.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    host: Option<Authority<'a>>,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl<'a> Fields<'a> {
    /// Reads all field lines, up to the empty one.
    pub(super) fn read(mut bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let mut count = 0;
        while let Some(line) = take_line(&mut bytes)? {
            if line.is_empty() {
                return if bytes.is_empty() { Ok(fields) } else { Err(Refusal::Line) };
            }
            count += 1;
            if count > MAX_FIELDS {
                return Err(Refusal::TooManyFields);
            }
            let (name, value) = field(line)?;
            fields.take(name, value)?;
        }
        Err(Refusal::Line)
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Refusal> {
        // By length first: nearly no field is one of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let host = target::authority(value).ok_or(Refusal::Host)?;
                if self.host.replace(host).is_some() {
                    return Err(Refusal::Host);
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = length(value).ok_or(Refusal::ContentLength)?;
                if self.length.replace(length).is_some() {
                    return Err(Refusal::ContentLength);
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !trim(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::TransferEncoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// How the body ends.
    pub(super) fn framing(&self, is_1_1: bool) -> Result<Framing, Refusal> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::Framing),
            (true, None) if !is_1_1 => Err(Refusal::Framing),
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }

    /// `Host`.
    pub(super) fn host(&self) -> Option<&Authority<'a>> {
        self.host.as_ref()
    }

    /// Whether the client asks for another protocol.
    pub(super) fn upgrade(&self) -> bool {
        self.upgrade
    }
}

/// A `Content-Length`: digits and nothing else, below 2^63.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok().filter(|&length| i64::try_from(length).is_ok())
}
