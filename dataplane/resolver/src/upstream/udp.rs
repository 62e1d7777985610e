//! A question over UDP: a socket and a source port of its own, connected to the upstream.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use hickory_proto::op::Message;
use rand::RngExt;
use tokio::net::UdpSocket;

use super::AskError;
use super::counters::Counters;
use super::question::{Check, Question, check};

/// Messages that are not the reply before the question is asked over TCP: each is a guess of somebody who forges.
const MISMATCHES: usize = 3;
/// Source ports that are tried until one is free.
const TRIES: usize = 16;
/// More than the size that upstreams are asked to keep to.
const BUFFER: usize = 4096;

/// What came.
#[derive(Debug)]
pub(super) enum Heard {
    /// The reply, and its length.
    Reply(Box<Message>, usize),
    /// The reply without all of its records.
    Truncated,
    /// So many mismatches that a reply would not be believed.
    Doubtful,
}

/// Asks, and waits for as long as nothing else than mismatches comes.
pub(super) async fn ask(
    question: &Question,
    upstream: SocketAddr,
    ports: &RangeInclusive<u16>,
    counters: &Counters,
) -> Result<Heard, AskError> {
    let socket = socket(upstream, ports).await?;
    socket.send(&question.bytes).await?;
    let mut buffer = vec![0; BUFFER];
    for _ in 0..MISMATCHES {
        let length = socket.recv(&mut buffer).await?;
        match check(question, buffer.get(..length).unwrap_or_default()) {
            Check::Reply(message) => return Ok(Heard::Reply(message, length)),
            Check::Truncated => return Ok(Heard::Truncated),
            // With the identifier right, it is more likely the upstream's way than a guess: a connection tells.
            Check::OtherCase(_) | Check::NoCookie(_) => {
                counters.mismatched();
                return Ok(Heard::Doubtful);
            }
            Check::Other => counters.mismatched(),
        }
    }
    Ok(Heard::Doubtful)
}

/// A socket on a random port that is connected, so that the kernel drops what comes from elsewhere.
async fn socket(upstream: SocketAddr, ports: &RangeInclusive<u16>) -> io::Result<UdpSocket> {
    let any: IpAddr = match upstream {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let port = rand::rng().random_range(ports.clone());
        match UdpSocket::bind(SocketAddr::new(any, port)).await {
            Ok(socket) => {
                socket.connect(upstream).await?;
                return Ok(socket);
            }
            Err(why) if why.kind() == io::ErrorKind::AddrInUse => last = why,
            Err(why) => return Err(why),
        }
    }
    Err(last)
}
