//! Listening, and as many connections at a time as are allowed.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Answer, connection};

/// Connections at a time; more wait in the kernel's queue until one ends, which each does within seconds.
const CONNECTIONS: usize = 8;
/// How often it is looked whether a connection has ended, where all are taken.
const LOOK: Duration = Duration::from_millis(5);
/// How long the end waits for connections.
const END: Duration = Duration::from_secs(2);
/// The first pause before an address that could not be had is tried again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Closing it wakes and ends the thread.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on sockets that listen already; `name` is the thread's.
    ///
    /// # Errors
    /// Where there is no thread or pipe to be had.
    pub fn over(name: &str, sockets: Vec<TcpListener>, answer: Arc<Answer>) -> io::Result<Self> {
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        Self::start(name, move |woken| accept(&sockets, &answer, woken))
    }

    /// Serves on an address, which is tried again and again where it cannot be had; that is logged.
    ///
    /// # Errors
    /// Where there is no thread or pipe to be had.
    pub fn persistent(name: &str, address: SocketAddr, answer: Arc<Answer>) -> io::Result<Self> {
        let what = name.to_owned();
        Self::start(name, move |woken| {
            let mut pause = FIRST_PAUSE;
            let socket = loop {
                match listen(address) {
                    Ok(socket) => break socket,
                    Err(error) => {
                        tracing::warn!(%address, %error, again = ?pause, "{what} cannot be served");
                    }
                }
                if wait(&[], woken, pause) {
                    return;
                }
                pause = (pause * 2).min(LAST_PAUSE);
            };
            tracing::info!(%address, "{what} are served");
            accept(&[socket], &answer, woken);
        })
    }

    fn start(name: &str, work: impl FnOnce(&UnixStream) + Send + 'static) -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&woken))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts until woken, and then waits for the connections, which hold what the answers are made from.
fn accept(sockets: &[TcpListener], answer: &Arc<Answer>, woken: &UnixStream) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let is_full = open.load(Ordering::Acquire) >= CONNECTIONS;
        let (sockets, patience) = if is_full { (&[][..], LOOK) } else { (sockets, Duration::MAX) };
        if wait(sockets, woken, patience) {
            break;
        }
        for socket in sockets {
            match socket.accept() {
                Ok((stream, _)) => spawn(stream, Arc::clone(answer), Place::take(&open)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Out of file descriptors, most likely: the connection waits, and would be seen again at once.
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    }
    let deadline = Instant::now() + END;
    while open.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
}

fn spawn(stream: TcpStream, answer: Arc<Answer>, place: Place) {
    let spawned = std::thread::Builder::new().name("http-peer".into()).spawn(move || {
        // Given back after the answer's maker.
        let (_place, answer) = (place, answer);
        if let Err(error) = connection::serve(stream, &*answer) {
            tracing::debug!(%error, "connection");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for a connection");
    }
}

/// Waits until a socket has a connection or the time is over; true where it is time to end.
fn wait(sockets: &[TcpListener], woken: &UnixStream, patience: Duration) -> bool {
    let mut all: Vec<PollFd<'_>> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    all.push(PollFd::new(woken, PollFlags::IN));
    let time = Timespec::try_from(patience).ok();
    match poll(&mut all, time.as_ref()) {
        Ok(_) => all.last().is_some_and(|woken| !woken.revents().is_empty()),
        Err(rustix::io::Errno::INTR) => false,
        Err(error) => {
            tracing::error!(%error, "waiting for connections");
            true
        }
    }
}

/// One of the connections allowed at a time.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}
