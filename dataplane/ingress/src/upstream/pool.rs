//! Connections to endpoints that wait for the next request: one pool per worker, and one per client whose connections say so.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use sluice_model::http::BackendProtocol;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::{ConnectError, Connector, Sender};
use super::{Endpoint, Http1, Millis};
use crate::alarm::Alarm;
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
pub struct Pool {
    inner: Mutex<Inner>,
    /// Of a client's: what is kept is counted there.
    room: Option<Room>,
}

/// Connections that are a client's alone, as long as it is connected: endpoints were told its address on them, and take all that
/// comes by them for its own.
#[derive(Debug, Default)]
pub struct ClientPool(OnceCell<Arc<Pool>>);

impl ClientPool {
    /// Idle connections kept for a client.
    pub const MOST_IDLE: usize = 8;

    /// The pool, made when it is first used.
    pub fn get(&self, room: &Room) -> &Arc<Pool> {
        self.0.get_or_init(|| Arc::new(Pool { room: Some(room.clone()), ..Pool::default() }))
    }
}

/// How many connections all clients' pools of a worker keep: few for each, and there may be very many clients.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<AtomicUsize>);

/// As many are kept as may be.
#[derive(Debug)]
struct NoRoom;

/// A connection that is kept.
#[derive(Debug)]
struct Kept(Room);

impl Room {
    /// Beyond, connections end with their requests.
    const MOST: usize = 1024;

    fn take(&self) -> Option<Kept> {
        let kept = Kept(self.clone());
        (self.0.fetch_add(1, Ordering::Relaxed) < Self::MOST).then_some(kept)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

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
    connection: Http1,
    /// The connection's, for whoever has it.
    alarm: Alarm,
    until: Millis,
    endpoint: Weak<Endpoint>,
    kept: Option<Kept>,
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
    _kept: Option<Kept>,
}

/// A connection that a request has, and where it goes when the response has ended.
#[derive(Debug)]
pub struct Lease {
    pool: Weak<Pool>,
    key: Key,
    connection: Connection,
    alarm: Alarm,
    endpoint: Weak<Endpoint>,
    most_idle: usize,
    idle: u64,
    reused: bool,
}

#[derive(Debug)]
enum Connection {
    Http1(Http1),
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
        let (connection, alarm) = match key.protocol {
            BackendProtocol::Http | BackendProtocol::Https => inner.take_http1(&key, careful)?,
            BackendProtocol::Grpc | BackendProtocol::Grpcs => (inner.take_http2(&key)?, Alarm::default()),
        };
        drop(inner);
        Some(Lease { alarm, ..self.lease(key, endpoint, most_idle, connection, true) })
    }

    /// A new connection, on which `first` is sent before anything else. Of several requests for one HTTP/2 connection to an endpoint one makes it, the others wait for it.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(
        self: &Arc<Self>,
        connector: &Connector,
        key: Key,
        endpoint: &Arc<Endpoint>,
        most_idle: usize,
        first: Option<&[u8]>,
        deadline: Duration,
    ) -> Result<Lease, ConnectError> {
        if matches!(key.protocol, BackendProtocol::Http | BackendProtocol::Https) {
            let Sender::Http1(made) = connector.connect(key.address, key.protocol, first, deadline).await?
            else {
                return Err(ConnectError::Http);
            };
            return Ok(self.lease(key, endpoint, most_idle, Connection::Http1(made), false));
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
            let made = connector.connect(key.address, key.protocol, first, deadline).await;
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
            // Where there is no room, others make their own.
            if let Ok(kept) = self.keep() {
                let endpoint = Arc::downgrade(endpoint);
                shared.connections.push(Http2 { sender, streams, until, endpoint, _kept: kept });
            }
            if self.room.is_some() {
                inner.drop_unused(most_idle);
            }
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
        Lease { pool, key, connection, alarm: Alarm::default(), endpoint, most_idle, idle: IDLE, reused }
    }

    /// Counts a connection that is to be kept, where that is counted.
    fn keep(&self) -> Result<Option<Kept>, NoRoom> {
        self.room.as_ref().map(|room| room.take().ok_or(NoRoom)).transpose()
    }

    fn put(self: &Arc<Self>, key: Key, mut idle: Idle, most: usize) {
        let Ok(kept) = self.keep() else { return };
        idle.kept = kept;
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
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take_http1(&mut self, key: &Key, careful: bool) -> Option<(Connection, Alarm)> {
        let idle = self.idle.get_mut(key)?;
        let now = Millis::now();
        // The one that came last is the least likely to be closed by the other end just now.
        while let Some(Idle { mut connection, alarm, until, .. }) = idle.pop() {
            self.count -= 1;
            if until > now && connection.is_ready(careful) {
                return Some((Connection::Http1(connection), alarm));
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

    /// Closes connections of HTTP/2 that have no request, those that had none for longest first, until there are so many.
    fn drop_unused(&mut self, most: usize) {
        let all = self.shared.values().flat_map(|shared| &shared.connections);
        let mut unused: Vec<Millis> = all.filter(|it| it.is_unused()).map(|it| it.until).collect();
        unused.sort();
        let Some(oldest) = unused.len().checked_sub(most + 1).and_then(|at| unused.get(at)) else { return };
        for shared in self.shared.values_mut() {
            shared.connections.retain(|connection| !connection.is_unused() || connection.until > *oldest);
        }
    }

    /// Closes what waited too long, is closed already, or leads to an endpoint that no upstream has any more. False where nothing
    /// is left to look through.
    fn sweep(&mut self, now: Millis) -> bool {
        self.idle.retain(|_, idle| {
            idle.retain_mut(|idle| {
                idle.connection.rest();
                !idle.connection.is_closed() && idle.until > now && idle.endpoint.strong_count() > 0
            });
            !idle.is_empty()
        });
        self.count = self.idle.values().map(Vec::len).sum();
        self.shared.retain(|_, shared| {
            shared.connections.retain(|connection| {
                let used = !connection.is_unused();
                let wanted = connection.until > now && connection.endpoint.strong_count() > 0;
                !connection.sender.is_closed() && (used || wanted)
            });
            !shared.connections.is_empty() || shared.connecting.is_some()
        });
        self.sweeping = self.count > 0 || !self.shared.is_empty();
        self.sweeping
    }
}

impl Http2 {
    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.streams) == 1
    }
}

impl Lease {
    /// Whether an earlier request had the connection.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends a request. The response's head is to be [looked for](Self::poll).
    pub fn send(
        &mut self,
        request: Request<OutgoingBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<OutgoingBody>>>> + use<> {
        enum Sent<A, B> {
            Http1(A),
            Http2(B),
        }
        let sent = match &mut self.connection {
            Connection::Http1(connection) => Sent::Http1(connection.sender().try_send_request(request)),
            Connection::Http2 { sender, .. } => Sent::Http2(sender.try_send_request(request)),
        };
        async move {
            match sent {
                Sent::Http1(sent) => sent.await,
                Sent::Http2(sent) => sent.await,
            }
        }
    }

    /// Looks for what comes by the connection, which is driven where that is what it takes.
    pub fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match &mut self.connection {
            Connection::Http1(connection) => connection.poll(context, look),
            Connection::Http2 { .. } => look(context),
        }
    }

    /// Whether a deadline is over.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>, due: Instant) -> Poll<()> {
        self.alarm.poll(context, due)
    }

    /// The response made it another protocol's.
    pub fn leave(self) {
        if let Connection::Http1(connection) = self.connection {
            connection.leave();
        }
    }

    /// The endpoint said how long it keeps the connection open, in seconds; it is given up a second before.
    pub fn keep_alive(&mut self, seconds: u64) {
        self.idle = self.idle.min(seconds.saturating_sub(1).saturating_mul(1000));
    }

    /// The response has ended; another request may have the connection.
    pub fn release(self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let Connection::Http1(mut connection) = self.connection else { return };
        if self.idle == 0 {
            return;
        }
        let (key, alarm, endpoint) = (self.key, self.alarm, self.endpoint);
        let (most, wait) = (self.most_idle, self.idle);
        let idle = move |connection| Idle {
            connection,
            alarm,
            until: Millis::now().after(wait),
            endpoint,
            kept: None,
        };
        if connection.is_ready(false) {
            pool.put(key, idle(connection), most);
            return;
        }
        if connection.is_closed() {
            return;
        }
        // The response may have ended before the request has.
        let pool = Arc::downgrade(&pool);
        tokio::spawn(async move {
            if connection.ready(SWEEP).await
                && let Some(pool) = pool.upgrade()
            {
                pool.put(key, idle(connection), most);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clients_of_a_worker_keep_so_many_connections_and_no_more() {
        let room = Room::default();
        let all: Vec<Kept> = std::iter::from_fn(|| room.take()).take(2 * Room::MOST).collect();
        assert_eq!(all.len(), Room::MOST);
        assert!(room.take().is_none());
        drop(all);
        assert!(room.take().is_some());
    }
}
