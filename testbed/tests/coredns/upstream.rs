//! A server for names of others, over UDP and TCP, that both ask.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use sluice_testbed::netns::Netns;

/// Serves until the test ends.
pub fn serve(namespace: &Netns, at: SocketAddr) {
    let (socket, listener) =
        namespace.enter(move || (UdpSocket::bind(at).unwrap(), TcpListener::bind(at).unwrap()));
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&reply(&buffer[..length]), from);
        }
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(converse(stream)));
        }
    });
}

fn converse(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let reply = reply(&query);
        stream.write_all(&[&(reply.len() as u16).to_be_bytes(), &reply[..]].concat())?;
    }
}

fn reply(query: &[u8]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let name = query[12..end - 4].to_ascii_lowercase();
    let kind = if query[end - 4] == 0 { query[end - 3] } else { 0 };
    let mut reply = query[..end].to_vec();
    (reply[2], reply[3]) = (0x80 | query[2] & 1, 0x80 | query[3] & 0x10);
    reply[6..].get_mut(..6).unwrap().fill(0);
    let record = |owner: &[u8], kind: u8, data: &[u8]| {
        [owner, &[0, kind, 0, 1, 0, 0, 0, 25, 0, data.len() as u8], data].concat()
    };
    const WWW: &[u8] = b"\x03www\x07example\x03com\x00";
    let mut records = Vec::new();
    let alias = name.starts_with(b"\x05alias");
    if alias {
        records.push(record(&[0xc0, 12], 5, WWW));
    }
    let owner: &[u8] = if alias { WWW } else { &[0xc0, 12] };
    if alias || name == WWW {
        match kind {
            1 => records.push(record(owner, 1, &[192, 0, 2, 77])),
            28 => records.push(record(
                owner,
                28,
                &"2001:db8::77".parse::<std::net::Ipv6Addr>().unwrap().octets(),
            )),
            _ => {}
        }
    } else if name.starts_with(b"\x04fail") {
        reply[3] |= 2;
    } else {
        reply[3] |= 3;
    }
    reply[7] = records.len() as u8;
    reply.extend(records.concat());
    if records.is_empty() && reply[3] & 15 != 2 {
        let zone: &[u8] = if name.ends_with(b"\x07example\x03com\x00") {
            b"\x07example\x03com\x00"
        } else {
            b"\x04arpa\x00"
        };
        let zone = if name.ends_with(zone) { zone } else { &[0] };
        let data = [zone, zone, &[0; 16], &[0, 0, 0, 25]].concat();
        reply.extend(record(zone, 6, &data));
        reply[9] = 1;
    }
    if query[11] > 0 {
        reply.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        reply[11] = 1;
    }
    reply
}
