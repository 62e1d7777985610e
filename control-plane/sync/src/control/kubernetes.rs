//! An API server as the source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sluice_config::{Config, Kubernetes};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use super::addresses::Addresses;
use super::election::Election;
use super::guard::Guard;
use super::ingresses::Ingresses;
use super::latency::Meter;
use super::names::Effect;
use super::saver::Saver;
use super::{Control, ControlError, general, take};
use crate::corefile;
use crate::folder::ObjectChange;
use crate::kube::{self, News, Part, What};
use crate::object::{Key, Kind, Object};
use crate::state::StateFile;
use crate::{Level, Problem};
use sluice_model::{Generation, ServiceName};

/// How long a change may wait for the data plane to say that it has the generation before. One that comes later goes out
/// at once: changes are put together as far as the data plane is behind, and no further.
const PAUSE: Duration = Duration::from_millis(2);
/// Changes of headless Services' endpoints that are measured in one generation.
const MEASURED: usize = 1024;
/// How often to look up without news.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait before credentials that could not be used are tried again.
const CREDENTIALS: Duration = Duration::from_secs(5);

/// Follows the API server until told to stop.
pub(super) fn run(
    config: &Config,
    api: &Kubernetes,
    control: Control,
    stop: &AtomicBool,
) -> Result<(), ControlError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ControlError::Start)?;
    let latencies = control.board.latencies().clone();
    let meter = Meter::start(Arc::clone(&control.server), latencies.clone()).map_err(ControlError::Start)?;
    let now = Instant::now();
    let parts = kube::parts(&control.rules);
    let follower = Follower {
        control,
        meter,
        guard: Guard::new(config.shrink_hold),
        saver: Saver::new(StateFile::new(&config.state_dir)),
        parts,
        complete: BTreeSet::new(),
        said: BTreeMap::new(),
        absent: BTreeSet::new(),
        failures: BTreeMap::new(),
        credentials: None,
        oldest: None,
        published: now,
        headless: Vec::new(),
        listed: SystemTime::now(),
        restored: None,
        news_of_problems: true,
        election: None,
        addresses: None,
        ingresses: None,
    };
    runtime.block_on(follower.run(config, api, stop));
    let (buckets, sum_us) = latencies.event.read();
    tracing::info!(?buckets, sum_us, "time from event to lcore");
    Ok(())
}

/// What is known of the API server, and what is to be done with it.
struct Follower {
    control: Control,
    meter: Meter,
    guard: Guard,
    saver: Saver,
    /// What is followed.
    parts: Vec<Part>,
    /// What of it everything is known of.
    complete: BTreeSet<Part>,
    /// What is wrong with objects.
    said: BTreeMap<Key, Vec<Problem>>,
    /// Kinds that the API server does not have.
    absent: BTreeSet<Kind>,
    /// What cannot be followed, and why.
    failures: BTreeMap<Part, String>,
    credentials: Option<String>,
    /// When the oldest event that is not published yet came in.
    oldest: Option<Instant>,
    published: Instant,
    /// When endpoints of headless Services changed whose events are not published yet.
    headless: Vec<SystemTime>,
    /// When slices were listed last: what changed before says nothing of us.
    listed: SystemTime,
    /// Where the saved state was taken for a beginning: when it was the API server's.
    restored: Option<SystemTime>,
    news_of_problems: bool,
    /// Where statuses are written.
    election: Option<Election>,
    /// Where address pools are configured.
    addresses: Option<Addresses>,
    /// Where Ingresses are served.
    ingresses: Option<Ingresses>,
}

impl Follower {
    async fn run(mut self, config: &Config, api: &Kubernetes, stop: &AtomicBool) {
        self.boot(api.state_max_age);
        let Some(client) = self.connect(api, stop).await else { return };
        let map = self.control.names.as_ref().and_then(|names| names.map());
        let _map = map.map(|(namespace, name, state)| corefile::follow(&client, namespace, name, state));
        tracing::info!("following the API server");
        let (mut news, mut _tasks) = self.follow(&client, api);
        self.elect(config, &client, api);
        while !stop.load(Ordering::Relaxed) {
            self.wait(&mut news).await;
            match self.control.follow_names(config) {
                Effect::None => {}
                Effect::Problems => self.news_of_problems = true,
                Effect::Settings => self.settings(),
                Effect::Rules => {
                    (news, _tasks) = self.follow(&client, api);
                    self.settings();
                }
            }
            if self.control.follow_certificate() | self.control.follow_externals() {
                self.settings();
            }
            self.work();
        }
        self.saver.finish(&self.control.desired);
        if let Some(addresses) = self.addresses {
            addresses.end();
        }
        if let Some(ingresses) = self.ingresses {
            ingresses.end();
        }
        if let Some(election) = self.election {
            election.end().await;
        }
    }

    /// Takes part in the election where there are statuses to write.
    fn elect(&mut self, config: &Config, client: &::kube::Client, api: &Kubernetes) {
        if config.address_pools.is_empty() && config.ingress.is_none() {
            return;
        }
        let election = self.election.insert(Election::new(client, api, &config.node));
        if !config.address_pools.is_empty() {
            self.addresses = Some(Addresses::new(client, election, &config.address_pools));
        }
        self.ingresses = config.ingress.as_ref().map(|ingress| {
            let addresses = ingress.settings.http.iter().map(std::net::SocketAddr::ip).collect();
            Ingresses::new(client, election, addresses)
        });
    }

    /// Follows all kinds, from the beginning.
    fn follow(&mut self, client: &::kube::Client, api: &Kubernetes) -> (Receiver<News>, JoinSet<()>) {
        let rules = Arc::new(self.control.rules.clone());
        self.parts = kube::parts(&rules);
        self.complete.clear();
        self.said.clear();
        self.absent.clear();
        self.failures.clear();
        self.news_of_problems = true;
        kube::follow(client, &rules, api.streaming_lists)
    }

    /// Settings have changed. They wait for objects only where nothing has been published yet, and for no loss to be released.
    fn settings(&mut self) {
        self.news_of_problems = true;
        self.oldest.get_or_insert_with(Instant::now);
        if !self.is_complete() || self.guard.held().is_some() {
            self.control.publish_settings();
        }
    }

    /// Serves what was served last, until the API server has been heard.
    fn boot(&mut self, most: Option<Duration>) {
        let Some((saved, as_of)) = self.saver.load(most) else { return };
        let services = saved.services.len();
        self.control.restore(saved);
        self.restored = Some(as_of);
        let seconds = as_of.elapsed().unwrap_or_default().as_secs();
        tracing::warn!(
            services,
            age = seconds,
            "serving the saved state until the API server has been heard"
        );
    }

    /// Credentials may come later than the gateway: in a file that another program writes.
    async fn connect(&mut self, api: &Kubernetes, stop: &AtomicBool) -> Option<::kube::Client> {
        while !stop.load(Ordering::Relaxed) {
            match kube::client(api).await {
                Ok(client) => {
                    self.credentials = None;
                    return Some(client);
                }
                Err(error) => self.credentials = Some(error.to_string()),
            }
            self.report();
            let again = Instant::now() + CREDENTIALS;
            while Instant::now() < again && !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(TICK).await;
            }
        }
        None
    }

    /// Waits for news, or until something is due, and takes in all the news there are.
    async fn wait(&mut self, news: &mut Receiver<News>) {
        let now = Instant::now();
        let mut until = now + TICK;
        if self.oldest.is_some() && self.guard.held().is_none() {
            until = until.min(self.published + PAUSE);
        }
        tokio::select! {
            first = news.recv() => match first {
                Some(first) => self.take(first),
                // Every watcher has failed as a program; there is nothing to wait for.
                None => tokio::time::sleep(TICK).await,
            },
            () = tokio::time::sleep_until(until.into()) => {}
        }
        while let Ok(more) = news.try_recv() {
            self.take(more);
        }
    }

    fn take(&mut self, News { part, at, what }: News) {
        let kind = part.kind;
        self.control.board.update(|shown| {
            let followed = shown.followed.entry(kind).or_default();
            match what {
                What::Failed(_) | What::Denied(_) => followed.errors += 1,
                What::Synced { .. } => followed.lists += 1,
                What::Changed(..) | What::Absent => {}
            }
            if !matches!(what, What::Failed(_) | What::Denied(_)) {
                followed.last_event = Some(at);
            }
        });
        match what {
            What::Changed(changes, problems) => {
                if let Some(addresses) = &mut self.addresses {
                    let services = changes.iter().filter(|(key, _)| key.kind == Kind::Service);
                    services
                        .for_each(|(key, _)| addresses.changed(ServiceName::new(&key.namespace, &key.name)));
                }
                if let Some(ingresses) = &mut self.ingresses
                    && matches!(kind, Kind::Ingress | Kind::IngressClass)
                {
                    ingresses.changed();
                }
                if kind == Kind::EndpointSlice && self.complete.contains(&part) {
                    let news = changes.iter().filter_map(headless).filter(|at| *at > self.listed);
                    self.headless.extend(news.take(MEASURED.saturating_sub(self.headless.len())));
                }
                take(&mut self.control.desired, changes);
                self.oldest.get_or_insert(at);
                self.news_of_problems |= !problems.is_empty();
                for (key, problems) in problems {
                    if problems.is_empty() {
                        self.said.remove(&key);
                    } else {
                        self.said.insert(key, problems);
                    }
                }
            }
            What::Synced { objects } => {
                if kind == Kind::EndpointSlice {
                    self.listed = SystemTime::now();
                }
                self.news_of_problems |= self.absent.remove(&kind);
                if !self.complete.contains(&part) {
                    tracing::info!(what = %part, objects, "complete");
                }
                if kind == Kind::Secret {
                    self.control.desired.set_secrets_unread(&part.namespace, false);
                }
                self.complete(part, at);
            }
            What::Absent => {
                self.news_of_problems |= self.absent.insert(kind);
                self.complete(part, at);
            }
            // Who may not read Secrets has no certificates but those of before, and everything else.
            What::Denied(message) => {
                if kind == Kind::Secret {
                    self.control.desired.set_secrets_unread(&part.namespace, true);
                    if !self.complete.contains(&part) {
                        self.complete(part.clone(), at);
                    }
                }
                self.failed(part, message);
            }
            What::Failed(message) => self.failed(part, message),
        }
    }

    fn failed(&mut self, part: Part, message: String) {
        self.news_of_problems |= self.failures.insert(part, message.clone()) != Some(message);
    }

    /// All objects of the part are known.
    fn complete(&mut self, part: Part, at: Instant) {
        self.news_of_problems |= self.failures.remove(&part).is_some();
        if self.complete.insert(part) && self.is_complete() {
            // Only now is known what is no more.
            self.control.desired.sweep();
            self.news_of_problems = true;
        }
        self.oldest.get_or_insert(at);
    }

    fn is_complete(&self) -> bool {
        self.parts.iter().all(|part| self.complete.contains(part))
    }

    /// Publishes, saves and reports what is due.
    fn work(&mut self) {
        let now = Instant::now();
        self.guard.listen(&self.control.board);
        self.write_statuses(now);
        if self.is_complete() && self.oldest.is_some() && self.guard.is_due(now) {
            let server = &self.control.server;
            if now >= self.published + PAUSE || server.wait_acked(server.generation(), Duration::ZERO) {
                self.publish(now);
            }
        }
        self.news_of_problems |= self.saver.work(now, &self.control.desired);
        if self.is_complete() && self.failures.is_empty() && self.oldest.is_none() {
            self.saver.confirm(now);
        }
        if std::mem::take(&mut self.news_of_problems) {
            self.report();
        }
    }

    /// Addresses first: what a Service is given is published with it.
    fn write_statuses(&mut self, now: Instant) {
        let complete = self.is_complete();
        let Some(election) = &self.election else { return };
        let (desired, server) = (&mut self.control.desired, &self.control.server);
        if let Some(addresses) = &mut self.addresses {
            if complete && addresses.decide(desired) {
                self.oldest.get_or_insert(now);
                self.news_of_problems = true;
            }
            addresses.write(desired, server);
        }
        if let Some(ingresses) = &mut self.ingresses {
            if complete && ingresses.decide(desired) {
                self.oldest.get_or_insert(now);
            }
            // Whoever begins to lead tells what was found before.
            self.news_of_problems |= complete && ingresses.begins();
            ingresses.write(desired, server);
        }
        let leads = election.leadership.is_leader();
        self.control.board.update(|shown| shown.leader = Some(leads));
    }

    /// Statuses that wait for a generation have this one.
    fn statuses_published(&mut self, generation: Generation) {
        if let Some(addresses) = &mut self.addresses {
            addresses.published(generation);
        }
        if let Some(ingresses) = &mut self.ingresses {
            ingresses.published(generation);
        }
    }

    fn publish(&mut self, now: Instant) {
        let before = self.guard.held();
        let changes = self.guard.take(&mut self.control.desired, now);
        self.news_of_problems |= self.guard.held() != before;
        let Some(changes) = changes else { return };
        let at = self.oldest.take().unwrap_or(now);
        self.published = now;
        let generation = self.control.server.generation();
        // The first generation may well be empty; without it the data plane would wait for ever.
        if changes.is_empty() && generation.0 > 0 {
            self.headless.clear();
            self.statuses_published(generation);
            self.control.show();
            return;
        }
        let generation = self.control.publish(&changes);
        self.statuses_published(generation);
        self.meter.published(generation, at, std::mem::take(&mut self.headless));
        self.saver.changed(now);
        // Two Services may claim one frontend now, or no longer.
        self.news_of_problems = true;
    }

    fn report(&mut self) {
        let mut problems: Vec<Problem> = self.said.values().flatten().cloned().collect();
        problems.extend(self.failures.iter().map(|(part, why)| general(&part.to_string(), why.clone())));
        problems.extend(self.absent.iter().map(|kind| Problem {
            level: Level::Note,
            ..general(
                &format!("{kind}s"),
                "the API server has no such kind; there are none until it is installed",
            )
        }));
        problems.extend(self.credentials.iter().map(|message| general("API server", message.clone())));
        problems.extend(self.saver.trouble().map(|message| general("saved state", message)));
        problems.extend(self.addresses.iter().flat_map(Addresses::problems));
        problems.extend(self.ingresses.iter().flat_map(Ingresses::problems));
        problems.extend(self.guard.problem());
        let complete = self.is_complete();
        let mut failures: BTreeMap<Kind, String> = BTreeMap::new();
        for (part, why) in &self.failures {
            let all = failures.entry(part.kind).or_default();
            all.push_str(if all.is_empty() { "" } else { "; " });
            all.push_str(why);
        }
        self.control.board.update(|shown| {
            shown.complete = complete;
            shown.stale = self.restored.filter(|_| !complete);
            shown.leader = self.election.as_ref().map(|election| election.leadership.is_leader());
            shown.held = self.guard.held();
            shown.failures = failures;
        });
        self.control.report(problems);
        if complete && let Some(ingresses) = &mut self.ingresses {
            ingresses.tell(&self.control.reported, &self.control.desired);
        }
    }
}

/// When the endpoints of a headless Service changed, where this is a slice of theirs that says so.
fn headless((_, object): &ObjectChange) -> Option<SystemTime> {
    match object {
        Some(Object::EndpointSlice(slice)) if slice.headless && slice.named.is_some() => slice.triggered.0,
        _ => None,
    }
}
