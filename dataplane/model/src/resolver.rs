//! What the resolver does with names: zones, whom it asks, what it keeps, rules and tables. Control makes it of the
//! configuration, and the feed brings it to the proxy, which checks it as a whole before it puts it into effect.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::Serving;

/// All that the resolver is told beside what it listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverSettings {
    /// What is done with queries; the longest suffix of the queried name counts.
    pub zones: Vec<Zone>,
    /// Names that only the cluster's tables may answer, other than in zones that are [`foreign`](Zone::foreign): nothing under
    /// them is asked of an upstream, nor believed from one.
    pub protected: Vec<String>,
    /// Times that are not the resolver's own.
    pub times: Times,
    /// How it serves, beside what it answers.
    pub serving: Serving,
}

/// Times; the resolver's own where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// After which a query is answered with SERVFAIL.
    pub query: Option<Duration>,
    /// That a message over a connection may take.
    pub message: Option<Duration>,
    /// That a connection may be idle between messages.
    pub idle: Option<Duration>,
    /// That answers go on once the end has been announced.
    pub lameduck: Option<Duration>,
}

/// A zone and what is done with its names, in this order: local, dns64, rewrite, acl, template, hosts, the cluster's tables,
/// files and copied zones, cache, forward.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// The suffix, `.` for everything.
    pub name: String,
    /// It is for pods of these namespaces alone; none: for everybody. Of zones of one name a pod has that of its namespace.
    pub namespaces: Vec<Box<str>>,
    /// The cluster's tables are not asked for names here, even where they are below one of its zones.
    pub foreign: bool,
    /// Names of a host's own, which have answers of their own.
    pub local: Option<Local>,
    /// IPv6 addresses for names that have only IPv4 ones.
    pub dns64: Option<Dns64>,
    /// Rules that change queries and their answers; in order.
    pub rewrite: Vec<Rewrite>,
    /// Who may ask for what: the first policy that is for a query decides, of all rules in their order. What none is for is
    /// allowed. Names are those that rewriting has made.
    pub acl: Vec<Acl>,
    /// Bits of queries and replies that are not as they come.
    pub header: HeaderBits,
    /// Answers made by rule; the first that matches counts.
    pub template: Vec<Template>,
    /// A hosts table.
    pub hosts: Option<Hosts>,
    /// Zones that are answered as who has them; the longest that a name is in counts.
    pub files: Vec<ZoneFile>,
    /// Zones that are copied from other servers, likewise; after files.
    pub secondary: Vec<Secondary>,
    /// What is remembered of upstreams' answers.
    pub cache: Option<Cache>,
    /// Who is asked; the first whose `from` and `except` let the name through counts.
    pub forward: Vec<Forward>,
}

/// A zone file (RFC 1035, section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneFile {
    /// The zone.
    pub zone: String,
    /// Where it was read, for people.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Suffixes of names not in the zone that go on to the next step; `.` for all.
    pub fallthrough: Vec<String>,
}

/// A zone that is copied from other servers (RFC 5936).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secondary {
    /// The zone.
    pub zone: String,
    /// Whom it is copied from: the first that answers counts.
    pub from: Vec<SocketAddr>,
    /// Suffixes of names not in the zone that go on to the next step; `.` for all.
    pub fallthrough: Vec<String>,
}

/// `localhost`, and the reverse names of 127.0.0.1 and its like (RFC 6761, 6.3; RFC 6303).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Whether every name that begins with the label `localhost` is one: search lists make them.
    pub prefix: bool,
}

/// IPv6 addresses made of IPv4 ones (RFC 6147).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns64 {
    /// What they begin with (RFC 6052): 32 to 96 bits, in steps of 8.
    pub prefix: Ipv6Net,
    /// Whether names that have IPv6 addresses get these instead.
    pub all: bool,
    /// Whether clients that ask by IPv4 get them, too.
    pub ipv4: bool,
}

/// Policies for the names of some zones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl {
    /// Suffixes; none: the whole zone.
    pub zones: Vec<String>,
    /// In order.
    pub policies: Vec<AclPolicy>,
}

/// What becomes of some queries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclPolicy {
    /// What.
    pub action: AclAction,
    /// Only queries of these types; none: of all.
    pub types: Vec<u16>,
    /// Only clients of these networks; none: everybody.
    pub networks: Vec<IpNet>,
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AclAction {
    /// It goes on.
    Allow,
    /// REFUSED.
    Block,
    /// NOERROR without records.
    Filter,
    /// Silence.
    Drop,
}

/// Bits of headers (RFC 1035, 4.1.1) that are set or cleared; as they come where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderBits {
    /// RD of queries, before anything is looked up.
    pub desired: Option<bool>,
    /// AA of replies.
    pub authoritative: Option<bool>,
    /// RA of replies.
    pub available: Option<bool>,
    /// RD of replies.
    pub told_desired: Option<bool>,
}

/// Upstreams and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The suffix that is forwarded.
    pub from: String,
    /// Suffixes that are not.
    pub except: Vec<String>,
    /// Who is asked.
    pub upstreams: Vec<Upstream>,
    /// Who is asked first.
    pub policy: Policy,
    /// Failures in a row that mark an upstream as down; 0: none does.
    pub max_fails: u32,
    /// The time an idle connection to an upstream is kept.
    pub expire: Duration,
    /// Whether upstreams are asked over TCP alone.
    pub force_tcp: bool,
    /// Whether queries that came over TCP are tried over UDP first.
    pub prefer_udp: bool,
    /// Queries to upstreams at a time; 0: no limit but [`pending`](super::Limits::pending).
    pub max_concurrent: usize,
    /// The time an upstream may take before the next one is asked as well.
    pub patience: Duration,
    /// Whether SERVFAIL is answered at once while all are down, rather than one of them tried.
    pub fail_fast: bool,
    /// Codes of replies (`SERVFAIL`, `REFUSED`, …) after which the next upstream is asked.
    pub failover: Vec<u16>,
    /// Whether addresses that are private, loopback or link-local are refused from these upstreams (DNS rebinding).
    pub refuse_private: bool,
    /// How upstreams that fail are probed.
    pub health: HealthCheck,
}

impl Default for Forward {
    fn default() -> Self {
        Self {
            from: ".".into(),
            except: Vec::new(),
            upstreams: Vec::new(),
            policy: Policy::Random,
            max_fails: 2,
            expire: Duration::from_secs(10),
            force_tcp: false,
            prefer_udp: false,
            max_concurrent: 0,
            patience: Duration::from_millis(600),
            fail_fast: false,
            failover: Vec::new(),
            refuse_private: false,
            health: HealthCheck::default(),
        }
    }
}

/// A server that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Its address and port.
    pub address: SocketAddr,
    /// How TLS is spoken with it, where it is.
    pub tls: Option<UpstreamTls>,
}

/// TLS to an upstream (DoT).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UpstreamTls {
    /// The name, or address, its certificate must have. Without, the upstream's address.
    pub name: Option<String>,
    /// PEM: who may vouch for it. Without, the system's roots.
    pub roots: Option<Vec<u8>>,
}

/// Which upstream is asked first; the others follow when it does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// Any.
    #[default]
    Random,
    /// Each in turn.
    RoundRobin,
    /// The first of the list.
    Sequential,
}

/// Probes of an upstream that failed, until it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The time between two probes, and for an answer to one at most twice that: 10 ms to 1 h.
    pub interval: Duration,
    /// Whether recursion is asked for.
    pub recursion: bool,
    /// The name whose NS records are asked for.
    pub domain: String,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self { interval: Duration::from_millis(500), recursion: true, domain: ".".into() }
    }
}

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Suffixes whose names are remembered; none: the whole zone.
    pub zones: Vec<String>,
    /// Answers with records.
    pub success: CacheSide,
    /// NXDOMAIN and answers without records (RFC 2308).
    pub denial: CacheSide,
    /// Suffixes whose positive answers are not remembered.
    pub disable_success: Vec<String>,
    /// Suffixes whose negative answers are not remembered.
    pub disable_denial: Vec<String>,
    /// The time failures are remembered (RFC 9520): at most 5 minutes; 0: not at all.
    pub servfail: Duration,
    /// What is fetched again before it runs out.
    pub prefetch: Option<Prefetch>,
    /// What is answered when upstreams fail (RFC 8767).
    pub serve_stale: Option<ServeStale>,
    /// Whether the TTL told to clients is the first one always.
    pub keep_ttl: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            zones: Vec::new(),
            success: CacheSide { entries: 9984, bytes: 32 << 20, max_ttl: 3600, min_ttl: 5 },
            denial: CacheSide { entries: 9984, bytes: 16 << 20, max_ttl: 1800, min_ttl: 5 },
            disable_success: Vec::new(),
            disable_denial: Vec::new(),
            servfail: Duration::from_secs(5),
            prefetch: None,
            serve_stale: None,
            keep_ttl: false,
        }
    }
}

/// Bounds of one kind of answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheSide {
    /// Answers that are kept.
    pub entries: usize,
    /// Octets of memory they may take, as reckoned from their messages and records.
    pub bytes: usize,
    /// The longest time they are kept, in seconds.
    pub max_ttl: u32,
    /// The shortest time they are kept, in seconds.
    pub min_ttl: u32,
}

/// Fetching again what is asked for often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefetch {
    /// Queries that make an answer popular.
    pub amount: u32,
    /// The longest gap between two of them.
    pub window: Duration,
    /// The part of the TTL, in percent, below which it is fetched: 1 to 90.
    pub percentage: u8,
}

/// Answering from what has run out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeStale {
    /// The time after its end that an answer is still used.
    pub max_age: Duration,
    /// Whether upstreams get 1.8 s to answer first; otherwise the stale answer is sent at once and refreshed meanwhile.
    pub verify: bool,
}

/// A hosts table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// Suffixes it speaks for; none: the whole zone.
    pub zones: Vec<String>,
    /// Lines: an address, then names.
    pub inline: Vec<String>,
    /// A file of such lines.
    pub file: Option<PathBuf>,
    /// The TTL of its records, in seconds.
    pub ttl: u32,
    /// The time between two looks whether the file has changed; 0: none.
    pub reload: Duration,
    /// Suffixes of names not in the table that go on to the next step; `.` for all.
    pub fallthrough: Vec<String>,
    /// Whether PTR queries are not answered.
    pub no_reverse: bool,
}

impl Default for Hosts {
    fn default() -> Self {
        Self {
            zones: Vec::new(),
            inline: Vec::new(),
            file: None,
            ttl: 3600,
            reload: Duration::from_secs(5),
            fallthrough: Vec::new(),
            no_reverse: false,
        }
    }
}

/// Answers made by rule.
///
/// Records are zone file lines in which `{{ .Name }}`, `{{ .Type }}`, `{{ .Class }}`, `{{ .Zone }}`, `{{ .Match }}`,
/// `{{ .Remote }}`, `{{ .Group.name }}` and `{{ index .Match 1 }}` stand for parts of the query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Suffixes it speaks for; none: the whole zone.
    pub zones: Vec<String>,
    /// The type it is for; `ANY` for all.
    pub rtype: String,
    /// Expressions, of which one must match the name in lower case with its last dot; none: all do.
    pub matches: Vec<String>,
    /// The answer.
    pub answer: Vec<String>,
    /// The authority section.
    pub authority: Vec<String>,
    /// The additional section.
    pub additional: Vec<String>,
    /// The reply's code.
    pub rcode: u16,
    /// An extended error (RFC 8914): code and text.
    pub error: Option<(u16, String)>,
    /// Suffixes of names that match no expression which go on to the next rule; the others do not exist.
    pub fallthrough: Vec<String>,
}

/// A change to queries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rewrite {
    /// The name.
    Name {
        /// Which, and what it becomes.
        matches: NameMatch,
        /// What becomes of the answer's names. The queried name itself always comes back as it was asked.
        answer: Vec<AnswerRewrite>,
        /// Whether the rules after it are tried as well.
        go_on: bool,
    },
    /// The type of the query.
    Type {
        /// From.
        from: String,
        /// To.
        to: String,
        /// Whether the rules after it are tried as well.
        go_on: bool,
    },
    /// The TTL of the answer.
    Ttl {
        /// Which names; what it would replace them by is not looked at.
        matches: NameMatch,
        /// The least, in seconds.
        min: u32,
        /// The most, in seconds.
        max: u32,
        /// Whether the rules after it are tried as well.
        go_on: bool,
    },
}

/// Names, and what they become. Names are in lower case with their last dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameMatch {
    /// One name.
    Exact(String, String),
    /// The beginning.
    Prefix(String, String),
    /// The end.
    Suffix(String, String),
    /// Any part, each time it is there.
    Substring(String, String),
    /// An expression; `{0}`, `{1}`, … stand for its groups.
    Regex(String, String),
}

/// A change to the names of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerRewrite {
    /// What the rule did, the other way round (not of expressions).
    Auto,
    /// Owners that match an expression.
    Name(String, String),
    /// Names in the data of CNAME, NS, MX, SRV, PTR and SOA records that match one.
    Value(String, String),
}

impl Upstream {
    /// A plain one.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// The name its certificate must have.
    pub fn tls_name(&self) -> Option<String> {
        let tls = self.tls.as_ref()?;
        Some(tls.name.clone().unwrap_or_else(|| IpAddr::to_string(&self.address.ip())))
    }
}
