//! `forward`.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sluice_model::resolver::{self, UpstreamTls};

use super::{Run, texts};
use crate::address::Transport;
use crate::corefile::{Placed, Server};
use crate::plugins::{Forward, Policy, Upstream, UpstreamHost};

/// The port of servers of a resolv.conf.
const PORT: u16 = 53;

impl Run<'_> {
    pub(super) fn forward(
        &mut self,
        forward: &Forward,
        placed: &Placed,
        server: &Server,
    ) -> resolver::Forward {
        self.forward_options(forward, placed);
        let roots = forward.tls.authority.as_ref().and_then(|path| {
            let path = server.path(path);
            self.files
                .read(&path)
                .map_err(|error| {
                    self.problems.error(placed.line("tls"), format!("`{path}`: {error}"));
                })
                .ok()
        });
        let mut upstreams: Vec<resolver::Upstream> = Vec::new();
        for to in &forward.to {
            upstreams.extend(self.upstream(to, forward, roots.as_ref(), placed, server));
        }
        let mut seen = HashSet::new();
        upstreams.retain(|upstream| seen.insert(upstream.address));
        let interval = forward.health.interval;
        let health = interval.clamp(Duration::from_millis(10), Duration::from_secs(3600));
        if health != interval {
            self.warn(placed.line("health_check"), "upstreams are checked every 10 ms to 1 h");
        }
        resolver::Forward {
            from: forward.from.as_str().to_owned(),
            except: texts(&forward.except),
            upstreams,
            policy: match forward.policy {
                Policy::Random => resolver::Policy::Random,
                Policy::RoundRobin => resolver::Policy::RoundRobin,
                Policy::Sequential => resolver::Policy::Sequential,
            },
            max_fails: forward.max_fails,
            expire: forward.expire,
            force_tcp: forward.force_tcp,
            prefer_udp: forward.prefer_udp,
            max_concurrent: forward.max_concurrent as usize,
            fail_fast: forward.failfast,
            failover: forward.failover.iter().map(|code| code.0).collect(),
            refuse_private: self.base.refuse_private,
            health: resolver::HealthCheck {
                interval: health,
                recursion: forward.health.recursion,
                domain: forward.health.domain.as_str().to_owned(),
            },
            ..resolver::Forward::default()
        }
    }

    fn forward_options(&mut self, forward: &Forward, placed: &Placed) {
        let default = Forward::new(forward.from.clone(), Vec::new());
        let refused = [
            (
                !forward.next.is_empty(),
                "next",
                "the next `forward` is not asked for a reply's code; `failover` asks the next upstream",
            ),
            (
                forward.next_on_nodata,
                "next_on_nodata",
                "the next `forward` is not asked where there are no records",
            ),
            (
                forward.source_address.is_some(),
                "source_address",
                "questions leave from the address that Linux' routes choose",
            ),
            (
                forward.tls.identity.is_some(),
                "tls",
                "the gateway has no certificate of its own for upstreams; name the authority alone",
            ),
        ];
        for (is, name, why) in refused {
            if is {
                self.refuse(placed.line(name), format!("`{name}` is not supported: {why}"));
            }
        }
        let told = [
            (
                forward.max_connect_attempts.is_some(),
                "max_connect_attempts",
                "3 to 6 questions are sent for one query, by how many upstreams there are",
            ),
            (forward.max_age != default.max_age, "max_age", "a connection lives for as long as it is used"),
            (
                forward.max_idle_conns != default.max_idle_conns,
                "max_idle_conns",
                "16 idle connections are kept for an upstream",
            ),
            (
                forward.read_timeout != default.read_timeout,
                "read_timeout",
                "the next upstream is asked as well after 600 ms, and SERVFAIL is answered after 4 s",
            ),
        ];
        for (is, name, why) in told {
            if is {
                self.warn(placed.line(name), format!("`{name}` has no effect: {why}"));
            }
        }
    }

    fn upstream(
        &mut self,
        to: &Upstream,
        forward: &Forward,
        roots: Option<&Vec<u8>>,
        placed: &Placed,
        server: &Server,
    ) -> Vec<resolver::Upstream> {
        let (transport, host, port, percent) = match to {
            Upstream::File(path) => return self.resolv_conf(&server.path(path), placed),
            Upstream::Server { transport, host, port, percent } => (*transport, host, *port, percent),
        };
        let UpstreamHost::Address(ip) = host else {
            self.refuse(&placed.place, format!("`{to}`: upstreams are named by their addresses"));
            return Vec::new();
        };
        let address = SocketAddr::new(*ip, port);
        let tls = match transport {
            Transport::Dns if percent.is_some() => {
                self.refuse(&placed.place, format!("`{to}`: a link-local address is not asked"));
                return Vec::new();
            }
            Transport::Dns => None,
            Transport::Tls => {
                let name = percent.clone().or_else(|| forward.tls.server_name.clone());
                Some(UpstreamTls { name, roots: roots.cloned() })
            }
            _ => {
                self.refuse(
                    &placed.place,
                    format!("`{to}`: upstreams are asked by DNS and by DNS over TLS, not over HTTPS"),
                );
                return Vec::new();
            }
        };
        if ip.is_unspecified() || port == 0 {
            self.refuse(&placed.place, format!("`{to}` is no server's address"));
            return Vec::new();
        }
        vec![resolver::Upstream { address, tls }]
    }

    /// The name servers of a resolv.conf (resolv.conf(5)).
    fn resolv_conf(&mut self, path: &str, placed: &Placed) -> Vec<resolver::Upstream> {
        let text = match self.files.read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                self.refuse(&placed.place, format!("`{path}`: {error}"));
                return Vec::new();
            }
        };
        let servers = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next())?
        });
        let upstreams: Vec<resolver::Upstream> = servers
            .filter_map(|server| server.parse::<IpAddr>().ok())
            .map(|ip| resolver::Upstream::plain(SocketAddr::new(ip, PORT)))
            .collect();
        if upstreams.is_empty() {
            self.refuse(&placed.place, format!("`{path}` names no name server"));
        }
        upstreams
    }
}
