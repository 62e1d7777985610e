//! A file's documents.

use serde_json::Value;

/// A document of a file, with what is needed to tell lines.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// How many lines of the file come before it.
    pub before: u64,
    /// Its text.
    pub text: &'a str,
    /// What it holds.
    pub value: Result<Value, SyntaxError>,
}

/// A document that is neither YAML nor JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The line in the file, from 1; 0 where it is not known.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// The documents of a YAML file. A broken one does not keep the others from being read, for a line that begins with `---`
/// ends a document wherever it stands (YAML 1.2.2, section 9.1.2).
pub(super) fn yaml(text: &str) -> Vec<Document<'_>> {
    pieces(text)
        .into_iter()
        .filter(|(_, text)| !is_blank(text))
        .map(|(before, text)| Document {
            before,
            text,
            value: parse_yaml(text).map_err(|error| SyntaxError {
                line: error.location().map_or(0, |place| before + place.line()),
                message: yaml_message(&error),
            }),
        })
        .collect()
}

/// The documents of a JSON file: one, or several one after the other.
pub(super) fn json(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let (mut start, mut before) = (0, 0);
    while let Some(value) = stream.next() {
        let failed = value.is_err();
        let end = if failed { text.len() } else { stream.byte_offset() };
        let piece = text.get(start..end).unwrap_or_default();
        documents.push(Document {
            before,
            text: piece,
            value: value.map_err(|error| SyntaxError {
                line: error.line() as u64,
                message: message_without_place(&error.to_string()),
            }),
        });
        if failed {
            break;
        }
        before += piece.matches('\n').count() as u64;
        start = end;
    }
    documents
}

/// Parses one YAML document.
pub(super) fn parse_yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, options())
}

/// Room for any list of manifests, none for a bomb of aliases.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_events: 100_000_000,
            max_nodes: 50_000_000,
            max_total_scalar_bytes: 256 << 20,
            max_aliases: 100_000,
            max_anchors: 100_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 1_000_000,
        },
    }
}

/// The text cut at document markers, with the number of lines before each piece.
fn pieces(text: &str) -> Vec<(u64, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut before, mut offset) = (0, 0, 0);
    for (number, line) in (0..).zip(text.split_inclusive('\n')) {
        let marker = |marker: &str| {
            line.strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        };
        if marker("---") && offset > start {
            pieces.push((before, text.get(start..offset).unwrap_or_default()));
            (start, before) = (offset, number);
        }
        offset += line.len();
        if marker("...") {
            pieces.push((before, text.get(start..offset).unwrap_or_default()));
            (start, before) = (offset, number + 1);
        }
    }
    pieces.push((before, text.get(start..).unwrap_or_default()));
    pieces
}

/// Whether there is nothing but comments and markers.
fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with(['#', '%']) || line == "---" || line == "..."
    })
}

fn yaml_message(error: &serde_saphyr::Error) -> String {
    message_without_place(&error.without_snippet().to_string())
}

/// The place is told apart from the message.
fn message_without_place(text: &str) -> String {
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text.get(..end).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_markers_and_know_their_lines() {
        let text = "# first\na: 1\n--- # second\nb: |\n  ---x\n  text\n...\n---\n\n--- \nc: [\n---\nd: 4\n";
        let documents = yaml(text);
        let seen: Vec<(u64, bool)> = documents.iter().map(|d| (d.before, d.value.is_ok())).collect();
        assert_eq!(seen, [(0, true), (2, true), (9, false), (11, true)]);
        assert_eq!(documents[1].value.as_ref().unwrap()["b"], "---x\ntext\n");
        let error = documents[2].value.as_ref().unwrap_err();
        assert_eq!(error.line, 11);
        assert!(!error.message.contains("at line"), "{}", error.message);
    }

    #[test]
    fn json_may_come_in_several_documents_and_in_tabs() {
        let text = "{\n\t\"a\": 1\n}\n{\"b\": 2}\n{\"c\": \n";
        let documents = json(text);
        assert_eq!(documents.len(), 3);
        assert_eq!(documents[0].value.as_ref().unwrap()["a"], 1);
        assert_eq!(documents[1].before, 2);
        assert_eq!(documents[2].value.as_ref().unwrap_err().line, 6);
        assert!(json("").is_empty());
    }

    #[test]
    fn empty_files_and_comments_hold_nothing() {
        for text in ["", "\n\n", "# nothing\n", "---\n---\n# x\n...\n", "\u{feff}# x"] {
            assert!(yaml(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn scalars_are_of_yaml_1_2() {
        let documents = yaml("time: 2024-05-06T07:08:09Z\nyes: no\nport: 80\nname: \"80\"\n");
        let value = documents[0].value.as_ref().unwrap();
        assert_eq!(value["time"], "2024-05-06T07:08:09Z");
        assert_eq!(value["port"], 80);
        assert_eq!(value["name"], "80");
    }

    #[test]
    fn a_bomb_is_an_error() {
        let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
        for pair in ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"] {
            let (from, to) = pair.split_at(1);
            text += &format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 10].join(", "));
        }
        assert!(yaml(&text)[0].value.is_err());
    }
}
