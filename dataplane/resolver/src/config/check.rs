//! Checks of settings, and the forms that only checked settings have.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::{Name, RecordType};
use regex::Regex;
use sluice_model::serving::MAX_NSID;

use super::error::{ConfigError, Problem};
use super::{Acl, AnswerRewrite, Forward, Hosts, NameMatch, Rewrite, Template, Zone};
use super::{Listener, Protocol, Secondary, Settings, ZoneFile};
use crate::hosts::Table;
use crate::template::Pattern;
use crate::tls::{self, ClientTls};
use crate::zonefile::{self, Content};

/// A zone.
#[derive(Clone, Debug)]
pub(crate) struct CheckedZone {
    pub(crate) name: Name,
    pub(crate) settings: Zone,
    pub(crate) rewrite: Vec<CheckedRewrite>,
    pub(crate) acl: Vec<CheckedAcl>,
    pub(crate) template: Vec<CheckedTemplate>,
    pub(crate) hosts: Option<CheckedHosts>,
    pub(crate) files: Vec<CheckedFile>,
    pub(crate) secondary: Vec<CheckedSecondary>,
    pub(crate) cache: Option<CheckedCache>,
    pub(crate) forward: Vec<CheckedForward>,
}

/// A zone file.
#[derive(Clone, Debug)]
pub(crate) struct CheckedFile {
    pub(crate) fallthrough: Vec<Name>,
    pub(crate) content: Arc<Content>,
}

/// A zone that is copied.
#[derive(Clone, Debug)]
pub(crate) struct CheckedSecondary {
    pub(crate) zone: Name,
    pub(crate) fallthrough: Vec<Name>,
    pub(crate) from: Vec<std::net::SocketAddr>,
}

/// Policies for names.
#[derive(Clone, Debug)]
pub(crate) struct CheckedAcl {
    pub(crate) zones: Vec<Name>,
    pub(crate) settings: Acl,
}

/// Names that are cached.
#[derive(Clone, Debug)]
pub(crate) struct CheckedCache {
    pub(crate) zones: Vec<Name>,
    pub(crate) disable_success: Vec<Name>,
    pub(crate) disable_denial: Vec<Name>,
}

/// A forward.
#[derive(Clone, Debug)]
pub(crate) struct CheckedForward {
    pub(crate) from: Name,
    pub(crate) except: Vec<Name>,
    pub(crate) probe: Name,
    pub(crate) settings: Forward,
    pub(crate) upstreams: Vec<CheckedUpstream>,
}

/// An upstream.
#[derive(Clone, Debug)]
pub(crate) struct CheckedUpstream {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) tls: Option<ClientTls>,
}

/// A hosts table.
#[derive(Clone, Debug)]
pub(crate) struct CheckedHosts {
    pub(crate) zones: Vec<Name>,
    pub(crate) fallthrough: Vec<Name>,
    pub(crate) inline: Table,
    pub(crate) file: Option<PathBuf>,
    pub(crate) ttl: u32,
    pub(crate) reload: Duration,
    pub(crate) reverse: bool,
}

/// A template.
#[derive(Clone, Debug)]
pub(crate) struct CheckedTemplate {
    pub(crate) zones: Vec<Name>,
    pub(crate) fallthrough: Vec<Name>,
    pub(crate) rtype: RecordType,
    pub(crate) matches: Vec<Regex>,
    pub(crate) answer: Vec<Pattern>,
    pub(crate) authority: Vec<Pattern>,
    pub(crate) additional: Vec<Pattern>,
    pub(crate) rcode: u16,
    pub(crate) error: Option<(u16, String)>,
}

/// A rewriting rule.
#[derive(Clone, Debug)]
pub(crate) enum CheckedRewrite {
    Name { matches: CheckedMatch, answer: Vec<CheckedAnswer>, go_on: bool },
    Type { from: RecordType, to: RecordType, go_on: bool },
    Ttl { matches: CheckedMatch, min: u32, max: u32, go_on: bool },
}

/// Names, and what they become.
#[derive(Clone, Debug)]
pub(crate) enum CheckedMatch {
    Exact(String, String),
    Prefix(String, String),
    Suffix(String, String),
    Substring(String, String),
    Regex(Regex, String),
}

/// What becomes of an answer's names.
#[derive(Clone, Debug)]
pub(crate) enum CheckedAnswer {
    Auto,
    Name(Regex, String),
    Value(Regex, String),
}

pub(super) fn settings(settings: &Settings) -> Result<Vec<CheckedZone>, ConfigError> {
    listeners(&settings.listeners)?;
    limits(&settings.limits)?;
    if let Some(log) = &settings.log {
        range("log.sample", log.sample, 1..=1_000_000, "1 to 1000000")?;
        range("log.rate", log.rate, 1..=1_000_000, "1 to 1000000")?;
    }
    if let Some(nsid) = &settings.nsid {
        // With the longest number that a generation can have.
        let longest = sluice_model::serving::nsid(nsid, sluice_model::Generation(u64::MAX));
        range("nsid", longest.len(), 1..=MAX_NSID, "1 to 128 octets")?;
    }
    let mut seen = HashSet::new();
    let mut zones = Vec::new();
    for (index, zone) in settings.zones.iter().enumerate() {
        let key = format!("zones[{index}]");
        let checked = self::zone(&key, zone)?;
        let namespaces = zone.namespaces.iter().map(Some);
        let everybody = zone.namespaces.is_empty().then_some(None);
        if !namespaces.chain(everybody).all(|namespace| seen.insert((checked.name.clone(), namespace))) {
            return Err(ConfigError::new(format!("{key}.name"), Problem::Twice(zone.name.clone())));
        }
        zones.push(checked);
    }
    Ok(zones)
}

/// Names in lower case and with their root.
pub(super) fn names(key: &str, values: &[String]) -> Result<Vec<Name>, ConfigError> {
    values.iter().enumerate().map(|(index, value)| name(&format!("{key}[{index}]"), value)).collect()
}

fn name(key: &str, value: &str) -> Result<Name, ConfigError> {
    let mut name = Name::from_ascii(value).map_err(|why| {
        let problem = Problem::Name { value: value.into(), why: why.to_string() };
        ConfigError::new(key, problem)
    })?;
    if value.is_empty() {
        let problem = Problem::Name { value: value.into(), why: "it is empty; the root is \".\"".into() };
        return Err(ConfigError::new(key, problem));
    }
    name.set_fqdn(true);
    Ok(name.to_lowercase())
}

fn listeners(listeners: &[Listener]) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        let key = |field: &str| format!("listeners[{index}].{field}");
        if listener.address.ip().is_unspecified() {
            return Err(ConfigError::new(key("address"), Problem::Wildcard));
        }
        if listener.clients.is_empty() {
            return Err(ConfigError::new(key("clients"), Problem::Empty));
        }
        let datagrams = listener.protocol == Protocol::Udp;
        if listener.address.port() != 0 && !seen.insert((listener.address, datagrams)) {
            return Err(ConfigError::new(key("address"), Problem::Twice(listener.address.to_string())));
        }
        let identity = match &listener.protocol {
            Protocol::Udp | Protocol::Tcp => continue,
            Protocol::Tls(identity) => identity,
            Protocol::Https { identity, path } if path.starts_with('/') => identity,
            Protocol::Https { path, .. } => {
                return Err(ConfigError::new(key("protocol"), Problem::Path(path.clone())));
            }
        };
        tls::server(identity, &[])
            .map_err(|why| ConfigError::new(key("protocol"), Problem::Tls(why.to_string())))?;
    }
    Ok(())
}

fn range<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    allowed: std::ops::RangeInclusive<T>,
    range: &'static str,
) -> Result<(), ConfigError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(key, Problem::Range { value: value.to_string(), range }))
}

fn limits(limits: &super::Limits) -> Result<(), ConfigError> {
    let range = |field: &str, value: String, range| {
        Err(ConfigError::new(format!("limits.{field}"), Problem::Range { value, range }))
    };
    if !(512..=4096).contains(&limits.udp_payload) {
        return range("udp_payload", limits.udp_payload.to_string(), "512 to 4096");
    }
    let counts = [
        ("pending", limits.pending),
        ("connections", limits.connections),
        ("connections_per_client", limits.connections_per_client),
        ("pipeline", limits.pipeline),
    ];
    for (field, value) in counts {
        if !(1..=1_000_000).contains(&value) {
            return range(field, value.to_string(), "1 to 1000000");
        }
    }
    let times = [("message", limits.message), ("idle", limits.idle), ("query", limits.query)];
    for (field, value) in times {
        if !(Duration::from_millis(10)..=Duration::from_secs(600)).contains(&value) {
            return range(field, format!("{value:?}"), "10 ms to 10 min");
        }
    }
    if !(Duration::from_millis(1)..=Duration::from_secs(1)).contains(&limits.work) {
        return range("work", format!("{:?}", limits.work), "1 ms to 1 s");
    }
    if limits.lameduck > Duration::from_secs(3600) {
        return range("lameduck", format!("{:?}", limits.lameduck), "0 to 1 h");
    }
    let ports = &limits.source_ports;
    if *ports.start() < 1024 || ports.end().saturating_sub(*ports.start()) < 4095 {
        return range("source_ports", format!("{ports:?}"), "4096 or more ports from 1024 on");
    }
    Ok(())
}

fn zone(key: &str, zone: &Zone) -> Result<CheckedZone, ConfigError> {
    let field = |name: &str| format!("{key}.{name}");
    let apex = name(&field("name"), &zone.name)?;
    let rewrite = each(&field("rewrite"), &zone.rewrite, self::rewrite)?;
    let acl = each(&field("acl"), &zone.acl, |key, it: &Acl| {
        let zones = origins(&format!("{key}.zones"), &it.zones, &apex)?;
        Ok(CheckedAcl { zones, settings: it.clone() })
    })?;
    if let Some(dns64) = &zone.dns64
        && (!(32..=96).contains(&dns64.prefix.prefix_len()) || dns64.prefix.prefix_len() % 8 != 0)
    {
        let problem =
            Problem::Range { value: dns64.prefix.to_string(), range: "32 to 96 bits, in steps of 8" };
        return Err(ConfigError::new(field("dns64.prefix"), problem));
    }
    let template = each(&field("template"), &zone.template, |key, it| self::template(key, it, &apex))?;
    let hosts = zone.hosts.as_ref().map(|hosts| self::hosts(&field("hosts"), hosts, &apex)).transpose()?;
    let files = each(&field("files"), &zone.files, self::file)?;
    let mut own = HashSet::new();
    if let Some(again) = files.iter().position(|it| !own.insert(it.content.origin())) {
        let twice = Problem::Twice(zone.files.get(again).map(|it| it.zone.clone()).unwrap_or_default());
        return Err(ConfigError::new(format!("{key}.files[{again}].zone"), twice));
    }
    let secondary = each(&field("secondary"), &zone.secondary, self::secondary)?;
    let cache = zone.cache.as_ref().map(|cache| self::cache(&field("cache"), cache)).transpose()?;
    let forward = each(&field("forward"), &zone.forward, self::forward)?;
    let mut from = HashSet::new();
    if let Some(index) = forward.iter().position(|it| !from.insert(&it.from)) {
        let twice = Problem::Twice(zone.forward.get(index).map(|it| it.from.clone()).unwrap_or_default());
        return Err(ConfigError::new(format!("{key}.forward[{index}].from"), twice));
    }
    Ok(CheckedZone {
        name: apex,
        settings: zone.clone(),
        rewrite,
        acl,
        template,
        hosts,
        files,
        secondary,
        cache,
        forward,
    })
}

fn secondary(key: &str, secondary: &Secondary) -> Result<CheckedSecondary, ConfigError> {
    let mut zone = name(&format!("{key}.zone"), &secondary.zone)?.to_lowercase();
    zone.set_fqdn(true);
    if secondary.from.is_empty() {
        return Err(ConfigError::new(format!("{key}.from"), Problem::Empty));
    }
    let fallthrough = names(&format!("{key}.fallthrough"), &secondary.fallthrough)?;
    Ok(CheckedSecondary { zone, fallthrough, from: secondary.from.clone() })
}

fn file(key: &str, file: &ZoneFile) -> Result<CheckedFile, ConfigError> {
    let zone = name(&format!("{key}.zone"), &file.zone)?;
    let fallthrough = names(&format!("{key}.fallthrough"), &file.fallthrough)?;
    let content = zonefile::parse(&file.text, &zone).map_err(|why| {
        ConfigError::new(key, Problem::File { path: file.path.clone(), why: why.to_string() })
    })?;
    Ok(CheckedFile { fallthrough, content: Arc::new(content) })
}

fn each<T, U>(
    key: &str,
    items: &[T],
    check: impl Fn(&str, &T) -> Result<U, ConfigError>,
) -> Result<Vec<U>, ConfigError> {
    items.iter().enumerate().map(|(index, item)| check(&format!("{key}[{index}]"), item)).collect()
}

/// The names, or the zone's own where there are none.
fn origins(key: &str, values: &[String], apex: &Name) -> Result<Vec<Name>, ConfigError> {
    if values.is_empty() { Ok(vec![apex.clone()]) } else { names(key, values) }
}

fn cache(key: &str, cache: &super::Cache) -> Result<CheckedCache, ConfigError> {
    let wrong = |field: &str, value: String, range| {
        Err(ConfigError::new(format!("{key}.{field}"), Problem::Range { value, range }))
    };
    for (field, side) in [("success", &cache.success), ("denial", &cache.denial)] {
        if side.entries > 10_000_000 {
            return wrong(&format!("{field}.entries"), side.entries.to_string(), "0 to 10000000");
        }
        if side.max_ttl > 604_800 {
            return wrong(&format!("{field}.max_ttl"), side.max_ttl.to_string(), "0 to 604800");
        }
        if side.min_ttl > side.max_ttl {
            return wrong(&format!("{field}.min_ttl"), side.min_ttl.to_string(), "0 to max_ttl");
        }
    }
    if cache.servfail > Duration::from_secs(300) {
        return wrong("servfail", format!("{:?}", cache.servfail), "0 to 5 min");
    }
    if let Some(prefetch) = &cache.prefetch
        && !(1..=90).contains(&prefetch.percentage)
    {
        return wrong("prefetch.percentage", prefetch.percentage.to_string(), "1 to 90");
    }
    Ok(CheckedCache {
        zones: names(&format!("{key}.zones"), &cache.zones)?,
        disable_success: names(&format!("{key}.disable_success"), &cache.disable_success)?,
        disable_denial: names(&format!("{key}.disable_denial"), &cache.disable_denial)?,
    })
}

fn forward(key: &str, forward: &Forward) -> Result<CheckedForward, ConfigError> {
    let field = |name: &str| format!("{key}.{name}");
    if forward.upstreams.is_empty() {
        return Err(ConfigError::new(field("upstreams"), Problem::Empty));
    }
    let short = Duration::from_millis(10)..=Duration::from_secs(3600);
    for (name, value) in [("patience", forward.patience), ("health.interval", forward.health.interval)] {
        if !short.contains(&value) {
            let problem = Problem::Range { value: format!("{value:?}"), range: "10 ms to 1 h" };
            return Err(ConfigError::new(field(name), problem));
        }
    }
    let mut seen = HashSet::new();
    let upstreams = each(&field("upstreams"), &forward.upstreams, |key, upstream| {
        let tls = upstream.tls.as_ref().zip(upstream.tls_name());
        let tls = tls.map(|(tls, name)| tls::client(&name, tls.roots.as_deref())).transpose();
        let tls = tls.map_err(|why| ConfigError::new(format!("{key}.tls"), Problem::Tls(why.to_string())))?;
        Ok(CheckedUpstream { address: upstream.address, tls })
    })?;
    if let Some(index) = forward.upstreams.iter().position(|it| !seen.insert(it.address)) {
        let twice = forward.upstreams.get(index).map(|it| it.address.to_string()).unwrap_or_default();
        return Err(ConfigError::new(format!("{key}.upstreams[{index}].address"), Problem::Twice(twice)));
    }
    Ok(CheckedForward {
        from: name(&field("from"), &forward.from)?,
        except: names(&field("except"), &forward.except)?,
        probe: name(&field("health.domain"), &forward.health.domain)?,
        settings: forward.clone(),
        upstreams,
    })
}

fn hosts(key: &str, hosts: &Hosts, apex: &Name) -> Result<CheckedHosts, ConfigError> {
    let mut inline = Table::default();
    for (index, line) in hosts.inline.iter().enumerate() {
        if !inline.add(line) {
            return Err(ConfigError::new(format!("{key}.inline[{index}]"), Problem::Hosts(line.clone())));
        }
    }
    Ok(CheckedHosts {
        zones: origins(&format!("{key}.zones"), &hosts.zones, apex)?,
        fallthrough: names(&format!("{key}.fallthrough"), &hosts.fallthrough)?,
        inline,
        file: hosts.file.clone(),
        ttl: hosts.ttl,
        reload: hosts.reload,
        reverse: !hosts.no_reverse,
    })
}

fn template(key: &str, template: &Template, apex: &Name) -> Result<CheckedTemplate, ConfigError> {
    let patterns = |field: &str, lines: &[String]| {
        each(&format!("{key}.{field}"), lines, |key, line: &String| {
            Pattern::parse(line).map_err(|why| {
                ConfigError::new(key, Problem::Record { value: line.clone(), why: why.to_string() })
            })
        })
    };
    let expressions = each(&format!("{key}.matches"), &template.matches, |key, it: &String| regex(key, it))?;
    Ok(CheckedTemplate {
        zones: origins(&format!("{key}.zones"), &template.zones, apex)?,
        fallthrough: names(&format!("{key}.fallthrough"), &template.fallthrough)?,
        rtype: rtype(&format!("{key}.rtype"), &template.rtype)?,
        matches: expressions,
        answer: patterns("answer", &template.answer)?,
        authority: patterns("authority", &template.authority)?,
        additional: patterns("additional", &template.additional)?,
        rcode: template.rcode,
        error: template.error.clone(),
    })
}

fn rewrite(key: &str, rewrite: &Rewrite) -> Result<CheckedRewrite, ConfigError> {
    Ok(match rewrite {
        Rewrite::Name { matches, answer, go_on } => {
            let answer = each(&format!("{key}.answer"), answer, |key, it| {
                Ok(match it {
                    AnswerRewrite::Auto => CheckedAnswer::Auto,
                    AnswerRewrite::Name(from, to) => CheckedAnswer::Name(regex(key, from)?, to.clone()),
                    AnswerRewrite::Value(from, to) => CheckedAnswer::Value(regex(key, from)?, to.clone()),
                })
            })?;
            CheckedRewrite::Name { matches: matching(key, matches)?, answer, go_on: *go_on }
        }
        Rewrite::Type { from, to, go_on } => CheckedRewrite::Type {
            from: rtype(&format!("{key}.from"), from)?,
            to: rtype(&format!("{key}.to"), to)?,
            go_on: *go_on,
        },
        Rewrite::Ttl { matches, min, max, go_on } => {
            if min > max {
                let problem = Problem::Range { value: min.to_string(), range: "0 to max" };
                return Err(ConfigError::new(format!("{key}.min"), problem));
            }
            CheckedRewrite::Ttl { matches: matching(key, matches)?, min: *min, max: *max, go_on: *go_on }
        }
    })
}

fn matching(key: &str, matches: &NameMatch) -> Result<CheckedMatch, ConfigError> {
    let full = |which: &str, value: &String| Ok(name(&format!("{key}.{which}"), value)?.to_ascii());
    let lower = |value: &String| value.to_ascii_lowercase();
    Ok(match matches {
        NameMatch::Exact(from, to) => CheckedMatch::Exact(full("from", from)?, full("to", to)?),
        NameMatch::Prefix(from, to) => CheckedMatch::Prefix(lower(from), lower(to)),
        NameMatch::Suffix(from, to) => {
            let dotted =
                |value: &String| if value.ends_with('.') { lower(value) } else { lower(value) + "." };
            CheckedMatch::Suffix(dotted(from), dotted(to))
        }
        NameMatch::Substring(from, _) if from.is_empty() => {
            return Err(ConfigError::new(format!("{key}.from"), Problem::Empty));
        }
        NameMatch::Substring(from, to) => CheckedMatch::Substring(lower(from), lower(to)),
        NameMatch::Regex(from, to) => CheckedMatch::Regex(regex(&format!("{key}.from"), from)?, lower(to)),
    })
}

fn regex(key: &str, value: &str) -> Result<Regex, ConfigError> {
    regex::RegexBuilder::new(value)
        .size_limit(1 << 20)
        .build()
        .map_err(|why| ConfigError::new(key, Problem::Regex { value: value.into(), why: why.to_string() }))
}

fn rtype(key: &str, value: &str) -> Result<RecordType, ConfigError> {
    let upper = value.to_ascii_uppercase();
    let number =
        upper.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok()).map(RecordType::from);
    upper.parse().ok().or(number).ok_or_else(|| ConfigError::new(key, Problem::Type(value.into())))
}
