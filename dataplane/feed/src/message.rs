//! What is said on the feed, and its encoding.

use std::io::Read;

use serde::{Deserialize, Serialize};
use sluice_model::http::HttpKey;
use sluice_model::{Change, Generation, ObjectKey};

use crate::{FrameError, FrameReader, MAX_FRAME};

/// The version of the protocol and of the model that this build speaks; both ends must agree.
pub const VERSION: u16 = 12;
/// The first bytes of each side's first frame. What follows is the version, in a place that never moves.
const MAGIC: &[u8; 8] = b"sluicefd";
/// The largest frame that a subscriber may send.
pub(crate) const MAX_SUBSCRIBER_FRAME: usize = 4096;
/// The longest subscriber name.
pub(crate) const MAX_NAME: usize = 64;

/// A set of kinds of objects that a subscriber wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds(u32);

impl Kinds {
    /// Gateway-wide settings.
    pub const SETTINGS: Self = Self(1);
    /// Services with their endpoints.
    pub const SERVICES: Self = Self(2);
    /// What cluster DNS tells: names of Services, namespaces, pods.
    pub const NAMES: Self = Self(4);
    /// What the resolver does.
    pub const RESOLVER: Self = Self(8);
    /// Virtual hosts, server names, upstreams, and how HTTP is served.
    pub const HTTP: Self = Self(16);
    /// Certificates with their private keys.
    pub const CERTIFICATES: Self = Self(32);

    /// Both sets together.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is wanted.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The kind that an object is of.
    pub fn of(key: &ObjectKey) -> Self {
        match key {
            ObjectKey::Settings => Self::SETTINGS,
            ObjectKey::Resolver => Self::RESOLVER,
            ObjectKey::Http(HttpKey::Certificate(_)) => Self::CERTIFICATES,
            ObjectKey::Http(_) => Self::HTTP,
            ObjectKey::Service(_) => Self::SERVICES,
            ObjectKey::Named(_)
            | ObjectKey::Namespace(_)
            | ObjectKey::Pod(_)
            | ObjectKey::Imported(_)
            | ObjectKey::Hosted(_) => Self::NAMES,
        }
    }
}

/// The state that a subscriber holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Have {
    /// Which run of the control process it is from.
    pub run: u64,
    /// Its generation in that run.
    pub generation: Generation,
}

/// Why a subscriber was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// The two ends are of different releases.
    #[error("protocol versions differ")]
    Version,
    /// Too many subscribers.
    #[error("too many subscribers")]
    Full,
}

/// The body of a subscriber's first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// What the subscriber calls itself, for `sluice show`.
    pub name: Box<str>,
    pub kinds: Kinds,
    pub have: Option<Have>,
}

/// The body of the server's first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Welcome {
    Accepted { run: u64, heartbeat_ms: u32 },
    Refused(Refusal),
}

/// What the server sends after the handshake; `C` is a reference where a change is only to be encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum FromServer<C = Change> {
    Begin { generation: Generation, full: bool, changes: u32 },
    Change(C),
    Commit { generation: Generation },
    Ping,
}

/// What a subscriber sends after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FromSubscriber {
    Ack(Have),
    Pong,
}

/// Why a frame's body could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The first frame does not begin as ours do: the peer is something else.
    #[error("the peer does not speak the feed protocol")]
    Magic,
    /// The peer is of another release.
    #[error("the peer speaks version {0} of the feed protocol, this build version {VERSION}")]
    Version(u16),
    /// The body is not a valid message.
    #[error("malformed message: {0}")]
    Malformed(postcard::Error),
    /// Bytes are left after the message.
    #[error("{0} bytes after the end of the message")]
    Trailing(usize),
    /// A name is longer than 64 bytes.
    #[error("the subscriber's name is too long")]
    Name,
    /// The bytes themselves did not arrive.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_allocvec(message)
}

pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    let (message, rest) = postcard::take_from_bytes(body).map_err(DecodeError::Malformed)?;
    if rest.is_empty() { Ok(message) } else { Err(DecodeError::Trailing(rest.len())) }
}

pub(crate) fn encode_first<T: Serialize>(message: &T) -> Result<Vec<u8>, postcard::Error> {
    let mut body = Vec::from(&MAGIC[..]);
    body.extend(VERSION.to_le_bytes());
    body.extend(encode(message)?);
    Ok(body)
}

pub(crate) fn decode_first<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, DecodeError> {
    let body = body.strip_prefix(MAGIC).ok_or(DecodeError::Magic)?;
    let (version, body) = body.split_first_chunk::<2>().ok_or(DecodeError::Magic)?;
    match u16::from_le_bytes(*version) {
        VERSION => decode(body),
        other => Err(DecodeError::Version(other)),
    }
}

/// Decodes a whole byte stream as either side would; the entry for fuzzing. Returns how many messages were understood.
///
/// `from_server` chooses the side whose messages these are.
pub fn decode_stream(bytes: &[u8], from_server: bool) -> (usize, Option<DecodeError>) {
    let limit = if from_server { MAX_FRAME } else { MAX_SUBSCRIBER_FRAME };
    let mut reader = FrameReader::new(bytes, limit);
    let mut mirror = crate::Mirror::default();
    let mut messages = 0;
    loop {
        match decode_one(&mut reader, from_server, messages == 0, &mut mirror) {
            Ok(true) => messages += 1,
            Ok(false) => return (messages, None),
            Err(error) => return (messages, Some(error)),
        }
    }
}

fn decode_one(
    reader: &mut FrameReader<impl Read>,
    from_server: bool,
    first: bool,
    mirror: &mut crate::Mirror,
) -> Result<bool, DecodeError> {
    let Some(body) = reader.read()? else {
        return Ok(false);
    };
    match (from_server, first) {
        (true, true) => drop(decode_first::<Welcome>(body)?),
        (true, false) => {
            let message = decode::<FromServer>(body)?;
            // Sequence errors are the caller's to report; here it matters that none of them panics.
            let _ = mirror.take(message, body, 1);
        }
        (false, true) => drop(decode_first::<Hello>(body)?),
        (false, false) => drop(decode::<FromSubscriber>(body)?),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::write_frame;

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        let welcome = Welcome::Accepted { run: 1, heartbeat_ms: 1000 };
        write_frame(&mut bytes, &encode_first(&welcome).unwrap()).unwrap();
        for message in [
            FromServer::Begin { generation: Generation(1), full: true, changes: 1 },
            FromServer::Change(Change::Settings(Default::default())),
            FromServer::Commit { generation: Generation(1) },
            FromServer::Ping,
        ] {
            write_frame(&mut bytes, &encode(&message).unwrap()).unwrap();
        }
        bytes
    }

    #[test]
    fn a_whole_stream_is_understood() {
        let (messages, error) = decode_stream(&stream(), true);
        assert_eq!(messages, 5);
        assert!(error.is_none());
    }

    #[test]
    fn another_version_is_named() {
        let hello = Hello { name: "dataplane".into(), kinds: Kinds::SERVICES, have: None };
        let mut body = encode_first(&hello).unwrap();
        assert_eq!(decode_first::<Hello>(&body).unwrap(), hello);
        body[8] = 99;
        let error = decode_first::<Hello>(&body).unwrap_err();
        assert!(matches!(error, DecodeError::Version(99)));
        assert!(matches!(decode_first::<Hello>(b"GET / HTTP/1.1\r\n"), Err(DecodeError::Magic)));
        let mut body = encode(&FromSubscriber::Pong).unwrap();
        body.push(0);
        assert!(matches!(decode::<FromSubscriber>(&body), Err(DecodeError::Trailing(1))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512), side: bool) {
            let _ = decode_stream(&bytes, side);
        }

        #[test]
        fn no_damage_to_a_good_stream_makes_it_panic(at in 0usize..200, value: u8, cut in 0usize..200) {
            let mut bytes = stream();
            let length = bytes.len();
            bytes[at % length] = value;
            bytes.truncate(length - cut % length);
            let _ = decode_stream(&bytes, true);
        }
    }
}
