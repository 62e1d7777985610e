//! Small changes of queries and answers: `cancel`, `chaos`, `dns64`, `header`, `local`, `nsid`.

use std::time::Duration;

use ipnet::Ipv6Net;

use super::{Read, Repeat, Write};
use crate::duration::Written;
use crate::grammar::{Directive, Line};
use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `cancel`: how long a query may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// The time.
    pub timeout: Duration,
}

/// `chaos`: what class CH is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chaos {
    /// `version.bind` and `version.server`; the server's own where nothing is said.
    pub version: Option<String>,
    /// `authors.bind`, sorted.
    pub authors: Vec<String>,
}

/// `dns64`: IPv6 addresses for hosts that have only IPv4 ones (RFC 6147).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dns64 {
    /// The prefix, 32 to 96 bits.
    pub prefix: Ipv6Net,
    /// Whether those that have IPv6 addresses get these ones, too.
    pub translate_all: bool,
    /// Whether queries that came by IPv4 are treated so.
    pub allow_ipv4: bool,
}

/// `header`: bits of the header are set or cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// In queries.
    pub query: Vec<HeaderRule>,
    /// In replies.
    pub response: Vec<HeaderRule>,
}

/// One bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRule {
    /// Which.
    pub flag: HeaderFlag,
    /// Its value.
    pub set: bool,
}

/// Bits of the header (RFC 1035, 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFlag {
    /// AA.
    Authoritative,
    /// RA.
    RecursionAvailable,
    /// RD.
    RecursionDesired,
}

/// `local`: names as `localhost` are answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Whether `localhost.DOMAIN` is answered, too.
    pub localhost_prefix: bool,
}

/// `nsid`: which server answered (RFC 5001).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nsid {
    /// The words of its identity; the host's name where there are none.
    pub words: Vec<String>,
}

const CANCEL: Duration = Duration::from_millis(5001);
const WELL_KNOWN: Ipv6Net = Ipv6Net::new_assert(std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
const FLAGS: [(&str, HeaderFlag); 3] = [
    ("aa", HeaderFlag::Authoritative),
    ("ra", HeaderFlag::RecursionAvailable),
    ("rd", HeaderFlag::RecursionDesired),
];

impl Read for Cancel {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        let timeout = match directive.args.as_slice() {
            [] => Some(CANCEL),
            [arg] => reader.duration(arg),
            [_, extra, ..] => {
                reader.error(extra, "`cancel` takes one duration");
                None
            }
        };
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            reader.error(&directive.name, "`cancel` needs more than no time");
        }
        Self { timeout: timeout.unwrap_or(CANCEL) }
    }
}

impl Write for Cancel {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args((self.timeout != CANCEL).then_some(Written(self.timeout)));
    }
}

impl Read for Chaos {
    const REPEAT: Repeat = Repeat::First;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        let mut args = directive.args.iter();
        let version = args.next().map(|arg| arg.text.clone());
        let mut authors: Vec<String> = args.map(|arg| arg.text.clone()).collect();
        authors.sort();
        authors.dedup();
        // A TXT record's string has a length of one octet.
        if let Some(long) = directive.args.iter().find(|arg| arg.text.len() > 255) {
            reader.error(long, "a string of a TXT record has 255 octets at most");
        }
        Self { version, authors }
    }
}

impl Write for Chaos {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args(&self.version).args(&self.authors);
    }
}

impl Read for Dns64 {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut dns64 = Self { prefix: WELL_KNOWN, translate_all: false, allow_ipv4: false };
        match directive.args.as_slice() {
            [] => {}
            [arg] => {
                dns64.prefix = prefix(arg, reader);
                reader.no_body(directive);
                return dns64;
            }
            [_, extra, ..] => reader.error(extra, "`dns64` takes one prefix"),
        }
        for line in directive.lines() {
            match line.name.text.as_str() {
                "prefix" => {
                    if let Some(arg) = reader.one(line) {
                        dns64.prefix = prefix(arg, reader);
                    }
                }
                "translate_all" => {
                    reader.nothing(&line.name, &line.args);
                    dns64.translate_all = true;
                }
                "allow_ipv4" => {
                    reader.nothing(&line.name, &line.args);
                    dns64.allow_ipv4 = true;
                }
                _ => reader.unknown("dns64", line, &["allow_ipv4", "prefix", "translate_all"]),
            }
        }
        dns64
    }
}

fn prefix(arg: &Token, reader: &mut Reader<'_>) -> Ipv6Net {
    let prefix = arg.text.parse::<Ipv6Net>().ok().map(|prefix| prefix.trunc());
    // Lengths of RFC 6052, and those between them, as CoreDNS has it.
    let prefix =
        prefix.filter(|prefix| (32..=96).contains(&prefix.prefix_len()) && prefix.prefix_len() % 8 == 0);
    if prefix.is_none() {
        reader.error(arg, format!("`{}` is no IPv6 prefix of 32 to 96 bits in steps of 8", arg.text));
    }
    prefix.unwrap_or(WELL_KNOWN)
}

impl Write for Dns64 {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.unless(WELL_KNOWN, "prefix", self.prefix);
        stanza.flag("translate_all", self.translate_all).flag("allow_ipv4", self.allow_ipv4);
    }
}

impl Read for Header {
    const REPEAT: Repeat = Repeat::First;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.nothing(&directive.name, &directive.args);
        let mut header = Self::default();
        for line in directive.lines() {
            let rules = header_rules(line, reader);
            match line.name.text.to_ascii_lowercase().as_str() {
                "query" => header.query.extend(rules),
                "response" => header.response.extend(rules),
                _ => reader.none_of(&line.name, "kind of messages", &["query", "response"]),
            }
        }
        if directive.lines().is_empty() {
            reader.error(&directive.name, "`header` changes nothing; `response set aa` would");
        }
        header
    }
}

fn header_rules(line: &Line, reader: &mut Reader<'_>) -> Vec<HeaderRule> {
    let [action, flags @ ..] = line.args.as_slice() else {
        reader.error(&line.name, "`header` says `set` or `clear`, then bits");
        return Vec::new();
    };
    let set = match action.text.to_ascii_lowercase().as_str() {
        "set" => true,
        "clear" => false,
        _ => {
            reader.none_of(action, "action", &["set", "clear"]);
            return Vec::new();
        }
    };
    if flags.is_empty() {
        reader.error(action, "no bit is named");
    }
    let mut rules = Vec::new();
    for flag in flags {
        match FLAGS.iter().find(|(name, _)| flag.text.eq_ignore_ascii_case(name)) {
            Some((_, flag)) => rules.push(HeaderRule { flag: *flag, set }),
            None => reader.none_of(flag, "bit", &FLAGS.map(|(name, _)| name)),
        }
    }
    rules
}

impl Write for Header {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        for (name, rules) in [("query", &self.query), ("response", &self.response)] {
            for HeaderRule { flag, set } in rules {
                let flag = FLAGS.iter().find(|(_, known)| known == flag).map_or("", |(name, _)| name);
                stanza.option(name, [if *set { "set" } else { "clear" }, flag]);
            }
        }
    }
}

impl Read for Local {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.nothing(&directive.name, &directive.args);
        let mut local = Self { localhost_prefix: true };
        for line in directive.lines() {
            if line.name.text != "localhost_prefix" {
                reader.unknown("local", line, &["localhost_prefix"]);
                continue;
            }
            let Some(arg) = reader.one(line) else { continue };
            match arg.text.as_str() {
                "on" => local.localhost_prefix = true,
                "off" => local.localhost_prefix = false,
                _ => reader.none_of(arg, "switch", &["on", "off"]),
            }
        }
        local
    }
}

impl Write for Local {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        if !self.localhost_prefix {
            stanza.value("localhost_prefix", "off");
        }
    }
}

impl Read for Nsid {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        Self { words: directive.args.iter().map(|arg| arg.text.clone()).collect() }
    }
}

impl Write for Nsid {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args(&self.words);
    }
}
