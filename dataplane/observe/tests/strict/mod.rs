//! A reader of Prometheus' text format that takes nothing but what the format's description allows, and shares no code
//! with what writes it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

pub type Labels = BTreeMap<String, String>;

#[derive(Debug)]
pub struct Family {
    pub kind: String,
    pub help: String,
    /// By name, which a histogram has three of, and labels.
    pub samples: BTreeMap<(String, Labels), f64>,
}

#[derive(Debug)]
pub struct Metrics(pub BTreeMap<String, Family>);

impl Metrics {
    /// Reads a whole exposition.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current: Option<String> = None;
        let mut help: Option<(String, String)> = None;
        for line in text.split_terminator('\n') {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, words) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(help.is_none(), "HELP without TYPE before: {line}");
                assert!(words.len() > 5 && words.ends_with('.'), "no sentence: {line}");
                unescape(words, false);
                help = Some((metric_name(name), words.to_owned()));
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let (of, help) = help.take().unwrap_or_else(|| panic!("TYPE without HELP: {line}"));
                assert_eq!(of, name, "HELP and TYPE of two families");
                assert_eq!(kind == "counter", name.ends_with("_total"), "only counters are totals: {line}");
                let family = Family { kind: kind.to_owned(), help, samples: BTreeMap::new() };
                let before = families.insert(name.to_owned(), family);
                assert!(before.is_none(), "twice: {line}");
                current = Some(name.to_owned());
            } else {
                assert!(
                    !line.starts_with('#') && !line.is_empty(),
                    "neither sample, HELP nor TYPE: {line:?}"
                );
                let of = current.as_ref().unwrap_or_else(|| panic!("a sample of no family: {line}"));
                families.get_mut(of).unwrap().sample(of, line);
            }
        }
        assert!(help.is_none(), "HELP at the end");
        for (name, family) in &families {
            family.check(name);
        }
        Self(families)
    }

    /// The sum of a family's samples that have these labels, among others.
    #[track_caller]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let family = self.0.get(name).unwrap_or_else(|| panic!("there is no family {name}"));
        let matching = family.samples.iter().filter(|((_, has), _)| {
            labels.iter().all(|(label, value)| has.get(*label).is_some_and(|has| has == value))
        });
        let values: Vec<f64> = matching.map(|(_, value)| *value).collect();
        assert!(!values.is_empty(), "{name} has no sample with {labels:?}: {:?}", family.samples);
        values.iter().sum()
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.0.values().map(|family| family.samples.len()).sum()
    }
}

impl Family {
    fn sample(&mut self, of: &str, line: &str) {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
        let name = metric_name(&line[..end]);
        let suffix = name.strip_prefix(of).unwrap_or_else(|| panic!("{line} stands among {of}"));
        let suffixes: &[&str] = if self.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line} stands among {of}");
        let (labels, rest) = match line[end..].strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Labels::new(), &line[end..]),
        };
        let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no blank before the value: {line}"));
        assert!(!value.contains(' '), "more than a value: {line}");
        let number = match value {
            "+Inf" => f64::INFINITY,
            "-Inf" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            _ => {
                assert!(value.starts_with(|c: char| c.is_ascii_digit() || c == '-'), "{line}");
                value.parse().unwrap_or_else(|_| panic!("no number: {line}"))
            }
        };
        assert!(self.samples.insert((name, labels), number).is_none(), "twice: {line}");
    }

    fn check(&self, name: &str) {
        for (sample, value) in &self.samples {
            let is_sum = sample.0.ends_with("_sum");
            let is_count = self.kind == "counter" || (self.kind == "histogram" && !is_sum);
            assert!(!is_count || (value.is_finite() && *value >= 0.0), "{sample:?} is {value}");
        }
        let names: BTreeSet<Vec<&String>> = self
            .samples
            .keys()
            .filter(|(n, _)| !n.ends_with("_bucket"))
            .map(|(_, l)| l.keys().collect())
            .collect();
        assert!(names.len() <= 1, "{name}: its samples have different labels: {names:?}");
        if self.kind == "histogram" {
            self.check_histogram(name);
        }
    }

    fn check_histogram(&self, name: &str) {
        for ((sample, labels), count) in &self.samples {
            if *sample != format!("{name}_count") {
                continue;
            }
            assert!(
                self.samples.contains_key(&(format!("{name}_sum"), labels.clone())),
                "{name} without a sum"
            );
            let mut buckets = Vec::new();
            for ((bucket, with), below) in &self.samples {
                let mut with = with.clone();
                if *bucket != format!("{name}_bucket") {
                    continue;
                }
                let bound = with.remove("le").expect("a bucket has a bound");
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                if with == *labels {
                    buckets.push((bound, *below));
                }
            }
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.windows(2).all(|two| two[0].1 <= two[1].1), "{name}: {buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}: the last bucket holds all");
        }
    }
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut text: &str) -> (Labels, &str) {
    let mut all = Labels::new();
    loop {
        let (name, rest) = text.split_once("=\"").unwrap_or_else(|| panic!("no label: {text}"));
        let mut chars = name.chars();
        let first = chars.next().unwrap();
        assert!(first.is_ascii_alphabetic() || first == '_', "label {name}");
        assert!(
            chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with("__"),
            "label {name}"
        );
        let mut escaped = false;
        let end = rest
            .find(|c| {
                let is_end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                is_end
            })
            .unwrap_or_else(|| panic!("the value has no end: {rest}"));
        assert!(all.insert(name.to_owned(), unescape(&rest[..end], true)).is_none(), "label {name} twice");
        text = &rest[end + 1..];
        match text.strip_prefix(',') {
            Some(more) => text = more,
            None => return (all, text.strip_prefix('}').unwrap_or_else(|| panic!("no end: {text}"))),
        }
    }
}

fn unescape(text: &str, is_label: bool) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if is_label => '"',
                other => panic!("escape {other:?} in {text:?}"),
            }),
            '"' if is_label => panic!("a bare quote in {text:?}"),
            c => out.push(c),
        }
    }
    out
}

fn metric_name(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().unwrap_or_else(|| panic!("no name"));
    assert!(first.is_ascii_alphabetic() || first == '_' || first == ':', "name {name}");
    assert!(chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':'), "name {name}");
    name.to_owned()
}
