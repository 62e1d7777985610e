//! Another name server, asked over UDP, and over TCP where it truncates.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use sluice_dns::name::Name;

/// The time for one answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Datagrams sent for one answer.
const TRIES: usize = 3;
/// What is taken over UDP (DNS Flag Day 2020).
const SIZE: u16 = 1232;

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    socket: UdpSocket,
    id: u16,
}

impl Server {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// Those of a socket.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let any: IpAddr =
            if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { address, socket, id: 0 })
    }

    /// The reply to a question.
    ///
    /// # Errors
    /// Those of the socket: refused, timed out.
    pub fn ask(&mut self, name: &Name, kind: u16) -> io::Result<Vec<u8>> {
        self.id = self.id.wrapping_add(1);
        let mut query = self.id.to_be_bytes().to_vec();
        query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        query.extend(name.wire());
        query.extend([kind.to_be_bytes(), [0, 1]].concat());
        let [high, low] = SIZE.to_be_bytes();
        query.extend([0, 0, 41, high, low, 0, 0, 0, 0, 0, 0]);
        let mut buffer = [0; 4096];
        let mut failure = io::Error::from(io::ErrorKind::TimedOut);
        for _ in 0..TRIES {
            self.socket.send(&query)?;
            loop {
                match self.socket.recv(&mut buffer) {
                    // What comes late is the reply to an earlier question.
                    Ok(length) if buffer.get(..2) != query.get(..2) || length < 12 => {}
                    Ok(_) if buffer[2] & 2 != 0 => return self.over_tcp(&query),
                    Ok(length) => return Ok(buffer.get(..length).unwrap_or_default().to_vec()),
                    Err(error) => {
                        failure = error;
                        break;
                    }
                }
            }
        }
        Err(failure)
    }

    fn over_tcp(&self, query: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&[&(query.len() as u16).to_be_bytes(), query].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply)?;
        Ok(reply)
    }
}
