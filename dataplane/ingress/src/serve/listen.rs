//! Listening sockets, and why some are not there.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted, on each socket; Linux's `net.core.somaxconn` if that is less.
const BACKLOG: u32 = 4096;

/// Where connections come from, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) at: SocketAddr,
    /// TLS.
    pub(super) secure: bool,
}

/// A listening socket beside those of other workers.
pub(super) fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if at.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// Why addresses are not listened on, by worker.
#[derive(Debug, Default)]
pub(super) struct Problems(Mutex<BTreeMap<(usize, Address), String>>);

impl Problems {
    pub(super) fn set(&self, worker: usize, address: Address, problem: &io::Error) {
        let text = format!("{}: {problem}", address.at);
        let mut problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.insert((worker, address), text).is_none() && worker == 0 {
            tracing::warn!(address = %address.at, %problem, "no HTTP there yet");
        }
    }

    pub(super) fn clear(&self, worker: usize, address: Address) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(worker, address));
    }

    /// Forgets what is about other addresses.
    pub(super) fn retain(&self, worker: usize, wanted: &[Address]) {
        let mut problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        problems.retain(|(of, address), _| *of != worker || wanted.contains(address));
    }

    pub(super) fn first(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().next().cloned()
    }
}
