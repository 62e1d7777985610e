use super::*;
use crate::config::{Config, Settings, Template, Zone};

fn rules(template: Vec<Template>) -> Vec<CheckedTemplate> {
    let zone = Zone { name: "example.".into(), template, ..Zone::default() };
    Config::new(Settings { zones: vec![zone], ..Settings::default() }).unwrap().zones()[0].template.clone()
}

fn ask(rules: &[CheckedTemplate], name: &str, rtype: RecordType) -> Option<Answer> {
    answer(rules, &Name::from_ascii(name).unwrap(), rtype, [127, 0, 0, 1].into())
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn all_aaaa_queries_get_nodata_and_others_pass() {
    let rules = rules(vec![Template { rtype: "AAAA".into(), ..Template::default() }]);
    let answer = ask(&rules, "x.example.", RecordType::AAAA).unwrap();
    assert_eq!((answer.code, answer.answers.len()), (ResponseCode::NoError, 0));
    assert!(ask(&rules, "x.example.", RecordType::A).is_none());
    assert!(ask(&rules, "x.other.", RecordType::AAAA).is_none());
}

#[test]
fn groups_become_an_address() {
    let rules = rules(vec![Template {
        rtype: "A".into(),
        matches: lines(&[r"^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)-(\d+)-(\d+)[.]example[.]$"]),
        answer: lines(&[
            "{{ .Name }} 60 IN A {{ .Group.a }}.{{.Group.b}}.{{ index .Match 3 }}.{{ index .Match 4 }}",
        ]),
        fallthrough: lines(&["through.example."]),
        ..Template::default()
    }]);
    let answer = ask(&rules, "IP-10-1-2-3.example.", RecordType::A).unwrap();
    assert_eq!(answer.answers[0].to_string(), "ip-10-1-2-3.example. 60 IN A 10.1.2.3");
    // An expression that does not match means that the name does not exist, unless it may fall through.
    assert_eq!(ask(&rules, "other.example.", RecordType::A).unwrap().code, ResponseCode::NXDomain);
    assert!(ask(&rules, "other.through.example.", RecordType::A).is_none());
    // What is no record for this name is a failure, not an answer.
    assert_eq!(ask(&rules, "ip-10-1-2-999.example.", RecordType::A).unwrap().code, ResponseCode::ServFail);
}

#[test]
fn codes_errors_and_sections() {
    let rules = rules(vec![Template {
        rtype: "ANY".into(),
        rcode: 3,
        authority: lines(&["{{ .Zone }} 60 IN SOA ns.{{ .Zone }} root.{{ .Zone }} 1 60 60 60 60"]),
        additional: lines(&["ns.{{ .Zone }} IN A 192.0.2.1"]),
        error: Some((21, "not here".into())),
        ..Template::default()
    }]);
    let answer = ask(&rules, "x.example.", RecordType::MX).unwrap();
    assert_eq!(answer.code, ResponseCode::NXDomain);
    assert_eq!((answer.authority.len(), answer.additional.len()), (1, 1));
    assert_eq!(answer.additional[0].ttl, 3600);
    assert_eq!(answer.error.unwrap().code, 21);
}

#[test]
fn what_is_no_pattern_is_refused() {
    for wrong in
        ["{{ .Name", "{{ .Meta.x }} A 1.2.3.4", "{{ .Name }} IN A nonsense", "x IN", "", "x 60 IN NOTYPE 1"]
    {
        assert!(Pattern::parse(wrong).is_err(), "{wrong}");
    }
}
