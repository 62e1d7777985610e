//! The lines in a `forward`.

use super::{Forward, Policy};
use crate::address::{Listen, split_port};
use crate::grammar::Line;
use crate::lexer::Token;
use crate::names::Rcode;
use crate::reader::Reader;

pub(super) const OPTIONS: [&str; 21] = [
    "doh_method",
    "except",
    "expire",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "force_tcp",
    "health_check",
    "max_age",
    "max_concurrent",
    "max_connect_attempts",
    "max_fails",
    "max_idle_conns",
    "next",
    "next_on_nodata",
    "policy",
    "prefer_udp",
    "read_timeout",
    "resolver",
    "source_address",
    "tls",
    "tls_servername",
];

const POLICIES: [(&str, Policy); 3] =
    [("random", Policy::Random), ("round_robin", Policy::RoundRobin), ("sequential", Policy::Sequential)];

impl Forward {
    pub(super) fn option(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let name = &line.name;
        match name.text.as_str() {
            "except" => {
                let zones = reader.some(line);
                self.except.extend(reader.zones(zones));
            }
            "force_tcp" => self.force_tcp = flag(line, reader),
            "prefer_udp" => self.prefer_udp = flag(line, reader),
            "next_on_nodata" => self.next_on_nodata = flag(line, reader),
            "failfast_all_unhealthy_upstreams" => self.failfast = flag(line, reader),
            "policy" => {
                let Some(arg) = reader.one(line) else { return };
                match POLICIES.iter().find(|(name, _)| *name == arg.text) {
                    Some((_, policy)) => self.policy = *policy,
                    None => reader.none_of(arg, "policy", &POLICIES.map(|(name, _)| name)),
                }
            }
            "max_fails" => self.max_fails = number(line, reader),
            "max_connect_attempts" => self.max_connect_attempts = Some(number(line, reader)),
            "max_idle_conns" => self.max_idle_conns = number(line, reader),
            "max_concurrent" => self.max_concurrent = number(line, reader),
            "expire" => self.expire = duration(line, reader),
            "max_age" => self.max_age = duration(line, reader),
            "read_timeout" => {
                self.read_timeout = duration(line, reader);
                if self.read_timeout.is_zero() {
                    reader.error(name, "`read_timeout` must be more than nothing");
                }
            }
            "health_check" => self.health_check(line, reader),
            "tls" => self.tls(line, reader),
            "tls_servername" => self.tls.server_name = reader.one(line).map(|arg| arg.text.clone()),
            "doh_method" => {
                let Some(arg) = reader.one(line) else { return };
                match arg.text.as_str() {
                    "GET" => self.doh_get = true,
                    "POST" => self.doh_get = false,
                    _ => reader.none_of(arg, "method", &["GET", "POST"]),
                }
            }
            "next" => self.next.extend(rcodes(line, reader)),
            "failover" => {
                let found = rcodes(line, reader);
                if found.contains(&Rcode::NOERROR) {
                    reader.error(name, "NOERROR is no reason for `failover`");
                }
                self.failover.extend(found);
            }
            "resolver" => {
                for arg in reader.some(line) {
                    match resolver(&arg.text) {
                        Some(listen) => self.resolver.push(listen),
                        None => {
                            reader.error(arg, format!("`{}` is no address with or without a port", arg.text))
                        }
                    }
                }
            }
            "source_address" => {
                let Some(arg) = reader.one(line) else { return };
                self.source_address = arg.text.parse().ok();
                if self.source_address.is_none() {
                    reader.error(arg, format!("`{}` is no address", arg.text));
                }
            }
            "fail_fast" => reader.warning(name, "`fail_fast` is gone from CoreDNS and ignored"),
            _ => reader.unknown("forward", line, &OPTIONS),
        }
    }

    fn health_check(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let [interval, rest @ ..] = line.args.as_slice() else {
            reader.error(&line.name, "`health_check` takes a duration, `no_rec` and `domain NAME`");
            return;
        };
        self.health.interval = reader.duration(interval).unwrap_or_default();
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match (word.text.as_str(), word) {
                ("no_rec", _) => self.health.recursion = false,
                ("domain", word) => match rest.next() {
                    Some(name) => self.domain(name, reader),
                    None => reader.error(word, "`domain` names nothing"),
                },
                (_, word) => reader.none_of(word, "option of `health_check`", &["no_rec", "domain"]),
            }
        }
    }

    fn domain(&mut self, name: &Token, reader: &mut Reader<'_>) {
        match crate::zone::Zone::parse(&name.text) {
            Ok(zone) => self.health.domain = zone,
            Err(error) => reader.error(name, error.to_string()),
        }
    }

    fn tls(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let text = |arg: &Token| arg.text.clone();
        (self.tls.identity, self.tls.authority) = match line.args.as_slice() {
            [] => (None, None),
            [authority] => (None, Some(text(authority))),
            [certificate, key] => (Some((text(certificate), text(key))), None),
            [certificate, key, authority] => (Some((text(certificate), text(key))), Some(text(authority))),
            [_, _, _, extra, ..] => {
                reader.error(
                    extra,
                    "`tls` takes a certificate, its key and the authority, or the authority alone",
                );
                return;
            }
        };
    }
}

fn flag(line: &Line, reader: &mut Reader<'_>) -> bool {
    reader.nothing(&line.name, &line.args);
    true
}

fn number(line: &Line, reader: &mut Reader<'_>) -> u32 {
    reader.one(line).and_then(|arg| reader.number(arg, 0..=u32::MAX)).unwrap_or_default()
}

fn duration(line: &Line, reader: &mut Reader<'_>) -> std::time::Duration {
    reader.one(line).and_then(|arg| reader.duration(arg)).unwrap_or_default()
}

fn rcodes(line: &Line, reader: &mut Reader<'_>) -> Vec<Rcode> {
    let mut codes = Vec::new();
    for arg in reader.some(line) {
        match Rcode::named(&arg.text.to_ascii_uppercase()) {
            Some(code) => codes.push(code),
            None => reader.none_of(arg, "response code", &Rcode::names().collect::<Vec<_>>()),
        }
    }
    codes
}

/// A server for upstreams' names; port 53 where it has none.
fn resolver(text: &str) -> Option<Listen> {
    let (host, port) = match text.parse::<std::net::IpAddr>() {
        Ok(_) => (text, 53),
        Err(_) => split_port(text)?,
    };
    let address: std::net::IpAddr = host.parse().ok()?;
    Some(Listen::new(&address.to_string(), port))
}

pub(super) fn resolver_text(server: &Listen) -> String {
    if server.port == 53 { server.host.clone() } else { server.to_string() }
}
