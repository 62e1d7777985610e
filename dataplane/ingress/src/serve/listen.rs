//! Listening sockets, and why some are not there.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted, on each socket; Linux's `net.core.somaxconn` if that is less.
const BACKLOG: u32 = 4096;

/// How long a client may be silent until it is asked whether it is still there, how long it may take to say so, and how often TCP
/// asks.
pub(super) const PING: Duration = Duration::from_secs(30);
pub(super) const PONG: Duration = Duration::from_secs(20);
const PROBES: u32 = 3;

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
    // Connections have these from the socket that they came to, without a system call each.
    socket.set_nodelay(true)?;
    alive(&socket)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

/// Has Linux ask whether a client is still there: some go without a word, and an upgraded connection has no other end.
fn alive(socket: &TcpSocket) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, PING)?;
    sockopt::set_tcp_keepintvl(socket, PONG)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    Ok(())
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
