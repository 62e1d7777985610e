//! Who gets how many requests.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_model::ServiceName;
use sluice_model::http::{Upstream, UpstreamEndpoint, UpstreamName, UpstreamPort};

use super::*;
use crate::upstream::Endpoint;

fn upstream(endpoints: impl IntoIterator<Item = u8>) -> Upstream {
    let endpoint = |last| UpstreamEndpoint { address: ([10, 0, 0, last], 80).into(), pod: None };
    let service = ServiceName { namespace: "default".into(), name: "web".into() };
    Upstream {
        name: UpstreamName { service, port: UpstreamPort::Number(80) },
        endpoints: endpoints.into_iter().map(endpoint).collect(),
    }
}

fn state(endpoints: impl IntoIterator<Item = u8>, before: Option<&UpstreamState>, now: u64) -> UpstreamState {
    UpstreamState::new(&upstream(endpoints), before, Millis(now), |address| Arc::new(Endpoint::new(address)))
}

fn picks(state: &UpstreamState, choice: Choice, count: usize, now: u64) -> HashMap<u8, usize> {
    let mut seen = HashMap::new();
    for _ in 0..count {
        let member = state.pick(choice, &[], Millis(now)).unwrap();
        *seen.entry(last(member)).or_default() += 1;
    }
    seen
}

fn last(member: &Member) -> u8 {
    match member.endpoint().address().ip() {
        std::net::IpAddr::V4(address) => address.octets()[3],
        std::net::IpAddr::V6(_) => unreachable!(),
    }
}

fn eject(state: &UpstreamState, endpoint: u8) {
    let member = state.member(([10, 0, 0, endpoint], 80).into()).unwrap();
    for _ in 0..5 {
        state.failed(member.endpoint(), Millis(1));
    }
}

#[test]
fn a_hundred_requests_reach_all_ten_endpoints() {
    let state = state(1..=10, None, 1);
    assert_eq!(picks(&state, Choice::RoundRobin, 100, 1), (1..=10).map(|endpoint| (endpoint, 10)).collect());
}

#[test]
fn workers_share_the_round() {
    let state = state(1..=10, None, 1);
    let seen: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| picks(&state, Choice::RoundRobin, 25, 1))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    for endpoint in 1..=10 {
        assert_eq!(seen.iter().filter_map(|seen| seen.get(&endpoint)).sum::<usize>(), 10);
    }
}

#[test]
fn the_round_goes_on_over_a_change() {
    let first = state(1..=2, None, 1);
    assert_eq!(last(first.pick(Choice::RoundRobin, &[], Millis(1)).unwrap()), 1);
    let second = state(1..=2, Some(&first), 2);
    assert_eq!(last(second.pick(Choice::RoundRobin, &[], Millis(2)).unwrap()), 2);
    assert!(Arc::ptr_eq(first.members()[0].endpoint(), second.members()[0].endpoint()));
}

#[test]
fn never_more_than_half_are_ejected() {
    let state = state(1..=5, None, 1);
    (1..=5).for_each(|endpoint| eject(&state, endpoint));
    let seen = picks(&state, Choice::RoundRobin, 300, 2);
    assert_eq!(seen.len(), 3, "two of five are out: {seen:?}");
    assert!(seen.values().all(|count| (60..140).contains(count)), "the others share it: {seen:?}");
    let single = self::state([1], None, 1);
    eject(&single, 1);
    assert!(!single.members()[0].endpoint().is_ejected(Millis(1)));
    let seen = picks(&state, Choice::RoundRobin, 300, 20_000);
    assert_eq!(seen.len(), 5, "they come back");
}

#[test]
fn an_ejected_endpoint_is_better_than_none() {
    let two = state(1..=2, None, 1);
    eject(&two, 1);
    let tried = [([10, 0, 0, 2], 80).into()];
    for choice in [Choice::RoundRobin, Choice::LeastRequest, Choice::Hash(1), Choice::Sticky(7)] {
        assert_eq!(two.pick(choice, &tried, Millis(2)).map(last), Some(1));
        assert_eq!(two.pick(choice, &[], Millis(2)).map(last), Some(2));
    }
    let all = [([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 80).into()];
    assert!(two.pick(Choice::RoundRobin, &all, Millis(2)).is_none());
    assert!(state([], None, 1).pick(Choice::LeastRequest, &[], Millis(1)).is_none());
    assert_eq!(state([1], None, 1).pick(Choice::LeastRequest, &[], Millis(1)).map(last), Some(1));
    assert!(state([1], None, 1).pick(Choice::LeastRequest, &all, Millis(1)).is_none());
}

#[test]
fn new_endpoints_start_slowly_and_only_beside_others() {
    let before = state(1..=3, None, 1);
    assert_eq!(picks(&before, Choice::RoundRobin, 30, 1).len(), 3);
    let after = state(1..=4, Some(&before), 1000);
    let young = picks(&after, Choice::RoundRobin, 1000, 1000)[&4];
    assert!((30..90).contains(&young), "{young} of 1000");
    let older = picks(&after, Choice::RoundRobin, 1000, 6000)[&4];
    assert!((120..200).contains(&older), "{older} of 1000");
    let grown = picks(&after, Choice::RoundRobin, 1000, 11_001)[&4];
    assert_eq!(grown, 250);
    let mut only_new = state(9..=9, Some(&before), 1000);
    assert_eq!(picks(&only_new, Choice::RoundRobin, 10, 1000)[&9], 10);
    only_new = state(8..=9, Some(&only_new), 1000);
    assert_eq!(picks(&only_new, Choice::RoundRobin, 100, 1000).len(), 2);
}

#[test]
fn least_request_prefers_who_has_less() {
    let state = state(1..=3, None, 1);
    let busy: Vec<_> = (0..10).map(|_| state.members()[0].endpoint().begin()).collect();
    let seen = picks(&state, Choice::LeastRequest, 3000, 1);
    assert_eq!(seen.get(&1), None, "never of two the busier one");
    drop(busy);
    let seen = picks(&state, Choice::LeastRequest, 3000, 1);
    assert!(seen.values().all(|count| (800..1200).contains(count)), "{seen:?}");
}

#[test]
fn few_requests_move_when_endpoints_do() {
    let (before, after) = (state(1..=10, None, 1), state(2..=11, None, 1));
    let mut moved = 0;
    let mut seen = HashMap::new();
    for key in 0..10_000 {
        let hash = Choice::Hash(mix(key));
        let (one, two) =
            (before.pick(hash, &[], Millis(1)).unwrap(), after.pick(hash, &[], Millis(1)).unwrap());
        moved += usize::from(last(one) != last(two));
        *seen.entry(last(one)).or_insert(0) += 1;
    }
    assert!((1500..2200).contains(&moved), "{moved} of 10000, about a tenth for each of two changes");
    assert!(seen.values().all(|count| (850..1150).contains(count)), "{seen:?}");
}

#[test]
fn a_cookie_finds_its_endpoint() {
    let state = state(1..=10, None, 1);
    let wanted = state.members()[6].endpoint().id();
    assert_eq!(picks(&state, Choice::Sticky(wanted), 20, 1), HashMap::from([(7, 20)]));
    assert!(picks(&state, Choice::Sticky(1), 20, 1).len() == 10, "a cookie of nobody's");
}
