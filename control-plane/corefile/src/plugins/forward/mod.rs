//! `forward`: names that somebody else answers.

mod options;
mod proxy;
mod upstream;

use std::net::IpAddr;
use std::time::Duration;

pub(super) use proxy::read as read_proxy;
pub use upstream::{Host, Upstream, UpstreamError};

use super::{Read, Repeat, Write};
use crate::address::Listen;
use crate::grammar::Directive;
use crate::names::Rcode;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::{Zone, absolute};

/// Upstreams of one `forward`.
const MOST_UPSTREAMS: usize = 100;

/// Queries for one zone go to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The zone.
    pub from: Zone,
    /// Who is asked; at least one.
    pub to: Vec<Upstream>,
    /// Zones below `from` that are left to the next plugin.
    pub except: Vec<Zone>,
    /// Whether only TCP is used.
    pub force_tcp: bool,
    /// Whether UDP is used even where the client came by TCP.
    pub prefer_udp: bool,
    /// Whom to ask first.
    pub policy: Policy,
    /// Failed health checks in a row that make an upstream down; 0 for never.
    pub max_fails: u32,
    /// Attempts to connect for one query; `None` for twice the number of upstreams, 0 for no limit.
    pub max_connect_attempts: Option<u32>,
    /// How upstreams are checked.
    pub health: HealthCheck,
    /// TLS towards upstreams.
    pub tls: UpstreamTls,
    /// How long an idle connection is kept.
    pub expire: Duration,
    /// How old a connection may become; zero for any age.
    pub max_age: Duration,
    /// Idle connections kept for each upstream; 0 for no limit.
    pub max_idle_conns: u32,
    /// How long a reply is waited for.
    pub read_timeout: Duration,
    /// Queries under way at once; 0 for no limit.
    pub max_concurrent: u32,
    /// HTTP's method for DNS over HTTPS.
    pub doh_get: bool,
    /// Replies after which the next `forward` of the server is asked.
    pub next: Vec<Rcode>,
    /// Whether that holds for replies without data.
    pub next_on_nodata: bool,
    /// Replies after which another upstream is asked.
    pub failover: Vec<Rcode>,
    /// Whether queries fail at once while all upstreams are down.
    pub failfast: bool,
    /// Servers that upstreams' own names are looked up at; the system's where empty.
    pub resolver: Vec<Listen>,
    /// Address that queries are sent from.
    pub source_address: Option<IpAddr>,
}

/// Which upstream is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Any.
    #[default]
    Random,
    /// Each in turn.
    RoundRobin,
    /// Always the first that is up.
    Sequential,
}

/// How an upstream that failed is asked whether it is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The pause between questions.
    pub interval: Duration,
    /// Whether recursion is desired in them.
    pub recursion: bool,
    /// The name that is asked for.
    pub domain: Zone,
}

/// TLS towards upstreams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Paths of our certificate and its key.
    pub identity: Option<(String, String)>,
    /// Path of the authorities' certificates; the system's where none is named.
    pub authority: Option<String>,
    /// The name that all upstreams' certificates must have.
    pub server_name: Option<String>,
}

impl Forward {
    /// With CoreDNS's defaults.
    pub fn new(from: Zone, to: Vec<Upstream>) -> Self {
        Self {
            from,
            to,
            except: Vec::new(),
            force_tcp: false,
            prefer_udp: false,
            policy: Policy::Random,
            max_fails: 2,
            max_connect_attempts: None,
            health: HealthCheck {
                interval: Duration::from_millis(500),
                recursion: true,
                domain: Zone::root(),
            },
            tls: UpstreamTls::default(),
            expire: Duration::from_secs(10),
            max_age: Duration::ZERO,
            max_idle_conns: 0,
            read_timeout: Duration::from_secs(2),
            max_concurrent: 0,
            doh_get: false,
            next: Vec::new(),
            next_on_nodata: false,
            failover: Vec::new(),
            failfast: false,
            resolver: Vec::new(),
            source_address: None,
        }
    }

    /// The zone and the upstreams of a directive.
    fn head(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let name = &directive.name;
        let [from, to @ ..] = directive.args.as_slice() else {
            reader.error(name, format!("`{}` takes a zone and whom to ask", name.text));
            return Self::new(Zone::root(), Vec::new());
        };
        let zones = reader.zones(std::slice::from_ref(from));
        if let [first, _, ..] = zones.as_slice() {
            reader.warning(
                from,
                format!("`{}` is more than one reverse zone; only `{first}` is forwarded", from.text),
            );
        }
        if to.is_empty() {
            reader.error(from, format!("`{}` does not say whom to ask", name.text));
        }
        let mut upstreams: Vec<Upstream> = Vec::new();
        if let Some(arg) = to.get(MOST_UPSTREAMS) {
            reader.error(arg, format!("more than {MOST_UPSTREAMS} upstreams are too many"));
        }
        for arg in to.iter().take(MOST_UPSTREAMS) {
            match Upstream::parse(&arg.text) {
                Ok(upstream) if upstreams.contains(&upstream) => {
                    reader.warning(arg, format!("`{}` stands here twice", arg.text));
                }
                Ok(upstream) => upstreams.push(upstream),
                Err(error) => reader.error(arg, error.to_string()),
            }
        }
        Self::new(zones.into_iter().next().unwrap_or_else(Zone::root), upstreams)
    }
}

impl Read for Forward {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut forward = Self::head(directive, reader);
        for line in directive.lines() {
            forward.option(line, reader);
        }
        if !forward.max_age.is_zero() && forward.max_age < forward.expire {
            reader.error(&directive.name, "`max_age` must not be less than `expire`");
        }
        let own_name = |upstream: &Upstream| upstream.server_name().is_some();
        if forward.tls.server_name.is_some() && forward.to.iter().any(own_name) {
            reader
                .error(&directive.name, "`tls_servername` and an upstream's own `%name` exclude each other");
        }
        forward
    }
}

impl Write for Forward {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        let default = Self::new(Zone::root(), Vec::new());
        stanza.arg(&self.from).args(&self.to);
        stanza.list("except", &self.except);
        stanza.flag("force_tcp", self.force_tcp).flag("prefer_udp", self.prefer_udp);
        match self.policy {
            Policy::Random => {}
            Policy::RoundRobin => {
                stanza.value("policy", "round_robin");
            }
            Policy::Sequential => {
                stanza.value("policy", "sequential");
            }
        }
        stanza.unless(default.max_fails, "max_fails", self.max_fails);
        stanza.list("max_connect_attempts", self.max_connect_attempts.as_slice());
        if self.health != default.health {
            stanza.option("health_check", self.health.words());
        }
        if let Some(words) = self.tls.words() {
            stanza.option("tls", words);
        }
        stanza.list("tls_servername", self.tls.server_name.as_slice());
        stanza.duration(default.expire, "expire", self.expire);
        stanza.duration(default.max_age, "max_age", self.max_age);
        stanza.unless(0, "max_idle_conns", self.max_idle_conns);
        stanza.duration(default.read_timeout, "read_timeout", self.read_timeout);
        stanza.unless(0, "max_concurrent", self.max_concurrent);
        if self.doh_get {
            stanza.value("doh_method", "GET");
        }
        stanza.list("next", &self.next).flag("next_on_nodata", self.next_on_nodata);
        stanza.list("failover", &self.failover);
        stanza.flag("failfast_all_unhealthy_upstreams", self.failfast);
        let resolvers: Vec<String> = self.resolver.iter().map(options::resolver_text).collect();
        stanza.list("resolver", &resolvers).list("source_address", self.source_address.as_slice());
    }
}

impl HealthCheck {
    fn words(&self) -> Vec<String> {
        let mut words = vec![crate::duration::Written(self.interval).to_string()];
        words.extend((!self.recursion).then(|| "no_rec".to_owned()));
        if self.domain != Zone::root() {
            words.extend(["domain".to_owned(), absolute(self.domain.as_str())]);
        }
        words
    }
}

impl UpstreamTls {
    fn words(&self) -> Option<Vec<&str>> {
        let authority = self.authority.as_deref();
        match &self.identity {
            Some((certificate, key)) => {
                Some([certificate.as_str(), key.as_str()].into_iter().chain(authority).collect())
            }
            None => authority.map(|authority| vec![authority]),
        }
    }
}
