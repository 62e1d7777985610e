//! `hosts`: names from a file as `/etc/hosts`, or written here.

use std::net::IpAddr;
use std::time::Duration;

use super::{Read, Repeat, Write};
use crate::duration::Written;
use crate::grammar::{Directive, Line};
use crate::reader::{COMPARED, Reader};
use crate::written::Stanza;
use crate::zone::Zone;

/// Names with addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// The file; `None` for none, which is written `""`.
    pub path: Option<String>,
    /// Zones whose names it may have.
    pub zones: Vec<Zone>,
    /// Names that are written in the Corefile.
    pub inline: Vec<Host>,
    /// Seconds that records may be kept, 1 to 65535.
    pub ttl: u16,
    /// How often the file is looked at; zero for once.
    pub reload: Duration,
    /// Whether addresses have no names.
    pub no_reverse: bool,
    /// Zones whose other names the next plugin may have; the root for all.
    pub fallthrough: Vec<Zone>,
    /// Whether that holds for other types of names that are here.
    pub fallthrough_unsupported: bool,
}

/// A line of a hosts file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The address.
    pub address: IpAddr,
    /// Its names, at least one; the first may be `*`.
    pub names: Vec<Zone>,
}

impl Host {
    /// The lines of a file as `/etc/hosts`; what is none is left out, as CoreDNS leaves it out.
    pub fn file(text: &str) -> Vec<Self> {
        let line = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.split('%').next()?.parse::<IpAddr>().ok()?;
            let names: Vec<Zone> = words.filter_map(|name| Zone::parse(name).ok()).collect();
            (!names.is_empty()).then_some(Self { address, names })
        };
        text.lines().filter_map(line).collect()
    }
}

const OPTIONS: [&str; 5] = ["fallthrough", "fallthrough_unsupported", "no_reverse", "reload", "ttl"];

impl Hosts {
    /// With CoreDNS's defaults.
    pub fn new(zones: Vec<Zone>) -> Self {
        Self {
            path: Some("/etc/hosts".to_owned()),
            zones,
            inline: Vec::new(),
            ttl: 3600,
            reload: Duration::from_secs(5),
            no_reverse: false,
            fallthrough: Vec::new(),
            fallthrough_unsupported: false,
        }
    }

    fn option(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let name = &line.name;
        match name.text.as_str() {
            "fallthrough" => self.fallthrough = reader.fallthrough("hosts", line, &self.zones),
            "fallthrough_unsupported" => {
                reader.nothing(name, &line.args);
                self.fallthrough_unsupported = true;
            }
            "no_reverse" => {
                if let Some(extra) = line.args.first() {
                    reader.error(extra, "`no_reverse` takes no argument");
                }
                self.no_reverse = true;
            }
            "ttl" => {
                let ttl = reader.first(line).and_then(|arg| reader.number(arg, 1..=u16::MAX));
                self.ttl = ttl.unwrap_or(self.ttl);
            }
            "reload" => {
                let reload = reader.one(line).and_then(|arg| reader.duration(arg));
                self.reload = reload.unwrap_or(self.reload);
            }
            _ => self.line(line, reader),
        }
    }

    /// An address with its names; what CoreDNS would leave out silently is an error.
    fn line(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let name = &line.name;
        let (address, _) = name.text.split_once('%').unwrap_or((&name.text, ""));
        let Ok(address) = address.parse::<IpAddr>() else {
            reader.unknown("hosts", line, &OPTIONS);
            return;
        };
        if !self.fallthrough.is_empty() {
            reader.error(name, "hosts stand before `fallthrough`");
        }
        let names = reader.some(line);
        let before = reader.problems.count();
        let names = reader.names(names);
        // Where one of them is wrong, names and words do not go together.
        let compared = reader.problems.count() == before && self.zones.len() <= COMPARED;
        for (name, arg) in names.iter().zip(&line.args).filter(|_| compared) {
            if !self.zones.iter().any(|zone| zone.contains(name)) {
                reader.warning(arg, format!("`{name}` is outside of the zones of `hosts`; it is not served"));
            }
        }
        self.inline.push(Host { address, names });
    }
}

impl Read for Hosts {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let (path, zones) = match directive.args.as_slice() {
            [path, zones @ ..] => (Some(path.text.clone()), zones),
            [] => (None, [].as_slice()),
        };
        let mut hosts = Self::new(reader.origins(zones));
        if let Some(path) = path {
            hosts.path = Some(path).filter(|path| !path.is_empty());
        }
        for line in directive.lines() {
            hosts.option(line, reader);
        }
        if hosts.fallthrough_unsupported && hosts.fallthrough.is_empty() {
            reader.error(&directive.name, "`fallthrough_unsupported` needs `fallthrough`");
        }
        hosts
    }
}

impl Write for Hosts {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        let default = Self::new(Vec::new());
        if self.path != default.path || self.zones != server {
            stanza.arg(self.path.as_deref().unwrap_or_default());
        }
        stanza.origins(&self.zones, server);
        for Host { address, names } in &self.inline {
            stanza.option(&address.to_string(), names);
        }
        stanza.unless(default.ttl, "ttl", self.ttl);
        if self.reload != default.reload {
            stanza.value("reload", Written(self.reload));
        }
        stanza.flag("no_reverse", self.no_reverse).fallthrough(&self.fallthrough);
        stanza.flag("fallthrough_unsupported", self.fallthrough_unsupported);
    }
}
