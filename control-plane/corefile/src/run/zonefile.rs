//! `file` and `auto`: zones from zone files. Texts are taken along, so that whoever serves them needs no file.

use regex::Regex;
use sluice_model::resolver::{self, ZoneFile};
use std::net::SocketAddr;

use super::{Run, texts};
use crate::corefile::{Placed, Server};
use crate::files::FileError;
use crate::plugins::{Auto, File, Secondary};
use crate::zone::Zone;

/// Octets of all zone files together: they are sent to whoever serves them in one message.
const LARGEST: usize = 8 << 20;
/// Entries of `auto`'s folders that are looked at, and how deep they lie.
const MOST_ENTRIES: usize = 10_000;
const DEEPEST: usize = 8;
/// Which files `auto` takes where nothing is said: the zone is behind `db.`.
const NAMES: &str = r"db\.(.*)";

impl Run<'_> {
    /// The zones of a file.
    pub(super) fn file(&mut self, file: &File, placed: &Placed, server: &Server, out: &mut Vec<ZoneFile>) {
        if file.reload.is_zero() {
            self.note(placed.line("reload"), "the file is read again whenever it changes");
        }
        if file.reload_by_mtime {
            self.note(
                placed.line("reload_by_mtime"),
                "the file is read again whenever it changes, whatever its serial",
            );
        }
        let path = server.path(&file.path);
        let Some(text) = self.zone_text(&path, placed, true) else { return };
        for zone in &file.zones {
            self.zone_file(zone, &path, &text, &file.fallthrough, placed, out);
        }
    }

    /// The zones of a folder's files.
    pub(super) fn auto(&mut self, auto: &Auto, placed: &Placed, server: &Server, out: &mut Vec<ZoneFile>) {
        if auto.reload.is_zero() {
            self.note(placed.line("reload"), "files are read again whenever they change");
        }
        let (pattern, template) = match &auto.names {
            Some((pattern, template)) => (pattern.as_str(), template.as_str()),
            None => (NAMES, "{1}"),
        };
        let Ok(pattern) = Regex::new(pattern) else {
            self.refuse(placed.line("directory"), "the expression takes too much memory");
            return;
        };
        let template = template.replace('{', "${");
        let mut found = Vec::new();
        let folder = server.path(&auto.directory);
        if let Err(error) = self.walk(&folder, DEEPEST, &mut 0, &mut found) {
            self.refuse(placed.line("directory"), format!("`{folder}`: {error}"));
            return;
        }
        found.sort();
        let mut seen: Vec<(Zone, String)> = Vec::new();
        for path in found {
            let name = path.rsplit('/').next().unwrap_or_default();
            let Some(groups) = pattern.captures(name) else { continue };
            let mut origin = String::new();
            groups.expand(&template, &mut origin);
            let zone = match Zone::parse(&origin) {
                Ok(zone) if !origin.is_empty() => zone,
                _ => {
                    let text = format!("`{path}`: `{origin}` is no zone; the file is left out");
                    self.warn(placed.line("directory"), text);
                    continue;
                }
            };
            if let Some((_, before)) = seen.iter().find(|(other, _)| *other == zone) {
                let text = format!("`{path}` is of `{zone}`, as is `{before}`, which holds");
                self.warn(placed.line("directory"), text);
                continue;
            }
            if !auto.zones.iter().any(|own| own.contains(&zone)) {
                let text =
                    format!("`{path}`: `{zone}` is in none of the zones of `auto`; the file is left out");
                self.warn(placed.line("directory"), text);
                continue;
            }
            let Some(text) = self.zone_text(&path, placed, false) else { continue };
            self.zone_file(&zone, &path, &text, &[], placed, out);
            seen.push((zone, path));
        }
    }

    /// Zones that are copied from other servers.
    pub(super) fn secondary(
        &mut self,
        secondary: &Secondary,
        placed: &Placed,
        out: &mut Vec<resolver::Secondary>,
    ) {
        if secondary.catalog.is_some() {
            let text = "`catalog` is not supported: zones are named one by one";
            self.refuse(placed.line("catalog"), text);
        }
        if secondary.from.iter().any(|peer| peer.port == 0) {
            self.refuse(placed.line("transfer"), "a server to copy from has no port 0");
        }
        for zone in &secondary.zones {
            let name = zone.as_str().to_owned();
            if out.iter().any(|other| other.zone == name) {
                self.warn(&placed.place, format!("`{zone}` is copied already; this one is not"));
                continue;
            }
            out.push(resolver::Secondary {
                zone: name,
                from: secondary.from.iter().map(|peer| SocketAddr::new(peer.ip, peer.port)).collect(),
                fallthrough: texts(&secondary.fallthrough),
            });
        }
    }

    /// Files in a folder and those in it, of which a mounted ConfigMap has some that are links. Links may also lead back to a folder
    /// above, so that what counts is how often anything is looked at.
    fn walk(
        &self,
        folder: &str,
        depth: usize,
        seen: &mut usize,
        out: &mut Vec<String>,
    ) -> Result<(), FileError> {
        for name in self.files.names(folder)? {
            // Kubernetes keeps what a ConfigMap was in such folders, and links to them.
            if name.starts_with("..") {
                continue;
            }
            *seen += 1;
            if *seen > MOST_ENTRIES {
                return Err(FileError::System(format!(
                    "there are more than {MOST_ENTRIES} files and folders"
                )));
            }
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            if depth > 0 && self.files.names(&path).is_ok_and(|names| !names.is_empty()) {
                self.walk(&path, depth - 1, seen, out)?;
            } else {
                out.push(path);
            }
        }
        Ok(())
    }

    /// The text of a zone file; none where there is none, which has been told. `named`: it has been asked for by name.
    fn zone_text(&mut self, path: &str, placed: &Placed, named: bool) -> Option<String> {
        match self.files.read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(_) => self.refuse(&placed.place, format!("`{path}` is no text in UTF-8")),
            },
            // A folder within a folder that cannot be listed, or an empty one.
            Err(FileError::NoFile) if !named => {}
            // As CoreDNS, which waits for it to come.
            Err(FileError::Missing) => {
                let text = format!("`{path}`: there is no such file; it is read when it comes");
                self.warn(&placed.place, text);
            }
            Err(error) => self.refuse(&placed.place, format!("`{path}`: {error}")),
        }
        None
    }

    fn zone_file(
        &mut self,
        zone: &Zone,
        path: &str,
        text: &str,
        fallthrough: &[Zone],
        placed: &Placed,
        out: &mut Vec<ZoneFile>,
    ) {
        let name = zone.as_str().to_owned();
        if out.iter().any(|other| other.zone == name) {
            let text = format!("`{zone}` is there already, from another file; this one is not read");
            self.warn(&placed.place, text);
            return;
        }
        self.zone_octets += text.len();
        if self.zone_octets > LARGEST {
            self.refuse(&placed.place, format!("zone files have more than {LARGEST} octets together"));
            return;
        }
        let fallthrough = texts(fallthrough);
        out.push(ZoneFile { zone: name, path: path.to_owned(), text: text.to_owned(), fallthrough });
    }
}
