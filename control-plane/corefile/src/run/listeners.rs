//! Where queries are answered: addresses and ports.

use std::net::{IpAddr, SocketAddr};

use sluice_model::DnsSettings;

use super::Run;
use crate::address::Transport;
use crate::corefile::{Corefile, Placed, Server};
use crate::plugins::{Bind, Plugin};

impl Run<'_> {
    /// Fills in the addresses, and tells of ports and transports that are not served.
    pub(super) fn listeners(&mut self, corefile: &Corefile, dns: &mut DnsSettings) {
        let mut ports: Vec<u16> = Vec::new();
        for server in &corefile.servers {
            for listener in &server.listeners {
                let scheme = listener.transport.scheme();
                match listener.transport {
                    Transport::Dns if !ports.contains(&listener.port) => ports.push(listener.port),
                    Transport::Dns => {}
                    // Each at its own address.
                    Transport::Tls | Transport::Https => {}
                    _ => self.refuse(
                        &server.place,
                        format!("`{listener}`: queries over {scheme}:// are not answered; use UDP and TCP, tls:// or https://"),
                    ),
                }
            }
        }
        let given = dns.listen.first().map(SocketAddr::port);
        let port =
            given.or_else(|| dns.service.as_ref().map(|_| 53)).or(ports.first().copied()).unwrap_or(53);
        self.ports(corefile, &ports, port);
        self.binds(corefile, dns, port);
        if dns.listen.is_empty()
            && dns.service.is_none()
            && let Some(server) = corefile.servers.first()
        {
            let text = "there is no address to answer on: name `addresses` or a `service` beside the Corefile, or `bind` addresses";
            self.refuse(&server.place, text);
        }
    }

    fn ports(&mut self, corefile: &Corefile, ports: &[u16], port: u16) {
        match ports {
            [] => {}
            [only] if *only == port => {}
            [only] => {
                // A Service in front has had the ordinary port all along.
                let Some(server) = corefile.servers.first() else { return };
                let text = format!(
                    "port {only} is CoreDNS's own; queries come to port {port} of the gateway's addresses"
                );
                self.note(&server.place, text);
            }
            _ => {
                for server in &corefile.servers {
                    let mut plain = server.listeners.iter().filter(|it| it.transport == Transport::Dns);
                    let other = plain.find(|listener| listener.port != port);
                    if let Some(other) = other {
                        let text = format!("`{other}`: all queries come to one port, which is {port} here");
                        self.refuse(&server.place, text);
                    }
                }
            }
        }
    }

    fn binds(&mut self, corefile: &Corefile, dns: &mut DnsSettings, port: u16) {
        let mut first: Option<Vec<IpAddr>> = None;
        for server in &corefile.servers {
            let mut bound = Vec::new();
            for placed in &server.plugins {
                if let Plugin::Bind(bind) = &placed.plugin {
                    bound.extend(self.bind(bind, placed));
                }
            }
            if !super::serving::is_plain(server) {
                continue;
            }
            bound.sort();
            match &first {
                Some(first) if *first != bound => self.different(server),
                Some(_) => {}
                None => first = Some(bound),
            }
        }
        let mut extra = Vec::new();
        for ip in first.unwrap_or_default() {
            let address = SocketAddr::new(ip, port);
            if !dns.listen.contains(&address) {
                extra.push(address);
            }
        }
        dns.listen.append(&mut extra);
    }

    fn different(&mut self, server: &Server) {
        let text = "this server is bound to other addresses than the first one; here all are answered on all addresses";
        self.warn(&server.place, text);
    }

    fn bind(&mut self, bind: &Bind, placed: &Placed) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for to in bind.to.iter().filter(|to| !bind.except.contains(to)) {
            match to.parse::<IpAddr>() {
                Ok(ip) if ip.is_loopback() => {
                    self.warn(
                        &placed.place,
                        format!("`{to}` is not answered on: no packet comes to it from outside"),
                    );
                }
                Ok(ip) if ip.is_unspecified() => {
                    self.note(
                        &placed.place,
                        format!("`{to}`: the gateway answers on the addresses that `dns` names"),
                    );
                }
                Ok(ip) => addresses.push(ip),
                Err(_) => self.refuse(
                    &placed.place,
                    format!("`{to}`: queries are answered on addresses, not on interfaces; name the address"),
                ),
            }
        }
        addresses
    }
}
