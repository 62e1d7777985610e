//! A Corefile as the source of what DNS does: read, checked as a whole, and put into effect; a bad one changes nothing.

mod map;
mod stamp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sluice_config::{Config, CorefileSource};
use sluice_corefile::{
    Base, Files, HostZone, Imported, Options, Pillars, Problems, Running, Selector, parse, run,
};
use sluice_model::{DnsSettings, ResolverSettings};

pub use map::{MapState, follow};
use stamp::Stamped;

use crate::{Level, Problem};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What DNS does, as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Names {
    /// Names of the cluster.
    pub dns: DnsSettings,
    /// Namespaces that have names; all where empty.
    pub namespaces: Vec<Box<str>>,
    /// What labels namespaces have that have names.
    pub namespace_labels: Selector,
    /// What labels Services and pods have that have names.
    pub labels: Selector,
    /// Whose hosts are the names of domains of hosts.
    pub hosts: Vec<HostZone>,
    /// What the resolver does.
    pub resolver: ResolverSettings,
}

/// Reads a Corefile whenever it may have changed.
#[derive(Debug)]
pub struct Reader {
    source: CorefileSource,
    base: Base,
    /// Networks of the cluster's own.
    cluster: Vec<IpNet>,
    options: Options,
    /// The ConfigMap as it is followed, where it is one.
    map: Arc<MapState>,
    /// The ConfigMap as it was read last.
    version: u64,
    files: Stamped,
    next: Option<Instant>,
    problems: Vec<Problem>,
    /// Whether what was read last is in effect.
    good: bool,
}

impl Reader {
    /// A reader of what the configuration names; none where it names none.
    pub fn new(config: &Config) -> Option<Self> {
        let corefile = config.corefile.as_ref()?;
        let environment = std::env::vars_os();
        let environment = environment
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut pillars = Pillars::default();
        for (name, value) in &corefile.pillars {
            // The names were checked with the file.
            pillars.set(name, value);
        }
        Some(Self {
            source: corefile.source.clone(),
            base: Base {
                dns: config.settings.dns.clone().unwrap_or_default(),
                refuse_private: corefile.refuse_private,
                serving: config.resolver.as_ref().map(|it| it.serving.clone()).unwrap_or_default(),
                lameduck: config.resolver.as_ref().and_then(|it| it.times.lameduck),
                name: config.node.clone(),
            },
            cluster: config.settings.cluster_cidrs.clone(),
            options: Options { environment: environment.collect(), pillars },
            map: Arc::default(),
            version: 0,
            files: Stamped::default(),
            next: None,
            problems: Vec::new(),
            good: false,
        })
    }

    /// Where the Corefile is.
    pub fn source(&self) -> &CorefileSource {
        &self.source
    }

    /// What whoever follows the ConfigMap writes to.
    pub fn map(&self) -> &Arc<MapState> {
        &self.map
    }

    /// Whether what was read last could be put into effect.
    pub fn is_good(&self) -> bool {
        self.good
    }

    /// What was said of it: why it is not in effect, or what of it does nothing.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What is to be put into effect, if that is news. True beside it where there is news of problems.
    pub fn look(&mut self, now: Instant) -> (Option<Names>, bool) {
        let version = self.map.version();
        let changed = version != self.version;
        if !changed && self.next.is_some_and(|next| now < next) {
            return (None, false);
        }
        let first = self.next.is_none();
        self.next = Some(now + LOOK);
        if !first && !changed && !self.files.has_changed() {
            return (None, false);
        }
        self.version = version;
        let before = std::mem::take(&mut self.problems);
        let files = Stamped::default();
        let outcome = self.read(&files);
        self.files = files;
        let names = match outcome {
            Ok(names) => names,
            Err(Unread::Waiting) => {
                let text = format!("{} has not been read yet", self.source);
                self.problems = vec![self.problem(Level::Warning, text)];
                None
            }
            Err(Unread::Missing(text)) => {
                self.problems = vec![self.problem(Level::Error, text)];
                None
            }
            Err(Unread::Wrong(problems)) => {
                self.problems = told(&problems);
                if self.good || !first {
                    self.problems
                        .push(self.problem(Level::Error, "it is not used; the one before stays in effect"));
                }
                None
            }
        };
        self.good = names.is_some();
        let news = before != self.problems;
        (names, news)
    }

    fn read(&mut self, files: &Stamped) -> Result<Option<Names>, Unread> {
        let imported = match &self.source {
            CorefileSource::File(path) => {
                let name = path.display().to_string();
                let text = files.read(&name).map_err(|error| Unread::Missing(error.to_string()))?;
                parse(&name, &text, files, &self.options)
            }
            CorefileSource::ConfigMap { .. } => {
                let (main, custom) = self.map.read().ok_or(Unread::Waiting)?;
                let main = main.ok_or_else(|| Unread::Missing("there is no such ConfigMap".to_owned()))?;
                main.import(custom.as_ref(), &self.options)
            }
        };
        let Imported { corefile, mut warnings } = imported.map_err(Unread::Wrong)?;
        let Running { mut dns, namespaces, namespace_labels, labels, hosts, resolver, told: more } =
            run(&corefile, files, &self.base).map_err(Unread::Wrong)?;
        dns.guard(&self.cluster);
        let settings = sluice_resolver::Settings::of(&dns, &resolver);
        if let Err(error) = sluice_resolver::Config::new(settings) {
            return Err(Unread::Missing(format!("the resolver does not take it: {error}")));
        }
        warnings.append(more);
        self.problems = told(&warnings);
        Ok(Some(Names { dns, namespaces, namespace_labels, labels, hosts, resolver }))
    }

    /// What was saved, with what the configuration says now.
    pub fn restored(&self, names: Names) -> Names {
        let base = &self.base.dns;
        let listen = if base.listen.is_empty() { names.dns.listen } else { base.listen.clone() };
        let mut dns = DnsSettings {
            listen,
            clients: base.clients.clone(),
            recursion: base.recursion.clone(),
            cluster_zones: base.cluster_zones.clone(),
            addresses: base.addresses.clone(),
            service: base.service.clone(),
            mode: base.mode,
            cookie_key: base.cookie_key,
            negative_ttl: base.negative_ttl,
            rate_limit: base.rate_limit.clone(),
            visibility: base.visibility.clone(),
            suppress_aaaa: base.suppress_aaaa.clone(),
            suppress_aaaa_of_pods: base.suppress_aaaa_of_pods,
            ..names.dns
        };
        dns.guard(&self.cluster);
        Names { dns, ..names }
    }

    fn problem(&self, level: Level, message: impl Into<String>) -> Problem {
        let (file, object) = match &self.source {
            CorefileSource::File(path) => (path.display().to_string(), String::new()),
            CorefileSource::ConfigMap { .. } => (String::new(), self.source.to_string()),
        };
        Problem { file, line: 0, object, field: String::new(), level, message: message.into() }
    }
}

/// What `sluice check` finds in the Corefile; nothing where it is in an API server.
pub fn check(config: &Config) -> Vec<Problem> {
    let Some(mut reader) = Reader::new(config) else { return Vec::new() };
    if let CorefileSource::File(_) = reader.source {
        reader.look(Instant::now());
    }
    reader.problems
}

/// Why there is nothing to put into effect.
enum Unread {
    /// It is not known yet.
    Waiting,
    /// It is not there, or cannot be.
    Missing(String),
    /// Something in it.
    Wrong(Problems),
}

fn told(problems: &Problems) -> Vec<Problem> {
    problems
        .iter()
        .map(|problem| Problem {
            file: problem.place.file.to_string(),
            line: problem.place.line.into(),
            object: String::new(),
            field: String::new(),
            level: match problem.level {
                sluice_corefile::Level::Error => Level::Error,
                sluice_corefile::Level::Warning => Level::Warning,
                sluice_corefile::Level::Note => Level::Note,
            },
            message: problem.text.clone(),
        })
        .collect()
}
