//! `hosts`.

use std::net::IpAddr;
use std::time::Duration;

use sluice_model::resolver;

use super::{Run, texts};
use crate::corefile::{Placed, Server};
use crate::files::FileError;
use crate::plugins::{Host, Hosts};
use crate::zone::Zone;

impl Run<'_> {
    /// The table with the file's lines in it: whoever serves it needs no file.
    pub(super) fn hosts(&mut self, hosts: &Hosts, placed: &Placed, server: &Server) -> resolver::Hosts {
        if hosts.fallthrough_unsupported {
            let line = placed.line("fallthrough_unsupported");
            self.refuse(line, "`fallthrough_unsupported` is not supported: a name of the table has no records of other types");
        }
        if hosts.reload.is_zero() && hosts.path.is_some() {
            self.note(placed.line("reload"), "the file is read again whenever it changes");
        }
        let lines = self.table(hosts, Some(placed), server);
        resolver::Hosts {
            zones: texts(&hosts.zones),
            inline: lines.iter().map(line).collect(),
            file: None,
            ttl: hosts.ttl.into(),
            reload: Duration::ZERO,
            fallthrough: texts(&hosts.fallthrough),
            no_reverse: hosts.no_reverse,
        }
    }

    /// The file's lines, then those of the Corefile. What is wrong with the file is told where `placed` says where.
    pub(super) fn table(&mut self, hosts: &Hosts, placed: Option<&Placed>, server: &Server) -> Vec<Host> {
        let mut lines = Vec::new();
        if let Some(path) = &hosts.path {
            let path = server.path(path);
            match (self.files.read(&path), placed) {
                (Ok(bytes), _) => lines = Host::file(&String::from_utf8_lossy(&bytes)),
                // As CoreDNS, which waits for it to come.
                (Err(FileError::Missing), Some(placed)) => {
                    self.warn(
                        &placed.place,
                        format!("`{path}`: there is no such file; it is read when it comes"),
                    );
                }
                (Err(error), Some(placed)) => self.refuse(&placed.place, format!("`{path}`: {error}")),
                (Err(_), None) => {}
            }
        }
        let inside = |name: &Zone| hosts.zones.iter().any(|zone| zone.contains(name));
        lines.extend(hosts.inline.iter().cloned());
        for host in &mut lines {
            host.names.retain(inside);
        }
        lines.retain(|host| !host.names.is_empty());
        lines
    }
}

fn line(host: &Host) -> String {
    let mut line = host.address.to_string();
    for name in &host.names {
        line.push(' ');
        line.push_str(name.as_str());
    }
    line
}

/// The reverse name of an address (RFC 1035, 3.5; RFC 3596, 2.5), with its final dot.
pub(super) fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(ip) => {
            let mut name = String::new();
            for octet in ip.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", octet & 15, octet >> 4));
            }
            name + "ip6.arpa."
        }
    }
}
