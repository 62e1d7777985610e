//! `cache`: answers are kept.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Read, Repeat, Write};
use crate::duration::Written;
use crate::grammar::{Directive, Line};
use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// A cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Zones whose answers it keeps.
    pub zones: Vec<Zone>,
    /// Answers that say something.
    pub success: Keep,
    /// Answers that a name or type does not exist.
    pub denial: Keep,
    /// How long SERVFAIL is kept, at most five minutes; zero for not at all.
    pub servfail: Duration,
    /// Names that are asked for again before they expire.
    pub prefetch: Option<Prefetch>,
    /// Expired answers where there are no others.
    pub serve_stale: Option<ServeStale>,
    /// Whether the original TTL is given, not what is left of it.
    pub keepttl: bool,
}

/// What of one kind of answers is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How many answers.
    pub capacity: u64,
    /// How many seconds at most.
    pub most: u32,
    /// How many seconds at least.
    pub least: u32,
    /// Zones of which none is kept.
    pub except: Vec<Zone>,
}

/// When an answer is fetched again before it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// Queries that make a name worth it.
    pub queries: u32,
    /// The time in which no gap between them may be longer than this.
    pub within: Duration,
    /// Percent of its TTL that is left then, 10 to 90.
    pub percentage: u8,
}

/// Expired answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeStale {
    /// How long after their end.
    pub up_to: Duration,
    /// Whether the source is asked first, and for how long (zero for as long as it takes).
    pub verify: Option<Duration>,
    /// The TTL they are given.
    pub ttl: Duration,
    /// How long after a failed refresh the source is not asked again.
    pub recheck: Duration,
    /// Whether an expired positive answer goes before a fresh failure.
    pub prefer_positive: bool,
}

const OPTIONS: [&str; 9] = [
    "denial",
    "disable",
    "keepttl",
    "prefetch",
    "serve_stale",
    "serve_stale_policy",
    "servfail",
    "success",
    "except",
];
const FIVE_MINUTES: Duration = Duration::from_secs(300);
const TTLS: RangeInclusive<u32> = 1..=u32::MAX;

impl Cache {
    /// With CoreDNS's defaults.
    pub fn new(zones: Vec<Zone>) -> Self {
        Self {
            zones,
            success: Keep { capacity: 10_000, most: 3600, least: 5, except: Vec::new() },
            denial: Keep { capacity: 10_000, most: 1800, least: 5, except: Vec::new() },
            servfail: Duration::from_secs(5),
            prefetch: None,
            serve_stale: None,
            keepttl: false,
        }
    }

    fn option(&mut self, line: &Line, reader: &mut Reader<'_>) {
        match line.name.text.as_str() {
            "success" => self.success.read(line, reader),
            "denial" => self.denial.read(line, reader),
            "prefetch" => self.prefetch = prefetch(line, reader),
            "serve_stale" => self.serve_stale = serve_stale(line, reader),
            "servfail" => {
                let duration = reader.one(line).and_then(|arg| at_most_five_minutes(arg, reader));
                self.servfail = duration.unwrap_or_default();
            }
            "disable" => self.disable(line, reader),
            "keepttl" => {
                reader.nothing(&line.name, &line.args);
                self.keepttl = true;
            }
            // Read behind all others: it needs `serve_stale`.
            "serve_stale_policy" => {}
            _ => reader.unknown("cache", line, &OPTIONS),
        }
    }

    fn disable(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let [kind, zones @ ..] = line.args.as_slice() else {
            reader.error(&line.name, "`disable` takes `success` or `denial`, then zones");
            return;
        };
        let zones = if zones.is_empty() { vec![Zone::root()] } else { reader.zones(zones) };
        match kind.text.as_str() {
            "success" => self.success.except = zones,
            "denial" => self.denial.except = zones,
            _ => reader.none_of(kind, "kind of answers", &["success", "denial"]),
        }
    }

    fn policy(&mut self, lines: &[&Line], reader: &mut Reader<'_>) {
        let [line] = lines else {
            if let Some(second) = lines.get(1) {
                reader.error(&second.name, "`serve_stale_policy` stands here twice");
            }
            return;
        };
        let Some(arg) = reader.one(line) else { return };
        if !arg.text.eq_ignore_ascii_case("prefer_positive") {
            reader.none_of(arg, "policy", &["prefer_positive"]);
        }
        match &mut self.serve_stale {
            Some(stale) => stale.prefer_positive = true,
            None => reader.error(&line.name, "`serve_stale_policy` needs `serve_stale`"),
        }
    }
}

impl Keep {
    fn read(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let args = line.args.as_slice();
        if args.is_empty() || args.len() > 3 {
            let at = args.get(3).unwrap_or(&line.name);
            let text = format!("`{}` takes a capacity, a longest and a shortest TTL", line.name.text);
            if args.is_empty() {
                reader.error(at, text)
            } else {
                reader.warning(at, format!("{text}; no more"))
            }
        }
        if let Some(capacity) = args.first().and_then(|arg| reader.number(arg, 0..=u64::MAX)) {
            self.capacity = capacity;
        }
        if let Some(most) = args.get(1).and_then(|arg| reader.number(arg, TTLS)) {
            self.most = most;
        }
        if let Some(least) = args.get(2).and_then(|arg| reader.number(arg, 0..=u32::MAX)) {
            self.least = least;
        }
    }

    fn write(&self, stanza: &mut Stanza, name: &str, default: &Self) {
        let Self { capacity, most, least, .. } = self;
        if least != &default.least {
            stanza.option(name, [capacity, &u64::from(*most), &u64::from(*least)]);
        } else if most != &default.most {
            stanza.option(name, [capacity, &u64::from(*most)]);
        } else if capacity != &default.capacity {
            stanza.value(name, capacity);
        }
    }
}

fn prefetch(line: &Line, reader: &mut Reader<'_>) -> Option<Prefetch> {
    let [queries, rest @ ..] = line.args.as_slice() else {
        reader.error(&line.name, "`prefetch` takes a number of queries, a duration and a percentage");
        return None;
    };
    if let Some(extra) = rest.get(2) {
        reader.error(extra, "`prefetch` takes three arguments");
    }
    let queries = reader.number(queries, 0..=u32::MAX)?;
    let within = match rest.first() {
        Some(arg) => reader.duration_or_zero(arg)?,
        None => Duration::from_secs(60),
    };
    let percentage = match rest.get(1) {
        Some(arg) => {
            let percentage = arg.text.strip_suffix('%').and_then(|number| number.parse().ok());
            let percentage = percentage.filter(|number| (10..=90).contains(number));
            if percentage.is_none() {
                reader.error(arg, format!("`{}` is no percentage from 10% to 90%", arg.text));
            }
            percentage?
        }
        None => 10,
    };
    // None at all is the way to say that nothing is prefetched.
    (queries > 0).then_some(Prefetch { queries, within, percentage })
}

fn serve_stale(line: &Line, reader: &mut Reader<'_>) -> Option<ServeStale> {
    let hour = Duration::from_secs(3600);
    let mut stale = ServeStale {
        up_to: hour,
        verify: None,
        ttl: Duration::ZERO,
        recheck: Duration::ZERO,
        prefer_positive: false,
    };
    let mut args = line.args.iter();
    if let Some(arg) = args.next() {
        stale.up_to = reader.duration(arg)?;
    }
    if let Some(arg) = args.next() {
        match arg.text.to_ascii_lowercase().as_str() {
            "immediate" => {}
            "verify" => stale.verify = Some(Duration::ZERO),
            _ => {
                reader.none_of(arg, "way to refresh", &["immediate", "verify"]);
                return None;
            }
        }
    }
    if stale.verify.is_some()
        && let Some(arg) = args.next()
    {
        stale.verify = reader.duration(arg);
    }
    if let Some(arg) = args.next() {
        stale.ttl = reader.duration(arg)?;
        if stale.ttl.subsec_nanos() > 0 || u32::try_from(stale.ttl.as_secs()).is_err() {
            reader.error(arg, "the TTL of an expired answer is in whole seconds and below 2^32");
        }
    }
    if let Some(arg) = args.next() {
        stale.recheck = at_most_five_minutes(arg, reader)?;
    }
    if let Some(extra) = args.next() {
        reader.error(extra, "`serve_stale` has too many arguments");
    }
    Some(stale)
}

fn at_most_five_minutes(arg: &Token, reader: &mut Reader<'_>) -> Option<Duration> {
    let duration = reader.duration(arg)?;
    if duration > FIVE_MINUTES {
        reader.error(arg, format!("`{}` is more than 5m (RFC 2308, 7.1)", arg.text));
    }
    Some(duration)
}

impl Read for Cache {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut args = directive.args.as_slice();
        let mut ttl = None;
        if let [first, rest @ ..] = args
            && first.text.parse::<i64>().is_ok()
        {
            ttl = reader.number(first, TTLS);
            args = rest;
        }
        let mut cache = Self::new(reader.origins(args));
        if let Some(ttl) = ttl {
            (cache.success.most, cache.denial.most) = (ttl, ttl);
        }
        for line in directive.lines() {
            cache.option(line, reader);
        }
        let policies: Vec<&Line> =
            directive.lines().iter().filter(|line| line.name.text == "serve_stale_policy").collect();
        cache.policy(&policies, reader);
        cache
    }
}

impl Write for Cache {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        let mut default = Self::new(Vec::new());
        if self.success.most == self.denial.most {
            stanza.arg(self.success.most);
            (default.success.most, default.denial.most) = (self.success.most, self.success.most);
        }
        stanza.origins(&self.zones, server);
        self.success.write(stanza, "success", &default.success);
        self.denial.write(stanza, "denial", &default.denial);
        stanza.duration(default.servfail, "servfail", self.servfail);
        for (name, keep) in [("success", &self.success), ("denial", &self.denial)] {
            if !keep.except.is_empty() {
                stanza.option(
                    "disable",
                    std::iter::once(name.to_owned()).chain(keep.except.iter().map(Zone::to_string)),
                );
            }
        }
        if let Some(Prefetch { queries, within, percentage }) = &self.prefetch {
            stanza.option(
                "prefetch",
                [queries.to_string(), Written(*within).to_string(), format!("{percentage}%")],
            );
        }
        if let Some(stale) = &self.serve_stale {
            let mut args = vec![Written(stale.up_to).to_string()];
            match stale.verify {
                Some(timeout) => args.extend(["verify".to_owned(), Written(timeout).to_string()]),
                None => args.push("immediate".to_owned()),
            }
            args.extend([stale.ttl, stale.recheck].map(|duration| Written(duration).to_string()));
            stanza.option("serve_stale", args);
            if stale.prefer_positive {
                stanza.value("serve_stale_policy", "prefer_positive");
            }
        }
        stanza.flag("keepttl", self.keepttl);
    }
}
