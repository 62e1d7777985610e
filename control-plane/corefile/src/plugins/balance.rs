//! `loadbalance` and `reload`.

use std::time::Duration;

use ipnet::IpNet;

use super::{Read, Repeat, Write};
use crate::duration::Written;
use crate::grammar::Directive;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `loadbalance`: the order of addresses in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loadbalance {
    /// A file of weights and how often it is looked at (zero for once); without it the order is random.
    pub weights: Option<(String, Duration)>,
    /// Networks whose addresses come first.
    pub prefer: Vec<IpNet>,
}

/// `reload`: the Corefile is read again when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// How often it is looked at; zero for never.
    pub interval: Duration,
    /// How much that varies.
    pub jitter: Duration,
}

const WEIGHTS_RELOAD: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(30);
const JITTER: Duration = Duration::from_secs(15);

impl Default for Reload {
    fn default() -> Self {
        Self { interval: INTERVAL, jitter: JITTER }
    }
}

impl Read for Loadbalance {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut balance = Self::default();
        match directive.args.as_slice() {
            [] => {}
            [policy] if policy.text == "round_robin" => {}
            [policy, file] if policy.text == "weighted_round_robin" => {
                balance.weights = Some((file.text.clone(), WEIGHTS_RELOAD));
            }
            [policy, ..] if matches!(policy.text.as_str(), "round_robin" | "weighted_round_robin") => {
                reader.error(
                    policy,
                    "`round_robin` takes no argument, `weighted_round_robin` one file of weights",
                );
            }
            [policy, ..] => reader.none_of(policy, "policy", &["round_robin", "weighted_round_robin"]),
        }
        for line in directive.lines() {
            match (line.name.text.as_str(), &mut balance.weights) {
                ("reload", Some((_, reload))) => {
                    *reload =
                        reader.one(line).and_then(|arg| reader.duration_or_zero(arg)).unwrap_or_default();
                }
                ("prefer", _) => {
                    for arg in &line.args {
                        match arg.text.parse::<IpNet>() {
                            Ok(network) => balance.prefer.push(network.trunc()),
                            Err(_) => {
                                reader.error(arg, format!("`{}` is no network such as 10.0.0.0/8", arg.text))
                            }
                        }
                    }
                }
                (_, Some(_)) => {
                    reader.unknown("loadbalance weighted_round_robin", line, &["prefer", "reload"])
                }
                (_, None) => reader.unknown("loadbalance", line, &["prefer"]),
            }
        }
        balance
    }
}

impl Write for Loadbalance {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        if let Some((file, reload)) = &self.weights {
            stanza.arg("weighted_round_robin").arg(file).duration(WEIGHTS_RELOAD, "reload", *reload);
        }
        stanza.list("prefer", &self.prefer);
    }
}

impl Read for Reload {
    const REPEAT: Repeat = Repeat::First;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        let name = &directive.name;
        let mut args = directive.args.iter();
        let mut next = |default| match args.next() {
            Some(arg) => reader.duration(arg).unwrap_or(default),
            None => default,
        };
        let (interval, jitter) = (next(INTERVAL), next(JITTER));
        if let Some(extra) = args.next() {
            reader.error(extra, "`reload` takes an interval and a jitter");
        }
        if interval < Duration::from_secs(2) {
            reader.error(name, "the interval must be 2s or more");
        }
        if !jitter.is_zero() && jitter < Duration::from_secs(1) {
            reader.error(name, "the jitter must be 0s, or 1s or more");
        }
        Self { interval, jitter: jitter.min(interval / 2) }
    }
}

impl Write for Reload {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        let Self { interval, jitter } = *self;
        if jitter != JITTER.min(interval / 2) {
            stanza.arg(Written(interval)).arg(Written(jitter));
        } else if interval != INTERVAL {
            stanza.arg(Written(interval));
        }
    }
}
