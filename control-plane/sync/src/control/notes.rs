//! What is to be told of each Ingress: all that is wrong with it, when that changes, and never more than so many at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_model::ServiceName;

use crate::desired::Desired;
use crate::{Level, Problem};

/// How many may be told at once, and how long it takes until there may be one more.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_millis(500);
/// The most Ingresses that are told of one bad Secret.
const TOLD_OF_A_SECRET: usize = 10;
/// The longest note; an Event's has 1024 bytes (events.k8s.io/v1).
const MOST: usize = 1000;

/// All that is wrong with an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// How bad the worst of it is.
    pub level: Level,
    /// A line for each.
    pub text: String,
}

/// What was told of each Ingress, and what is to be.
#[derive(Debug)]
pub(super) struct Notes {
    said: BTreeMap<ServiceName, Note>,
    waiting: BTreeMap<ServiceName, Note>,
    left: u32,
    refilled: Instant,
}

impl Notes {
    /// Nothing was told yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { said: BTreeMap::new(), waiting: BTreeMap::new(), left: BURST, refilled: now }
    }

    /// Whoever tells next says everything once.
    pub(super) fn forget(&mut self) {
        self.said.clear();
        self.waiting.clear();
    }

    /// These are all the problems there are.
    pub(super) fn tell(&mut self, problems: &[Problem], desired: &Desired) {
        let mut notes: BTreeMap<ServiceName, Note> = BTreeMap::new();
        for problem in problems.iter().filter(|problem| problem.level > Level::Note) {
            for name in concerned(problem, desired) {
                let note =
                    notes.entry(name).or_insert_with(|| Note { level: problem.level, text: String::new() });
                note.level = note.level.max(problem.level);
                if note.text.len() > MOST {
                    continue;
                }
                if !note.text.is_empty() {
                    note.text.push('\n');
                }
                note.text.push_str(&words(problem));
            }
        }
        self.said.retain(|name, _| notes.contains_key(name));
        self.waiting.retain(|name, _| notes.contains_key(name));
        for (name, mut note) in notes {
            shorten(&mut note.text);
            if self.said.get(&name) != Some(&note) {
                self.said.insert(name.clone(), note.clone());
                self.waiting.insert(name, note);
            }
        }
    }

    /// What may be told now.
    pub(super) fn next(&mut self, now: Instant) -> Option<(ServiceName, Note)> {
        let refills = now.saturating_duration_since(self.refilled).as_millis() / REFILL.as_millis();
        if refills > 0 {
            self.refilled = now;
            self.left = self.left.saturating_add(u32::try_from(refills).unwrap_or(BURST)).min(BURST);
        }
        if self.left == 0 {
            return None;
        }
        let next = self.waiting.pop_first()?;
        self.left -= 1;
        Some(next)
    }
}

/// The Ingresses of ours that a problem is of.
fn concerned(problem: &Problem, desired: &Desired) -> Vec<ServiceName> {
    let Some((kind, name)) = problem.object.split_once(' ') else { return Vec::new() };
    let Some((namespace, name)) = name.split_once('/') else { return Vec::new() };
    let name = ServiceName::new(namespace, name);
    match kind {
        "Ingress" if desired.ingress(&name).is_some_and(|(_, owned)| owned) => vec![name],
        "Secret" => {
            let ours = desired.ingresses().filter(|(_, owned)| *owned).map(|(ingress, _)| ingress);
            let users = ours.filter(|ingress| ingress.tls.iter().any(|it| it.secret.as_ref() == Some(&name)));
            users.take(TOLD_OF_A_SECRET).map(|ingress| ingress.name.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// An Ingress need not be told its own name.
fn words(problem: &Problem) -> String {
    match problem.object.starts_with("Ingress ") {
        true if problem.field.is_empty() => problem.message.clone(),
        true => format!("{}: {}", problem.field, problem.message),
        false => problem.to_string(),
    }
}

fn shorten(text: &mut String) {
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" …");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use sluice_model::Settings;
    use sluice_model::http::HttpSettings;

    use super::*;
    use crate::desired::IngressRules;
    use crate::object::{Object, ingress};

    fn desired(count: usize) -> Desired {
        let rules = IngressRules {
            controller: "c/d".into(),
            class: "sluice".into(),
            watch_without_class: true,
            default_class: false,
            hsts: None,
            external: crate::desired::ExternalRules::default(),
            secret_namespaces: Vec::new(),
            settings: HttpSettings::default(),
        };
        let mut desired = Desired::new(Settings::default()).with_ingress(Some(rules));
        for n in 0..count {
            let value = json!({ "metadata": { "namespace": "default", "name": format!("i{n:03}") },
                "spec": { "tls": [{ "secretName": "tls" }] } });
            let object = ingress::ingress(&serde_json::from_value(value).unwrap()).object;
            desired.apply(Object::Ingress(Arc::new(object)));
        }
        desired
    }

    fn problem(object: &str, level: Level, message: &str) -> Problem {
        let (object, message) = (object.to_owned(), message.to_owned());
        Problem { file: String::new(), line: 0, object, field: "spec".to_owned(), level, message }
    }

    fn all(notes: &mut Notes, now: Instant) -> Vec<String> {
        let told = std::iter::from_fn(|| notes.next(now));
        told.map(|(name, note)| format!("{name} {:?} {}", note.level, note.text)).collect()
    }

    #[test]
    fn everything_is_told_once_and_again_when_it_changes() {
        let (desired, now) = (desired(2), Instant::now());
        let mut notes = Notes::new(now);
        let mut problems = vec![
            problem("Ingress default/i000", Level::Warning, "lint"),
            problem("Ingress default/i000", Level::Error, "bad"),
            problem("Ingress default/i001", Level::Note, "nothing"),
            problem("Ingress default/other", Level::Error, "not ours"),
            problem("Service default/i000", Level::Error, "another kind"),
        ];
        notes.tell(&problems, &desired);
        assert_eq!(all(&mut notes, now), ["default/i000 Error spec: lint\nspec: bad"]);
        notes.tell(&problems, &desired);
        assert_eq!(all(&mut notes, now), [""; 0]);
        problems.remove(1);
        notes.tell(&problems, &desired);
        assert_eq!(all(&mut notes, now), ["default/i000 Warning spec: lint"]);
        // Mended and broken once more is news.
        notes.tell(&[], &desired);
        notes.tell(&problems, &desired);
        assert_eq!(all(&mut notes, now).len(), 1);
        notes.forget();
        notes.tell(&problems, &desired);
        assert_eq!(all(&mut notes, now).len(), 1);
    }

    #[test]
    fn of_a_bad_secret_a_few_ingresses_are_told() {
        let (desired, now) = (desired(15), Instant::now());
        let mut notes = Notes::new(now);
        notes.tell(&[problem("Secret default/tls", Level::Error, "bad")], &desired);
        let told = all(&mut notes, now);
        assert_eq!(told.len(), TOLD_OF_A_SECRET);
        assert!(told[0].ends_with("Secret default/tls: spec: bad"), "{told:?}");
    }

    #[test]
    fn never_more_than_so_many_nor_longer_than_an_event_may_be() {
        let (desired, now) = (desired(100), Instant::now());
        let mut notes = Notes::new(now);
        let problems: Vec<Problem> = (0..100)
            .flat_map(|n| (0..50).map(move |_| n))
            .map(|n| problem(&format!("Ingress default/i{n:03}"), Level::Error, &"ä".repeat(100)))
            .collect();
        notes.tell(&problems, &desired);
        let told = all(&mut notes, now);
        assert_eq!(told.len(), BURST as usize);
        assert!(told.iter().all(|it| it.len() < 1024 + "default/i000 Error ".len()));
        assert_eq!(all(&mut notes, now + REFILL * 3).len(), 3);
        assert_eq!(all(&mut notes, now + REFILL * 1000).len(), BURST as usize);
    }
}
