//! What is asked over HTTP: `health`, `ready`, `prometheus`.

use std::time::Duration;

use super::{Read, Repeat, Write};
use crate::address::Listen;
use crate::grammar::Directive;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `health`: whether the process lives, at `/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Where it is asked; `:8080` where nothing is said.
    pub listen: Listen,
    /// How long answers go on after the end has been announced; zero for not at all.
    pub lameduck: Duration,
}

/// `ready`: whether queries can be answered, at `/ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it is asked; `:8181` where nothing is said.
    pub listen: Listen,
    /// Whether readiness can be lost again (`monitor continuously`).
    pub continuously: bool,
}

/// `prometheus`: metrics, at `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// Where they are asked; `localhost:9153` where nothing is said.
    pub listen: Listen,
    /// Path of a TLS configuration of the exporter toolkit.
    pub tls: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self { listen: Listen::new("", 8080), lameduck: Duration::ZERO }
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self { listen: Listen::new("", 8181), continuously: false }
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { listen: Listen::new("localhost", 9153), tls: None }
    }
}

/// The one argument, an address to listen on.
fn listen(directive: &Directive, reader: &mut Reader<'_>, default: Listen) -> Listen {
    match directive.args.as_slice() {
        [] => default,
        [arg] => match Listen::parse(&arg.text) {
            Some(listen) => listen,
            None => {
                reader.error(arg, format!("`{}` is no address such as :8080 or 127.0.0.1:8080", arg.text));
                default
            }
        },
        [_, extra, ..] => {
            reader.error(extra, format!("`{}` takes one address", directive.name.text));
            default
        }
    }
}

impl Read for Health {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut health =
            Self { listen: listen(directive, reader, Self::default().listen), ..Self::default() };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "lameduck" => {
                    let duration = reader.one(line).and_then(|arg| reader.duration_or_zero(arg));
                    health.lameduck = duration.unwrap_or_default();
                }
                _ => reader.unknown("health", line, &["lameduck"]),
            }
        }
        health
    }
}

impl Write for Health {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        let default = Self::default();
        stanza.args((self.listen != default.listen).then_some(&self.listen));
        stanza.duration(default.lameduck, "lameduck", self.lameduck);
    }
}

impl Read for Ready {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut ready =
            Self { listen: listen(directive, reader, Self::default().listen), continuously: false };
        for line in directive.lines() {
            match line.name.text.as_str() {
                "monitor" => {
                    let Some(arg) = reader.one(line) else { continue };
                    match arg.text.as_str() {
                        "until-ready" => ready.continuously = false,
                        "continuously" => ready.continuously = true,
                        _ => reader.none_of(arg, "way to monitor", &["until-ready", "continuously"]),
                    }
                }
                _ => reader.unknown("ready", line, &["monitor"]),
            }
        }
        ready
    }
}

impl Write for Ready {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args((self.listen != Self::default().listen).then_some(&self.listen));
        if self.continuously {
            stanza.value("monitor", "continuously");
        }
    }
}

impl Read for Prometheus {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut prometheus = Self { listen: listen(directive, reader, Self::default().listen), tls: None };
        for line in directive.lines() {
            match line.name.text.as_str() {
                // Metrics of a Go runtime, which is not here.
                "runtime_metrics" => {
                    reader.nothing(&line.name, &line.args);
                    reader.warning(&line.name, "`runtime_metrics` has no effect: there is no Go runtime");
                }
                "tls" if prometheus.tls.is_some() => reader.error(&line.name, "`tls` stands here twice"),
                "tls" => prometheus.tls = reader.one(line).map(|arg| arg.text.clone()),
                _ => reader.unknown("prometheus", line, &["runtime_metrics", "tls"]),
            }
        }
        prometheus
    }
}

impl Write for Prometheus {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args((self.listen != Self::default().listen).then_some(&self.listen));
        stanza.list("tls", self.tls.as_slice());
    }
}
