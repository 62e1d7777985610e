//! What would be answered to a query, from which object, and why: `sluice dns query`, and one side of `sluice dns diff`.
//!
//! A pure function of the tables that queries are answered from.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::answer::{self, Asked, Verdict, pod_address, underscored};
use crate::name::{self, Name, NameError};
use crate::node::Node;
use crate::query::{Query, kind, rcode};
use crate::visibility::Seen;
use crate::zonal;
use crate::zones::Zones;

/// A question that somebody might ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The name as text; it needs no last dot.
    pub name: String,
    /// QTYPE.
    pub kind: u16,
    /// Who asks; none: somebody who may.
    pub client: Option<IpAddr>,
    /// The address that is asked; none: one that has no clients of its own.
    #[serde(default)]
    pub server: Option<IpAddr>,
}

/// What would come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether queries are answered at all.
    pub enabled: bool,
    /// Whether the client may ask.
    pub allowed: bool,
    /// The namespaces whose pod the client is, where that matters; mostly one.
    #[serde(default)]
    pub pod_of: Option<Vec<String>>,
    /// The zone that the name is in, in lower case.
    pub zone: Option<String>,
    /// What the name is in its zone.
    pub subject: Subject,
    /// Why the reply is what it is.
    pub rule: Rule,
    /// The reply as it would be sent over a stream; none where a resolver has to make it. Of an alias that leads to names of
    /// others, its records.
    pub reply: Option<Vec<u8>>,
    /// The name that a resolver is asked for.
    pub forwarded: Option<String>,
}

/// What a name is in its zone, by its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// None of ours.
    #[default]
    Foreign,
    /// The top of the zone.
    Zone,
    /// `svc` or `pod`, or a name above others.
    Inner,
    /// `dns-version`.
    Version,
    /// `ns.dns`.
    Server,
    /// A namespace.
    Namespace {
        /// Its name.
        namespace: String,
    },
    /// A Service, one of its ports or of its endpoints.
    Service {
        /// `namespace/name`.
        service: String,
        /// Labels before the Service's: of a port, or of an endpoint.
        part: Option<String>,
    },
    /// A host that Ingresses or Services may name.
    Host {
        /// It, without the last dot.
        host: String,
    },
    /// A pod, by its address.
    Pod {
        /// Its namespace.
        namespace: String,
        /// The label that is to spell its address.
        label: String,
    },
    /// An address, by its reverse name.
    Address {
        /// It.
        address: IpAddr,
    },
    /// Nothing that could have a name.
    Unknown,
}

/// Why a reply is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Nothing is answered: there is no `dns`.
    Off,
    /// The client is in none of the networks that may ask at the address.
    Client,
    /// Whole zones are not given away.
    Transfer,
    /// The name has records of this type.
    Records,
    /// The name has records, but of other types.
    OtherTypes,
    /// The name is there without records: others are below it, or it stands for something that has none.
    Empty,
    /// The name is an alias and ends here.
    Alias,
    /// The name is an alias and ends at a name of others.
    AliasElsewhere,
    /// The name is spelled without underscores.
    Spelling,
    /// The name spells a pod's address, and `pods` is `insecure`.
    PodAddress,
    /// No host has the name, but one with a star for its first label.
    Wildcard,
    /// The name is of a zone that none of the Service's endpoints is in, and of no others.
    Pinned,
    /// The name is of a zone that none of the Service's endpoints is in, and so has all of them.
    Preferred,
    /// The client does not see names of that namespace, whether or not there are any.
    Hidden,
    /// No object makes such a name.
    Missing,
    /// A Service would, if one of its endpoints were ready.
    Unready,
    /// No object makes such a name, but it is in `fallthrough`.
    Fallthrough,
    /// The resolver's rules or tables come first.
    Elsewhere,
    /// The name is in none of the zones, and upstreams are asked.
    Upstream,
    /// Upstreams would be asked, but not for IPv6 addresses: the client has no IPv6.
    NoIpv6,
    /// The name is in none of the zones, and there are no upstreams.
    NoUpstream,
    /// Upstreams would be asked, but not for this client at this address.
    NoRecursion,
    /// The same, and the resolver may have an answer of its own.
    Tables,
    /// The name is in a zone of the cluster that this client is not answered at this address.
    Concealed,
    /// Here CoreDNS answers otherwise than the RFCs, and `mode` is `compat`.
    Compat,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "the configuration has no `dns`",
            Self::Client => "the client is in none of `dns.clients`, or of the address's own",
            Self::Transfer => "whole zones are not given away",
            Self::Records => "it has records of this type",
            Self::OtherTypes => "it has records, but none of this type",
            Self::Empty => "it is there, without records of its own",
            Self::Alias => "it is an alias (ExternalName), followed here",
            Self::AliasElsewhere => {
                "it is an alias (ExternalName) of a name of others, which upstreams are asked for"
            }
            Self::Spelling => "it is a port's name, spelled without an underscore",
            Self::PodAddress => "it spells an address in a namespace that exists, and `dns.pods` is insecure",
            Self::Wildcard => "a host with a star for the first label stands for it",
            Self::Pinned => "none of the Service's ready endpoints is in that zone",
            Self::Preferred => "none of the Service's ready endpoints is in that zone: all of them are told",
            Self::Hidden => {
                "the client does not see what has such a name, if there is any: `dns.visibility` says what it sees"
            }
            Self::Missing => "no object makes such a name",
            Self::Unready => "none of the Service's endpoints is ready",
            Self::Fallthrough => {
                "no object makes such a name, and it is in `dns.fallthrough`: upstreams are asked"
            }
            Self::Elsewhere => "rules or tables of the resolver come before the cluster's names",
            Self::Upstream => "it is in none of `dns.zones` and `dns.reverse_zones`: upstreams are asked",
            Self::NoIpv6 => {
                "upstreams are not asked for IPv6 addresses: by `dns.suppress_aaaa` the client has no IPv6"
            }
            Self::NoUpstream => {
                "it is in none of `dns.zones` and `dns.reverse_zones`, and there are no `dns.upstreams`"
            }
            Self::NoRecursion => "upstreams are not asked for this client at this address",
            Self::Tables => {
                "the resolver's own tables may have it; upstreams are not asked for this client at this address"
            }
            Self::Concealed => "names of the cluster are not answered to this client at this address",
            Self::Compat => "CoreDNS answers so, and `dns.mode` is compat",
        })
    }
}

/// Explains what these tables say to a question.
///
/// # Errors
/// [`NameError`]: the text is no name.
pub fn explain(zones: &Zones, question: &Question) -> Result<Explanation, NameError> {
    let everything = Zones { policy: None, ..zones.clone() };
    // Whoever asks for nobody sees all.
    let zones = if question.client.is_some() { zones } else { &everything };
    let asked = Name::parse(&question.name)?;
    let wire = asked.wire();
    let zone = zones.zone(wire);
    let server = question.server.unwrap_or(IpAddr::from([0; 4]));
    // Whoever asks for nobody is one who may.
    let client = question.client.unwrap_or_else(|| zones.fixed.access.any(server));
    let mut out = Explanation {
        enabled: !zones.listen().is_empty(),
        allowed: question.client.is_none_or(|client| zones.may_ask(client, server)),
        pod_of: question
            .client
            .filter(|_| zones.fixed.knows_clients)
            .map(|it| zones.namespaces_of_client(it)),
        zone: zone.map(name::text),
        subject: zone.map_or(Subject::Foreign, |zone| {
            match zones.fixed.hosts.iter().any(|it| it.wire() == zone) {
                true if wire.len() > zone.len() => {
                    Subject::Host { host: name::text(wire).trim_end_matches('.').to_ascii_lowercase() }
                }
                _ => subject(wire, zone, zones.external(zone).is_some()),
            }
        }),
        rule: Rule::Off,
        reply: None,
        forwarded: None,
    };
    if !out.enabled {
        return Ok(out);
    }
    let mut message = vec![0; 12];
    (message[2], message[5]) = (1, 1);
    message.extend(wire);
    message.extend([question.kind.to_be_bytes(), crate::query::IN.to_be_bytes()].concat());
    let query = Query {
        name_len: wire.len() as u8,
        labels: name::labels(wire).count() as u8,
        kind: question.kind,
        class: crate::query::IN,
        edns: None,
    };
    let by = Asked { client, server, stream: true, resolver: false, turn: 0, now: zones.serial };
    let mut buffer = message.clone();
    buffer.resize(usize::from(u16::MAX), 0);
    let verdict = answer::answer(zones, Ok(query), &mut buffer, &by);
    let useless = question.kind == kind::AAAA && zone.is_none() && zones.without_ipv6(client);
    out.rule = match verdict {
        Verdict::Reply { .. } if out.allowed && is_concealed(zones, &query, wire, &by) => Rule::Concealed,
        Verdict::Reply { rcode: rcode::NOERROR, .. } | Verdict::Forward if useless => Rule::NoIpv6,
        Verdict::Reply { rcode: rcode::NXDOMAIN, .. } if hides(zones, wire, client) => Rule::Hidden,
        _ => rule(zones, &query, wire, out.allowed, verdict),
    };
    match verdict {
        Verdict::Reply { length, .. } => {
            buffer.truncate(length);
            out.reply = Some(buffer);
        }
        Verdict::Silence => {}
        // Its own tables may have it.
        Verdict::Forward if useless => {}
        Verdict::Forward if !zones.recurses(client, server) => out.rule = Rule::Tables,
        Verdict::Forward | Verdict::Elsewhere => {
            let mut alias = message;
            let target = answer::aliases(zones, Ok(query), &mut alias, &by);
            out.forwarded = Some(name::text(target.as_deref().unwrap_or(wire)));
            out.reply = target.map(|_| alias);
        }
    }
    Ok(out)
}

/// Whether that is all the reply says. Transfers are refused whatever the zone.
fn is_concealed(zones: &Zones, query: &Query, wire: &[u8], by: &Asked) -> bool {
    !matches!(query.kind, kind::AXFR | kind::IXFR) && zones.conceals(wire, by.client, by.server)
}

/// Whether a name is not there for this client alone, or would not be.
fn hides(zones: &Zones, wire: &[u8], client: IpAddr) -> bool {
    let Some(sight) = zones.sight(client) else { return false };
    let node = zones.find(wire);
    sight.hides(wire) || node.is_some() && matches!(sight.of(zones, wire, node), Seen::As(None))
}

fn rule(zones: &Zones, query: &Query, wire: &[u8], allowed: bool, verdict: Verdict) -> Rule {
    let exact = zones.find(wire);
    let node = exact.or_else(|| zones.wildcard(wire));
    let aliased = node.is_some_and(|node| query.kind != kind::CNAME && node.set(kind::CNAME).is_some());
    match verdict {
        _ if !allowed => Rule::Client,
        _ if matches!(query.kind, kind::AXFR | kind::IXFR) => Rule::Transfer,
        Verdict::Elsewhere => Rule::Elsewhere,
        Verdict::Forward if aliased => Rule::AliasElsewhere,
        Verdict::Forward if zones.falls_through(wire) => Rule::Fallthrough,
        Verdict::Forward if zones.zone(wire).is_some() => Rule::Elsewhere,
        Verdict::Forward => Rule::Upstream,
        _ if zones.zone(wire).is_none() && !zones.fixed.forward => Rule::NoUpstream,
        Verdict::Silence => Rule::Off,
        Verdict::Reply { .. } if exact.is_none() && node.is_some() => Rule::Wildcard,
        Verdict::Reply { rcode: rcode::REFUSED, .. } => Rule::NoRecursion,
        Verdict::Reply { rcode, .. } => match node {
            Some(node) if node.set(query.kind).is_some() => Rule::Records,
            Some(node) if node.is_top() && query.kind == kind::SOA => Rule::Records,
            Some(_) if aliased => Rule::Alias,
            Some(_) if rcode == rcode::NXDOMAIN => Rule::Compat,
            Some(node) => without(node),
            None if underscored(zones, wire).is_some() => Rule::Spelling,
            None if zones.fixed.pods && pod_address(zones, wire).is_some() => Rule::PodAddress,
            None if rcode == rcode::NXDOMAIN && zones.is_unready(wire) => Rule::Unready,
            None if rcode == rcode::NXDOMAIN && zonal::is_unready(zones, wire) => Rule::Unready,
            None if rcode == rcode::NXDOMAIN => Rule::Missing,
            None => by_zone(zones, query.kind, wire).unwrap_or(Rule::Compat),
        },
    }
}

/// Of a name by a zone that no ready endpoint is in.
fn by_zone(zones: &Zones, kind: u16, wire: &[u8]) -> Option<Rule> {
    let node = zonal::find(zones, wire).filter(|_| !zonal::is_unready(zones, wire))?;
    Some(match zonal::prefers(zones, wire)? {
        true if node.set(kind).is_some() => Rule::Preferred,
        true => without(node),
        false => Rule::Pinned,
    })
}

fn without(node: &Node) -> Rule {
    if node.kinds().next().is_some() || node.is_top() { Rule::OtherTypes } else { Rule::Empty }
}

/// What a name in a zone is by its labels, whether or not there is such a thing.
fn subject(name: &[u8], zone: &[u8], external: bool) -> Subject {
    let relative = name.get(..name.len() - zone.len()).unwrap_or_default();
    let labels: Vec<String> =
        name::labels(relative).map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    if let Some(address) = address(name) {
        return Subject::Address { address };
    }
    match labels.as_slice() {
        [] => Subject::Zone,
        [namespace] if external => Subject::Namespace { namespace: (*namespace).to_owned() },
        [part @ .., service, namespace] if external => Subject::Service {
            service: format!("{namespace}/{service}"),
            part: (!part.is_empty()).then(|| part.join(".")),
        },
        ["svc" | "pod" | "dns"] => Subject::Inner,
        ["dns-version"] => Subject::Version,
        ["ns", "dns"] => Subject::Server,
        [namespace, "svc" | "pod"] => Subject::Namespace { namespace: (*namespace).to_owned() },
        [part @ .., service, namespace, "svc"] => Subject::Service {
            service: format!("{namespace}/{service}"),
            part: (!part.is_empty()).then(|| part.join(".")),
        },
        [label, namespace, "pod"] => {
            Subject::Pod { namespace: (*namespace).to_owned(), label: (*label).to_owned() }
        }
        _ => Subject::Unknown,
    }
}

/// The address whose reverse name this is.
fn address(wire: &[u8]) -> Option<IpAddr> {
    let labels: Vec<&str> = name::labels(wire).map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
    let (digits, zone) = labels.split_at_checked(labels.len().checked_sub(2)?)?;
    let text: String = match (digits.len(), zone.join(".").to_ascii_lowercase().as_str()) {
        (4, "in-addr.arpa") => digits.iter().rev().copied().collect::<Vec<_>>().join("."),
        (32, "ip6.arpa") => {
            let nibbles: Vec<&str> = digits.iter().rev().copied().collect();
            nibbles.chunks(4).map(<[&str]>::concat).collect::<Vec<_>>().join(":")
        }
        _ => return None,
    };
    text.parse().ok()
}
