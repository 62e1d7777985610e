//! Connections to endpoints that wait for the next request: one pool per worker.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use sluice_model::http::BackendProtocol;
use tokio::sync::watch;

use super::connect::{ConnectError, Connector, Sender};
use super::io::SharedStream;
use super::{Endpoint, Millis};
use crate::forward::OutgoingBody;

/// How long a connection waits at most, in milliseconds (ingress-nginx's `upstream-keepalive-timeout`).
const IDLE: u64 = 60_000;
/// How often connections that waited too long are closed.
const SWEEP: Duration = Duration::from_secs(5);
/// Requests on one HTTP/2 connection at a time, beyond which another one is made.
const STREAMS: usize = 100;

/// Which connections are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The endpoint's.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub protocol: BackendProtocol,
}

/// Connections by endpoint.
///
/// The lock is a worker's own and never waits; it is there because bodies that give connections back may be sent between threads.
#[derive(Debug, Default)]
pub struct Pool(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The one that waited longest first.
    idle: HashMap<Key, Vec<Idle>>,
    count: usize,
    shared: HashMap<Key, Shared>,
    sweeping: bool,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<OutgoingBody>,
    stream: SharedStream,
    until: Millis,
    endpoint: Weak<Endpoint>,
}

#[derive(Debug, Default)]
struct Shared {
    connections: Vec<Http2>,
    /// Says whether the connection that is being made came to be.
    connecting: Option<watch::Receiver<Option<bool>>>,
}

#[derive(Debug)]
struct Http2 {
    sender: http2::SendRequest<OutgoingBody>,
    /// Counted by its references.
    streams: Arc<()>,
    until: Millis,
    endpoint: Weak<Endpoint>,
}

/// A connection that a request has, and where it goes when the response has ended.
#[derive(Debug)]
pub struct Lease {
    pool: Weak<Pool>,
    key: Key,
    connection: Connection,
    endpoint: Weak<Endpoint>,
    most_idle: usize,
    idle: u64,
    reused: bool,
}

#[derive(Debug)]
enum Connection {
    Http1(http1::SendRequest<OutgoingBody>, SharedStream),
    Http2 {
        sender: http2::SendRequest<OutgoingBody>,
        /// Counts the request as long as it has the connection.
        _stream: Arc<()>,
    },
}

impl Pool {
    /// A connection that waited, where there is one. `careful` asks the socket whether the other end has closed it, for requests
    /// that could not be sent a second time.
    pub fn take(
        self: &Arc<Self>,
        key: Key,
        endpoint: &Arc<Endpoint>,
        most_idle: usize,
        careful: bool,
    ) -> Option<Lease> {
        let mut inner = self.lock();
        let connection = match key.protocol {
            BackendProtocol::Http | BackendProtocol::Https => inner.take_http1(&key, careful)?,
            BackendProtocol::Grpc | BackendProtocol::Grpcs => inner.take_http2(&key)?,
        };
        drop(inner);
        Some(self.lease(key, endpoint, most_idle, connection, true))
    }

    /// A new connection. Of several requests for one HTTP/2 connection to an endpoint one makes it, the others wait for it.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(
        self: &Arc<Self>,
        connector: &Connector,
        key: Key,
        endpoint: &Arc<Endpoint>,
        most_idle: usize,
        deadline: Duration,
    ) -> Result<Lease, ConnectError> {
        if matches!(key.protocol, BackendProtocol::Http | BackendProtocol::Https) {
            let Sender::Http1(sender, stream) =
                connector.connect(key.address, key.protocol, deadline).await?
            else {
                return Err(ConnectError::Http);
            };
            return Ok(self.lease(key, endpoint, most_idle, Connection::Http1(sender, stream), false));
        }
        loop {
            let waiting = self.lock().shared.entry(key).or_default().connecting.clone();
            if let Some(mut waiting) = waiting
                && waiting.has_changed().is_ok()
            {
                let came = tokio::time::timeout(deadline, waiting.wait_for(Option::is_some)).await;
                match came {
                    Ok(Ok(came)) if *came == Some(true) => {}
                    Ok(Ok(_)) => return Err(ConnectError::Http),
                    // Whoever made it gave up.
                    Ok(Err(_)) => continue,
                    Err(_) => return Err(ConnectError::Timeout(deadline)),
                }
                if let Some(lease) = self.take(key, endpoint, most_idle, false) {
                    return Ok(Lease { reused: false, ..lease });
                }
                continue;
            }
            let (tell, told) = watch::channel(None);
            self.lock().shared.entry(key).or_default().connecting = Some(told);
            let made = connector.connect(key.address, key.protocol, deadline).await;
            let mut inner = self.lock();
            let shared = inner.shared.entry(key).or_default();
            shared.connecting = None;
            let sender = match made {
                Ok(Sender::Http2(sender)) => sender,
                Ok(Sender::Http1(..)) => return Err(ConnectError::Http),
                Err(error) => {
                    tell.send_replace(Some(false));
                    return Err(error);
                }
            };
            let streams = Arc::new(());
            let connection = Connection::Http2 { sender: sender.clone(), _stream: Arc::clone(&streams) };
            let until = Millis::now().after(IDLE);
            shared.connections.push(Http2 { sender, streams, until, endpoint: Arc::downgrade(endpoint) });
            drop(inner);
            tell.send_replace(Some(true));
            self.sweep_later();
            return Ok(self.lease(key, endpoint, most_idle, connection, false));
        }
    }

    /// How many connections wait.
    pub fn idle(&self) -> usize {
        self.lock().count
    }

    fn lease(
        self: &Arc<Self>,
        key: Key,
        endpoint: &Arc<Endpoint>,
        most_idle: usize,
        connection: Connection,
        reused: bool,
    ) -> Lease {
        let (pool, endpoint) = (Arc::downgrade(self), Arc::downgrade(endpoint));
        Lease { pool, key, connection, endpoint, most_idle, idle: IDLE, reused }
    }

    fn put(self: &Arc<Self>, key: Key, idle: Idle, most: usize) {
        let mut inner = self.lock();
        while inner.count >= most.max(1) {
            inner.drop_oldest();
        }
        if most == 0 {
            return;
        }
        inner.idle.entry(key).or_default().push(idle);
        inner.count += 1;
        drop(inner);
        self.sweep_later();
    }

    /// Sees to it that waiting connections are looked through, as long as there are any.
    fn sweep_later(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().sweeping, true) {
            return;
        }
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(pool) = pool.upgrade() else { return };
                if !pool.lock().sweep(Millis::now()) {
                    return;
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take_http1(&mut self, key: &Key, careful: bool) -> Option<Connection> {
        let idle = self.idle.get_mut(key)?;
        let now = Millis::now();
        // The one that came last is the least likely to be closed by the other end just now.
        while let Some(Idle { sender, stream, until, .. }) = idle.pop() {
            self.count -= 1;
            if sender.is_ready() && until > now && (!careful || stream.is_silent()) {
                return Some(Connection::Http1(sender, stream));
            }
        }
        None
    }

    fn take_http2(&mut self, key: &Key) -> Option<Connection> {
        let shared = self.shared.get_mut(key)?;
        shared.connections.retain(|connection| !connection.sender.is_closed());
        let free = shared
            .connections
            .iter_mut()
            .find(|connection| Arc::strong_count(&connection.streams) <= STREAMS)?;
        free.until = Millis::now().after(IDLE);
        Some(Connection::Http2 { sender: free.sender.clone(), _stream: Arc::clone(&free.streams) })
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .idle
            .iter()
            .filter_map(|(key, idle)| Some((idle.first()?.until, *key)))
            .min_by_key(|(until, _)| *until);
        let Some(idle) = oldest.and_then(|(_, key)| self.idle.get_mut(&key)) else {
            self.count = 0;
            return;
        };
        idle.remove(0);
        self.count -= 1;
    }

    /// Closes what waited too long, is closed already, or leads to an endpoint that no upstream has any more. False where nothing
    /// is left to look through.
    fn sweep(&mut self, now: Millis) -> bool {
        self.idle.retain(|_, idle| {
            idle.retain(|idle| {
                !idle.sender.is_closed() && idle.until > now && idle.endpoint.strong_count() > 0
            });
            !idle.is_empty()
        });
        self.count = self.idle.values().map(Vec::len).sum();
        self.shared.retain(|_, shared| {
            shared.connections.retain(|connection| {
                let used = Arc::strong_count(&connection.streams) > 1;
                let wanted = connection.until > now && connection.endpoint.strong_count() > 0;
                !connection.sender.is_closed() && (used || wanted)
            });
            !shared.connections.is_empty() || shared.connecting.is_some()
        });
        self.sweeping = self.count > 0 || !self.shared.is_empty();
        self.sweeping
    }
}

impl Lease {
    /// Whether an earlier request had the connection.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// What sends the request.
    pub fn sender(&mut self) -> SenderRef<'_> {
        match &mut self.connection {
            Connection::Http1(sender, _) => SenderRef::Http1(sender),
            Connection::Http2 { sender, .. } => SenderRef::Http2(sender),
        }
    }

    /// The endpoint said how long it keeps the connection open, in seconds; it is given up a second before.
    pub fn keep_alive(&mut self, seconds: u64) {
        self.idle = self.idle.min(seconds.saturating_sub(1).saturating_mul(1000));
    }

    /// The response has ended; another request may have the connection.
    pub fn release(self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let Connection::Http1(mut sender, stream) = self.connection else { return };
        if sender.is_closed() || self.idle == 0 {
            return;
        }
        let (key, endpoint, most, wait) = (self.key, self.endpoint, self.most_idle, self.idle);
        let idle = move |sender| Idle { sender, stream, until: Millis::now().after(wait), endpoint };
        if sender.is_ready() {
            pool.put(key, idle(sender), most);
            return;
        }
        // The response may have ended before the request has.
        let pool = Arc::downgrade(&pool);
        tokio::spawn(async move {
            let ready = tokio::time::timeout(SWEEP, sender.ready()).await;
            if let (Ok(Ok(())), Some(pool)) = (ready, pool.upgrade()) {
                pool.put(key, idle(sender), most);
            }
        });
    }
}

/// What sends a request, by protocol.
pub enum SenderRef<'a> {
    /// HTTP/1.1.
    Http1(&'a mut http1::SendRequest<OutgoingBody>),
    /// HTTP/2.
    Http2(&'a mut http2::SendRequest<OutgoingBody>),
}
