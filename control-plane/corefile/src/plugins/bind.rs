//! How messages arrive and how large they may be: `bind`, `bufsize`.

use super::{Read, Repeat, Write};
use crate::grammar::Directive;
use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `bind`: where a server listens instead of everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Addresses, or names of interfaces, which stand for their addresses.
    pub to: Vec<String>,
    /// Addresses or interfaces that are left out.
    pub except: Vec<String>,
}

/// `bufsize`: the largest message over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bufsize {
    /// Octets, 512 to 4096.
    pub octets: u16,
}

/// Addresses of one `bind`: each is compared with those of all other server blocks.
const MOST_ADDRESSES: usize = 64;
const DEFAULT_BUFSIZE: u16 = 1232;

impl Read for Bind {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let text = |args: &[Token]| args.iter().map(|arg| arg.text.clone()).collect();
        if directive.args.is_empty() {
            reader.error(&directive.name, "`bind` needs an address or an interface");
        }
        let mut bind = Self { to: text(&directive.args), except: Vec::new() };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "except" => bind.except = text(reader.some(line)),
                _ => reader.unknown("bind", line, &["except"]),
            }
        }
        if bind.to.len().max(bind.except.len()) > MOST_ADDRESSES {
            reader.error(&directive.name, format!("`bind` names more than {MOST_ADDRESSES} addresses"));
            bind.to.truncate(MOST_ADDRESSES);
            bind.except.truncate(MOST_ADDRESSES);
        }
        bind
    }
}

impl Write for Bind {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args(&self.to).list("except", &self.except);
    }
}

impl Read for Bufsize {
    const REPEAT: Repeat = Repeat::First;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        let octets = match directive.args.as_slice() {
            [] => Some(DEFAULT_BUFSIZE),
            [arg] => reader.number(arg, 512..=4096),
            [_, extra, ..] => {
                reader.error(extra, "`bufsize` takes one number");
                None
            }
        };
        Self { octets: octets.unwrap_or(DEFAULT_BUFSIZE) }
    }
}

impl Write for Bufsize {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args((self.octets != DEFAULT_BUFSIZE).then_some(self.octets));
    }
}
