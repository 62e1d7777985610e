//! How queries are served, beside what is answered: pages, the log, the name, whole zones, search lists, TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use sluice_model::serving::{LogClass, MAX_NSID, QueryLog, Secure, can_be_nsid};
use sluice_model::{DnsSettings, PodNames, Serving};

use super::{Run, answered, cluster};
use crate::address::{Listen, Transport};
use crate::corefile::{Corefile, Placed, Server};
use crate::plugins::{self, Autopath, COMMON, ClientAuth, Log, Nsid, Plugin, SearchPath, Tls, Transfer};
use crate::zone::Zone;

/// Where CoreDNS takes queries over HTTPS.
const PATH: &str = "/dns-query";

impl Run<'_> {
    /// How the gateway serves: what stands beside the Corefile, and what it says itself.
    pub(super) fn serving(&mut self, corefile: &Corefile, dns: &DnsSettings) -> Serving {
        let mut serving = self.base.serving.clone();
        let mut log = None;
        for server in &corefile.servers {
            for placed in &server.plugins {
                let place = &placed.place;
                match &placed.plugin {
                    Plugin::Health(health) => {
                        self.page("health", &health.listen, &mut serving.health, placed)
                    }
                    Plugin::Ready(ready) => self.page("ready", &ready.listen, &mut serving.ready, placed),
                    Plugin::Prometheus(prometheus) => {
                        self.page("prometheus", &prometheus.listen, &mut serving.metrics, placed);
                        if prometheus.tls.is_some() {
                            self.refuse(placed.line("tls"), "`tls`: metrics are served by plain HTTP");
                        }
                    }
                    Plugin::Log(own) => self.log(own, server, placed, &mut log),
                    Plugin::Nsid(nsid) => self.nsid(nsid, placed, &mut serving),
                    Plugin::Transfer(transfer) => self.transfer(transfer, server, placed, dns, &mut serving),
                    Plugin::Autopath(autopath) => self.autopath(autopath, server, placed, dns, &mut serving),
                    Plugin::Https(limits) if *limits != plugins::Limits::default() => {
                        self.warn(
                            place,
                            "`max_connections` has no effect: 1024 connections are served, 64 of one client",
                        );
                    }
                    _ => {}
                }
            }
            self.secure(server, &mut serving);
        }
        if serving.log.is_none() {
            serving.log = log;
        }
        serving
    }

    /// A page; where the configuration says where it is, it is there.
    fn page(&mut self, name: &str, listen: &Listen, page: &mut Option<SocketAddr>, placed: &Placed) {
        let place = &placed.place;
        let ip = match listen.host.as_str() {
            "" => IpAddr::from(Ipv6Addr::UNSPECIFIED),
            "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
            host => match host.parse() {
                Ok(ip) => ip,
                Err(_) => return self.refuse(place, format!("`{name}` at {listen}: an address is needed")),
            },
        };
        let address = SocketAddr::new(ip, listen.port);
        match *page {
            _ if listen.port == 0 => self.refuse(place, format!("`{name}` at {listen}: a port is needed")),
            None => {
                *page = Some(address);
                if ip.is_unspecified() {
                    self.note(
                        place,
                        format!("`{name}` is at port {} of all addresses of Linux's", listen.port),
                    );
                }
            }
            Some(before) if before == address => {}
            Some(before) => self.note(place, format!("`{name}` is at {before}, once for all servers")),
        }
    }

    fn log(&mut self, own: &Log, server: &Server, placed: &Placed, log: &mut Option<QueryLog>) {
        if own.format != COMMON {
            self.warn(&placed.place, "lines of the log have CoreDNS's `{common}` form");
        }
        let classes = own.classes.iter().filter_map(|class| match class {
            plugins::LogClass::Success => Some(LogClass::Success),
            plugins::LogClass::Denial => Some(LogClass::Denial),
            plugins::LogClass::Error => Some(LogClass::Error),
            plugins::LogClass::All => None,
        });
        let classes: Vec<LogClass> = classes.collect();
        let mut zones: Vec<Zone> = Vec::new();
        for (name, listener) in
            own.names.iter().flat_map(|name| server.listeners.iter().map(move |listener| (name, listener)))
        {
            let narrow = if name.contains(&listener.zone) { &listener.zone } else { name };
            if listener.zone.contains(narrow) && !zones.contains(narrow) {
                zones.push(narrow.clone());
            }
        }
        let zones = if zones.contains(&Zone::root()) { Vec::new() } else { super::texts(&zones) };
        match log {
            None => *log = Some(QueryLog { zones, classes, ..QueryLog::default() }),
            Some(log) => {
                if log.classes != classes {
                    self.warn(&placed.place, "one set of classes holds for all logs: those of each");
                    log.classes = match (log.classes.as_slice(), classes.as_slice()) {
                        ([], _) | (_, []) => Vec::new(),
                        (before, own) => {
                            let new = own.iter().filter(|class| !before.contains(class));
                            before.iter().chain(new).copied().collect()
                        }
                    };
                }
                if log.zones.is_empty() || zones.is_empty() {
                    log.zones.clear();
                } else {
                    let new: Vec<String> = zones.into_iter().filter(|it| !log.zones.contains(it)).collect();
                    log.zones.extend(new);
                }
            }
        }
    }

    fn nsid(&mut self, nsid: &Nsid, placed: &Placed, serving: &mut Serving) {
        let own = if nsid.words.is_empty() { self.base.name.to_string() } else { nsid.words.join(" ") };
        if !can_be_nsid(&own) {
            self.refuse(&placed.place, format!("`nsid` is a name of 1 to {MAX_NSID} octets here"));
            return;
        }
        match &serving.nsid {
            Some(before) if *before != own => {
                let text = format!("one name holds for all servers: `{before}`");
                self.warn(&placed.place, text);
            }
            Some(_) => {}
            None => serving.nsid = Some(own),
        }
    }

    fn transfer(
        &mut self,
        transfer: &Transfer,
        server: &Server,
        placed: &Placed,
        dns: &DnsSettings,
        serving: &mut Serving,
    ) {
        if !has_names(server) {
            self.refuse(
                &placed.place,
                "`transfer` is of the cluster's zones, and they are not in this server",
            );
            return;
        }
        let external = dns.external_zones.iter().map(|it| &it.zone);
        let mut zones = dns.zones.iter().chain(&dns.reverse_zones).chain(external);
        let covered = |zone: &str| {
            Zone::parse(zone).is_ok_and(|zone| transfer.zones.iter().any(|it| it.contains(&zone)))
        };
        if let Some(other) = zones.find(|zone| !covered(zone)) {
            self.refuse(&placed.place, format!("`transfer` of some zones is not supported: who may have one may have all, and `{other}` is not named"));
            return;
        }
        if transfer.source.is_some() || !transfer.to.is_empty() {
            self.note(
                &placed.place,
                "nobody is told of changes (NOTIFY): secondaries ask as often as the SOA record says",
            );
        }
        let all = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
        let all = all.into_iter().filter_map(|ip| IpNet::new(ip, 0).ok()).filter(|_| transfer.to_all);
        for net in all.chain(transfer.to.iter().map(|peer| IpNet::from(peer.ip))) {
            if !serving.transfer.contains(&net) {
                serving.transfer.push(net);
            }
        }
    }

    fn autopath(
        &mut self,
        autopath: &Autopath,
        server: &Server,
        placed: &Placed,
        dns: &DnsSettings,
        serving: &mut Serving,
    ) {
        let place = &placed.place;
        match &autopath.from {
            SearchPath::File(_) => self.refuse(
                place,
                "`autopath` of a file is not supported: search lists are those of pods, `@kubernetes`",
            ),
            SearchPath::Plugin(_) if !has_cluster(server) || dns.pods != PodNames::Verified => {
                self.refuse(
                    place,
                    "`autopath @kubernetes` needs `kubernetes` with `pods verified` in the same server",
                );
            }
            SearchPath::Plugin(_) => serving.autopath = true,
        }
    }

    /// Addresses of a server where queries come over TLS or HTTPS.
    fn secure(&mut self, server: &Server, serving: &mut Serving) {
        let tls = server.plugins.iter().find_map(|placed| match &placed.plugin {
            Plugin::Tls(tls) => Some((tls, placed)),
            _ => None,
        });
        if let Some((tls, placed)) = tls {
            self.tls(tls, placed);
        }
        let bound = self.bound(server);
        for listener in &server.listeners {
            let path = match listener.transport {
                Transport::Tls => None,
                Transport::Https => Some(PATH.to_owned()),
                _ => continue,
            };
            let Some((tls, _)) = tls else {
                self.refuse(
                    &server.place,
                    format!("`{listener}` needs `tls` with a certificate and its key"),
                );
                continue;
            };
            if bound.is_empty() {
                self.refuse(
                    &server.place,
                    format!("`{listener}`: name its addresses by `bind`; they are ones that Linux has"),
                );
                continue;
            }
            let paths = [&tls.certificate, &tls.key].map(|path| server.path(path));
            if let Some(relative) = paths.iter().find(|path| !path.starts_with('/')) {
                self.refuse(
                    &server.place,
                    format!("`{relative}`: the path of a certificate or key is a whole one here, or `root` is given"),
                );
                continue;
            }
            let [certificate, key] = paths.map(Into::into);
            let addresses: Vec<SocketAddr> =
                bound.iter().map(|ip| SocketAddr::new(*ip, listener.port)).collect();
            let same = serving.secure.iter().find(|it| it.addresses == addresses);
            let secure = Secure { addresses, certificate, key, path };
            match same {
                None => serving.secure.push(secure),
                Some(same) if *same == secure => {}
                Some(_) => self.refuse(
                    &server.place,
                    format!("`{listener}`: another server has another certificate at the same address"),
                ),
            }
        }
    }

    fn tls(&mut self, tls: &Tls, placed: &Placed) {
        if tls.client_auth != ClientAuth::NoCert {
            self.refuse(
                placed.line("client_auth"),
                "`client_auth` is not supported: clients are known by their addresses",
            );
        }
        if tls.keylog.is_some() {
            self.warn(placed.line("keylog"), "`keylog` has no effect: keys of connections are not written");
        }
    }

    /// The addresses that a server of TLS is bound to. What is wrong with them is told where all servers' are looked at.
    fn bound(&self, server: &Server) -> Vec<IpAddr> {
        let binds = server.plugins.iter().filter_map(|placed| match &placed.plugin {
            Plugin::Bind(bind) => Some(bind),
            _ => None,
        });
        let named = binds.flat_map(|bind| bind.to.iter().filter(|to| !bind.except.contains(to)));
        named.filter_map(|to| to.parse().ok()).filter(|ip: &IpAddr| !ip.is_unspecified()).collect()
    }
}

/// Whether queries come to it over UDP and TCP.
pub(super) fn is_plain(server: &Server) -> bool {
    server.listeners.iter().any(|listener| listener.transport == Transport::Dns)
}

fn has_cluster(server: &Server) -> bool {
    let one = Corefile { servers: vec![server.clone()] };
    cluster(&one).is_some()
}

/// Whether names are in it that the packet path answers.
fn has_names(server: &Server) -> bool {
    let one = Corefile { servers: vec![server.clone()] };
    !answered(&one).is_empty()
}
