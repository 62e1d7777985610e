//! `rewrite`: queries and answers are changed on their way.

mod edns0;
mod matching;
mod name;
mod rules;

pub use edns0::{Edns0, Edns0Action, Edns0Data};
pub use matching::Match;
pub use name::{AnswerRule, NameRule};
pub use rules::{CnameRule, RcodeRule, TtlRule};

use super::{Read, Repeat, Write};
use crate::grammar::Directive;
use crate::lexer::Token;
use crate::names::{Class, RecordType};
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// One rule; those of a server are tried in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Whether rules behind this one are tried where this one holds.
    pub goes_on: bool,
    /// What is changed.
    pub rule: Rule,
}

/// What a rule changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The name that is asked for, and those in the answer.
    Name(NameRule),
    /// The class of a query.
    Class {
        /// Which queries.
        from: Class,
        /// Into what.
        to: Class,
    },
    /// The type of a query.
    Type {
        /// Which queries.
        from: RecordType,
        /// Into what.
        to: RecordType,
    },
    /// An EDNS option of a query.
    Edns0(Edns0),
    /// TTLs of an answer.
    Ttl(TtlRule),
    /// The target of an alias.
    Cname(CnameRule),
    /// The response code.
    Rcode(RcodeRule),
}

const KINDS: [&str; 7] = ["class", "cname", "edns0", "name", "rcode", "ttl", "type"];

impl Read for Rewrite {
    const REPEAT: Repeat = Repeat::Many;

    /// The rule is on the directive's line, or all its words but the first are in a body.
    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut words: Vec<&Token> = directive.args.iter().collect();
        if words.len() < 2 {
            words.extend(
                directive.lines().iter().flat_map(|line| std::iter::once(&line.name).chain(&line.args)),
            );
        } else {
            reader.no_body(directive);
        }
        let mut words = words.as_slice();
        let mut goes_on = false;
        if let [first, rest @ ..] = words {
            let mode = first.text.to_ascii_lowercase();
            if matches!(mode.as_str(), "continue" | "stop") {
                goes_on = mode == "continue";
                words = rest;
            }
        }
        let rule = match words {
            [kind, args @ ..] => rule(kind, args, reader),
            [] => {
                reader.error(&directive.name, format!("`rewrite` begins with one of {}", KINDS.join(", ")));
                None
            }
        };
        // Where there is no rule there is an error, and nobody sees this one.
        let rule = rule.unwrap_or(Rule::Class { from: Class::ANY, to: Class::ANY });
        Self { goes_on, rule }
    }
}

fn rule(kind: &Token, args: &[&Token], reader: &mut Reader<'_>) -> Option<Rule> {
    Some(match kind.text.to_ascii_lowercase().as_str() {
        "name" => Rule::Name(name::read(kind, args, reader)?),
        "class" => {
            let (from, to) = two(kind, args, reader)?;
            Rule::Class { from: class(from, reader)?, to: class(to, reader)? }
        }
        "type" => {
            let (from, to) = two(kind, args, reader)?;
            Rule::Type { from: record_type(from, reader)?, to: record_type(to, reader)? }
        }
        "edns0" => Rule::Edns0(edns0::read(kind, args, reader)?),
        "ttl" => Rule::Ttl(rules::ttl(kind, args, reader)?),
        "cname" | "cname_target" => Rule::Cname(rules::cname(kind, args, reader)?),
        "rcode" => Rule::Rcode(rules::rcode(kind, args, reader)?),
        "answer" => {
            reader.error(kind, "`answer` belongs behind a `name` rule, in the same braces");
            return None;
        }
        _ => {
            reader.none_of(kind, "kind of rewrite", &KINDS);
            return None;
        }
    })
}

fn two<'t>(kind: &Token, args: &[&'t Token], reader: &mut Reader<'_>) -> Option<(&'t Token, &'t Token)> {
    match args {
        [from, to] => Some((from, to)),
        _ => {
            reader.error(kind, format!("`rewrite {}` takes two arguments: from and to", kind.text));
            None
        }
    }
}

fn class(at: &Token, reader: &mut Reader<'_>) -> Option<Class> {
    let class = Class::named(&at.text.to_ascii_uppercase());
    if class.is_none() {
        reader.none_of(at, "class", &Class::names().collect::<Vec<_>>());
    }
    class
}

fn record_type(at: &Token, reader: &mut Reader<'_>) -> Option<RecordType> {
    let found = RecordType::named(&at.text.to_ascii_uppercase());
    if found.is_none() {
        reader.error(at, format!("`{}` is no record type", at.text));
    }
    found
}

impl Write for Rewrite {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        if self.goes_on {
            stanza.arg("continue");
        }
        match &self.rule {
            Rule::Name(rule) => rule.write(stanza),
            Rule::Class { from, to } => {
                stanza.arg("class").arg(from).arg(to);
            }
            Rule::Type { from, to } => {
                stanza.arg("type").arg(from).arg(to);
            }
            Rule::Edns0(rule) => rule.write(stanza),
            Rule::Ttl(rule) => rule.write(stanza),
            Rule::Cname(rule) => rule.write(stanza),
            Rule::Rcode(rule) => rule.write(stanza),
        }
    }
}
