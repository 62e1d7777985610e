//! Zone transfers (RFC 5936, RFC 1995): a whole zone as messages, made one at a time.
//!
//! A transfer has the tables of one generation, so that it is consistent however long it takes. What is transferred are the
//! names that objects give: no pods' addresses, and no endpoints of Services that have a cluster IP, as CoreDNS has it.

use std::net::IpAddr;

use crate::name;
use crate::node::{Node, Role};
use crate::query::{HEADER, IN, Query, kind};
use crate::reply::record_len;
use crate::zones::Zones;

/// The longest message: all of it is in reach of compression pointers (RFC 1035, section 4.1.4), which begin with two bits.
const MESSAGE: usize = 0x3fff;
/// A pointer to the question's name, which is the zone's.
const ZONE: [u8; 2] = [0xc0, HEADER as u8];

/// A transfer under way: the messages that are to be sent, without their lengths.
#[derive(Debug)]
pub struct Transfer {
    /// The header and the question, as messages begin.
    head: Vec<u8>,
    soa: Vec<u8>,
    /// Of the first message.
    opt: Option<[u8; 11]>,
    nodes: std::vec::IntoIter<Node>,
    cursor: Option<Cursor>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The SOA record is to come, alone or before the others.
    Begin {
        alone: bool,
    },
    Records,
    End,
}

/// A place within a node's records.
#[derive(Debug)]
struct Cursor {
    node: Node,
    kinds: Vec<u16>,
    at: usize,
}

/// The transfer of the zone that a query asks for; none where it asks for none, or for what is no zone here.
///
/// `have` is the serial that the client of an incremental transfer has: if that is not older, the SOA record is all it gets. A client
/// that does not see all names gets those that it sees.
pub fn transfer(
    zones: &Zones,
    query: &Query,
    message: &[u8],
    have: Option<u32>,
    client: IpAddr,
) -> Option<Transfer> {
    if query.class != IN || !matches!(query.kind, kind::AXFR | kind::IXFR) {
        return None;
    }
    let asked = query.name(message);
    let zone = zones.zone(asked).filter(|zone| zone.len() == asked.len())?;
    let mut head = message.get(..query.end())?.to_vec();
    head.get_mut(..HEADER)?.copy_from_slice(&[
        *message.first()?,
        *message.get(1)?,
        // A response, authoritative, RD as it was.
        0x84 | message.get(2)? & 1,
        message.get(3)? & 0x10,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    let current = query.kind == kind::IXFR && have.is_some_and(|have| !is_newer(zones.serial, have));
    let mut nodes: Vec<Node> = Vec::new();
    if !current {
        let within = |node: &&Node| node.zone_len() == zone.len() && name::is_within(node.name(), zone);
        let told = zones.nodes().filter(within).filter(|node| is_told(zones, node));
        nodes = match zones.sight(client) {
            None => told.cloned().collect(),
            Some(sight) => told.filter_map(|node| sight.whole(zones, node)).collect(),
        };
        // The top first: some who read a zone look for its name servers there.
        nodes.sort_by_key(|node| node.name().len());
    }
    let opt = query.edns.map(|edns| {
        let [high, low] = zones.fixed.max_udp.to_be_bytes();
        [0, 0, kind::OPT as u8, high, low, 0, 0, u8::from(edns.dnssec) << 7, 0, 0, 0]
    });
    Some(Transfer {
        head,
        soa: zones.soa_record(zone, HEADER),
        opt,
        nodes: nodes.into_iter(),
        cursor: None,
        state: State::Begin { alone: current },
    })
}

impl Iterator for Transfer {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut message = self.head.clone();
        let mut answers: u16 = 0;
        match self.state {
            State::End => return None,
            State::Begin { alone } => {
                message.extend_from_slice(&self.soa);
                answers += 1;
                self.state = if alone { State::End } else { State::Records };
            }
            State::Records => {}
        }
        let opt = self.opt.take();
        let most = MESSAGE - self.soa.len() - opt.map_or(0, |opt| opt.len());
        if self.state == State::Records {
            while self.cursor.is_some() || self.advance() {
                let Some(cursor) = &mut self.cursor else { break };
                answers += cursor.write(&mut message, most);
                if !cursor.kinds.is_empty() {
                    break;
                }
                self.cursor = None;
            }
            if self.cursor.is_none() {
                message.extend_from_slice(&self.soa);
                answers += 1;
                self.state = State::End;
            }
        }
        if let Some(opt) = opt {
            message.extend_from_slice(&opt);
        }
        let counts = [answers.to_be_bytes(), [0; 2], u16::from(opt.is_some()).to_be_bytes()].concat();
        if let Some(place) = message.get_mut(6..HEADER) {
            place.copy_from_slice(&counts);
        }
        Some(message)
    }
}

impl Transfer {
    /// Goes to the next node; false where there is none.
    fn advance(&mut self) -> bool {
        self.cursor = self.nodes.next().map(|node| {
            let mut kinds: Vec<u16> = node.kinds().collect();
            kinds.reverse();
            Cursor { kinds, node, at: 0 }
        });
        self.cursor.is_some()
    }
}

impl Cursor {
    /// Writes records as far as there is room for them, and says how many.
    fn write(&mut self, message: &mut Vec<u8>, most: usize) -> u16 {
        let relative = self.node.name().len() - self.node.zone_len();
        let mut owner = [self.node.name().get(..relative).unwrap_or_default(), &ZONE].concat();
        let mut written = 0;
        while let Some(kind) = self.kinds.last() {
            let answer = self.node.set(*kind).map(|set| set.answer()).unwrap_or_default();
            for record in records(answer.get(self.at..).unwrap_or_default()) {
                // Compiled records begin with a pointer to the question, which here is another name.
                let body = record.get(2..).unwrap_or_default();
                if message.len() + owner.len() + body.len() > most {
                    return written;
                }
                let place = message.len();
                message.extend_from_slice(&owner);
                message.extend_from_slice(body);
                if written == 0 && owner != ZONE {
                    owner = (0xc000 | place as u16).to_be_bytes().to_vec();
                }
                self.at += record.len();
                written += 1;
            }
            self.kinds.pop();
            self.at = 0;
        }
        written
    }
}

/// Whether a serial is after another (RFC 1982).
fn is_newer(serial: u32, than: u32) -> bool {
    serial != than && serial.wrapping_sub(than) < 1 << 31
}

/// Whether a name is transferred.
fn is_told(zones: &Zones, node: &Node) -> bool {
    if node.role() == Role::External {
        return true;
    }
    let relative = node.name().get(..node.name().len() - node.zone_len()).unwrap_or_default();
    let labels: Vec<&[u8]> = name::labels(relative).collect();
    match labels.as_slice() {
        // A pod's address.
        [.., b"pod"] => false,
        // Endpoints by their zone, which are told already.
        [.., b"_zone", _, _, b"svc"] => false,
        // An endpoint: told where its Service is headless, and so has its addresses.
        [host, _, _, b"svc"] if !host.starts_with(b"_") => {
            let service = node.name().get(host.len() + 1..).and_then(|name| zones.find(name));
            let shares = |kind| match (service.and_then(|service| service.set(kind)), node.set(kind)) {
                // A Service has one cluster IP of a family.
                (Some(all), Some(_)) if all.answers() > 1 => true,
                (Some(all), Some(own)) => {
                    let first = record_len(own.answer()).and_then(|length| own.answer().get(..length));
                    first.is_some_and(|first| records(all.answer()).any(|record| record == first))
                }
                _ => false,
            };
            shares(kind::A) || shares(kind::AAAA)
        }
        _ => true,
    }
}

/// The records that bytes consist of.
fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (record, more) = rest.split_at_checked(record_len(rest)?)?;
        rest = more;
        Some(record)
    })
}
