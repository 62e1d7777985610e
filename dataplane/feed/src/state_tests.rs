use sluice_model::ServiceName;

use super::*;
use crate::message::decode;

const ALL: Kinds = Kinds::SETTINGS;

fn service(name: &str, created: i64) -> Change {
    Change::Service(bare(name, created))
}

pub(crate) fn bare(name: &str, created: i64) -> sluice_model::Service {
    sluice_model::Service {
        name: ServiceName::new("default", name),
        created,
        cluster_ips: vec![],
        external_ips: vec![],
        load_balancer_ips: vec![],
        external_policy: Default::default(),
        internal_policy: Default::default(),
        affinity: None,
        source_ranges: vec![],
        health_check_node_port: None,
        ports: vec![],
    }
}

fn gone(name: &str) -> Change {
    Change::ServiceGone(ServiceName::new("default", name))
}

fn sent(state: &State, since: u64) -> (bool, Vec<Change>) {
    let have = Have { run: 1, generation: Generation(since) };
    let batch = state.batch(Some(have), ALL.and(Kinds::SERVICES)).unwrap();
    let changes = batch.changes.iter().map(|frame| {
        let FromServer::Change(change) = decode::<FromServer>(frame).unwrap() else {
            panic!("not a change");
        };
        change
    });
    (batch.full, changes.collect())
}

#[test]
fn a_delta_holds_each_object_once_at_its_newest() {
    let mut state = State::new(1, 100);
    state.apply(&[service("a", 1), service("b", 1)]).unwrap();
    for created in 2..50 {
        state.apply(&[service("a", created)]).unwrap();
    }
    state.apply(&[gone("b")]).unwrap();
    let (full, changes) = sent(&state, 1);
    assert!(!full);
    assert_eq!(changes, [service("a", 49), gone("b")]);
    assert_eq!(sent(&state, 50).1, []);
}

#[test]
fn what_changes_nothing_makes_no_generation() {
    let mut state = State::new(1, 100);
    assert_eq!(state.apply(&[]).unwrap(), Generation(1));
    assert_eq!(state.apply(&[]).unwrap(), Generation(1));
    assert_eq!(state.apply(&[service("a", 1)]).unwrap(), Generation(2));
    assert_eq!(state.apply(&[service("a", 1)]).unwrap(), Generation(2));
    assert_eq!(state.apply(&[gone("z")]).unwrap(), Generation(2));
}

#[test]
fn the_log_is_bounded_and_beyond_it_everything_is_sent() {
    let mut state = State::new(1, 10);
    state.apply(&[service("old", 1)]).unwrap();
    for created in 0..100 {
        state.apply(&[service("a", created)]).unwrap();
    }
    assert_eq!(state.log.len(), 10);
    let (full, changes) = sent(&state, 91);
    assert!(!full);
    assert_eq!(changes, [service("a", 99)]);
    let (full, changes) = sent(&state, 90);
    assert!(full, "generation 91 is only half in the log's reach");
    assert_eq!(changes, [service("a", 99), service("old", 1)]);
}

#[test]
fn another_run_or_a_generation_from_the_future_is_sent_everything() {
    let mut state = State::new(1, 10);
    state.apply(&[service("a", 1)]).unwrap();
    assert!(sent(&state, 2).0);
    let other = Have { run: 2, generation: Generation(1) };
    assert!(state.batch(Some(other), ALL).unwrap().full);
}

#[test]
fn kinds_are_kept_apart() {
    let mut state = State::new(1, 10);
    let settings = Change::Settings(Default::default());
    state.apply(&[service("a", 1), settings]).unwrap();
    assert_eq!(state.batch(None, Kinds::SETTINGS).unwrap().changes.len(), 1);
    assert_eq!(state.batch(None, Kinds::SERVICES).unwrap().changes.len(), 1);
    assert_eq!(state.batch(None, Kinds::default()).unwrap().changes.len(), 0);
}

#[test]
fn an_object_beyond_the_frame_limit_is_refused_by_name_and_nothing_changes() {
    let mut state = State::new(1, 10);
    let mut big = bare("big", 1);
    big.cluster_ips = vec![std::net::Ipv6Addr::LOCALHOST.into(); 1 << 20];
    let error = state.apply(&[service("a", 1), Change::Service(big)]).unwrap_err();
    assert!(error.to_string().contains("default/big"), "{error}");
    assert_eq!(state.generation(), Generation(0));
    assert!(state.objects.is_empty());
}
