//! The filter in a connection's way.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::pace::Fate;
use super::{ChunkError, Chunks, Framing, Head, Pace, Refusal, check};

/// Bytes read at once.
const READ: usize = 8192;
/// What is kept of what a client says before it knows whether its upgrade is granted.
const EARLY: usize = 16 << 10;
/// How long, and for how many bytes, a connection is read from after it was closed: what is in flight would otherwise reset it
/// before the client has read why.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 << 10;
/// What hyper is given in place of a request that is refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";

/// How long, and for how much, the filter waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The longest head, in bytes.
    pub(crate) max_head: usize,
    /// For a head.
    pub(crate) head: Duration,
    /// Between requests.
    pub(crate) keep_alive: Duration,
}

/// A connection of which only well-formed HTTP/1 can be read.
#[derive(Debug)]
pub(crate) struct Filter<T> {
    io: T,
    pace: Arc<Pace>,
    patience: Patience,
    phase: Phase,
    /// What was read and is not handed on.
    buffer: BytesMut,
    /// How much of it may be.
    good: usize,
    /// How much of it was searched for the head's end, and where the line began that was searched last.
    searched: usize,
    line: usize,
    /// When the head began that is read.
    began: Instant,
    /// An empty line came before the request line.
    blank: bool,
    timer: Pin<Box<Sleep>>,
    linger: Option<usize>,
}

#[derive(Debug)]
enum Phase {
    Head,
    Length {
        left: u64,
        upgrade: bool,
    },
    Chunked {
        chunks: Chunks,
        upgrade: bool,
    },
    /// Behind a request for another protocol, until it has its answer.
    Asked,
    /// Another protocol.
    Raw,
    /// Nothing more is read.
    Refused,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Filter<T> {
    /// A filter in front of `io`, from which `read` has been read.
    pub(crate) fn new(io: T, read: BytesMut, pace: Arc<Pace>, patience: Patience) -> Self {
        let began = Instant::now();
        Self {
            io,
            pace,
            patience,
            phase: Phase::Head,
            buffer: read,
            good: 0,
            searched: 0,
            line: 0,
            began,
            blank: false,
            timer: Box::pin(tokio::time::sleep_until(began + patience.head)),
            linger: None,
        }
    }

    /// Reads into the buffer; false at the end.
    fn fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.buffer.reserve(READ);
        let read = pin!(self.io.read_buf(&mut self.buffer)).poll(context);
        if read.is_pending() && self.buffer.is_empty() {
            // Idle connections are many, and hold no memory for what may never come.
            self.buffer = BytesMut::new();
        }
        Poll::Ready(Ok(ready!(read)? > 0))
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.pace.refuse(refusal);
        self.phase = Phase::Refused;
        self.buffer.clear();
        self.buffer.extend_from_slice(STAND_IN);
        self.good = self.buffer.len();
    }

    /// Looks for the end of the head in what has come; its length where it is there.
    fn head_end(&mut self) -> Result<Option<usize>, Refusal> {
        while let Some(found) = self.buffer.get(self.searched..).and_then(line_feed) {
            let feed = self.searched + found;
            if feed == 0 || self.buffer.get(feed - 1) != Some(&b'\r') {
                return Err(Refusal::Line);
            }
            self.searched = feed + 1;
            if feed - 1 != self.line {
                self.line = feed + 1;
                continue;
            }
            if self.line > 0 {
                return Ok(Some(feed + 1));
            }
            // RFC 9112 section 2.2: an empty line before the request line, which old clients send behind a body.
            if std::mem::replace(&mut self.blank, true) {
                return Err(Refusal::RequestLine);
            }
            self.buffer.advance(feed + 1);
            (self.searched, self.line) = (0, 0);
        }
        self.searched = self.buffer.len();
        Ok(None)
    }

    fn take_head(&mut self) -> Result<bool, Refusal> {
        let end = self.head_end()?;
        if end.unwrap_or(self.buffer.len()) > self.patience.max_head {
            return Err(Refusal::HeadTooLong);
        }
        let Some(end) = end else { return Ok(false) };
        let Head { framing, upgrade } = check(self.buffer.get(..end).unwrap_or_default())?;
        self.good = end;
        (self.searched, self.line, self.blank) = (0, 0, false);
        // What is here of the next one has had no time yet.
        self.began = Instant::now();
        self.pace.passed();
        match framing {
            Framing::Length(0) => self.message_end(upgrade),
            Framing::Length(left) => self.phase = Phase::Length { left, upgrade },
            Framing::Chunked => self.phase = Phase::Chunked { chunks: Chunks::default(), upgrade },
        }
        Ok(true)
    }

    fn message_end(&mut self, upgrade: bool) {
        self.phase = if upgrade { Phase::Asked } else { Phase::Head };
    }

    /// Reads on for a head; true once there is something to look at, false where the connection is over.
    fn read_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let before = self.buffer.len();
        match self.fill(context) {
            Poll::Ready(read) => {
                if before == 0 {
                    self.began = Instant::now();
                }
                Poll::Ready(read)
            }
            Poll::Pending => loop {
                let due = self.due();
                if let Some(due) = due
                    && due <= Instant::now()
                {
                    if self.buffer.is_empty() {
                        return Poll::Ready(Ok(false));
                    }
                    self.refuse(Refusal::Slow);
                    return Poll::Ready(Ok(true));
                }
                // The timer may be set for an earlier time, when it is set anew: most requests then never touch it.
                let at = due.unwrap_or_else(|| Instant::now() + self.patience.keep_alive);
                if self.timer.deadline() > at {
                    self.timer.as_mut().reset(at);
                }
                ready!(self.timer.as_mut().poll(context));
                self.timer.as_mut().reset(at);
            },
        }
    }

    /// When waiting for a head ends; none while the client waits for an answer.
    fn due(&self) -> Option<Instant> {
        if !self.buffer.is_empty() || !self.pace.is_used() {
            return Some(self.began + self.patience.head);
        }
        self.pace.idle_since().map(|since| since + self.patience.keep_alive)
    }

    /// Lets hyper have what is good; false where there is nothing.
    fn hand_on(&mut self, out: &mut ReadBuf<'_>) -> bool {
        if self.good == 0 {
            return false;
        }
        let length = self.good.min(out.remaining());
        out.put_slice(self.buffer.get(..length).unwrap_or_default());
        self.buffer.advance(length);
        self.good -= length;
        true
    }

    /// One step; true where hyper has got something, or the end.
    fn step(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        if self.hand_on(out) {
            return Poll::Ready(Ok(true));
        }
        match &mut self.phase {
            Phase::Head => match self.take_head() {
                Err(refusal) => self.refuse(refusal),
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Ok(!ready!(self.read_head(context))?)),
            },
            Phase::Length { left: 0, upgrade } => {
                let upgrade = *upgrade;
                self.message_end(upgrade);
            }
            Phase::Length { left, .. } if !self.buffer.is_empty() => {
                self.good = (*left).min(self.buffer.len() as u64) as usize;
                *left -= self.good as u64;
            }
            Phase::Length { left, .. } if *left >= out.remaining() as u64 => {
                let before = out.filled().len();
                ready!(Pin::new(&mut self.io).poll_read(context, out))?;
                *left -= (out.filled().len() - before) as u64;
                return Poll::Ready(Ok(true));
            }
            Phase::Chunked { chunks, upgrade } if !self.buffer.is_empty() => {
                let upgrade = *upgrade;
                match chunks.take(&self.buffer) {
                    Ok(length) => self.good = length,
                    Err(error) => return Poll::Ready(Err(malformed(error))),
                }
                if chunks.is_done() {
                    self.message_end(upgrade);
                }
            }
            Phase::Length { .. } | Phase::Chunked { .. } => {
                return Poll::Ready(Ok(!ready!(self.fill(context))?));
            }
            Phase::Asked => match self.pace.fate(context.waker()) {
                Fate::Raw => self.phase = Phase::Raw,
                Fate::Answered => self.phase = Phase::Head,
                Fate::Open if self.buffer.len() >= EARLY => return Poll::Pending,
                Fate::Open => return Poll::Ready(Ok(!ready!(self.fill(context))?)),
            },
            Phase::Raw if !self.buffer.is_empty() => self.good = self.buffer.len(),
            Phase::Raw => {
                ready!(Pin::new(&mut self.io).poll_read(context, out))?;
                return Poll::Ready(Ok(true));
            }
            Phase::Refused => return Poll::Pending,
        }
        Poll::Ready(Ok(false))
    }
}

fn line_feed(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}

fn malformed(error: ChunkError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Filter<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !ready!(self.step(context, out))? {}
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Filter<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
            if matches!(this.phase, Phase::Head | Phase::Raw) && this.buffer.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.timer.as_mut().reset(Instant::now() + LINGER);
            this.linger = Some(0);
        }
        while this.linger.is_some_and(|read| read < LINGER_BYTES) {
            this.buffer.clear();
            match this.fill(context) {
                Poll::Ready(Ok(true)) => this.linger = this.linger.map(|read| read + this.buffer.len()),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(this.timer.as_mut().poll(context));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
