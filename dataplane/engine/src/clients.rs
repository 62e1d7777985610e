//! Who asks most: the heavy hitters among the clients of DNS.
//!
//! One query in 64, at random, is counted in a table of 64 clients by the Space-Saving method (Metwally, Agrawal and El
//! Abbadi, 2005): a client that is not in the table takes the place of the one that asked least, with its count, which is the most
//! that the newcomer's is wrong by. Whoever has more than a 64th of the queries is in it. Counts are of windows of ten seconds;
//! what is shown is of the last whole one.

use std::net::{IpAddr, Ipv6Addr};

use crate::Now;

/// Queries of which one is counted, on average.
pub const SAMPLE: u64 = 64;
/// Clients in the table.
const MOST: usize = 64;
/// Milliseconds of a window.
const WINDOW: u64 = 10_000;

/// A client's queries in a window, as far as they were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCount {
    /// Its address.
    pub client: IpAddr,
    /// Queries that were counted: one in [`SAMPLE`]. Never less than there were.
    pub counted: u32,
    /// By how many that may be too much.
    pub error: u32,
}

/// What one lcore knows of its clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopClients {
    /// Those that asked most, the first of them first.
    pub clients: Vec<ClientCount>,
    /// Queries of all clients that were counted: one in [`SAMPLE`].
    pub counted: u64,
    /// How long they were counted, in milliseconds; 0 where there is nothing yet.
    pub milliseconds: u64,
}

/// The table of one lcore.
#[derive(Debug)]
pub(crate) struct Clients {
    /// Queries until the next one that is counted.
    until: u32,
    random: u64,
    now: Box<Window>,
    before: Box<Window>,
}

#[derive(Clone, Debug)]
struct Window {
    since: u64,
    counted: u64,
    /// Of their addresses, IPv4's mapped into IPv6.
    clients: [u128; MOST],
    counts: [u32; MOST],
    errors: [u32; MOST],
}

impl Window {
    fn new(since: u64) -> Self {
        Self { since, counted: 0, clients: [0; MOST], counts: [0; MOST], errors: [0; MOST] }
    }

    fn count(&mut self, client: u128) {
        self.counted += 1;
        // A place that nobody has is one of client `::` with nothing, and nobody asks from there.
        if let Some(place) = self.clients.iter().position(|other| *other == client) {
            if let Some(count) = self.counts.get_mut(place) {
                *count = count.saturating_add(1);
            }
            return;
        }
        let least = self.counts.iter().copied().min().unwrap_or(0);
        let place = self.counts.iter().position(|count| *count == least).unwrap_or(0);
        if let (Some(known), Some(count), Some(error)) =
            (self.clients.get_mut(place), self.counts.get_mut(place), self.errors.get_mut(place))
        {
            (*known, *count, *error) = (client, least.saturating_add(1), least);
        }
    }

    fn top(&self, milliseconds: u64) -> TopClients {
        let all = self.clients.iter().zip(&self.counts).zip(&self.errors);
        let mut clients: Vec<ClientCount> = all
            .filter(|((_, counted), _)| **counted > 0)
            .map(|((client, &counted), &error)| {
                let client = Ipv6Addr::from_bits(*client).to_canonical();
                ClientCount { client, counted, error }
            })
            .collect();
        clients.sort_by_key(|client| std::cmp::Reverse(client.counted));
        TopClients { clients, counted: self.counted, milliseconds }
    }
}

impl Clients {
    /// An empty table; `seed` decides which queries are counted.
    pub fn new(seed: u64, now: Now) -> Self {
        let window = Box::new(Window::new(now.0));
        Self { until: 1, random: seed | 1, before: window.clone(), now: window }
    }

    /// A query has come; whether it is to be counted.
    #[inline(always)]
    pub fn is_due(&mut self) -> bool {
        self.until -= 1;
        self.until == 0
    }

    /// Counts a query of `client`, after [`Clients::is_due`] said so.
    #[inline(never)]
    pub fn count(&mut self, client: IpAddr, now: Now) {
        // Xorshift: clients that take turns must not be in step with what is counted. Gaps are 1 to 127, 64 on average.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.until = 1 + (((self.random >> 32) * 127) >> 32) as u32;
        self.turn(now);
        self.now.count(match client {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ip) => ip.to_bits(),
        });
    }

    /// Who asked most in the last whole window; in the first one, so far.
    pub fn top(&mut self, now: Now) -> TopClients {
        self.turn(now);
        match self.now.since - self.before.since {
            0 => self.now.top(now.0.saturating_sub(self.now.since)),
            milliseconds => self.before.top(milliseconds),
        }
    }

    /// Begins another window where one is over.
    fn turn(&mut self, now: Now) {
        let passed = now.0.saturating_sub(self.now.since);
        if passed < WINDOW {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        let start = self.before.since + passed / WINDOW * WINDOW;
        if passed >= 2 * WINDOW {
            // Nobody asked in the window between.
            *self.before = Window::new(start - WINDOW);
        }
        *self.now = Window::new(start);
    }
}

#[cfg(test)]
#[path = "clients_tests.rs"]
mod tests;
