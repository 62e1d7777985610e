//! Two connections that become one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::upstream::Millis;

/// Copies both ways until both ends have closed or nothing has come from either for so long.
///
/// # Errors
/// One of them broke off.
pub(crate) async fn join<A, B>(client: A, endpoint: B, idle: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let last = Arc::new(AtomicU64::new(Millis::now().0));
    let mut client = Watched { io: client, last: Arc::clone(&last) };
    let mut endpoint = Watched { io: endpoint, last: Arc::clone(&last) };
    let copying = tokio::io::copy_bidirectional(&mut client, &mut endpoint);
    tokio::pin!(copying);
    loop {
        let due =
            Millis(last.load(Ordering::Relaxed)).after(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
        let now = Millis::now();
        if due <= now {
            return Ok(());
        }
        let more = tokio::time::timeout_at(Instant::now() + due.since(now), &mut copying).await;
        if let Ok(ended) = more {
            return ended.map(drop);
        }
    }
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
