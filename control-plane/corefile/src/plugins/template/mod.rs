//! `template`: answers made from the question.

mod text;

pub use text::{Part, Text, TextError};

use super::{Read, Repeat, Write};
use crate::grammar::{Directive, Line};
use crate::lexer::Token;
use crate::names::{Class, Rcode, RecordType};
use crate::pattern::Pattern;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// Answers for one class and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The class; [`Class::ANY`] for all.
    pub class: Class,
    /// The type; [`RecordType::ANY`] for all.
    pub kind: RecordType,
    /// Zones of the names.
    pub zones: Vec<Zone>,
    /// Which names: the first that matches. All where empty.
    pub matching: Vec<Pattern>,
    /// Records of the answer.
    pub answer: Vec<Text>,
    /// Records of the additional section.
    pub additional: Vec<Text>,
    /// Records of the authority section.
    pub authority: Vec<Text>,
    /// The response code.
    pub rcode: Rcode,
    /// An extended error (RFC 8914) with its words.
    pub ederror: Option<(u16, Option<String>)>,
    /// Zones in which the next plugin is asked where no expression matches; the root for all.
    pub fallthrough: Vec<Zone>,
}

const OPTIONS: [&str; 7] = ["additional", "answer", "authority", "ederror", "fallthrough", "match", "rcode"];

impl Template {
    fn option(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let name = &line.name;
        match name.text.as_str() {
            "match" => {
                for arg in reader.some(line) {
                    self.matching.extend(reader.pattern(arg));
                }
            }
            "answer" => self.answer.extend(texts(line, reader)),
            "additional" => self.additional.extend(texts(line, reader)),
            "authority" => self.authority.extend(texts(line, reader)),
            "rcode" => {
                let Some(arg) = reader.one(line) else { return };
                match Rcode::named(&arg.text) {
                    Some(rcode) => self.rcode = rcode,
                    None => reader.none_of(arg, "response code", &Rcode::names().collect::<Vec<_>>()),
                }
            }
            "ederror" => {
                let [code, rest @ ..] = reader.some(line) else { return };
                if let Some(extra) = rest.get(1) {
                    reader.error(extra, "`ederror` takes a code and its words in quotes");
                }
                let words = rest.first().map(|words| words.text.clone());
                self.ederror = reader.number(code, 0..=u16::MAX).map(|code| (code, words));
            }
            "fallthrough" => self.fallthrough = reader.fallthrough("template", line, &self.zones),
            "upstream" => reader.warning(name, "`upstream` is gone from CoreDNS and ignored"),
            "expr" | "var" => {
                reader.error(
                    name,
                    format!("`{}`: expressions in templates are not supported; use `match`", name.text),
                );
            }
            _ => reader.unknown("template", line, &OPTIONS),
        }
    }

    /// Groups that the records use but no expression has.
    fn check_groups(&self, at: &Token, reader: &mut Reader<'_>) {
        let most = self.matching.iter().map(Pattern::groups).max().unwrap_or(0);
        let parts =
            [&self.answer, &self.additional, &self.authority].into_iter().flatten().flat_map(Text::parts);
        let missing = parts.filter_map(|part| match part {
            Part::Match(group) if *group > most => Some(*group),
            _ => None,
        });
        if let Some(group) = missing.min() {
            reader.warning(at, format!("no expression of this template has a group {group}"));
        }
    }
}

fn texts(line: &Line, reader: &mut Reader<'_>) -> Vec<Text> {
    let mut texts = Vec::new();
    for arg in reader.some(line) {
        match Text::parse(&arg.text) {
            Ok(text) => texts.push(text),
            Err(error) => reader.error(arg, error.to_string()),
        }
    }
    texts
}

impl Read for Template {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut template = Self {
            class: Class::ANY,
            kind: RecordType::ANY,
            zones: Vec::new(),
            matching: Vec::new(),
            answer: Vec::new(),
            additional: Vec::new(),
            authority: Vec::new(),
            rcode: Rcode::NOERROR,
            ederror: None,
            fallthrough: Vec::new(),
        };
        let [class, kind, zones @ ..] = directive.args.as_slice() else {
            reader.error(&directive.name, "`template` takes a class, a record type and zones");
            return template;
        };
        match Class::named(&class.text) {
            Some(found) => template.class = found,
            None => reader.none_of(class, "class", &Class::names().collect::<Vec<_>>()),
        }
        match RecordType::named(&kind.text) {
            Some(found) => template.kind = found,
            None => reader.error(kind, format!("`{}` is no record type (in capitals)", kind.text)),
        }
        template.zones = reader.origins(zones);
        for line in directive.lines() {
            template.option(line, reader);
        }
        template.check_groups(&directive.name, reader);
        template
    }
}

impl Write for Template {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.arg(self.class).arg(self.kind).origins(&self.zones, server);
        for pattern in &self.matching {
            stanza.value("match", pattern.as_str());
        }
        let sections =
            [("answer", &self.answer), ("additional", &self.additional), ("authority", &self.authority)];
        for (name, texts) in sections {
            for text in texts {
                stanza.value(name, text.source());
            }
        }
        stanza.unless(Rcode::NOERROR, "rcode", self.rcode);
        if let Some((code, words)) = &self.ederror {
            stanza.option("ederror", std::iter::once(code.to_string()).chain(words.clone()));
        }
        stanza.fallthrough(&self.fallthrough);
    }
}
