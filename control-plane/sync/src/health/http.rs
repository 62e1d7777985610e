//! Just enough HTTP to answer a health check: one request a connection, whatever it asks for.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Answer;

/// How long a client may take for its request: health checkers send it at once.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bytes of a request that are looked at.
const MOST: usize = 4096;
/// How often a listener looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// Listens on one port of several addresses until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    answer: Arc<Mutex<Answer>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on `port` of each of `addresses`. One thread serves one connection at a time, so that clients can take no
    /// more memory than that.
    pub(super) fn start(addresses: &[IpAddr], port: u16, answer: Answer) -> io::Result<Self> {
        let mut sockets = Vec::new();
        let mut failed = None;
        for &ip in addresses {
            match TcpListener::bind(SocketAddr::new(ip, port)) {
                Ok(socket) => {
                    socket.set_nonblocking(true)?;
                    sockets.push(socket);
                }
                Err(error) => failed = Some(error),
            }
        }
        if let (true, Some(error)) = (sockets.is_empty(), failed) {
            return Err(error);
        }
        let answer = Arc::new(Mutex::new(answer));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("health-check".into()).spawn({
            let (answer, stop) = (Arc::clone(&answer), Arc::clone(&stop));
            move || serve(&sockets, &answer, &stop)
        })?;
        Ok(Self { answer, stop, thread: Some(thread) })
    }

    /// What it answers from now on.
    pub(super) fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(sockets: &[TcpListener], answer: &Mutex<Answer>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut idle = true;
        for socket in sockets {
            if let Ok((stream, _)) = socket.accept() {
                idle = false;
                let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // A client that breaks off is its own problem.
                let _ = respond(stream, &answer);
            }
        }
        if idle {
            std::thread::sleep(LOOK);
        }
    }
}

fn respond(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let end = Instant::now() + PATIENCE;
    let mut request = [0; MOST];
    let mut len = 0;
    while !request[..len].windows(4).any(|four| four == b"\r\n\r\n") && len < MOST {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut request[len..])? {
            0 => return Ok(()),
            n => len += n,
        }
    }
    stream.write_all(response(answer).as_bytes())
}

/// The whole response, header `X-Load-Balancing-Endpoint-Weight` included, as kube-proxy gives it.
pub(super) fn response(answer: &Answer) -> String {
    let Answer { name, local_endpoints } = answer;
    let status = if *local_endpoints > 0 { "200 OK" } else { "503 Service Unavailable" };
    let body = serde_json::json!({
        "service": { "namespace": &*name.namespace, "name": &*name.name },
        "localEndpoints": local_endpoints,
        "serviceProxyHealthy": true,
    });
    let body = format!("{body}\n");
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n\
         X-Load-Balancing-Endpoint-Weight: {local_endpoints}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
