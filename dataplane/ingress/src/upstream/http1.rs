//! A connection of HTTP/1.1 to an endpoint.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ConnectError;
use super::io::SharedStream;
use crate::forward::OutgoingBody;

/// The most of a response's head, and of a body that nobody has taken yet, that a connection keeps, in bytes.
const BUFFER: usize = 128 << 10;

/// A connection that is driven by whoever has it: no other task has to be woken between a request and its socket. While it waits
/// for a request nobody does, and it may be closed by the other end without saying so.
pub struct Http1 {
    sender: SendRequest<OutgoingBody>,
    /// None once it has ended.
    connection: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
    stream: SharedStream,
    relay: Arc<Relay>,
    waker: Waker,
}

/// What the connection wakes: whoever has it, and nobody while it waits or is given a request, which its owner is about to drive
/// it for.
#[derive(Debug, Default)]
struct Relay(Mutex<Option<Waker>>);

impl Relay {
    fn set(&self, to: Option<&Waker>) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *task, to) {
            (Some(task), Some(to)) => task.clone_from(to),
            (task, to) => *task = to.cloned(),
        }
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(task) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            task.wake_by_ref();
        }
    }
}

impl Http1 {
    /// One over `io`, which may be TLS; `stream` is the socket below.
    pub(super) async fn new<T>(io: T, stream: SharedStream) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = Builder::new()
            .max_buf_size(BUFFER)
            // Most requests are a head alone, for which `send` is the cheaper system call.
            .writev(false)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|_| ConnectError::Http)?;
        let relay = Arc::<Relay>::default();
        let waker = Waker::from(Arc::clone(&relay));
        Ok(Self { sender, connection: Some(Box::pin(connection.with_upgrades())), stream, relay, waker })
    }

    /// What the next request is sent by; it gets further only when the connection is driven.
    pub(super) fn sender(&mut self) -> &mut SendRequest<OutgoingBody> {
        self.relay.set(None);
        &mut self.sender
    }

    /// Looks for what comes by it, and where nothing has, reads and writes what it can, and looks once more. `look` gets a context
    /// that wakes nobody: it is this task that gets the exchange further, and it would wake itself. What goes wrong, it learns.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let quiet = &mut Context::from_waker(Waker::noop());
        self.relay.set(None);
        let mut found = look(quiet);
        if found.is_pending() {
            self.relay.set(Some(context.waker()));
            self.step();
            self.relay.set(None);
            found = look(quiet);
        }
        if found.is_pending() {
            self.relay.set(Some(context.waker()));
        }
        found
    }

    fn step(&mut self) {
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready()
        {
            self.connection = None;
        }
    }

    /// Nobody waits for it. What the other end has done meanwhile is seen.
    pub(super) fn rest(&mut self) {
        self.relay.set(None);
        self.step();
    }

    /// Whether the next request may be sent; `check`: and the other end has neither closed the connection nor sent what nobody
    /// asked for.
    pub(super) fn is_ready(&mut self, check: bool) -> bool {
        if !self.sender.is_ready() {
            // It may have ended the last exchange without having looked for the next.
            self.rest();
        }
        self.sender.is_ready() && (!check || self.stream.is_silent())
    }

    /// Whether there is no more to be had of it.
    pub(super) fn is_closed(&self) -> bool {
        self.connection.is_none() || self.sender.is_closed()
    }

    /// Drives it until the next request may be sent, which may be when the last one's body has gone; false where that does not
    /// come, or not within `patience`.
    pub(super) async fn ready(&mut self, patience: Duration) -> bool {
        let ready = std::future::poll_fn(|context| {
            self.relay.set(Some(context.waker()));
            self.step();
            self.sender.poll_ready(context)
        });
        matches!(tokio::time::timeout(patience, ready).await, Ok(Ok(())))
    }

    /// Leaves it to itself: another protocol is spoken on it.
    pub(super) fn leave(mut self) {
        if let Some(connection) = self.connection.take() {
            // With a waker of its own.
            tokio::spawn(connection);
        }
    }
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("stream", &self.stream).finish_non_exhaustive()
    }
}
