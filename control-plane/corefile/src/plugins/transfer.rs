//! Whole zones for others, and names made complete: `transfer` and `autopath`.

use std::net::IpAddr;

use super::{Read, Repeat, Write};
use crate::address::Peer;
use crate::grammar::Directive;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `transfer`: who may have a copy of a zone (RFC 5936, over TCP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The zones.
    pub zones: Vec<Zone>,
    /// Who may have them, and is told of changes.
    pub to: Vec<Peer>,
    /// Whether everybody may have them (`to *`).
    pub to_all: bool,
    /// The address that notifications are sent from.
    pub source: Option<IpAddr>,
}

/// `autopath`: the client's search path is walked here rather than by its queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autopath {
    /// The zones in which searches begin.
    pub zones: Vec<Zone>,
    /// Where the search path comes from.
    pub from: SearchPath,
}

/// Where a search path comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchPath {
    /// A plugin that knows the client's: `@kubernetes`.
    Plugin(String),
    /// A file as `/etc/resolv.conf`.
    File(String),
}

impl Read for Transfer {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let zones = reader.origins(&directive.args);
        let mut transfer = Self { zones, to: Vec::new(), to_all: false, source: None };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "to" => {
                    for arg in reader.some(line) {
                        match Peer::parse(&arg.text) {
                            Some(peer) => transfer.to.push(peer),
                            None if arg.text == "*" => transfer.to_all = true,
                            None => reader.error(arg, format!("`{}` is no address, nor `*`", arg.text)),
                        }
                    }
                }
                "source" if transfer.source.is_some() => {
                    reader.error(&line.name, "`source` stands here twice")
                }
                "source" => {
                    let Some(arg) = reader.one(line) else { continue };
                    transfer.source = arg.text.parse().ok();
                    if transfer.source.is_none() {
                        reader.error(arg, format!("`{}` is no address", arg.text));
                    }
                }
                _ => reader.unknown("transfer", line, &["source", "to"]),
            }
        }
        if !directive.lines().iter().any(|line| line.name.text == "to") {
            reader.error(&directive.name, "`transfer` needs `to`");
        }
        if transfer.to_all {
            reader.warning(&directive.name, "`to *` gives every name of the zone to everybody who asks");
        }
        transfer
    }
}

impl Write for Transfer {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server);
        if self.to_all {
            stanza.value("to", "*");
        }
        stanza.list("to", &self.to).list("source", self.source.as_slice());
    }
}

impl Read for Autopath {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        let Some((last, zones)) = directive.args.split_last() else {
            reader.error(
                &directive.name,
                "`autopath` takes zones, then @kubernetes or a file as /etc/resolv.conf",
            );
            return Self { zones: Vec::new(), from: SearchPath::File(String::new()) };
        };
        let from = match last.text.strip_prefix('@') {
            Some(plugin) => {
                if plugin != "kubernetes" {
                    reader.none_of(last, "plugin that knows search paths", &["@kubernetes"]);
                }
                SearchPath::Plugin(plugin.to_owned())
            }
            None => SearchPath::File(last.text.clone()),
        };
        Self { zones: reader.origins(zones), from }
    }
}

impl Write for Autopath {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server);
        match &self.from {
            SearchPath::Plugin(plugin) => stanza.arg(format_args!("@{plugin}")),
            SearchPath::File(path) => stanza.arg(path),
        };
    }
}
