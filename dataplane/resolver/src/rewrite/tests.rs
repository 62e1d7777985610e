use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{RData, Record};

use super::*;
use crate::config::{AnswerRewrite, Config, NameMatch, Rewrite, Settings, Zone};

fn rules(rewrite: Vec<Rewrite>) -> Vec<CheckedRewrite> {
    let zone = Zone { name: ".".into(), rewrite, ..Zone::default() };
    Config::new(Settings { zones: vec![zone], ..Settings::default() }).unwrap().zones()[0].rewrite.clone()
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn rename(matches: NameMatch, answer: Vec<AnswerRewrite>, go_on: bool) -> Rewrite {
    Rewrite::Name { matches, answer, go_on }
}

fn becomes(matches: NameMatch, asked: &str) -> Option<String> {
    let rules = rules(vec![rename(matches, Vec::new(), false)]);
    apply(&rules, &name(asked), RecordType::A).map(|to| to.name.to_ascii())
}

#[test]
fn each_way_of_matching() {
    use NameMatch::{Exact, Prefix, Regex, Substring, Suffix};
    let s = str::to_owned;
    assert_eq!(becomes(Exact(s("a.example"), s("b.example.")), "A.example."), Some("b.example.".into()));
    assert_eq!(becomes(Exact(s("a.example"), s("b.example")), "xa.example."), None);
    assert_eq!(becomes(Prefix(s("old-"), s("new-")), "old-x.example."), Some("new-x.example.".into()));
    assert_eq!(becomes(Suffix(s(".corp"), s(".corp.example")), "x.corp."), Some("x.corp.example.".into()));
    assert_eq!(becomes(Suffix(s(".corp"), s(".corp.example")), "xcorp."), None);
    assert_eq!(becomes(Substring(s("mid"), s("x")), "a-mid-mid.example."), Some("a-x-x.example.".into()));
    let expression = Regex(s(r"^(.*)-(us-.*)\.example\.$"), s("{1}.service.{2}.consul."));
    assert_eq!(becomes(expression, "ftp-us-west-1.example."), Some("ftp.service.us-west-1.consul.".into()));
    // A name that would not be one any more stays.
    assert_eq!(becomes(Substring(s("a"), s("a..")), "a.example."), None);
}

#[test]
fn rules_stop_unless_told_to_go_on_and_types_change_too() {
    let exact = |from: &str, to: &str| NameMatch::Exact(from.into(), to.into());
    let rules = rules(vec![
        rename(exact("a.", "b."), vec![], true),
        rename(exact("b.", "c."), vec![], false),
        rename(exact("c.", "d."), vec![], false),
        Rewrite::Type { from: "ANY".into(), to: "HINFO".into(), go_on: false },
    ]);
    let ask =
        |asked: &str, rtype| apply(&rules, &name(asked), rtype).map(|to| (to.name.to_ascii(), to.rtype));
    assert_eq!(ask("a.", RecordType::A), Some(("c.".into(), RecordType::A)));
    assert_eq!(ask("c.", RecordType::A), Some(("d.".into(), RecordType::A)));
    assert_eq!(ask("x.", RecordType::ANY), Some(("x.".into(), RecordType::HINFO)));
    assert_eq!(ask("x.", RecordType::A), None);
}

fn chain(owner: &str, target: &str) -> Answer {
    let alias = Record::from_rdata(name(owner), 300, RData::CNAME(CNAME(name(target))));
    let address = Record::from_rdata(name(target), 300, RData::A(A::new(192, 0, 2, 1)));
    Answer { answers: vec![alias, address], ..Answer::default() }
}

fn names(answer: &Answer) -> Vec<String> {
    answer.answers.iter().map(|record| format!("{} {}", record.name, record.data)).collect()
}

#[test]
fn the_queried_name_always_comes_back_and_others_as_the_rule_says() {
    let suffix = || NameMatch::Suffix(".a.example".into(), ".b.example".into());
    let ask = |answer: Vec<AnswerRewrite>| {
        let rules = rules(vec![rename(suffix(), answer, false)]);
        let original = name("X.a.example.");
        let to = apply(&rules, &original, RecordType::A).unwrap();
        names(&to.undo(&original, &chain("x.b.example.", "y.b.example.")))
    };
    assert_eq!(ask(vec![]), ["X.a.example. y.b.example.", "y.b.example. 192.0.2.1"]);
    assert_eq!(ask(vec![AnswerRewrite::Auto]), ["X.a.example. y.a.example.", "y.a.example. 192.0.2.1"]);
    let by = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let (from, to) = by(r"^(.*)\.b\.example\.$", "{1}.c.example.");
    let both = vec![AnswerRewrite::Name(from.clone(), to.clone()), AnswerRewrite::Value(from, to)];
    assert_eq!(ask(both), ["X.a.example. y.c.example.", "y.c.example. 192.0.2.1"]);
}

#[test]
fn ttls_are_bounded() {
    let matches = NameMatch::Suffix(".example".into(), String::new());
    let rules = rules(vec![Rewrite::Ttl { matches, min: 10, max: 60, go_on: false }]);
    let original = name("x.example.");
    let to = apply(&rules, &original, RecordType::A).unwrap();
    assert_eq!(to.undo(&original, &chain("x.example.", "y.example.")).answers[1].ttl, 60);
    assert_eq!(to.name, original);
}
