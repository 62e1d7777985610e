//! `rewrite name`: another name is looked up, and the answer is made to fit the question.

use super::matching::{self, Match, check_groups};
use crate::lexer::Token;
use crate::pattern::Pattern;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::absolute;

/// A rule for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRule {
    /// Which names.
    pub from: Match,
    /// What stands for what matched; `{1}` is the first group of an expression.
    pub to: String,
    /// Whether names in the answer are changed back (`answer auto`); always so for an exact match.
    pub auto: bool,
    /// How else the answer is changed.
    pub answers: Vec<AnswerRule>,
}

/// A change of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRule {
    /// Whether names in the data are changed, not those of the records.
    pub value: bool,
    /// Which names.
    pub from: Pattern,
    /// Into what; `{1}` is the first group.
    pub to: String,
}

pub(super) fn read(kind: &Token, args: &[&Token], reader: &mut Reader<'_>) -> Option<NameRule> {
    let (matching, from, to, rest) = match args {
        [from, to] => (None, *from, *to, [].as_slice()),
        [matching, from, to, rest @ ..] => (Some(*matching), *from, *to, rest),
        _ => {
            reader.error(kind, "`rewrite name` takes a way to match, a name and what stands for it");
            return None;
        }
    };
    let from = matching::read(matching, from, reader)?;
    if matches!(from, Match::Regex(_)) {
        check_groups(to, from.groups(), reader);
    }
    let (auto, answers) = answers(rest, reader)?;
    let exact = matches!(from, Match::Exact(_));
    Some(NameRule { from, to: absolute(&to.text), auto: auto || exact, answers })
}

/// `answer auto`, `answer name FROM TO`, `answer value FROM TO`; the word `answer` may be left out but the first time.
fn answers(words: &[&Token], reader: &mut Reader<'_>) -> Option<(bool, Vec<AnswerRule>)> {
    let (mut auto, mut answers) = (None, Vec::new());
    let mut words = words.iter().peekable();
    let mut begun = false;
    while let Some(word) = words.next() {
        let kind = if word.text == "answer" {
            begun = true;
            let Some(kind) = words.next() else {
                reader.error(word, "`answer` is followed by `auto`, `name` or `value`");
                return None;
            };
            kind
        } else if begun {
            word
        } else {
            reader.error(word, format!("`{}`: behind a name rule there is only `answer`", word.text));
            return None;
        };
        match kind.text.as_str() {
            "auto" => auto = Some(*kind),
            "name" | "value" => {
                let (Some(from), Some(to)) = (words.next(), words.next()) else {
                    reader.error(
                        kind,
                        format!("`answer {}` takes an expression and what stands for it", kind.text),
                    );
                    return None;
                };
                let pattern = reader.pattern(from)?;
                check_groups(to, pattern.groups(), reader);
                answers.push(AnswerRule {
                    value: kind.text == "value",
                    from: pattern,
                    to: absolute(&to.text),
                });
            }
            _ => {
                reader.none_of(kind, "part of an answer", &["auto", "name", "value"]);
                return None;
            }
        }
    }
    if let Some(auto) = auto
        && answers.iter().any(|answer| !answer.value)
    {
        reader.error(auto, "`answer auto` and `answer name` exclude each other");
    }
    Some((auto.is_some(), answers))
}

impl NameRule {
    pub(super) fn write(&self, stanza: &mut Stanza) {
        stanza.arg("name").args(self.from.words()).arg(&self.to);
        if self.auto && !matches!(self.from, Match::Exact(_)) {
            stanza.args(["answer", "auto"]);
        }
        for AnswerRule { value, from, to } in &self.answers {
            stanza.args(["answer", if *value { "value" } else { "name" }, from.as_str(), to]);
        }
    }
}
