//! CoreDNS's ConfigMap: the key `Corefile`, and the other keys as the files that it names.

use super::ConfigMap;
use crate::files::MemoryFiles;
use crate::plugins::{File, Host, Plugin};
use crate::problem::Problems;
use crate::{Imported, Options, parse};

/// Where CoreDNS's Pods have the ConfigMap's keys.
const FOLDER: &str = "/etc/coredns";

pub(super) fn import(
    map: &ConfigMap,
    custom: Option<&ConfigMap>,
    options: &Options,
) -> Result<Imported, Problems> {
    let mut files = MemoryFiles::default();
    let mut add = |folder: &str, map: &ConfigMap| {
        for (key, text) in &map.data {
            files.0.insert(format!("{folder}/{key}"), text.clone().into_bytes());
        }
    };
    add(FOLDER, map);
    if let Some(custom) = custom {
        add(&format!("{FOLDER}/custom"), custom);
    }
    let text = map.data.get("Corefile").map(String::as_str).unwrap_or_default();
    let mut imported = parse(&format!("{FOLDER}/Corefile"), text.as_bytes(), &files, options)?;
    for server in &mut imported.corefile.servers {
        for placed in &mut server.plugins {
            match &mut placed.plugin {
                Plugin::Hosts(hosts) => {
                    let Some(text) = hosts.path.as_ref().and_then(|path| files.0.get(path)) else { continue };
                    // The key's lines stand before those of the Corefile, as the file's would.
                    let mut inline = Host::file(&String::from_utf8_lossy(text));
                    inline.append(&mut hosts.inline);
                    (hosts.inline, hosts.path) = (inline, None);
                }
                Plugin::File(File { path, .. }) if files.0.contains_key(path) => {
                    let text = format!(
                        "the zone file `{path}` is a key of the ConfigMap; it has to be put on a disk"
                    );
                    imported.warnings.warning(&placed.place, text);
                }
                _ => {}
            }
        }
    }
    Ok(imported)
}
