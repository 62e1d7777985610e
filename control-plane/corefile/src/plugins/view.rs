//! Servers for some queries only, and what is known about a query: `view` and `metadata`.

use super::{Read, Repeat, Write};
use crate::grammar::Directive;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `view`: the server answers only queries for which all expressions are true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name, for metrics.
    pub name: String,
    /// The expressions, each in its words.
    pub expressions: Vec<Vec<String>>,
}

/// `metadata`: what plugins know about a query is gathered for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// For names in these zones.
    pub zones: Vec<Zone>,
}

impl Read for View {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let name = match directive.args.as_slice() {
            [name] => name.text.clone(),
            _ => {
                reader.error(&directive.name, "`view` takes one name");
                String::new()
            }
        };
        let mut view = Self { name, expressions: Vec::new() };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "expr" => {
                    view.expressions.push(reader.some(line).iter().map(|arg| arg.text.clone()).collect());
                }
                _ => reader.unknown("view", line, &["expr"]),
            }
        }
        view
    }
}

impl Write for View {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.arg(&self.name);
        for words in &self.expressions {
            stanza.option("expr", words);
        }
    }
}

impl Read for Metadata {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        Self { zones: reader.origins(&directive.args) }
    }
}

impl Write for Metadata {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server);
    }
}
