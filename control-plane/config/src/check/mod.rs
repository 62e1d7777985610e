//! From the schema to a [`Config`]: everything that can be known without looking at the machine.

mod corefile;
mod dataplane;
mod dns;
mod ingress;
mod pools;
mod resolver;
mod services;
mod serving;
mod values;
mod visibility;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_saphyr::{Location, Spanned};
use sluice_model::Settings;

use crate::raw::{self, Text};
use crate::{
    Config, Corefile, CorefileSource, Kubernetes, Log, LogFormat, LogLevel, Metrics, Problem, Source,
};

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// Notes that the value at `place`, under `key`, is wrong.
    pub(super) fn add(&mut self, place: Location, key: &str, message: impl Into<String>) {
        self.hint(place, key, message, None);
    }

    /// The same with a suggestion.
    pub(super) fn hint(
        &mut self,
        place: Location,
        key: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.problems.push(Problem {
            line: place.line(),
            column: place.column(),
            key: key.to_owned(),
            message: message.into(),
            suggestion,
            excerpt: String::new(),
        });
    }
}

/// Checks a whole file. Values that are wrong are noted and replaced by defaults, so that the rest is checked too; a
/// config is given only where nothing was noted.
pub(crate) fn file(file: &raw::File, path: &Path) -> Result<Config, Vec<Problem>> {
    let mut report = Report::default();
    let out = &mut report;
    let node = name(&file.node, "node", out);
    let local_nodes = file.local_nodes.iter().enumerate();
    let services = services::settings(&file.services, out);
    let ingress = file.ingress.as_ref().map(|ingress| ingress::check(ingress, path, out));
    let settings = Settings {
        node: node.clone(),
        is_node: false,
        zone: file.zone.as_ref().map(|zone| name(zone, "zone", out)),
        local_nodes: local_nodes.map(|(i, node)| name(node, &format!("local_nodes[{i}]"), out)).collect(),
        dns: file.dns.as_ref().map(|dns| dns::settings(dns, &services.cluster_cidrs, out)),
        ingress: ingress.as_ref().map(ingress::packets),
        snat_ports: match (&ingress, &file.services.snat.ports) {
            (Some(_), None) => ingress::snat_ports(),
            _ => services.snat_ports,
        },
        ..services
    };
    let zones = settings.dns.as_ref().map(|dns| dns.zones.clone()).unwrap_or_default();
    let runtime_dir = match &file.runtime_dir {
        Some(dir) => folder(dir, "runtime_dir", path, out),
        None => PathBuf::from("/run/sluice"),
    };
    let state_dir = file.state_dir.as_ref().map(|dir| folder(dir, "state_dir", path, out));
    let config = Config {
        path: path.to_owned(),
        node,
        state_dir: state_dir.unwrap_or_else(|| runtime_dir.clone()),
        runtime_dir,
        group: file.group.as_ref().map(|group| group.value),
        log: log(&file.log, out),
        dataplane: dataplane::check(&file.dataplane.value, out),
        source: source(&file.source, path, out),
        shrink_hold: shrink_hold(&file.source.value, out),
        settings,
        load_balancer_class: services::class(&file.services, out),
        external_ips: file.services.external_ips.unwrap_or(true),
        address_pools: pools::check(&file.services.address_pools, out),
        metrics: metrics(&file.metrics, out),
        names: file.dns.as_ref().map(|dns| dns::names(&dns.value, out)),
        resolver: file.dns.as_ref().map(|dns| {
            let mut resolver = resolver::check(&dns.value, &zones, out);
            resolver.serving = serving::check(&dns.value, path, out);
            resolver.times.lameduck = serving::lameduck(&dns.value, out);
            resolver
        }),
        corefile: file.dns.as_ref().and_then(|dns| corefile::check(&dns.value, path, out)),
        ingress,
    };
    if let (Source::Manifests(_), Some(Corefile { source: CorefileSource::ConfigMap { .. }, .. })) =
        (&config.source, &config.corefile)
    {
        let place = file.dns.as_ref().and_then(|dns| Some(dns.value.config_map.as_ref()?.referenced));
        let message = "a ConfigMap is read from an API server, and `source` names none; use `corefile`";
        report.add(place.unwrap_or(Location::UNKNOWN), "dns.config_map", message);
    }
    if report.problems.is_empty() { Ok(config) } else { Err(report.problems) }
}

/// A name of a node or a zone.
fn name(text: &Text, key: &str, out: &mut Report) -> Box<str> {
    let valid = (1..=253).contains(&text.value.len())
        && text.value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if !valid {
        out.add(text.referenced, key, "a name has 1 to 253 letters, digits, '-', '.' or '_'");
    }
    text.value.as_str().into()
}

/// A folder; relative ones count from the file's.
fn folder(text: &Text, key: &str, file: &Path, out: &mut Report) -> PathBuf {
    if text.value.is_empty() || text.value.contains('\0') {
        out.add(text.referenced, key, "a path is needed");
    }
    let base = file.parent().unwrap_or(Path::new(""));
    let joined = base.join(&text.value);
    // Fails only where the working directory is gone; a relative path is then the best there is.
    std::path::absolute(&joined).unwrap_or(joined)
}

fn log(log: &raw::Log, out: &mut Report) -> Log {
    Log {
        level: choice(
            log.level.as_ref(),
            "log.level",
            &[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ],
            out,
        ),
        format: choice(
            log.format.as_ref(),
            "log.format",
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
            out,
        ),
    }
}

fn source(source: &Spanned<raw::Source>, path: &Path, out: &mut Report) -> Source {
    match (&source.value.manifests, &source.value.kubernetes) {
        (Some(manifests), None) => Source::Manifests(folder(manifests, "source.manifests", path, out)),
        (None, Some(api)) => Source::Kubernetes(kubernetes(&api.value, path, out)),
        (given, _) => {
            let message = match given {
                Some(_) => "either `manifests` or `kubernetes`, not both",
                None => "one key is needed: `manifests`, a folder, or `kubernetes`, an API server",
            };
            out.add(source.referenced, "source", message);
            Source::Manifests(PathBuf::new())
        }
    }
}

fn shrink_hold(source: &raw::Source, out: &mut Report) -> Duration {
    const DEFAULT: u64 = 600;
    let given = source.shrink_hold.as_ref();
    Duration::from_secs(number(given, "source.shrink_hold", 0..=86_400, DEFAULT, out))
}

fn kubernetes(raw: &raw::Kubernetes, path: &Path, out: &mut Report) -> Kubernetes {
    const YEAR: u64 = 365 * 86_400;
    if let (Some(context), None) = (&raw.context, &raw.kubeconfig) {
        let message = "a context is one of a kubeconfig's, and none is given";
        out.add(context.referenced, "source.kubernetes.context", message);
    }
    let namespace = raw.namespace.as_ref().map(|text| name(text, "source.kubernetes.namespace", out));
    Kubernetes {
        kubeconfig: raw
            .kubeconfig
            .as_ref()
            .map(|file| folder(file, "source.kubernetes.kubeconfig", path, out)),
        context: raw.context.as_ref().map(|context| context.value.clone()),
        namespace: namespace.unwrap_or_else(|| "sluice-system".into()),
        streaming_lists: raw.streaming_lists.unwrap_or(true),
        state_max_age: raw.state_max_age.as_ref().map(|given| {
            let key = "source.kubernetes.state_max_age";
            Duration::from_secs(number(Some(given), key, 0..=YEAR, YEAR, out))
        }),
    }
}

fn metrics(raw: &raw::Metrics, out: &mut Report) -> Metrics {
    let mut listen = |text: Option<&Text>, key: &str, default: u16| match text {
        None => Some(SocketAddr::from(([127, 0, 0, 1], default))),
        Some(text) if text.value == "none" => None,
        Some(text) => {
            let parsed = text.value.parse::<SocketAddr>().ok();
            if parsed.is_none() {
                let message = format!("`{}` is neither none nor an address with a port", text.value);
                out.hint(text.referenced, key, message, Some(format!("such as 127.0.0.1:{default}")));
            }
            parsed
        }
    };
    Metrics {
        dataplane: listen(raw.dataplane.as_ref(), "metrics.dataplane", 9471),
        control: listen(raw.control.as_ref(), "metrics.control", 9472),
        proxy: listen(raw.proxy.as_ref(), "metrics.proxy", 9473),
    }
}

/// One of a few words; the default of `T` where none is given.
pub(super) fn choice<T: Copy + Default>(
    text: Option<&Text>,
    key: &str,
    choices: &[(&str, T)],
    out: &mut Report,
) -> T {
    let Some(text) = text else {
        return T::default();
    };
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text.value) {
        return *value;
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    out.hint(
        text.referenced,
        key,
        format!("`{}` is not one of {}", text.value, words.join(", ")),
        crate::error::did_you_mean(&text.value, words),
    );
    T::default()
}

/// A number within `range`, `default` where none is given.
pub(super) fn number(
    given: Option<&Spanned<u64>>,
    key: &str,
    range: std::ops::RangeInclusive<u64>,
    default: u64,
    out: &mut Report,
) -> u64 {
    match given {
        Some(given) if !range.contains(&given.value) => {
            let (least, most) = range.into_inner();
            out.add(given.referenced, key, format!("{} is not within {least} to {most}", given.value));
            default
        }
        Some(given) => given.value,
        None => default,
    }
}
