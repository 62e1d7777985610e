//! The role itself: follow the source, publish, report; and the same without publishing, for `sluice check`.

mod addresses;
mod certificate;
mod election;
mod events;
mod externals;
mod files;
mod guard;
mod ingresses;
mod kubernetes;
pub mod latency;
mod manifests;
mod names;
mod notes;
mod own;
mod saver;
mod tickets;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use sluice_config::{Config, Source};
use sluice_corefile::{HostZone, Selector};
use sluice_feed::server::BindError;
use sluice_feed::{Server, ServerOptions};
use sluice_model::{Change, DnsSettings, Generation, PodNames, Settings};
use sluice_observe::admin;

use crate::admin::{Answers, Board, Metrics};
use crate::corefile::{self, Names};
use crate::desired::{Conflict, Desired, ExternalRules, IngressRules};
use crate::folder::{Folder, ObjectChange};
use crate::health::HealthChecks;
use crate::object::{Exposed, Rules};
use crate::problem::news;
use crate::state::Saved;
use crate::{Level, Problem};
use certificate::Certificate;
use externals::Externals;
use names::Followed;
use tickets::Tickets;

/// Why control did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The folder for sockets, or that for state.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The feed's socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin socket.
    #[error("admin socket {}: {source}", path.display())]
    Admin {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The event loop or a thread.
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
}

/// What `sluice check` finds in the manifests.
#[derive(Debug)]
pub struct Checked {
    /// What is wrong, in order of files and lines.
    pub problems: Vec<Problem>,
    /// Services that would be served.
    pub services: usize,
    /// Ingresses that would be served.
    pub ingresses: usize,
}

/// Reads the manifests in `root` once and says what is wrong with them.
pub fn check(config: &Config, root: &Path) -> Checked {
    let mut corefile = corefile::Reader::new(config);
    let names = corefile.as_mut().and_then(|reader| reader.look(Instant::now()).0);
    let mut folder = Folder::new(root, rules(config, names.as_ref()));
    let mut desired = desired(config, names.as_ref());
    // A folder that cannot be read is among the folder's problems.
    let changes = folder.refresh(|_| false).unwrap_or_default();
    take(&mut desired, changes);
    let mut certificate = Certificate::new(config);
    let read = certificate.as_mut().and_then(|certificate| certificate.look(Instant::now()));
    read.into_iter().for_each(|object| desired.apply(object));
    let mut tickets = Tickets::new(config);
    tickets.as_mut().and_then(|tickets| tickets.look(Instant::now()));
    desired.take_changes();
    let mut problems = folder.problems();
    problems.retain(|problem| !desired.is_foreign(problem));
    problems.extend(desired.problems());
    problems.extend(certificate.iter().filter_map(Certificate::problem));
    problems.extend(tickets.iter().filter_map(Tickets::problem));
    problems.extend(corefile.iter().flat_map(|reader| reader.problems().iter().cloned()));
    problems.extend(desired.conflicts().iter().map(conflict));
    problems.sort();
    let ingresses = desired.ingresses().filter(|(_, owned)| *owned).count();
    Checked { problems, services: desired.services().count(), ingresses }
}

/// Follows the source and publishes what changes, until `stop` is set.
///
/// # Errors
/// [`ControlError`]. What is wrong with objects is reported and ends nothing, nor does an API server that is away.
pub fn run(config: &Config, stop: &AtomicBool) -> Result<(), ControlError> {
    for path in [&config.runtime_dir, &config.state_dir] {
        let failed = |source| ControlError::Folder { path: path.clone(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
    }
    let config = &own::with_certificate(config);
    let options = ServerOptions { gid: config.group, ..ServerOptions::default() };
    // The feed's socket comes first: where another control serves it, that one keeps its admin socket too.
    let server = Arc::new(Server::bind(&config.feed_socket(), options)?);
    let board = Arc::new(Board::new(&config.source));
    let path = config.admin_socket("control");
    let answers = Answers { board: Arc::clone(&board), feed: Arc::clone(&server) };
    let _admin = admin::Server::bind(&path, config.group)
        .and_then(|socket| socket.start(Arc::new(answers)))
        .map_err(|source| ControlError::Admin { path, source })?;
    let _pages = match config.metrics.control {
        Some(address) => {
            let metrics = Metrics::new(Arc::clone(&board), Arc::clone(&server));
            Some(sluice_observe::role::serve(Arc::new(metrics), address).map_err(ControlError::Start)?)
        }
        None => None,
    };
    let (names, rules, dns, resolver) = Followed::begin(config);
    let mut desired = Desired::new(Settings { dns: None, ..config.settings.clone() })
        .by_namespace_labels(rules.by_namespace_labels())
        .with_ingress(ingress_rules(config));
    desired.set_names(dns, resolver);
    let mut tickets = Tickets::new(config);
    // Before anything is told: clients are to come back to a gateway that has just begun, too.
    let keys = tickets.as_mut().and_then(|tickets| tickets.look(Instant::now()));
    keys.into_iter().for_each(|keys| desired.set_ticket_keys(keys));
    let control = Control {
        server,
        board,
        desired,
        rules,
        names,
        certificate: Certificate::new(config),
        tickets,
        externals: Externals::new(),
        health: HealthChecks::default(),
        reported: Arc::default(),
    };
    match &config.source {
        Source::Manifests(root) => manifests::run(config, root, control, stop),
        Source::Kubernetes(api) => return kubernetes::run(config, api, control, stop),
    }
    Ok(())
}

/// What both sources lead to.
struct Control {
    server: Arc<Server>,
    board: Arc<Board>,
    desired: Desired,
    /// What is read of objects.
    rules: Rules,
    /// The Corefile, where there is one.
    names: Option<Followed>,
    /// The default certificate, where it is in files.
    certificate: Option<Certificate>,
    /// Keys of session tickets, where they are in files.
    tickets: Option<Tickets>,
    /// Names outside the cluster.
    externals: Externals,
    health: HealthChecks,
    /// Problems as they were told last.
    reported: Arc<Vec<Problem>>,
}

impl Control {
    /// Looks at the default certificate and the keys of session tickets. True where there is news of them.
    fn follow_certificate(&mut self) -> bool {
        let now = Instant::now();
        let changed = self.certificate.as_mut().and_then(|certificate| certificate.look(now));
        let mut news = changed.is_some();
        changed.into_iter().for_each(|object| self.desired.apply(object));
        if let Some(tickets) = &mut self.tickets {
            let before = tickets.problem();
            let keys = tickets.look(now);
            news |= keys.is_some() || tickets.problem() != before;
            keys.into_iter().for_each(|keys| self.desired.set_ticket_keys(keys));
        }
        news
    }

    /// Looks names outside the cluster up. True where there is news of one.
    fn follow_externals(&mut self) -> bool {
        let answers = self.externals.look(self.desired.external_names(), Instant::now());
        let mut news = self.externals.take_news();
        for (name, answer) in answers {
            news |= self.desired.set_external(&name, answer);
        }
        news
    }

    /// Puts changes into effect; the generation that has them.
    fn publish(&mut self, changes: &[Change]) -> Generation {
        let before = self.server.generation();
        publish(&self.server, changes);
        self.health.follow(changes, &self.desired);
        let generation = self.server.generation();
        if generation != before {
            self.board.update(|shown| shown.published = Some(Instant::now()));
        }
        self.show();
        generation
    }

    /// Puts changed settings into effect while objects have to wait; not where nothing has been published yet.
    fn publish_settings(&mut self) {
        if self.server.generation().0 > 0 {
            let changes = self.desired.take_settings();
            self.publish(&changes);
        }
    }

    /// Serves what a former process has published.
    fn restore(&mut self, saved: Saved) {
        let server = &self.server;
        self.desired.restore(saved, |changes| publish(server, changes));
        let settings = Change::Settings(self.desired.settings());
        self.health.follow(&[settings], &self.desired);
        self.board.update(|shown| shown.published = Some(Instant::now()));
        self.show();
    }

    /// Writes down how many objects there are, for whoever looks.
    fn show(&self) {
        let desired = &self.desired;
        let objects = desired.counts();
        self.board.update(|shown| {
            shown.objects = objects;
            shown.services = desired.published();
        });
    }

    /// Says what is new among the problems, and what is no more.
    fn report(&mut self, mut problems: Vec<Problem>) {
        let conflicts = self.desired.conflicts();
        problems.retain(|problem| !self.desired.is_foreign(problem));
        problems.extend(self.desired.problems());
        problems.extend(self.names.iter().flat_map(Followed::problems));
        problems.extend(self.certificate.iter().filter_map(Certificate::problem));
        problems.extend(self.tickets.iter().filter_map(Tickets::problem));
        problems.extend(self.externals.problems());
        problems.extend(conflicts.iter().map(conflict));
        let before = &self.reported;
        for problem in news(before, &problems) {
            match problem.level {
                Level::Error => tracing::error!("{problem}"),
                Level::Warning => tracing::warn!("{problem}"),
                Level::Note => tracing::info!("{problem}"),
            }
        }
        for problem in news(&problems, before) {
            if problem.level == Level::Error {
                tracing::info!("mended: {problem}");
            }
        }
        self.reported = Arc::new(problems);
        self.show();
        self.board.update(|shown| {
            shown.conflicts = conflicts.len();
            shown.corefile = self.names.as_ref().map(Followed::shown);
            shown.problems = Arc::clone(&self.reported);
        });
    }
}

/// What is wanted, of objects that are read by these rules.
fn desired(config: &Config, corefile: Option<&Names>) -> Desired {
    let by_labels = rules(config, corefile).by_namespace_labels();
    Desired::new(config.settings.clone()).by_namespace_labels(by_labels).with_ingress(ingress_rules(config))
}

/// Which Ingresses are ours, and how they are served.
fn ingress_rules(config: &Config) -> Option<IngressRules> {
    config.ingress.as_ref().map(|ingress| IngressRules {
        controller: ingress.controller.clone(),
        class: ingress.class.clone(),
        watch_without_class: ingress.watch_without_class,
        default_class: matches!(config.source, Source::Manifests(_)),
        hsts: ingress.hsts,
        external: ExternalRules {
            names: ingress.external_names.clone(),
            networks: ingress.external_networks.clone(),
        },
        secret_namespaces: ingress.secret_namespaces.clone(),
        settings: ingress.settings.clone(),
    })
}

/// What is read of objects: as the configuration says, or what a Corefile has come to.
fn rules(config: &Config, corefile: Option<&Names>) -> Rules {
    let exposed = |dns: &DnsSettings,
                   namespaces: &[Box<str>],
                   [own, others]: [&Selector; 2],
                   hosts: &[HostZone]| Exposed {
        namespaces: namespaces.to_vec(),
        namespace_labels: own.clone(),
        labels: others.clone(),
        hosts: hosts.to_vec(),
        pods: dns.pods == PodNames::Verified || dns.knows_clients(),
        clients: dns.knows_clients(),
        imports: !dns.multicluster_zones.is_empty(),
        zones: dns.zonal,
    };
    let names = match (&config.corefile, corefile) {
        (Some(_), names) => names.map(|names| {
            exposed(&names.dns, &names.namespaces, [&names.namespace_labels, &names.labels], &names.hosts)
        }),
        (None, _) => config.settings.dns.as_ref().zip(config.names.as_ref()).map(|(dns, names)| {
            exposed(dns, &names.namespaces, [&names.namespace_labels, &names.labels], &names.hosts)
        }),
    };
    Rules {
        load_balancer_class: config.load_balancer_class.clone(),
        external_ips: config.external_ips,
        names,
        ingress: config.ingress.is_some(),
        secret_namespaces: config.ingress.as_ref().map_or_else(Vec::new, |it| it.secret_namespaces.clone()),
    }
}

fn take(desired: &mut Desired, changes: Vec<ObjectChange>) {
    for (key, object) in changes {
        match object {
            Some(object) => desired.apply(object),
            None => desired.remove(&key),
        }
    }
}

fn publish(server: &Server, changes: &[Change]) {
    match server.publish(changes) {
        Ok(generation) if !changes.is_empty() => {
            tracing::info!(generation = generation.0, changes = changes.len(), "published");
        }
        Ok(_) => {}
        // One object beyond what the feed carries holds nothing else up.
        Err(_) if changes.len() > 1 => {
            changes.iter().for_each(|change| publish(server, std::slice::from_ref(change)))
        }
        Err(error) => tracing::error!(%error, "not published"),
    }
}

fn conflict(conflict: &Conflict) -> Problem {
    Problem {
        file: String::new(),
        line: 0,
        object: format!("Service {}", conflict.loser),
        field: String::new(),
        level: Level::Error,
        message: conflict.to_string(),
    }
}

/// A problem of no object: the source itself, the disk.
fn general(about: &str, message: impl Into<String>) -> Problem {
    Problem {
        file: String::new(),
        line: 0,
        object: about.to_owned(),
        field: String::new(),
        level: Level::Error,
        message: message.into(),
    }
}
