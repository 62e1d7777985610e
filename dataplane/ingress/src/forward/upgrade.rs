//! Connections that become something else after a 101 (RFC 9110 section 7.8), WebSocket above all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::upstream::{InFlight, Millis};

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
    let last = Arc::new(AtomicU64::new(Millis::now().0));
    let mut client = Watched { io: TokioIo::new(client), last: Arc::clone(&last) };
    let mut endpoint = Watched { io: TokioIo::new(endpoint), last: Arc::clone(&last) };
    let copying = tokio::io::copy_bidirectional(&mut client, &mut endpoint);
    tokio::pin!(copying);
    loop {
        let due =
            Millis(last.load(Ordering::Relaxed)).after(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
        let now = Millis::now();
        if due <= now {
            break;
        }
        if tokio::time::timeout_at(Instant::now() + due.since(now), &mut copying).await.is_ok() {
            break;
        }
    }
    drop(in_flight);
}

/// Notes when something last came or went.
struct Watched<T> {
    io: T,
    last: Arc<AtomicU64>,
}

impl<T> Watched<T> {
    fn note(&self) {
        self.last.store(Millis::now().0, Ordering::Relaxed);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        self.note();
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.io).poll_write(context, buffer))?;
        self.note();
        Poll::Ready(Ok(length))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.io).poll_write_vectored(context, buffers))?;
        self.note();
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
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
