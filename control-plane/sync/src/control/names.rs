//! What DNS does, by a Corefile: followed, put into effect, saved.

use std::time::Instant;

use sluice_config::{Config, CorefileSource};
use sluice_model::{DnsSettings, ResolverSettings};

use super::{Control, general, rules};
use crate::admin::CorefileShown;
use crate::corefile::{MapState, Names, Reader};
use crate::object::Rules;
use crate::state::StateFile;
use crate::{Level, Problem};

/// A Corefile, and what it has come to.
pub(super) struct Followed {
    reader: Reader,
    file: StateFile,
    /// What keeps it from being saved, or from having been loaded.
    trouble: Option<String>,
    /// What is in effect.
    names: Option<Names>,
    /// When it came into effect.
    since: Option<Instant>,
}

/// What a look at the Corefile has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// What is wrong with it.
    Problems,
    /// Settings.
    Settings,
    /// Settings, and what is read of objects: all of them have to be read anew.
    Rules,
}

impl Followed {
    /// What DNS does at the start: as the Corefile says, or as one said before, where it cannot be read.
    pub(super) fn begin(config: &Config) -> (Option<Self>, Rules, Option<DnsSettings>, ResolverSettings) {
        let Some(reader) = Reader::new(config) else {
            let resolver = config.resolver.clone().unwrap_or_default();
            return (None, rules(config, None), config.settings.dns.clone(), resolver);
        };
        let file = StateFile::names(&config.state_dir);
        let mut followed = Self { reader, file, trouble: None, names: None, since: None };
        let (names, _) = followed.reader.look(Instant::now());
        match names {
            Some(names) => followed.take(names),
            None => followed.restore(),
        }
        let names = followed.names.clone();
        let rules = rules(config, names.as_ref());
        let (dns, resolver) = names.map_or_else(Default::default, |names| (Some(names.dns), names.resolver));
        (Some(followed), rules, dns, resolver)
    }

    /// The ConfigMap that is to be followed.
    pub(super) fn map(&self) -> Option<(&str, &str, &std::sync::Arc<MapState>)> {
        match self.reader.source() {
            CorefileSource::ConfigMap { namespace, name } => Some((namespace, name, self.reader.map())),
            CorefileSource::File(_) => None,
        }
    }

    /// What is wrong.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> + '_ {
        let source = self.reader.source();
        let failure = self.reader.map().failure().map(|why| general(&source.to_string(), why));
        let trouble = self.trouble.iter().map(|why| general("saved names", why.clone()));
        self.reader.problems().iter().cloned().chain(failure).chain(trouble)
    }

    /// How it is.
    pub(super) fn shown(&self) -> CorefileShown {
        CorefileShown {
            source: self.reader.source().to_string(),
            good: self.reader.is_good(),
            since: self.since,
            is_in_effect: self.names.is_some(),
            why: self.why(),
            zones: self.names.as_ref().map_or(0, |names| names.resolver.zones.len()),
        }
    }

    /// The first thing that keeps it from being in effect.
    fn why(&self) -> String {
        if self.reader.is_good() {
            return String::new();
        }
        let first = self.problems().find(|problem| problem.level == Level::Error);
        let first = first.or_else(|| self.problems().next());
        first.map(|problem| problem.to_string()).unwrap_or_default()
    }

    fn restore(&mut self) {
        match self.file.load_names() {
            Ok(Some(names)) => {
                tracing::warn!(corefile = %self.reader.source(), "DNS goes on by what was saved");
                self.names = Some(self.reader.restored(names));
            }
            Ok(None) => {}
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    fn take(&mut self, names: Names) {
        let source = self.reader.source();
        tracing::info!(corefile = %source, zones = names.resolver.zones.len(), "DNS as the Corefile says");
        // The secret is in the configuration, and nowhere else.
        let saved = Names { dns: DnsSettings { cookie_key: None, ..names.dns.clone() }, ..names.clone() };
        let bytes = StateFile::encode(&saved).map_err(|error| error.to_string());
        let written = bytes.and_then(|bytes| self.file.save(&bytes).map_err(|error| error.to_string()));
        self.trouble = written.err().map(|why| format!("{}: {why}", self.file.path().display()));
        (self.names, self.since) = (Some(names), Some(Instant::now()));
    }
}

impl Control {
    /// Looks at the Corefile, and takes in what has changed of it.
    pub(super) fn follow_names(&mut self, config: &Config) -> Effect {
        let Some(followed) = &mut self.names else { return Effect::None };
        let before = followed.reader.map().failure();
        let (names, news) = followed.reader.look(Instant::now());
        let news = news || before != followed.reader.map().failure();
        let Some(names) = names else {
            return if news { Effect::Problems } else { Effect::None };
        };
        if followed.names.as_ref() == Some(&names) && followed.since.is_some() {
            return if news { Effect::Problems } else { Effect::None };
        }
        followed.take(names.clone());
        let rules = rules(config, Some(&names));
        self.desired.set_names(Some(names.dns), names.resolver);
        if self.rules == rules {
            return Effect::Settings;
        }
        self.rules = rules;
        self.desired.restart(self.rules.by_namespace_labels());
        if let Some(certificate) = &mut self.certificate {
            certificate.forget();
        }
        Effect::Rules
    }
}
