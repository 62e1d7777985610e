use std::time::Duration;

use super::*;
use crate::config::{Config, Hosts as Settings, Settings as All, Zone};

fn hosts(settings: Settings) -> Hosts {
    let zone = Zone { name: ".".into(), hosts: Some(settings), ..Zone::default() };
    let config = Config::new(All { zones: vec![zone], ..All::default() }).unwrap();
    Hosts::new(config.zones()[0].hosts.clone().unwrap())
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn inline() -> Settings {
    Settings {
        inline: vec![
            "192.0.2.1 a.example b.example # both".into(),
            "2001:db8::1 a.example".into(),
            "# none".into(),
        ],
        ..Settings::default()
    }
}

#[test]
fn addresses_and_names_both_ways() {
    let hosts = hosts(inline());
    let answer = hosts.answer(&name("A.Example."), RecordType::A).unwrap();
    assert_eq!(answer.answers[0].data, RData::A(A("192.0.2.1".parse().unwrap())));
    assert!(answer.authoritative && answer.answers[0].ttl == 3600);
    let answer = hosts.answer(&name("a.example."), RecordType::AAAA).unwrap();
    assert_eq!(answer.answers.len(), 1);
    let answer = hosts.answer(&name("1.2.0.192.in-addr.arpa."), RecordType::PTR).unwrap();
    let names: Vec<_> = answer.answers.iter().map(|record| record.data.to_string()).collect();
    assert_eq!(names, ["a.example.", "b.example."]);
}

#[test]
fn a_name_of_the_table_without_the_type_exists_and_another_does_not() {
    let hosts = hosts(inline());
    let answer = hosts.answer(&name("b.example."), RecordType::AAAA).unwrap();
    assert_eq!((answer.code, answer.answers.len(), answer.authority.len()), (ResponseCode::NoError, 0, 1));
    let answer = hosts.answer(&name("c.example."), RecordType::A).unwrap();
    assert_eq!((answer.code, answer.authority.len()), (ResponseCode::NXDomain, 1));
}

#[test]
fn fallthrough_and_zones_pass_on_what_is_not_in_the_table() {
    let through = hosts(Settings { fallthrough: vec!["example".into()], ..inline() });
    assert!(through.answer(&name("c.example."), RecordType::A).is_none());
    assert!(through.answer(&name("b.example."), RecordType::AAAA).is_some());
    assert!(through.answer(&name("c.other."), RecordType::A).is_some());
    let zoned = hosts(Settings { zones: vec!["example".into()], ..inline() });
    assert!(zoned.answer(&name("c.other."), RecordType::A).is_none());
    assert!(zoned.answer(&name("9.2.0.192.in-addr.arpa."), RecordType::PTR).is_none());
    let forward = hosts(Settings { no_reverse: true, fallthrough: vec![".".into()], ..inline() });
    assert!(forward.answer(&name("1.2.0.192.in-addr.arpa."), RecordType::PTR).is_none());
}

#[test]
fn a_file_is_read_again_when_it_changes_and_kept_when_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hosts");
    std::fs::write(&path, "192.0.2.7 x.example\nnonsense here\n").unwrap();
    let hosts = hosts(Settings { file: Some(path.clone()), reload: Duration::from_secs(1), ..inline() });
    let mut stamp = None;
    hosts.refresh(&mut stamp);
    assert_eq!(hosts.len(), 4);
    assert_eq!(hosts.answer(&name("x.example."), RecordType::A).unwrap().answers.len(), 1);
    std::fs::write(&path, "192.0.2.77 x.example y.example\n").unwrap();
    hosts.refresh(&mut stamp);
    assert_eq!(hosts.answer(&name("y.example."), RecordType::A).unwrap().answers.len(), 1);
    std::fs::remove_file(&path).unwrap();
    hosts.refresh(&mut stamp);
    assert_eq!(hosts.answer(&name("y.example."), RecordType::A).unwrap().answers.len(), 1);
}
