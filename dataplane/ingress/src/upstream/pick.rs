//! Which endpoint takes a request.

use std::net::SocketAddr;

use super::{Member, Millis, UpstreamState};

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One after another, over all workers.
    RoundRobin,
    /// Of two at random the one with fewer requests in flight.
    LeastRequest,
    /// The same one for the same number, as long as it is there.
    Hash(u64),
    /// The one whose [id](super::Endpoint::id) it is, where it is in; else one after another.
    Sticky(u64),
}

impl UpstreamState {
    /// An endpoint for a request that those in `tried` failed to answer; none where there is no other.
    ///
    /// Ejected endpoints are passed over while there are others.
    pub fn pick(&self, choice: Choice, tried: &[SocketAddr], now: Millis) -> Option<&Member> {
        // A further try takes no turn: each request would begin where the last one failed.
        let number = self.number(tried.is_empty());
        let members = self.members();
        if let ([only], []) = (members, tried) {
            return Some(only);
        }
        let is_in = |member: &&Member| {
            !member.endpoint().is_ejected(now) && !tried.contains(&member.endpoint().address())
        };
        let chosen = match choice {
            Choice::RoundRobin => None,
            Choice::LeastRequest => self.fewer_in_flight(now, is_in),
            Choice::Hash(hash) => {
                members.iter().filter(is_in).max_by_key(|member| mix(hash ^ member.endpoint().id()))
            }
            Choice::Sticky(id) => members.iter().filter(is_in).find(|member| member.endpoint().id() == id),
        };
        chosen.or_else(|| self.round_robin(number, tried, now))
    }

    fn round_robin(&self, number: usize, tried: &[SocketAddr], now: Millis) -> Option<&Member> {
        let members = self.members();
        let is_new = |member: &&Member| !tried.contains(&member.endpoint().address());
        let is_in = |member: &&Member| is_new(member) && !member.endpoint().is_ejected(now);
        let round = number / members.len().max(1);
        let mut index = number % members.len().max(1);
        // Who is passed over gives its turn to any other, not always to the same neighbour.
        for other in 0..members.len() as u64 {
            let member = members.get(index)?;
            if is_in(&member) && member.is_warm(round, now) {
                return Some(member);
            }
            index = (mix(mix(number as u64) ^ other) % members.len() as u64) as usize;
        }
        let start = number % members.len().max(1);
        let from_here = || members.iter().skip(start).chain(members.iter().take(start));
        from_here().find(is_in).or_else(|| from_here().find(is_new))
    }

    fn fewer_in_flight(&self, now: Millis, is_in: impl Fn(&&Member) -> bool) -> Option<&Member> {
        let members = self.members();
        let count = members.len() as u64;
        let random: u64 = rand::random();
        let (high, low) = (random >> 32, random & 0xffff_ffff);
        // Two different ones, each pair as likely as any other.
        let one = (high * count) >> 32;
        let other = (one + 1 + ((low * (count.checked_sub(1)?)) >> 32)) % count;
        let round = (random % 100) as usize;
        let candidate = |index: u64| {
            members.get(index as usize).filter(|member| is_in(member) && member.is_warm(round, now))
        };
        match (candidate(one), candidate(other)) {
            (Some(a), Some(b)) if b.endpoint().in_flight() < a.endpoint().in_flight() => Some(b),
            (Some(a), _) => Some(a),
            (None, b) => b,
        }
    }
}

/// Spreads a number over all numbers (the last steps of splitmix64).
fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
