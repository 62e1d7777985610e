//! The chunked transfer coding (RFC 9112 section 7.1), with nothing left to a reader's taste.

use super::fields::MAX_FIELDS;
use super::lines::field;

/// Extensions of all chunks of a body, in bytes.
const MAX_EXTENSIONS: usize = 4096;
/// Trailers, in bytes.
const MAX_TRAILERS: usize = 8192;
/// Digits of a size. 15 of them are less than 2^60.
const MAX_DIGITS: u8 = 15;

/// Fields that say where a message ends, whom it is for, who sends it or how it is to be read: no trailer may (RFC 9110 section
/// 6.5.1).
const FORBIDDEN: [&str; 26] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "max-forwards",
    "pragma",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
    "x-request-id",
    "proxy",
];

/// Whether a field of this name has no place in trailers.
pub(crate) fn is_forbidden_trailer(name: &[u8]) -> bool {
    let forwarded = name.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(b"x-forwarded-"));
    forwarded || FORBIDDEN.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// A body whose framing is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    /// A size that is none, or too large.
    #[error("a chunk's size is malformed")]
    Size,
    /// An extension with a control byte, or too much of them.
    #[error("a chunk's extension is malformed or too long")]
    Extension,
    /// No CR LF where there has to be one.
    #[error("a chunk does not end with CR LF")]
    Line,
    /// Trailers that are malformed, too many, or not to be sent there.
    #[error("a trailer is malformed or forbidden")]
    Trailer,
}

/// Follows a chunked body byte by byte.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    state: State,
    extensions: usize,
    trailers: usize,
    fields: usize,
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    Start,
    /// Within a size.
    Size { size: u64, digits: u8 },
    /// Within an extension.
    Extension { size: u64 },
    /// Behind the CR of a size's line.
    SizeEnd { size: u64 },
    /// Within a chunk.
    Data { left: u64 },
    /// Before the CR behind a chunk.
    DataCr,
    /// Before the LF behind a chunk.
    DataLf,
    /// Within a trailer's line, which may be the empty one.
    Trailer,
    /// Behind the CR of a trailer's line.
    TrailerEnd,
    /// Behind all.
    Done,
}

impl Chunks {
    /// Whether the body has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what belongs to the body from the beginning of `bytes`: how much that is.
    ///
    /// # Errors
    /// What is wrong with it. The body is of no more use then.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, ChunkError> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Done => break,
                State::Data { left } => {
                    let here = left.min((bytes.len() - at) as u64);
                    at += here as usize;
                    let left = left - here;
                    self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                }
                state => {
                    self.state = self.next(state, byte)?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    fn next(&mut self, state: State, byte: u8) -> Result<State, ChunkError> {
        Ok(match (state, byte) {
            (State::Start, _) => State::Size { size: digit(byte)?, digits: 1 },
            (State::Size { size, .. }, b'\r') => State::SizeEnd { size },
            (State::Size { size, .. }, b';') => State::Extension { size },
            (State::Size { digits: MAX_DIGITS, .. }, _) => return Err(ChunkError::Size),
            (State::Size { size, digits }, _) => {
                State::Size { size: size << 4 | digit(byte)?, digits: digits + 1 }
            }
            (State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Extension { size }, b'\t' | b' '..=b'~') => {
                self.extensions += 1;
                if self.extensions > MAX_EXTENSIONS {
                    return Err(ChunkError::Extension);
                }
                State::Extension { size }
            }
            (State::Extension { .. }, _) => return Err(ChunkError::Extension),
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailer,
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Start,
            (State::SizeEnd { .. } | State::DataCr | State::DataLf, _) => return Err(ChunkError::Line),
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::Trailer, b'\n') => return Err(ChunkError::Line),
            (State::Trailer, _) => {
                self.trailers += 1;
                if self.trailers > MAX_TRAILERS {
                    return Err(ChunkError::Trailer);
                }
                self.line.push(byte);
                State::Trailer
            }
            (State::TrailerEnd, b'\n') if self.line.is_empty() => State::Done,
            (State::TrailerEnd, b'\n') => {
                self.trailer()?;
                State::Trailer
            }
            (State::TrailerEnd, _) => return Err(ChunkError::Line),
            (State::Data { .. } | State::Done, _) => state,
        })
    }

    fn trailer(&mut self) -> Result<(), ChunkError> {
        let (name, _) = field(&self.line).map_err(|_| ChunkError::Trailer)?;
        self.fields += 1;
        if is_forbidden_trailer(name) || self.fields > MAX_FIELDS {
            return Err(ChunkError::Trailer);
        }
        self.line.clear();
        Ok(())
    }
}

fn digit(byte: u8) -> Result<u64, ChunkError> {
    char::from(byte).to_digit(16).map(u64::from).ok_or(ChunkError::Size)
}
