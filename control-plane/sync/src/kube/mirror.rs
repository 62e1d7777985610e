//! One kind's objects as the API server has them, and what changes of them.

use std::collections::HashMap;

use super::Outcome;
use crate::folder::ObjectChange;
use crate::object::{Key, Object};
use crate::{FieldProblem, Problem};

/// The objects of one kind.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    objects: HashMap<Key, Held>,
    /// What a list in progress has brought so far.
    listed: Option<HashMap<Key, Held>>,
}

/// An object: as it is served, if it is, and whether something was said of it.
#[derive(Clone, Debug, Default)]
struct Held {
    object: Option<Object>,
    problems: Vec<Problem>,
}

/// What there is to tell.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Delta {
    /// Objects that are new, other, or gone.
    pub changes: Vec<ObjectChange>,
    /// What is wrong with an object from now on.
    pub problems: Vec<(Key, Vec<Problem>)>,
}

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.problems.is_empty()
    }
}

impl Mirror {
    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// A list begins; what it does not bring is gone when it ends, and not before.
    pub(super) fn begin(&mut self) {
        self.listed = Some(HashMap::with_capacity(self.objects.len()));
    }

    /// The list has an object.
    pub(super) fn list(&mut self, key: Key, outcome: Outcome) {
        let before = self.objects.get(&key);
        let held = held(&key, before, outcome);
        self.listed.get_or_insert_default().insert(key, held);
    }

    /// The list is complete: what it changes.
    pub(super) fn end(&mut self) -> Delta {
        let mut delta = Delta::default();
        let Some(listed) = self.listed.take() else { return delta };
        let mut before = std::mem::replace(&mut self.objects, listed);
        for (key, held) in &self.objects {
            compare(key, before.remove(key).as_ref(), Some(held), &mut delta);
        }
        for (key, held) in &before {
            compare(key, Some(held), None, &mut delta);
        }
        delta
    }

    /// An object is new or has changed.
    pub(super) fn apply(&mut self, key: Key, outcome: Outcome) -> Delta {
        let mut delta = Delta::default();
        let before = self.objects.get(&key);
        let after = held(&key, before, outcome);
        compare(&key, before, Some(&after), &mut delta);
        self.objects.insert(key, after);
        delta
    }

    /// An object is gone.
    pub(super) fn delete(&mut self, key: &Key) -> Delta {
        let mut delta = Delta::default();
        let before = self.objects.remove(key);
        compare(key, before.as_ref(), None, &mut delta);
        delta
    }
}

/// An object that cannot be used keeps its last good version.
fn held(key: &Key, before: Option<&Held>, outcome: Outcome) -> Held {
    let problem = |FieldProblem { field, message, level }: FieldProblem| Problem {
        file: String::new(),
        line: 0,
        object: key.to_string(),
        field,
        level,
        message,
    };
    match outcome {
        Ok(parsed) => {
            Held { object: Some(parsed.object), problems: parsed.problems.into_iter().map(problem).collect() }
        }
        Err(rejected) => {
            let message = rejected.message + "; the object keeps its last good version";
            let rejected = FieldProblem { message, ..rejected };
            Held { object: before.and_then(|held| held.object.clone()), problems: vec![problem(rejected)] }
        }
    }
}

fn compare(key: &Key, before: Option<&Held>, after: Option<&Held>, delta: &mut Delta) {
    let object = |held: Option<&Held>| held.and_then(|held| held.object.clone());
    let problems = |held: Option<&Held>| held.map(|held| held.problems.clone()).unwrap_or_default();
    if object(before) != object(after) {
        delta.changes.push((key.clone(), object(after)));
    }
    if problems(before) != problems(after) {
        delta.problems.push((key.clone(), problems(after)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::object::{Kind, NodeObject, Parsed};

    fn key(name: &str) -> Key {
        Key { kind: Kind::Node, namespace: "".into(), name: name.into() }
    }

    fn node(name: &str, zone: &str) -> Object {
        Object::Node(Arc::new(NodeObject { name: name.into(), zone: Some(zone.into()) }))
    }

    fn good(name: &str, zone: &str) -> Outcome {
        Ok(Parsed { object: node(name, zone), problems: Vec::new() })
    }

    #[test]
    fn a_list_is_told_when_it_ends_and_takes_away_what_it_does_not_have() {
        let mut mirror = Mirror::default();
        mirror.begin();
        mirror.list(key("a"), good("a", "1"));
        mirror.list(key("b"), good("b", "1"));
        assert_eq!(mirror.end().changes.len(), 2);
        // A list that breaks off tells nothing.
        mirror.begin();
        mirror.list(key("b"), good("b", "2"));
        mirror.begin();
        mirror.list(key("b"), good("b", "1"));
        mirror.list(key("c"), good("c", "1"));
        let mut changes = mirror.end().changes;
        changes.sort_by_key(|(key, _)| key.clone());
        assert_eq!(changes, [(key("a"), None), (key("c"), Some(node("c", "1")))]);
        assert_eq!(mirror.len(), 2);
    }

    #[test]
    fn what_changes_nothing_is_not_told() {
        let mut mirror = Mirror::default();
        assert_eq!(mirror.apply(key("a"), good("a", "1")).changes.len(), 1);
        assert!(mirror.apply(key("a"), good("a", "1")).is_empty());
        assert_eq!(mirror.delete(&key("a")).changes, [(key("a"), None)]);
        assert!(mirror.delete(&key("a")).is_empty());
    }

    #[test]
    fn a_rejected_object_keeps_its_last_good_version_and_says_why_until_it_is_good_again() {
        let bad = || Err(FieldProblem::new("spec.type", "no type"));
        let mut mirror = Mirror::default();
        let delta = mirror.apply(key("a"), bad());
        assert_eq!((delta.changes.len(), delta.problems.len()), (0, 1));
        mirror.apply(key("a"), good("a", "1"));
        let delta = mirror.apply(key("a"), bad());
        assert_eq!(delta.changes, []);
        assert!(delta.problems[0].1[0].message.contains("last good version"));
        mirror.begin();
        mirror.list(key("a"), bad());
        assert!(mirror.end().is_empty());
        assert_eq!(mirror.apply(key("a"), good("a", "1")).problems, [(key("a"), vec![])]);
    }
}
