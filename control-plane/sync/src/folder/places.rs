//! Which line of a document a field stands on. Looked at only where something is wrong, so that what is right costs no
//! tree of places.

use std::cell::OnceCell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::documents::options;

/// The places of a document's fields.
pub(super) struct Places<'a> {
    text: &'a str,
    before: u64,
    tree: OnceCell<Option<Tree>>,
}

impl<'a> Places<'a> {
    /// Of the document `text`, with `before` lines before it.
    pub(super) fn new(text: &'a str, before: u64) -> Self {
        Self { text, before, tree: OnceCell::new() }
    }

    /// The line in the file, from 1, of the field at `path`, or of the nearest one around it.
    pub(super) fn line(&self, path: &str) -> u64 {
        // JSON is YAML but for rarities; of those only the document's own line is known.
        let tree = self.tree.get_or_init(|| {
            serde_saphyr::from_str_with_options::<Spanned<Tree>>(self.text, options())
                .ok()
                .map(|root| root.value)
        });
        let mut line = 0;
        let mut tree = tree.as_ref();
        for segment in segments(path) {
            let child = match (tree, segment) {
                (Some(Tree::Map(entries)), Segment::Key(key)) => {
                    entries.iter().find(|(name, _, _)| name == key)
                }
                (Some(Tree::Sequence(items)), Segment::Index(index)) => items.get(index),
                _ => None,
            };
            let Some((_, at, below)) = child else {
                break;
            };
            line = *at;
            tree = Some(below);
        }
        if line == 0 {
            return self.first_line();
        }
        self.before + line
    }

    /// The line in the file, from 1, on which the document's content begins.
    pub(super) fn first_line(&self) -> u64 {
        let blank = self.text.lines().take_while(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---"
        });
        self.before + blank.count() as u64 + 1
    }
}

/// What a document is made of: each child with its name, its line and what is below.
enum Tree {
    Map(Vec<(String, u64, Tree)>),
    Sequence(Vec<(String, u64, Tree)>),
    Scalar,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            entries.push((key.value, line, map.next_value::<Tree>()?));
        }
        Ok(Tree::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element::<Spanned<Tree>>()? {
            items.push((String::new(), item.referenced.line(), item.value));
        }
        Ok(Tree::Sequence(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Tree::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }
}

enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

/// The parts of `spec.ports[0].port` or `metadata.annotations["a.b/c"]`.
fn segments(path: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]").unwrap_or((quoted, ""));
            segments.push(Segment::Key(key));
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']').unwrap_or((index, ""));
            segments.push(Segment::Index(index.parse().unwrap_or(usize::MAX)));
            rest = after;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if !key.is_empty() {
                segments.push(Segment::Key(key));
            } else if after == rest {
                // A stray dot: nothing was consumed.
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            rest = after;
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_or_the_nearest_one_around() {
        let text = "---\n# comment\nkind: Service\nmetadata:\n  annotations:\n    a.b/c: x\nspec:\n  ports:\n    - name: a\n      port: 80\n    - name: b\n      port: x\n";
        let places = Places::new(text, 100);
        assert_eq!(places.line("spec.ports[1].port"), 112);
        assert_eq!(places.line("spec.ports[1]"), 111);
        assert_eq!(places.line("spec.ports[1].nodePort"), 111);
        assert_eq!(places.line("metadata.annotations[\"a.b/c\"]"), 106);
        assert_eq!(places.line("spec.type"), 107);
        assert_eq!(places.line(""), 103);
        assert_eq!(places.line("..[..[\"x"), 103);
    }

    #[test]
    fn json_has_lines_too() {
        let text =
            "{\n\t\"spec\": {\n\t\t\"ports\": [\n\t\t\t{\"port\": 80},\n\t\t\t{\"port\": 0}\n\t\t]\n\t}\n}\n";
        let places = Places::new(text, 0);
        assert_eq!(places.line("spec.ports[1].port"), 5);
    }
}
