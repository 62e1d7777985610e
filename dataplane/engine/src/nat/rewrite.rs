//! Rewriting packets in place: addresses, ports, TTL, checksums by difference (RFC 1624), Ethernet header.

use sluice_wire::checksum::{Delta, crc32c};
use sluice_wire::parse::Parsed;

/// What the packet's transport is, as far as rewriting goes.
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// Differences that a flow's forward translation makes to the IPv4 header checksum and to the transport's; those of
/// replies are their reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deltas {
    /// IPv4 header checksum, without the TTL. Nothing for IPv6.
    pub l3: Delta,
    /// Transport checksum: pseudo header and ports.
    pub l4: Delta,
}

/// The differences between two IPv4 packets with these addresses (`source << 32 | destination`) and ports.
pub fn deltas4(from: u64, from_ports: u32, to: u64, to_ports: u32) -> Deltas {
    let l3 = Delta::u32((from >> 32) as u32, (to >> 32) as u32).plus(Delta::u32(from as u32, to as u32));
    Deltas { l3, l4: l3.plus(Delta::u32(from_ports, to_ports)) }
}

/// The differences between two IPv6 packets with these sources, destinations and ports.
pub fn deltas6(from: [u128; 2], from_ports: u32, to: [u128; 2], to_ports: u32) -> Deltas {
    let l4 =
        Delta::u128(from[0], to[0]).plus(Delta::u128(from[1], to[1])).plus(Delta::u32(from_ports, to_ports));
    Deltas { l3: Delta::NONE, l4 }
}

/// Gives an IPv4 packet new addresses and ports, takes one off its TTL and puts a new Ethernet header before it.
/// `addresses` is `source << 32 | destination`, `ports` `source << 16 | destination`. False, and the packet half
/// changed, for a frame that is not the parsed one.
#[inline(always)]
#[must_use]
pub fn rewrite4(
    frame: &mut [u8],
    parsed: &Parsed,
    ethernet: &[u8; 12],
    addresses: u64,
    ports: u32,
    deltas: Deltas,
) -> bool {
    if parsed.l3 == 14 && parsed.l4 == 34 {
        // Constant offsets: each field is one load and one store.
        match parsed.proto {
            TCP => {
                if let Some(head) = frame.first_chunk_mut::<52>() {
                    header4(head, ethernet, addresses, deltas.l3);
                    put(head, 34, ports.to_be_bytes());
                    put(head, 50, deltas.l4.apply(get(head, 50)).to_be_bytes());
                    return true;
                }
            }
            UDP => {
                if let Some(head) = frame.first_chunk_mut::<42>() {
                    header4(head, ethernet, addresses, deltas.l3);
                    put(head, 34, ports.to_be_bytes());
                    put(head, 40, deltas.l4.apply_udp(get(head, 40)).to_be_bytes());
                    return true;
                }
            }
            _ => {}
        }
    }
    rewrite4_general(frame, parsed, ethernet, addresses, ports, deltas)
}

#[inline(never)]
fn rewrite4_general(
    frame: &mut [u8],
    parsed: &Parsed,
    ethernet: &[u8; 12],
    addresses: u64,
    ports: u32,
    deltas: Deltas,
) -> bool {
    addresses4(frame, parsed, ethernet, addresses, deltas.l3) && transport(frame, parsed, ports, deltas.l4)
}

/// As [`rewrite4`] for a packet without a transport header: a later fragment.
#[must_use]
pub fn addresses4(frame: &mut [u8], parsed: &Parsed, ethernet: &[u8; 12], addresses: u64, l3: Delta) -> bool {
    let Some((link, ip)) = frame.split_at_mut_checked(usize::from(parsed.l3)) else { return false };
    let (Some(macs), Some(ip)) = (link.first_chunk_mut::<12>(), ip.first_chunk_mut::<20>()) else {
        return false;
    };
    *macs = *ethernet;
    ip[8] = ip[8].wrapping_sub(1);
    put(ip, 10, l3.plus(Delta::TTL_DECREMENT).apply(get(ip, 10)).to_be_bytes());
    put(ip, 12, addresses.to_be_bytes());
    true
}

/// As [`rewrite4`], for IPv6.
#[inline(always)]
#[must_use]
pub fn rewrite6(
    frame: &mut [u8],
    parsed: &Parsed,
    ethernet: &[u8; 12],
    addresses: [u128; 2],
    ports: u32,
    l4: Delta,
) -> bool {
    if parsed.l3 == 14 && parsed.l4 == 54 {
        match parsed.proto {
            TCP => {
                if let Some(head) = frame.first_chunk_mut::<72>() {
                    header6(head, ethernet, addresses);
                    put(head, 54, ports.to_be_bytes());
                    put(head, 70, l4.apply(get(head, 70)).to_be_bytes());
                    return true;
                }
            }
            UDP => {
                if let Some(head) = frame.first_chunk_mut::<62>() {
                    header6(head, ethernet, addresses);
                    put(head, 54, ports.to_be_bytes());
                    put(head, 60, l4.apply_udp(get(head, 60)).to_be_bytes());
                    return true;
                }
            }
            _ => {}
        }
    }
    addresses6(frame, parsed, ethernet, addresses) && transport(frame, parsed, ports, l4)
}

/// As [`rewrite6`] for a packet without a transport header: a later fragment.
#[inline(never)]
#[must_use]
pub fn addresses6(frame: &mut [u8], parsed: &Parsed, ethernet: &[u8; 12], addresses: [u128; 2]) -> bool {
    let Some((link, ip)) = frame.split_at_mut_checked(usize::from(parsed.l3)) else { return false };
    let (Some(macs), Some(ip)) = (link.first_chunk_mut::<12>(), ip.first_chunk_mut::<40>()) else {
        return false;
    };
    *macs = *ethernet;
    ip[7] = ip[7].wrapping_sub(1);
    put(ip, 8, addresses[0].to_be_bytes());
    put(ip, 24, addresses[1].to_be_bytes());
    true
}

fn transport(frame: &mut [u8], parsed: &Parsed, ports: u32, delta: Delta) -> bool {
    let bytes = parsed.l4_bytes_mut(frame);
    let len = bytes.len();
    match parsed.proto {
        TCP => {
            let Some(head) = bytes.first_chunk_mut::<18>() else { return false };
            put(head, 0, ports.to_be_bytes());
            put(head, 16, delta.apply(get(head, 16)).to_be_bytes());
        }
        UDP => {
            let Some(head) = bytes.first_chunk_mut::<8>() else { return false };
            put(head, 0, ports.to_be_bytes());
            put(head, 6, delta.apply_udp(get(head, 6)).to_be_bytes());
        }
        SCTP => {
            let Some(head) = bytes.first_chunk_mut::<12>() else { return false };
            let (old, new) = ([head[0], head[1], head[2], head[3]], ports.to_be_bytes());
            let stored = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
            put(head, 0, new);
            // RFC 9260 appendix A: the CRC's bytes are sent least significant first.
            put(head, 8, crc32c::update(stored, old, new, (len - 4) as u16).to_le_bytes());
        }
        _ => return false,
    }
    true
}

#[inline(always)]
fn header4<const N: usize>(head: &mut [u8; N], ethernet: &[u8; 12], addresses: u64, l3: Delta) {
    put(head, 0, *ethernet);
    head[22] = head[22].wrapping_sub(1);
    put(head, 24, l3.plus(Delta::TTL_DECREMENT).apply(get(head, 24)).to_be_bytes());
    put(head, 26, addresses.to_be_bytes());
}

#[inline(always)]
fn header6<const N: usize>(head: &mut [u8; N], ethernet: &[u8; 12], addresses: [u128; 2]) {
    put(head, 0, *ethernet);
    head[21] = head[21].wrapping_sub(1);
    put(head, 22, addresses[0].to_be_bytes());
    put(head, 38, addresses[1].to_be_bytes());
}

/// Stores `bytes` at the constant offset `at`; the compiler drops the check where it can see both.
#[inline(always)]
fn put<const N: usize, const M: usize>(head: &mut [u8; N], at: usize, bytes: [u8; M]) {
    if let Some(to) = head.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<M>()) {
        *to = bytes;
    }
}

#[inline(always)]
fn get<const N: usize>(head: &[u8; N], at: usize) -> u16 {
    head.get(at..).and_then(|rest| rest.first_chunk::<2>()).map_or(0, |two| u16::from_be_bytes(*two))
}
