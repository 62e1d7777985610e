//! What is asked: lists of prepared frames, and what a right answer to each is.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use sluice_wire::build::Packet;
use sluice_wire::checksum;

use crate::link::{CLIENT_MAC, SERVER, SERVER_MAC};

/// Names of every list.
pub(crate) const NAMES: u32 = 5_000;
/// Type A.
const A: u16 = 1;
/// In front of names that nobody has asked for before: a length, a letter, and twelve digits at an even place.
const RANDOM: &[u8] = b"\x0dr000000000000";
/// Where the digits of a random name are in a frame.
const DIGITS: std::ops::Range<usize> = 56..68;

/// A list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Names {
    /// Of Services of the cluster; every tenth does not exist.
    Cluster,
    /// Of others; every tenth does not exist.
    Others,
    /// Of others, another one each time; nobody has them.
    Random,
}

/// One query, ready but for its source and identifier.
pub(crate) struct Query {
    frame: Vec<u8>,
    sums: (u32, u32),
    random: bool,
    /// What a right answer says; `None`: that there is no such name.
    address: Option<Ipv4Addr>,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    /// Address.
    pub(crate) source: u32,
    /// UDP port.
    pub(crate) port: u16,
    /// DNS identifier.
    pub(crate) id: u16,
}

/// Name `n` of a list, without a dot at its end.
pub(crate) fn name(names: Names, n: u32) -> String {
    let what = if exists(n) { "service" } else { "absent" };
    match names {
        Names::Cluster => format!("{what}-{n}.default.svc.cluster.local"),
        Names::Others => format!("{what}-{n}.example.com"),
        Names::Random => "example.org".to_owned(),
    }
}

/// Whether name `n` of a list exists.
pub(crate) fn exists(n: u32) -> bool {
    n % 10 != 9
}

/// The address of name `n` of a list.
pub(crate) fn address(names: Names, n: u32) -> Ipv4Addr {
    let base = if names == Names::Cluster { [10, 96, 16, 0] } else { [11, 0, 0, 0] };
    Ipv4Addr::from_bits(u32::from_be_bytes(base) + n)
}

/// All queries of a list.
pub(crate) fn all(names: Names) -> Vec<Query> {
    let count = if names == Names::Random { 1 } else { NAMES };
    // Far apart, so that the names of a burst do not lie side by side in a table.
    (0..count).map(|n| Query::new(names, n * 1_237 % count)).collect()
}

impl Query {
    fn new(names: Names, n: u32) -> Self {
        let random = names == Names::Random;
        let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        if random {
            message.extend(RANDOM);
        }
        for label in name(names, n).split('.') {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.push(0);
        message.extend([A, 1].map(u16::to_be_bytes).as_flattened());
        let mut frame = Packet::v4(Ipv4Addr::UNSPECIFIED, SERVER)
            .udp(0, 53)
            .payload(message)
            .macs(SERVER_MAC, CLIENT_MAC)
            .frame();
        if random {
            // Their sum is that of what is written later.
            let rest = without(&frame, 40, checksum::sum(&frame[DIGITS]));
            frame[40..42].copy_from_slice(&rest);
            frame[DIGITS].fill(0);
        }
        let stored = |at: usize| u32::from(!u16::from_be_bytes([frame[at], frame[at + 1]]));
        let sums = (stored(24), stored(40));
        let address = (!random && exists(n)).then(|| address(names, n));
        Self { frame, sums, random, address }
    }

    /// Bytes of its frame.
    pub(crate) fn len(&self) -> usize {
        self.frame.len()
    }

    /// Writes the frame as this asker's; `digits` are the random name's.
    #[inline]
    pub(crate) fn write(&self, out: &mut [u8], asker: Asker, digits: u64) {
        out.copy_from_slice(&self.frame);
        let source = asker.source.to_be_bytes();
        out[26..30].copy_from_slice(&source);
        out[34..36].copy_from_slice(&asker.port.to_be_bytes());
        out[42..44].copy_from_slice(&asker.id.to_be_bytes());
        let pair = (asker.source >> 16) + (asker.source & 0xFFFF);
        let mut sum = self.sums.1 + pair + u32::from(asker.port) + u32::from(asker.id);
        if self.random {
            for (n, digit) in out[DIGITS].iter_mut().enumerate() {
                *digit = b'a' + (digits >> (n * 4)) as u8 % 16;
            }
            sum += checksum::sum(&out[DIGITS]);
        }
        out[24..26].copy_from_slice(&checksum::finish(self.sums.0 + pair).to_be_bytes());
        out[40..42].copy_from_slice(&checksum::finish_udp(sum).to_be_bytes());
    }

    /// Whether a message is a right answer to it; `echo`: whether it is the query itself.
    #[inline]
    pub(crate) fn is_answered_by(&self, message: &[u8], echo: bool) -> bool {
        let question = &self.frame[54..];
        let end = 12 + question.len();
        if message.len() < end || message[12..end] != *question || message[4..6] != [0, 1] {
            return false;
        }
        if echo {
            return message[2] & 0x80 == 0;
        }
        let complete = message[2] & 0x82 == 0x80;
        let (code, answers) = (message[3] & 15, u16::from_be_bytes([message[6], message[7]]));
        match self.address {
            Some(ip) => complete && code == 0 && answers == 1 && first_address(&message[end..]) == Some(ip),
            None => complete && code == 3 && answers == 0,
        }
    }
}

/// The stored sum at `at` less this one.
fn without(frame: &[u8], at: usize, sum: u32) -> [u8; 2] {
    let stored = u32::from(!u16::from_be_bytes([frame[at], frame[at + 1]]));
    checksum::finish(stored + (sum ^ 0xFFFF)).to_be_bytes()
}

/// The address in an A record.
fn first_address(record: &[u8]) -> Option<Ipv4Addr> {
    let mut at = 0;
    // Whether the owner is a pointer or written out.
    let data = loop {
        match *record.get(at)? {
            0 => break at + 1,
            length if length >= 0xC0 => break at + 2,
            length => at += 1 + usize::from(length),
        }
    };
    let record = record.get(data..data + 14)?;
    let fixed = record[..4] == [0, 1, 0, 1] && record[8..10] == [0, 4];
    fixed.then(|| Ipv4Addr::new(record[10], record[11], record[12], record[13]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_has_the_checksums_that_it_should() {
        for names in [Names::Cluster, Names::Others, Names::Random] {
            for (n, query) in all(names).iter().enumerate() {
                let asker = Asker { source: 0xC612_0001 + n as u32, port: 40_000 + n as u16, id: n as u16 };
                let mut frame = vec![0; query.len()];
                query.write(&mut frame, asker, 0x0123_4567_89AB + n as u64);
                let built = Packet::v4(Ipv4Addr::from_bits(asker.source), SERVER)
                    .udp(asker.port, 53)
                    .payload(&frame[42..])
                    .macs(SERVER_MAC, CLIENT_MAC)
                    .frame();
                assert_eq!(frame, built, "{names:?} {n}");
                // Answers to random names are not looked at.
                assert_eq!(query.is_answered_by(&frame[42..], true), names != Names::Random);
                assert!(!query.is_answered_by(&frame[42..], false));
            }
        }
    }

    #[test]
    fn only_the_right_answer_is_one() {
        let queries = all(Names::Cluster);
        let there = queries.iter().find(|query| query.address.is_some()).unwrap();
        let mut message = there.frame[42..].to_vec();
        (message[2], message[7]) = (0x85, 1);
        message.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        message.extend(there.address.unwrap().octets());
        assert!(there.is_answered_by(&message, false));
        for (at, value) in [(2, 0x87), (2, 5), (3, 3), (3, 5), (7, 0), (20, b'x'), (message.len() - 1, 255)] {
            let mut wrong = message.clone();
            wrong[at] = value;
            assert!(!there.is_answered_by(&wrong, false), "{at}");
        }
        for length in 0..message.len() {
            assert!(!there.is_answered_by(&message[..length], false), "{length}");
        }
        let absent = queries.iter().find(|query| query.address.is_none()).unwrap();
        let mut message = absent.frame[42..].to_vec();
        (message[2], message[3]) = (0x85, 3);
        assert!(absent.is_answered_by(&message, false));
        message[3] = 0;
        assert!(!absent.is_answered_by(&message, false));
    }
}
