//! Addresses of services that programs on this machine answer on: Linux has to take them for its own.
//!
//! They go on the loopback interface, whole: no neighbour is told of them there, which is the packet path's to do, and they
//! bring no route.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::link::{Interface, add_address, find, remove_address};
use super::socket::{NetlinkError, Socket};

/// The loopback interface.
const LOOPBACK: &str = "lo";

/// Addresses held on the loopback interface; they go with the value.
#[derive(Debug, Default)]
pub struct LocalAddresses {
    open: Option<(Socket, Interface)>,
    held: BTreeSet<IpAddr>,
}

impl LocalAddresses {
    /// Holds these addresses and no others.
    ///
    /// # Errors
    /// The first refusal; the other addresses are held all the same, and the one that was refused is tried again next time.
    pub fn hold(&mut self, wanted: &BTreeSet<IpAddr>) -> Result<(), NetlinkError> {
        if *wanted == self.held {
            return Ok(());
        }
        if self.open.is_none() {
            let mut socket = Socket::route(0)?;
            let loopback = find(&mut socket, LOOPBACK)?;
            self.open = loopback.map(|interface| (socket, interface));
        }
        let Some((socket, loopback)) = &mut self.open else { return Ok(()) };
        let mut outcome = Ok(());
        for ip in self.held.difference(wanted).copied().collect::<Vec<_>>() {
            // One that somebody else took away is gone, which is what was wanted.
            let _ = remove_address(socket, loopback, IpNet::from(ip));
            self.held.remove(&ip);
        }
        for ip in wanted.difference(&self.held).copied().collect::<Vec<_>>() {
            match add_address(socket, loopback, IpNet::from(ip)) {
                Ok(()) => drop(self.held.insert(ip)),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }
}

impl Drop for LocalAddresses {
    fn drop(&mut self) {
        let _ = self.hold(&BTreeSet::new());
    }
}
