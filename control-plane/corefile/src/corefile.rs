//! A Corefile as values.

use std::fmt;

use crate::address::Transport;
use crate::plugins::{Plugin, Root};
use crate::problem::Place;
use crate::quote;
use crate::zone::Zone;

/// All that a Corefile says. Written out (`Display`), it is a Corefile that says the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corefile {
    /// The server blocks, in the order of the file.
    pub servers: Vec<Server>,
}

/// A server block.
#[derive(Clone, Debug)]
pub struct Server {
    /// What it answers for, and where.
    pub listeners: Vec<Listener>,
    /// Its plugins in the order in which queries pass them; several of one kind are in the order of the file.
    pub plugins: Vec<Placed>,
    /// Where it begins.
    pub place: Place,
}

/// A zone on a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// How queries arrive.
    pub transport: Transport,
    /// Names in this zone.
    pub zone: Zone,
    /// The port.
    pub port: u16,
}

/// A plugin, and where it stands; that is not compared.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The plugin.
    pub plugin: Plugin,
    /// Where it is.
    pub place: Place,
    /// The names of its lines, and where they are.
    pub options: Vec<(String, Place)>,
}

impl Placed {
    /// Where its line of that name is; where itself is if it has none.
    pub fn line(&self, name: &str) -> &Place {
        self.options.iter().find(|(known, _)| known == name).map_or(&self.place, |(_, place)| place)
    }
}

impl Server {
    /// The zones of its listeners, in order.
    pub fn zones(&self) -> Vec<Zone> {
        self.listeners.iter().map(|listener| listener.zone.clone()).collect()
    }

    /// A path of one of its plugins: relative ones are in the folder that `root` names.
    pub fn path(&self, path: &str) -> String {
        let root = self.plugins.iter().find_map(|placed| match &placed.plugin {
            Plugin::Root(Root { path }) => Some(path.trim_end_matches('/')),
            _ => None,
        });
        match root {
            Some(root) if !path.starts_with('/') => format!("{root}/{path}"),
            _ => path.to_owned(),
        }
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.listeners == other.listeners && self.plugins == other.plugins
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.plugin == other.plugin
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, zone, port } = self;
        if *transport != Transport::Dns {
            write!(f, "{}://", transport.scheme())?;
        }
        write!(f, "{zone}:{port}")
    }
}

impl fmt::Display for Corefile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.servers.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            for listener in &server.listeners {
                write!(f, "{} ", quote::word(&listener.to_string()))?;
            }
            f.write_str("{\n")?;
            let zones = server.zones();
            for placed in &server.plugins {
                write!(f, "{}", placed.plugin.stanza(&zones))?;
            }
            f.write_str("}\n")?;
        }
        Ok(())
    }
}
