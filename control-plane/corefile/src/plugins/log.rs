//! `log`: queries are logged.

use super::{Read, Repeat, Write};
use crate::grammar::Directive;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// Queries that are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// For names in these zones.
    pub names: Vec<Zone>,
    /// How, with placeholders as `{name}` and `{>id}`.
    pub format: String,
    /// With these outcomes; all where empty.
    pub classes: Vec<LogClass>,
}

/// Outcomes of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogClass {
    /// An answer.
    Success,
    /// The name or type does not exist.
    Denial,
    /// Anything else.
    Error,
    /// All of them.
    All,
}

/// The format where none is given; `{common}` stands for it.
pub const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} \
                          {>rflags} {rsize} {duration}";
/// What `{combined}` stands for: [`COMMON`] and the opcode.
pub const COMBINED: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} \
                            {>rflags} {rsize} {duration} \"{>opcode}\"";

const CLASSES: [(&str, LogClass); 4] = [
    ("success", LogClass::Success),
    ("denial", LogClass::Denial),
    ("error", LogClass::Error),
    ("all", LogClass::All),
];

const PLACEHOLDERS: [&str; 16] = [
    "type", "name", "class", "proto", "size", "remote", "port", "local", ">id", ">opcode", ">do", ">bufsize",
    "rcode", "rsize", "duration", ">rflags",
];

impl Read for Log {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut names = directive.args.as_slice();
        let mut format = COMMON.to_owned();
        // One argument alone is a zone whatever is in it.
        if let [zones @ .., last] = names
            && !zones.is_empty()
            && last.text.contains('{')
        {
            format = last.text.replace("{common}", COMMON).replace("{combined}", COMBINED);
            names = zones;
            for unknown in placeholders(&format).filter(|name| !PLACEHOLDERS.contains(name)) {
                // `{/…}` is metadata.
                if !unknown.starts_with('/') {
                    reader.warning(
                        last,
                        format!("`{{{unknown}}}` is no placeholder; it is logged as it stands"),
                    );
                }
            }
        }
        let names = if names.is_empty() { vec![Zone::root()] } else { reader.zones(names) };
        let mut classes = Vec::new();
        for line in directive.lines() {
            if line.name.text != "class" {
                reader.unknown("log", line, &["class"]);
                continue;
            }
            for arg in reader.some(line) {
                match CLASSES.iter().find(|(name, _)| *name == arg.text) {
                    Some((_, class)) => classes.push(*class),
                    None => reader.none_of(arg, "class", &CLASSES.map(|(name, _)| name)),
                }
            }
        }
        if classes.contains(&LogClass::All) {
            classes.clear();
        }
        classes.sort();
        classes.dedup();
        Self { names, format, classes }
    }
}

fn placeholders(format: &str) -> impl Iterator<Item = &str> {
    format.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

impl Write for Log {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        // A last zone with a brace would be read as the format.
        let looks_like_format = self.names.last().is_some_and(|zone| zone.as_str().contains('{'));
        if self.format != COMMON || looks_like_format {
            stanza.args(&self.names).arg(&self.format);
        } else if self.names != [Zone::root()] {
            stanza.args(&self.names);
        }
        let classes =
            self.classes.iter().filter_map(|class| CLASSES.iter().find(|(_, known)| known == class));
        stanza.list("class", &classes.map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
