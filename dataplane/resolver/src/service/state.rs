//! A configuration at work. A reload makes a new one, which takes over what has not changed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::rr::Name;

use crate::authority::Authority;
use crate::cache::Cache;
use crate::config::{CheckedZone, Config, Limits};
use crate::counters::Process;
use crate::forward::{Forward, Loops, watch};
use crate::hosts::{Hosts, Stamp};
use crate::log::Log;
use crate::zonefile::Secondary;
use crate::zones::Suffixes;

use super::fetch::Inflight;

/// The time between two rounds of closing idle connections.
const PRUNE: Duration = Duration::from_secs(5);

/// A configuration at work.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) limits: Limits,
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) nsid: Option<Arc<str>>,
    /// Whether any zone makes up addresses.
    pub(crate) translates: bool,
    zones: Suffixes<Arc<Zone>>,
    /// Of each namespace, those that it alone has.
    own: HashMap<Box<str>, Suffixes<Arc<Zone>>>,
    pub(super) list: Vec<Arc<Zone>>,
}

/// A zone at work.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) label: Arc<str>,
    pub(crate) checked: CheckedZone,
    pub(crate) cache: Option<Cache>,
    pub(crate) hosts: Option<Arc<Hosts>>,
    pub(crate) forwards: Vec<Arc<Forward>>,
    pub(crate) inflight: Inflight,
    /// As many as the settings have, in their order.
    pub(crate) secondary: Vec<Arc<Secondary>>,
    ports: RangeInclusive<u16>,
    protected: Arc<[Name]>,
    tasks: Mutex<Vec<tokio::task::AbortHandle>>,
}

impl State {
    /// Of a configuration; a zone that `former` has in the very same form, with the same protected names, goes on with its
    /// cache and what it knows of its upstreams.
    pub(crate) fn new(config: &Config, former: Option<&Self>, process: &Arc<Process>) -> Self {
        let limits = config.settings().limits.clone();
        let protected: Arc<[Name]> = config.protected().into();
        let list: Vec<_> = config
            .zones()
            .iter()
            .map(|checked| {
                let same = former.and_then(|former| {
                    former.list.iter().find(|zone| {
                        zone.checked.settings == checked.settings
                            && zone.protected == protected
                            && zone.ports == limits.source_ports
                    })
                });
                let new = || {
                    Arc::new(Zone::new(
                        checked.clone(),
                        protected.clone(),
                        limits.source_ports.clone(),
                        former,
                    ))
                };
                same.cloned().unwrap_or_else(new)
            })
            .collect();
        let (everybodys, others): (Vec<&Arc<Zone>>, Vec<&Arc<Zone>>) =
            list.iter().partition(|zone| zone.checked.settings.namespaces.is_empty());
        let named = |zone: &Arc<Zone>| (zone.checked.name.clone(), zone.clone());
        let zones = everybodys.into_iter().map(named).collect();
        let mut own: HashMap<Box<str>, Vec<(Name, Arc<Zone>)>> = HashMap::new();
        for zone in others {
            for namespace in &zone.checked.settings.namespaces {
                own.entry(namespace.clone()).or_default().push(named(zone));
            }
        }
        let own =
            own.into_iter().map(|(namespace, zones)| (namespace, zones.into_iter().collect())).collect();
        let log = config.settings().log.as_ref().map(|log| {
            let same = former.and_then(|it| it.log.clone()).filter(|it| it.settings == *log);
            let new = || Arc::new(Log::new(log.clone(), config.logged().to_vec(), process));
            same.unwrap_or_else(new)
        });
        let nsid = config.settings().nsid.as_deref().map(Arc::from);
        let translates = list.iter().any(|zone| zone.checked.settings.dns64.is_some());
        Self { limits, log, nsid, translates, zones, own, list }
    }

    /// The namespace of a client, where it matters.
    pub(crate) fn tenant(&self, authority: &dyn Authority, client: IpAddr) -> Option<Box<str>> {
        if self.own.is_empty() { None } else { authority.namespace(client) }
    }

    /// The zone that a name is in for pods of a namespace, or for everybody: the longest, of two as long its own.
    pub(crate) fn zone(&self, name: &Name, tenant: Option<&str>) -> Option<&Arc<Zone>> {
        let all = self.zones.find(name);
        let own = tenant.and_then(|namespace| self.own.get(namespace)).and_then(|zones| zones.find(name));
        let length = |zone: &Arc<Zone>| zone.checked.name.num_labels();
        match (all, own) {
            (Some(all), Some(own)) if length(all) > length(own) => Some(all),
            (all, own) => own.or(all),
        }
    }

    pub(crate) fn zones(&self) -> &[Arc<Zone>] {
        &self.list
    }

    /// Starts what zones do by themselves, where it has not been started.
    pub(crate) fn run(&self, loops: &Arc<Loops>, process: &Arc<Process>) {
        for zone in &self.list {
            zone.run(loops, process);
        }
    }
}

impl Zone {
    fn new(
        checked: CheckedZone,
        protected: Arc<[Name]>,
        ports: RangeInclusive<u16>,
        former: Option<&State>,
    ) -> Self {
        let hosts = checked.hosts.clone().map(|hosts| Arc::new(Hosts::new(hosts)));
        if let Some(hosts) = &hosts {
            // Before the first query, not after it.
            hosts.refresh(&mut None);
        }
        // A copy outlives changes of all else.
        let known = || former.into_iter().flat_map(|former| &former.list).flat_map(|zone| &zone.secondary);
        let secondary = checked.secondary.iter().map(|own| {
            let same = known().find(|it| it.is(&own.zone, &own.from)).cloned();
            same.unwrap_or_else(|| Arc::new(Secondary::new(own.zone.clone(), own.from.clone())))
        });
        Self {
            secondary: secondary.collect(),
            label: label(&checked).into(),
            cache: Cache::of(&checked),
            hosts,
            forwards: checked.forward.iter().map(|it| Arc::new(Forward::new(it.clone(), &ports))).collect(),
            inflight: Inflight::default(),
            checked,
            ports,
            protected,
            tasks: Mutex::default(),
        }
    }

    /// Names that no upstream is asked for nor believed about.
    pub(crate) fn protected(&self) -> &[Name] {
        if self.checked.settings.foreign { &[] } else { &self.protected }
    }

    /// The forward that takes a name.
    pub(crate) fn forward(&self, name: &Name) -> Option<&Arc<Forward>> {
        self.forwards.iter().find(|forward| forward.takes(name))
    }

    fn run(&self, loops: &Arc<Loops>, process: &Arc<Process>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if !tasks.is_empty() {
            return;
        }
        for forward in &self.forwards {
            let watching = watch(Arc::downgrade(forward), loops.clone(), process.clone());
            tasks.push(tokio::spawn(watching).abort_handle());
            tasks.push(tokio::spawn(prune(Arc::downgrade(forward))).abort_handle());
        }
        for secondary in &self.secondary {
            secondary.begin();
        }
        let reloaded =
            |hosts: &&Arc<Hosts>| hosts.settings().file.is_some() && !hosts.settings().reload.is_zero();
        if let Some(hosts) = self.hosts.as_ref().filter(reloaded) {
            tasks.push(tokio::spawn(refresh(Arc::downgrade(hosts))).abort_handle());
        }
    }
}

/// What a zone is called in metrics and tables: several may have one name.
fn label(checked: &CheckedZone) -> String {
    let name = checked.name.to_ascii();
    match &checked.settings.namespaces[..] {
        [] => name,
        namespaces => format!("{name} ({})", namespaces.join(", ")),
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

async fn prune(forward: std::sync::Weak<Forward>) {
    loop {
        tokio::time::sleep(PRUNE).await;
        let Some(forward) = forward.upgrade() else { return };
        forward.upstreams().iter().for_each(|upstream| upstream.prune());
    }
}

async fn refresh(hosts: std::sync::Weak<Hosts>) {
    let mut stamp: Stamp = None;
    loop {
        let Some(strong) = hosts.upgrade() else { return };
        let wait = strong.settings().reload;
        let looked = tokio::task::spawn_blocking(move || {
            strong.refresh(&mut stamp);
            stamp
        });
        let Ok(seen) = looked.await else { return };
        stamp = seen;
        tokio::time::sleep(wait).await;
    }
}
