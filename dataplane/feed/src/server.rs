//! Control's end of the feed.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_model::{Change, Generation};

use crate::peer::Peer;
use crate::state::State;
use crate::{Kinds, session};

/// Limits and times of a [`Server`].
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// A peer of this group may subscribe too, beside root and the server's own user.
    pub gid: Option<u32>,
    /// The most subscribers at a time.
    pub max_subscribers: usize,
    /// How many changes deltas reach back; beyond, a subscriber is sent everything.
    pub log_entries: usize,
    /// How often an idle connection carries a ping.
    pub heartbeat: Duration,
    /// A subscriber that neither reads nor writes for so long is disconnected.
    pub dead_after: Duration,
    /// How long a peer may take to say hello.
    pub handshake: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            gid: None,
            max_subscribers: 16,
            log_entries: 16_384,
            heartbeat: Duration::from_secs(1),
            dead_after: Duration::from_secs(10),
            handshake: Duration::from_secs(2),
        }
    }
}

/// Why [`Server::bind`] failed.
#[derive(Debug, thiserror::Error)]
#[error("feed socket {}: {source}", path.display())]
pub struct BindError {
    /// The socket's path.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

/// Why nothing of a set of changes was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// One object is larger than a frame may be.
    #[error("{object} takes {bytes} bytes, more than the feed carries")]
    TooLarge {
        /// Which.
        object: String,
        /// Its encoded size.
        bytes: usize,
    },
    /// An object has no encoding.
    #[error("encoding: {0}")]
    Encode(postcard::Error),
    /// An object that every subscriber would refuse, and all that comes with it.
    #[error("{object}: {error}")]
    Invalid {
        /// Which.
        object: String,
        /// What is wrong with it.
        error: sluice_model::check::Invalid,
    },
}

/// One subscriber, for `sluice show`.
#[derive(Clone, Debug)]
pub struct SubscriberStatus {
    /// What it calls itself.
    pub name: Box<str>,
    /// Whose process it is.
    pub peer: Peer,
    /// What it wants.
    pub kinds: Kinds,
    /// When it came.
    pub since: Instant,
    /// The newest generation that was written to its socket.
    pub sent: Generation,
    /// The newest generation that it has acknowledged, 0 before the first.
    pub acked: Generation,
    /// How many times it was sent the whole state instead of a delta.
    pub full_states: u32,
}

/// What the threads of a server share.
pub(crate) struct Shared {
    pub(crate) options: ServerOptions,
    inner: Mutex<Inner>,
    pub(crate) changed: Condvar,
}

pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) subscribers: BTreeMap<u64, SubscriberStatus>,
    next_id: u64,
    connections: BTreeMap<u64, UnixStream>,
    pub(crate) stopped: bool,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that runs under the lock leaves it half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disconnect(&self, id: u64) {
        let mut inner = self.lock();
        inner.subscribers.remove(&id);
        if let Some(socket) = inner.connections.remove(&id) {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        self.changed.notify_all();
    }
}

/// Accepts subscribers on a Unix socket and keeps each at the newest generation. Dropping it disconnects them.
pub struct Server {
    shared: Arc<Shared>,
    listener: Arc<UnixListener>,
    path: PathBuf,
    inode: Option<u64>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `path`. A socket left behind by a process that is no more is replaced; one that answers is not.
    pub fn bind(path: &Path, options: ServerOptions) -> Result<Self, BindError> {
        let failed = |source| BindError { path: path.to_owned(), source };
        remove_stale(path).map_err(failed)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Who may come in is decided by the peer's credentials; the mode only has to let the group reach us.
        let mode = if options.gid.is_some() { 0o660 } else { 0o600 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        if let Some(gid) = options.gid {
            std::os::unix::fs::chown(path, None, Some(gid)).map_err(failed)?;
        }
        let mut seed = [0; 8];
        rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| failed(e.into()))?;
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                state: State::new(u64::from_le_bytes(seed), options.log_entries),
                subscribers: BTreeMap::new(),
                next_id: 0,
                connections: BTreeMap::new(),
                stopped: false,
            }),
            options,
            changed: Condvar::new(),
        });
        let listener = Arc::new(listener);
        let acceptor = std::thread::Builder::new()
            .name("feed-accept".into())
            .spawn({
                let (shared, listener) = (Arc::clone(&shared), Arc::clone(&listener));
                move || accept(&shared, &listener)
            })
            .map_err(failed)?;
        Ok(Self {
            shared,
            listener,
            inode: std::fs::metadata(path).ok().map(|m| m.ino()),
            path: path.to_owned(),
            acceptor: Some(acceptor),
        })
    }

    /// Publishes `changes` as the next generation and returns it; where they change nothing, the current one.
    ///
    /// The first call, even without changes, makes generation 1. On error nothing is published.
    pub fn publish(&self, changes: &[Change]) -> Result<Generation, PublishError> {
        let generation = self.shared.lock().state.apply(changes)?;
        self.shared.changed.notify_all();
        Ok(generation)
    }

    /// The run identifier: random, new with each server.
    pub fn run(&self) -> u64 {
        self.shared.lock().state.run()
    }

    /// The current generation, 0 before the first publication.
    pub fn generation(&self) -> Generation {
        self.shared.lock().state.generation()
    }

    /// The subscribers that are connected now.
    pub fn subscribers(&self) -> Vec<SubscriberStatus> {
        self.shared.lock().subscribers.values().cloned().collect()
    }

    /// Waits until every connected subscriber that has Services has acknowledged `generation`; false where `timeout` passed first.
    pub fn wait_acked(&self, generation: Generation, timeout: Duration) -> bool {
        let inner = self.shared.lock();
        let waiting = |inner: &mut Inner| {
            // Those that forward: others may be slower, and nothing waits for them.
            let mut forwarding = inner.subscribers.values().filter(|s| s.kinds.contains(Kinds::SERVICES));
            forwarding.any(|s| s.acked < generation)
        };
        match self.shared.changed.wait_timeout_while(inner, timeout, waiting) {
            Ok((_, outcome)) => !outcome.timed_out(),
            Err(_) => false,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            let mut inner = self.shared.lock();
            inner.stopped = true;
            for socket in inner.connections.values() {
                let _ = socket.shutdown(std::net::Shutdown::Both);
            }
        }
        self.shared.changed.notify_all();
        // Wakes the acceptor: accept(2) on a listener that was shut down fails with EINVAL.
        let _ = rustix::net::shutdown(&*self.listener, rustix::net::Shutdown::Both);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        // Another process may have taken the path over meanwhile.
        let inode = std::fs::metadata(&self.path).ok().map(|m| m.ino());
        if inode.is_some() && inode == self.inode {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process serves it")),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn accept(shared: &Arc<Shared>, listener: &UnixListener) {
    loop {
        let accepted = listener.accept();
        if shared.lock().stopped {
            return;
        }
        match accepted {
            Ok((socket, _)) => admit(shared, socket),
            Err(error) => {
                // Out of descriptors, most likely: try again when some may have been closed.
                tracing::warn!(%error, "accepting a feed subscriber");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn admit(shared: &Arc<Shared>, socket: UnixStream) {
    let peer = match Peer::of(&socket) {
        Ok(peer) if peer.is_allowed(shared.options.gid) => peer,
        Ok(peer) => {
            tracing::warn!(%peer, "turned a feed subscriber away: not our user, root or the group");
            return;
        }
        Err(error) => {
            tracing::warn!(%error, "feed subscriber without credentials");
            return;
        }
    };
    let (id, full) = {
        let mut inner = shared.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        let full = inner.connections.len() >= shared.options.max_subscribers;
        if !full && let Ok(clone) = socket.try_clone() {
            inner.connections.insert(id, clone);
        }
        (id, full)
    };
    if full {
        tracing::warn!(%peer, "turned a feed subscriber away: too many");
        session::refuse(&socket, &shared.options);
        return;
    }
    let own = Arc::clone(shared);
    let spawned = std::thread::Builder::new().name(format!("feed-{id}")).spawn(move || {
        if let Err(error) = session::serve(&own, id, peer, &socket) {
            tracing::info!(%peer, %error, "feed subscriber disconnected");
        }
        own.disconnect(id);
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for a feed subscriber");
        shared.disconnect(id);
    }
}
