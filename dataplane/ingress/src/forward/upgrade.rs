//! Connections that become something else after a 101 (RFC 9110 section 7.8), WebSocket above all.

use std::time::Duration;

use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::splice;
use crate::upstream::InFlight;

/// How long both ends may take to become what was agreed on.
const AGREED: Duration = Duration::from_secs(10);

/// Whether a protocol may be asked for. HTTP itself may not: requests would pass by the routes (`h2c` smuggling), and TLS is the
/// gateway's own.
pub fn is_allowed(protocol: &HeaderValue) -> bool {
    let Ok(protocol) = protocol.to_str() else { return false };
    let lower = protocol.trim().to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&byte);
    !lower.is_empty()
        && lower.bytes().all(is_token)
        && !["h2", "http", "tls"].iter().any(|prefix| lower.starts_with(prefix))
}

/// Copies both ways until both ends have closed or nothing has come from either for so long.
pub async fn splice(client: OnUpgrade, endpoint: OnUpgrade, idle: Duration, in_flight: InFlight) {
    let both = async { tokio::try_join!(client, endpoint) };
    let Ok(Ok((client, endpoint))) = tokio::time::timeout(AGREED, both).await else { return };
    // Whoever broke off knows why.
    let _ = splice::join(TokioIo::new(client), TokioIo::new(endpoint), idle).await;
    drop(in_flight);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_nothing_to_become() {
        for (protocol, allowed) in [
            ("websocket", true),
            ("WebSocket", true),
            ("SPDY/3.1", true),
            ("h2c", false),
            ("H2C", false),
            (" h2c", false),
            ("HTTP/2.0", false),
            ("TLS/1.0", false),
            ("websocket, h2c", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(&HeaderValue::from_str(protocol).unwrap()), allowed, "{protocol}");
        }
    }
}
