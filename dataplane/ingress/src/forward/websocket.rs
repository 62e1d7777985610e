//! WebSocket over HTTP/2: `CONNECT` with `:protocol` (RFC 8441), which endpoints are asked for as HTTP/1.1 has it (RFC 6455).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING,
};
use http::request::Parts;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::Refusal;

/// What RFC 6455 section 1.3 has keys joined with.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Marks a response of success behind which a tunnel is.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel;

/// What an endpoint is asked with, and has to show that it understood.
#[derive(Debug)]
pub struct Handshake {
    accept: String,
}

/// Whether `CONNECT` asks for a WebSocket; false where it asks for a connection to somewhere.
///
/// # Errors
/// It asks for another protocol, which is not known.
pub fn is_asked(parts: &Parts) -> Result<bool, Refusal> {
    match parts.extensions.get::<hyper::ext::Protocol>() {
        None => Ok(false),
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => Ok(true),
        Some(_) => Err(Refusal::Protocol),
    }
}

impl Handshake {
    /// Puts a key of the gateway's own into a request; with HTTP/2 clients have none (RFC 8441 section 5).
    pub fn ask(headers: &mut HeaderMap) -> Self {
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let accept = accept(key.as_bytes());
        if let Ok(key) = HeaderValue::try_from(key) {
            headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        Self { accept }
    }

    /// Whether the fields of an endpoint's 101 answer the key. What belongs to HTTP/1.1 is taken out of them.
    pub fn is_accepted(&self, headers: &mut HeaderMap) -> bool {
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let mut answers = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        let is_right = answers.next().is_some_and(|answer| answer == self.accept.as_str());
        let is_one = answers.next().is_none();
        headers.remove(SEC_WEBSOCKET_ACCEPT);
        is_right && is_one
    }
}

/// The answer to a key (RFC 6455 section 4.2.2).
fn accept(key: &[u8]) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_answered_as_the_rfc_has_it() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn one_right_answer_is_taken_and_nothing_else() {
        let mut asked = HeaderMap::new();
        asked.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("the client's"));
        let handshake = Handshake::ask(&mut asked);
        assert_eq!(asked.get_all(SEC_WEBSOCKET_KEY).iter().count(), 1);
        let key = asked.remove(SEC_WEBSOCKET_KEY).unwrap();
        assert_eq!(STANDARD.decode(&key).unwrap().len(), 16);
        let right = accept(key.as_bytes());
        for (answers, taken) in [
            (&[right.as_str()][..], true),
            (&[], false),
            (&["x"], false),
            (&[&right, &right], false),
            (&[&right.to_lowercase()], false),
        ] {
            let mut headers: HeaderMap = answers
                .iter()
                .map(|answer| (SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(answer).unwrap()))
                .collect();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
            assert_eq!(handshake.is_accepted(&mut headers), taken, "{answers:?}");
            assert!(headers.is_empty());
        }
        let again = Handshake::ask(&mut HeaderMap::new());
        assert_ne!(again.accept, handshake.accept);
    }
}
