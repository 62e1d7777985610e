//! The answering end of the admin socket.

use std::fs::{self, Permissions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Serialize;
use sluice_feed::peer::Peer;

use super::line::Lines;
use super::{Line, Request};
use crate::stop::Stop;

/// The longest request, in bytes.
const LONGEST: usize = 64 * 1024;
/// Connections at a time.
const CONNECTIONS: usize = 16;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;
/// How long a peer may say nothing, and how long it may take to read an answer.
const PATIENCE: Duration = Duration::from_secs(30);
const STUCK: Duration = Duration::from_secs(5);
/// How long the end waits for connections.
const END: Duration = Duration::from_secs(2);
/// How often threads look whether they should end.
const TICK: Duration = Duration::from_millis(200);

/// A request that could not be done; the text goes to the asker.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Why, in words for the asker.
    #[error("{0}")]
    Refused(String),
    /// The asker has gone.
    #[error("the asker has gone: {0}")]
    Gone(#[from] io::Error),
}

/// Who answers.
pub trait Handler<R: Request>: Send + Sync {
    /// Answers a request by any number of `say`s; the end is said by the server.
    ///
    /// # Errors
    /// [`Failure`]; one of `say`'s own is to be passed on.
    fn handle(&self, request: R, say: &mut dyn FnMut(R::Response) -> io::Result<()>) -> Result<(), Failure>;
}

/// A listening admin socket. Its file goes with it.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    group: Option<u32>,
}

impl Server {
    /// Listens on `path` for root, this process's own user, and the group with this id.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(path: &Path, group: Option<u32>) -> io::Result<Self> {
        remove_socket(path)?;
        let kind = (AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC);
        let socket = net::socket_with(kind.0, kind.1, kind.2, None)?;
        net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        // The file's mode decides who may connect, and is right before anybody can.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        if group.is_some() {
            std::os::unix::fs::chown(path, None, group)?;
            fs::set_permissions(path, Permissions::from_mode(0o660))?;
        }
        net::listen(&socket, BACKLOG)?;
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned(), group })
    }

    /// Serves in a thread of its own.
    ///
    /// # Errors
    /// The system's.
    pub fn start<R: Request + 'static>(self, handler: Arc<dyn Handler<R>>) -> io::Result<Running> {
        let stop = Stop::default();
        let until = stop.clone();
        let thread =
            std::thread::Builder::new().name("admin".into()).spawn(move || self.run(&handler, &until))?;
        Ok(Running { stop, thread: Some(thread) })
    }

    /// Serves until told to stop.
    pub fn run<R: Request + 'static>(self, handler: &Arc<dyn Handler<R>>, stop: &Stop) {
        let open = Arc::new(AtomicUsize::new(0));
        while !stop.is_set() {
            let Ok((stream, _)) = self.accept() else { continue };
            match self.admit(&stream, &open) {
                Ok(place) => {
                    let (handler, stop) = (Arc::clone(handler), stop.clone());
                    let spawned = std::thread::Builder::new().name("admin-peer".into()).spawn(move || {
                        // Given back after the handler.
                        let (_place, handler) = (place, handler);
                        if let Err(error) = serve(stream, &*handler, &stop) {
                            tracing::debug!(%error, "admin connection");
                        }
                    });
                    if let Err(error) = spawned {
                        tracing::warn!(%error, "no thread for an admin connection");
                    }
                }
                Err(reason) => {
                    let mut stream = stream;
                    let _ = stream.set_write_timeout(Some(TICK));
                    let _ = say(&mut stream, &Line::<()>::Error(reason.to_owned()));
                }
            }
        }
        // They hold the handler, and with it what the role holds.
        let deadline = Instant::now() + END;
        while open.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The next connection; an error where there is none for a while.
    fn accept(&self) -> io::Result<(UnixStream, std::os::unix::net::SocketAddr)> {
        let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
        poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&tick))?;
        self.listener.accept()
    }

    fn admit(&self, stream: &UnixStream, open: &Arc<AtomicUsize>) -> Result<Place, &'static str> {
        let peer = Peer::of(stream).map_err(|_| "your credentials are unknown")?;
        // A peer's credentials do not name its supplementary groups: for those the mode has been asked.
        if !peer.is_allowed(self.group) && self.group.is_none() {
            tracing::warn!(%peer, "admin connection refused");
            return Err("your user may not administer this gateway");
        }
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            return Err("too many admin connections");
        }
        Ok(Place(Arc::clone(open)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// An admin socket that is served by a thread; both go with it.
#[derive(Debug)]
pub struct Running {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One of the connections allowed at a time.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

fn serve<R: Request>(stream: UnixStream, handler: &dyn Handler<R>, stop: &Stop) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(STUCK))?;
    stream.set_read_timeout(Some(TICK))?;
    let mut writer = stream.try_clone()?;
    let mut lines = Lines::new(BufReader::new(stream), LONGEST);
    let mut heard = Instant::now();
    while !stop.is_set() {
        let request = match lines.next() {
            Ok(Some(line)) => serde_json::from_slice::<R>(line),
            Ok(None) => return Ok(()),
            Err(error) if is_timeout(&error) && heard.elapsed() < PATIENCE => continue,
            Err(error) => return Err(error),
        };
        let done = match request {
            Ok(request) => handler.handle(request, &mut |part| say(&mut writer, &Line::Part(part))),
            Err(error) => Err(Failure::Refused(format!("the request was not understood: {error}"))),
        };
        match done {
            Ok(()) => say(&mut writer, &Line::<()>::Done)?,
            Err(Failure::Refused(message)) => say(&mut writer, &Line::<()>::Error(message))?,
            Err(Failure::Gone(error)) => return Err(error),
        }
        heard = Instant::now();
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn say(stream: &mut UnixStream, line: &Line<impl Serialize>) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    stream.write_all(&text)
}

/// Removes a socket that nobody listens on any more.
///
/// # Errors
/// The system's, or `AlreadyExists` where the path is no socket.
fn remove_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is in the way"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
