//! Clients: what a request from a namespace came to.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::netns::Netns;

/// A request in HTTP's manner over a new connection; the answer's body: the pod's name and the client's address as it saw
/// it.
///
/// # Errors
/// Those of the socket: refused, timed out.
pub fn get(namespace: &Netns, to: SocketAddr, patience: Duration) -> io::Result<String> {
    namespace.enter(move || get_here(to, patience))
}

/// As [`get`], in the namespace of the calling thread.
///
/// # Errors
/// Those of the socket.
pub fn get_here(to: SocketAddr, patience: Duration) -> io::Result<String> {
    let end = Instant::now() + patience;
    let mut stream = TcpStream::connect_timeout(&to, patience)?;
    stream.set_read_timeout(Some(
        end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)),
    ))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.trim().to_owned());
    body.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no answer"))
}

/// A datagram from `source` (port 0: any) and the answer to it.
///
/// # Errors
/// Those of the socket; an ICMP error arrives as such.
pub fn ask(
    namespace: &Netns,
    source: SocketAddr,
    to: SocketAddr,
    text: &str,
    patience: Duration,
) -> io::Result<String> {
    let text = text.to_owned();
    namespace.enter(move || {
        let socket = UdpSocket::bind(source)?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(patience))?;
        socket.send(text.as_bytes())?;
        let mut buffer = vec![0; 65_536];
        let n = socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
    })
}

/// Any address of the family of `ip`.
pub fn any(ip: IpAddr) -> SocketAddr {
    if ip.is_ipv6() { SocketAddr::from(([0_u16; 8], 0)) } else { SocketAddr::from(([0_u8; 4], 0)) }
}

/// Tries until `done` gives something, for at most `patience`.
pub fn eventually<T>(patience: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(value) = done() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
