//! Zones from files and from other servers: `file`, `auto`, `secondary`, and `root`, to which paths are relative.

use std::time::Duration;

use super::{Read, Repeat, Write};
use crate::address::Peer;
use crate::grammar::{Directive, Line};
use crate::pattern::Pattern;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `root`: the folder that relative paths of the server begin in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The folder.
    pub path: String,
}

/// `file`: zones from a zone file (RFC 1035, 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The file.
    pub path: String,
    /// Its zones.
    pub zones: Vec<Zone>,
    /// How often it is looked at; zero for once.
    pub reload: Duration,
    /// Whether its time rather than its serial number says that it changed.
    pub reload_by_mtime: bool,
    /// Zones whose other names the next plugin may have; the root for all.
    pub fallthrough: Vec<Zone>,
}

/// `auto`: a zone for each file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auto {
    /// The zones that a file's zone must be in.
    pub zones: Vec<Zone>,
    /// The folder.
    pub directory: String,
    /// Which files, and the zone of each, `{1}` for the first group.
    pub names: Option<(Pattern, String)>,
    /// How often the folder is looked at; zero for once.
    pub reload: Duration,
}

/// `secondary`: zones that are copied from other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// The zones.
    pub zones: Vec<Zone>,
    /// Whom they are copied from, at least one.
    pub from: Vec<Peer>,
    /// Whether they are catalogues (RFC 9432), and the zones that their members must be in.
    pub catalog: Option<Vec<Zone>>,
    /// Zones whose other names the next plugin may have; the root for all.
    pub fallthrough: Vec<Zone>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Read for Root {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        match directive.args.as_slice() {
            [path] => Self { path: path.text.clone() },
            _ => {
                reader.error(&directive.name, "`root` takes one folder");
                Self { path: String::new() }
            }
        }
    }
}

impl Write for Root {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.arg(&self.path);
    }
}

fn reload(line: &Line, reader: &mut Reader<'_>) -> Duration {
    reader.first(line).and_then(|arg| reader.duration(arg)).unwrap_or(MINUTE)
}

fn upstream(line: &Line, reader: &mut Reader<'_>) {
    reader.warning(&line.name, "`upstream` is gone from CoreDNS and ignored");
}

impl Read for File {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let (path, zones) = match directive.args.as_slice() {
            [path, zones @ ..] => (path.text.clone(), zones),
            [] => {
                reader.error(&directive.name, "`file` takes a zone file and zones");
                (String::new(), [].as_slice())
            }
        };
        let zones = reader.origins(zones);
        let mut file = Self { path, zones, reload: MINUTE, reload_by_mtime: false, fallthrough: Vec::new() };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "reload" => file.reload = reload(line, reader),
                "reload_by_mtime" => {
                    reader.nothing(&line.name, &line.args);
                    file.reload_by_mtime = true;
                }
                "fallthrough" => file.fallthrough = reader.fallthrough("file", line, &file.zones),
                "upstream" => upstream(line, reader),
                "transfer" => {
                    reader.warning(&line.name, "`transfer` is ignored here: the plugin of that name says it");
                }
                _ => reader.unknown("file", line, &["fallthrough", "reload", "reload_by_mtime"]),
            }
        }
        file
    }
}

impl Write for File {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.arg(&self.path).origins(&self.zones, server).duration(MINUTE, "reload", self.reload);
        stanza.flag("reload_by_mtime", self.reload_by_mtime).fallthrough(&self.fallthrough);
    }
}

impl Read for Auto {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let zones = reader.origins(&directive.args);
        let mut auto = Self { zones, directory: String::new(), names: None, reload: MINUTE };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "directory" => auto.directory(line, reader),
                "reload" => auto.reload = reload(line, reader),
                "upstream" => upstream(line, reader),
                _ => reader.unknown("auto", line, &["directory", "reload"]),
            }
        }
        if !directive.lines().iter().any(|line| line.name.text == "directory") {
            reader.error(&directive.name, "`auto` needs `directory`");
        }
        auto
    }
}

impl Auto {
    fn directory(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let (directory, names) = match line.args.as_slice() {
            [directory] => (directory, None),
            [directory, pattern, template] => (directory, Some((pattern, template))),
            _ => {
                reader.error(&line.name, "`directory` takes a folder, or a folder, an expression and a zone");
                return;
            }
        };
        self.directory = directory.text.clone();
        let Some((pattern, template)) = names else { return };
        let Some(checked) = reader.pattern(pattern) else { return };
        if checked.groups() == 0 {
            reader.error(pattern, "the expression needs a group in parentheses");
        }
        self.names = Some((checked, template.text.clone()));
    }
}

impl Write for Auto {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server);
        let names = self.names.iter().flat_map(|(pattern, template)| [pattern.as_str(), template]);
        stanza.option("directory", std::iter::once(self.directory.as_str()).chain(names));
        stanza.duration(MINUTE, "reload", self.reload);
    }
}

impl Read for Secondary {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let zones = reader.origins(&directive.args);
        let mut secondary = Self { zones, from: Vec::new(), catalog: None, fallthrough: Vec::new() };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "transfer" => match line.args.as_slice() {
                    [from, peers @ ..] if from.text == "from" && !peers.is_empty() => {
                        for arg in peers {
                            match Peer::parse(&arg.text) {
                                Some(peer) => secondary.from.push(peer),
                                None => reader.error(arg, format!("`{}` is no address", arg.text)),
                            }
                        }
                    }
                    [to, ..] if to.text == "to" => {
                        reader.warning(to, "`transfer to` is ignored here: the plugin `transfer` says it");
                    }
                    _ => reader.error(&line.name, "`transfer` takes `from` and addresses"),
                },
                "catalog" => {
                    let members = reader.zones(&line.args);
                    secondary.catalog.get_or_insert_default().extend(members);
                }
                "fallthrough" => {
                    secondary.fallthrough = reader.fallthrough("secondary", line, &secondary.zones);
                }
                "upstream" => upstream(line, reader),
                _ => reader.unknown("secondary", line, &["catalog", "fallthrough", "transfer"]),
            }
        }
        if !directive.lines().iter().any(|line| line.name.text == "transfer") {
            reader.error(&directive.name, "`secondary` needs `transfer from`");
        }
        secondary
    }
}

impl Write for Secondary {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server);
        stanza.option(
            "transfer",
            std::iter::once("from".to_owned()).chain(self.from.iter().map(Peer::to_string)),
        );
        if let Some(members) = &self.catalog {
            stanza.option("catalog", members);
        }
        stanza.fallthrough(&self.fallthrough);
    }
}
