//! Many questions to one server, over UDP and TCP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sluice_testbed::netns::Netns;

use super::message::Query;

/// Questions on their way at a time.
const WINDOW: usize = 16;
/// Rounds after which a question counts as unanswered.
const ROUNDS: usize = 6;

/// The replies to `queries`, in their order, as they came.
pub fn ask(from: &Netns, server: SocketAddr, queries: &[Query]) -> Vec<Option<Vec<u8>>> {
    let mut replies = vec![None; queries.len()];
    for tcp in [false, true] {
        let some: Vec<usize> = (0..queries.len()).filter(|i| queries[*i].tcp == tcp).collect();
        let asked: Vec<Vec<u8>> =
            some.iter().enumerate().map(|(n, i)| queries[*i].bytes((n % WINDOW) as u16)).collect();
        let got = from.enter(move || if tcp { over_tcp(server, &asked) } else { over_udp(server, &asked) });
        some.into_iter().zip(got).for_each(|(i, reply)| replies[i] = reply);
    }
    replies
}

fn over_udp(server: SocketAddr, queries: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    let mut replies = vec![None; queries.len()];
    let mut buffer = vec![0; 65_536];
    for (start, window) in (0..).step_by(WINDOW).zip(queries.chunks(WINDOW)) {
        // A socket for each window: what comes late is nobody's.
        let socket = UdpSocket::bind(sluice_testbed::client::any(server.ip())).unwrap();
        socket.connect(server).unwrap();
        for _ in 0..ROUNDS {
            let missing: Vec<usize> = (0..window.len()).filter(|i| replies[start + i].is_none()).collect();
            for i in &missing {
                socket.send(&window[*i]).unwrap();
            }
            let end = Instant::now() + Duration::from_millis(700);
            while replies[start..start + window.len()].iter().any(Option::is_none) && Instant::now() < end {
                let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
                socket.set_read_timeout(Some(left)).unwrap();
                let Ok(length) = socket.recv(&mut buffer) else { break };
                store(&mut replies[start..start + window.len()], &buffer[..length]);
            }
        }
    }
    replies
}

fn over_tcp(server: SocketAddr, queries: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    let mut replies = vec![None; queries.len()];
    let mut connection: Option<TcpStream> = None;
    for (start, window) in (0..).step_by(WINDOW).zip(queries.chunks(WINDOW)) {
        for _ in 0..ROUNDS {
            let missing: Vec<usize> = (0..window.len()).filter(|i| replies[start + i].is_none()).collect();
            if missing.is_empty() {
                break;
            }
            let stream = connection.take().or_else(|| connect(server));
            let Some(mut stream) = stream else { continue };
            let framed: Vec<u8> = missing
                .iter()
                .flat_map(|i| [&(window[*i].len() as u16).to_be_bytes(), &window[*i][..]].concat())
                .collect();
            let mut exchange = || -> std::io::Result<()> {
                stream.write_all(&framed)?;
                for _ in &missing {
                    let mut length = [0; 2];
                    stream.read_exact(&mut length)?;
                    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut reply)?;
                    store(&mut replies[start..start + window.len()], &reply);
                }
                Ok(())
            };
            if exchange().is_ok() {
                connection = Some(stream);
            }
        }
    }
    replies
}

fn connect(server: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

fn store(window: &mut [Option<Vec<u8>>], reply: &[u8]) {
    let id = reply.get(..2).map(|id| usize::from(u16::from_be_bytes([id[0], id[1]])));
    if let Some(place) = id.and_then(|id| window.get_mut(id)) {
        *place = Some(reply.to_vec());
    }
}
