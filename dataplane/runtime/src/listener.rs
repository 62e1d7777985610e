//! What Linux says, passed on to those who need it.

use std::collections::HashSet;
use std::net::IpAddr;

use sluice_engine::PortId;
use sluice_engine::snapshot::FibChange;

use crate::netlink::monitor::Listener;
use crate::netlink::resolve::Asker;
use crate::publish::{Input, Inputs};

/// Passes changes to the publisher and neighbours to the resolver.
#[derive(Debug)]
pub struct FibListener {
    inputs: Inputs,
    asker: Asker,
}

impl FibListener {
    /// With the ways to both.
    pub fn new(inputs: Inputs, asker: Asker) -> Self {
        Self { inputs, asker }
    }
}

impl Listener for FibListener {
    fn changed(&mut self, changes: Vec<FibChange>) {
        // It has ended only where everything ends.
        let _ = self.inputs.send(Input::Fib(changes));
    }

    fn stale(&mut self, neighbors: Vec<(PortId, IpAddr)>) {
        for (port, ip) in neighbors {
            if !self.asker.neighbor(port, ip) {
                // They are told again when their state changes the next time.
                return;
            }
        }
    }

    fn gateways(&mut self, gateways: HashSet<(PortId, IpAddr)>) {
        self.asker.gateways(gateways);
    }
}
