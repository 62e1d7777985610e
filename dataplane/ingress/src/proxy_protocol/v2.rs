//! Version 2: binary.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, MAX, ProxyError, begins};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, ProxyError> {
    if !begins(bytes, SIGNATURE)? {
        return Ok(None);
    }
    let rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let Some((&[command, family, high, low], rest)) = rest.split_first_chunk() else { return Ok(None) };
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Malformed),
    };
    let size = usize::from(u16::from_be_bytes([high, low]));
    let length = SIGNATURE.len() + 4 + size;
    if length > MAX {
        return Err(ProxyError::TooLong);
    }
    let Some(body) = rest.get(..size) else { return Ok(None) };
    let addresses = match family {
        // A balancer's own health check: whatever the addresses, they are not to be used.
        _ if local => None,
        // Unspecified, and streams of Unix sockets.
        0x00 | 0x31 => None,
        0x11 => {
            let (&[a, b, c, d, e, f, g, h], rest) = body.split_first_chunk().ok_or(ProxyError::Malformed)?;
            let (from, to) = ports(rest)?;
            let addresses = (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h));
            Some((SocketAddr::from((addresses.0, from)), SocketAddr::from((addresses.1, to))))
        }
        0x21 => {
            let (source, rest) = body.split_first_chunk::<16>().ok_or(ProxyError::Malformed)?;
            let (target, rest) = rest.split_first_chunk::<16>().ok_or(ProxyError::Malformed)?;
            let (from, to) = ports(rest)?;
            let addresses = (Ipv6Addr::from(*source), Ipv6Addr::from(*target));
            Some((SocketAddr::from((addresses.0, from)), SocketAddr::from((addresses.1, to))))
        }
        // Datagrams, and what does not exist.
        _ => return Err(ProxyError::Malformed),
    };
    Ok(Some(Header { length, addresses }))
}

pub(super) fn header(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    match (from, to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            header.extend([0x21, 0x11, 0, 12]);
            header.extend(from.ip().octets());
            header.extend(to.ip().octets());
        }
        (SocketAddr::V6(from), SocketAddr::V6(to)) => {
            header.extend([0x21, 0x21, 0, 36]);
            header.extend(from.ip().octets());
            header.extend(to.ip().octets());
        }
        _ => {
            header.extend([0x21, 0x00, 0, 0]);
            return header;
        }
    }
    header.extend(from.port().to_be_bytes());
    header.extend(to.port().to_be_bytes());
    header
}

fn ports(bytes: &[u8]) -> Result<(u16, u16), ProxyError> {
    let (&[a, b, c, d], _) = bytes.split_first_chunk().ok_or(ProxyError::Malformed)?;
    Ok((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}
