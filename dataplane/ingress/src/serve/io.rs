//! Connections with something in front, or around.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrayvec::ArrayVec;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::shared::Open;
use crate::alarm::Alarm;

/// So many bytes in several parts are written as one.
const SMALL: usize = 2048;

/// A client's socket. Reads begin with what was read before; writes that a client does not take for too long end it.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    read: BytesMut,
    patience: Duration,
    alarm: Alarm,
    /// When a write that waits has had its time.
    due: Option<Instant>,
    /// Counted as open until the last holder of the socket is gone, which after an upgrade is not hyper.
    _open: Arc<Open>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, patience: Duration, open: Arc<Open>) -> Self {
        Self { stream, read: BytesMut::new(), patience, alarm: Alarm::default(), due: None, _open: open }
    }

    /// What was read comes again.
    pub(super) fn unread(&mut self, read: BytesMut) {
        self.read = read;
    }

    /// Takes what was read and comes again.
    pub(super) fn take_read(&mut self) -> BytesMut {
        std::mem::take(&mut self.read)
    }

    /// Without what was read before.
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    fn moved<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.due = None;
            return outcome;
        }
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.patience);
        ready!(self.alarm.poll(context, due));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take what it is sent")))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, out);
        }
        let length = self.read.len().min(out.remaining());
        out.put_slice(self.read.get(..length).unwrap_or_default());
        self.read.advance(length);
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.moved(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let outcome = match length <= SMALL {
            true => {
                // Head and body of a small answer: together by `send`, which costs less than `writev` and the copy here.
                let mut whole = ArrayVec::<u8, SMALL>::new();
                for part in parts {
                    let _ = whole.try_extend_from_slice(part);
                }
                Pin::new(&mut self.stream).poll_write(context, &whole)
            }
            false => Pin::new(&mut self.stream).poll_write_vectored(context, parts),
        };
        self.moved(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.moved(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
