//! The role itself: follow the folder, publish, report; and the same without publishing, for `sluice check`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use sluice_config::{Config, Source};
use sluice_feed::server::BindError;
use sluice_feed::{Server, ServerOptions};
use sluice_model::Change;

use crate::desired::{Conflict, Desired};
use crate::folder::{Folder, Wake, Watch};
use crate::health::HealthChecks;
use crate::object::Rules;
use crate::{Level, Problem};

/// Why control did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The folder for sockets.
    #[error("{}: {source}", path.display())]
    RuntimeDir {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The feed's socket.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// What `sluice check` finds in the manifests.
#[derive(Debug)]
pub struct Checked {
    /// What is wrong, in order of files and lines.
    pub problems: Vec<Problem>,
    /// Services that would be served.
    pub services: usize,
}

/// Reads the manifests once and says what is wrong with them.
pub fn check(config: &Config, root: &Path) -> Checked {
    let mut folder = Folder::new(root, rules(config));
    let mut desired = Desired::new(config.settings.clone());
    // A folder that cannot be read is among the folder's problems.
    let changes = folder.refresh(|_| false).unwrap_or_default();
    take(&mut desired, changes);
    desired.take_changes();
    let mut problems = folder.problems();
    problems.extend(desired.conflicts().iter().map(conflict));
    problems.sort();
    Checked { problems, services: desired.services().count() }
}

/// Follows the manifests and publishes what changes, until `stop` is set.
///
/// # Errors
/// [`ControlError`]. What is wrong with manifests is reported and ends nothing.
pub fn run(config: &Config, stop: &AtomicBool) -> Result<(), ControlError> {
    let path = config.runtime_dir.clone();
    std::fs::create_dir_all(&path).map_err(|source| ControlError::RuntimeDir { path, source })?;
    let options = ServerOptions { gid: config.group, ..ServerOptions::default() };
    let server = Server::bind(&config.feed_socket(), options)?;
    let Source::Manifests(root) = &config.source;
    tracing::info!(folder = %root.display(), "following manifests");
    let mut folder = Folder::new(root, rules(config));
    let mut watch = Watch::new(root);
    let mut desired = Desired::new(config.settings.clone());
    let mut health = HealthChecks::default();
    let mut reported = Vec::new();
    loop {
        // A folder that is not there changes nothing, and is reported like every other problem.
        let changes = folder.refresh(|path| watch.is_in_flux(path));
        let readable = changes.is_ok();
        take(&mut desired, changes.unwrap_or_default());
        let changes = desired.take_changes();
        if readable {
            publish(&server, &changes);
            health.follow(&changes, &desired);
        }
        let mut problems = folder.problems();
        problems.extend(desired.conflicts().iter().map(conflict));
        report(&reported, &problems);
        reported = problems;
        // A folder that has only just come under watch may have changed before that.
        if watch.follow(folder.folders()) && readable {
            continue;
        }
        if let Wake::Stop = watch.wait(folder.is_missing(), stop) {
            return Ok(());
        }
    }
}

fn rules(config: &Config) -> Rules {
    Rules { load_balancer_class: config.load_balancer_class.clone(), external_ips: config.external_ips }
}

fn take(desired: &mut Desired, changes: Vec<crate::folder::ObjectChange>) {
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

/// Says what is new among the problems, and what is no more.
fn report(before: &[Problem], now: &[Problem]) {
    for problem in now.iter().filter(|problem| !before.iter().any(|other| problem.is_same(other))) {
        match problem.level {
            Level::Error => tracing::error!("{problem}"),
            Level::Warning => tracing::warn!("{problem}"),
            Level::Note => tracing::info!("{problem}"),
        }
    }
    for problem in before.iter().filter(|problem| !now.iter().any(|other| problem.is_same(other))) {
        if problem.level == Level::Error {
            tracing::info!("mended: {problem}");
        }
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
