//! Requests and answers of control's admin socket, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sluice_model::Generation;
use sluice_observe::admin::Request;

use crate::object::Kind;
use crate::{Level, Problem};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlRequest {
    /// What is known, published and acknowledged: [`ControlResponse::Sync`].
    Sync,
    /// What is wrong: [`ControlResponse::Problems`], in parts.
    Problems,
    /// Lets a loss of endpoints through that is held back. Nothing is answered but the end.
    Release,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "data", rename_all = "snake_case")]
pub enum ControlResponse {
    /// What is known, published and acknowledged.
    Sync(Box<SyncStatus>),
    /// What is wrong.
    Problems(Vec<ProblemRow>),
}

impl Request for ControlRequest {
    const ROLE: &'static str = "control";
    type Response = ControlResponse;
}

/// What control knows, has published, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// Sluice's release.
    pub sluice: String,
    /// Process id.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Where objects come from.
    pub source: SourceRow,
    /// Whether all objects of the source have been seen; until then nothing, or what was saved, is served.
    pub complete: bool,
    /// The kinds of objects that are followed.
    pub kinds: Vec<KindRow>,
    /// Services in the generation that was published last.
    pub services: u64,
    /// The generation that was published last; 0 before the first.
    pub generation: Generation,
    /// Seconds since then.
    pub published_seconds_ago: Option<u64>,
    /// How many problems of each level there are.
    pub problems: ProblemCounts,
    /// Frontends that two Services claim; they are among the problems.
    pub conflicts: u64,
    /// Whether the saved state is served, because the API server has not been heard.
    pub stale: bool,
    /// Seconds since that state was the API server's last; `null` where it is not served.
    pub stale_seconds: Option<u64>,
    /// A loss of endpoints that is held back.
    pub held: Option<HeldRow>,
    /// The Corefile that DNS goes by; `null` where there is none.
    pub corefile: Option<CorefileRow>,
    /// Whether this gateway is the one that writes statuses; `null` where nobody has to.
    pub leader: Option<bool>,
    /// Manifest files that have been read; `null` where an API server is the source.
    pub manifest_files: Option<u64>,
    /// From an event's arrival until the data plane works by it; `null` before the first.
    pub latency: Option<LatencyRow>,
    /// Who is told of generations: the data plane.
    pub subscribers: Vec<SubscriberRow>,
}

/// Where objects come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceRow {
    /// A folder of manifests.
    Manifests {
        /// The folder.
        folder: PathBuf,
    },
    /// An API server.
    Kubernetes {
        /// The file that names it; `null`: the credentials of a pod.
        kubeconfig: Option<PathBuf>,
    },
}

/// A kind of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// Objects of it that are of use here: all Services, EndpointSlices of a Service, the gateway's own Node.
    pub objects: u64,
    /// Whether all of them have been seen.
    pub synced: bool,
    /// Seconds since the last event of the kind; `null` before it, and for manifests.
    pub last_event_seconds_ago: Option<u64>,
    /// Complete lists: one at the start, and one each time a watch could not be resumed; `null` for manifests.
    pub lists: Option<u64>,
    /// Times that following it failed; `null` for manifests.
    pub errors: Option<u64>,
    /// Why it cannot be followed for now.
    pub error: Option<String>,
}

/// A loss of endpoints that is held back: the former state is served until it is released, or has been held for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRow {
    /// Endpoints that take connections.
    pub before: u64,
    /// Those that would be left.
    pub after: u64,
    /// Seconds since it is held.
    pub seconds: u64,
}

/// The Corefile that DNS goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorefileRow {
    /// Its path, or the ConfigMap's name.
    pub source: String,
    /// Whether it is in effect as it is now; if not, one before it is, and `sluice show problems` says why.
    pub in_effect: bool,
    /// Seconds since it came into effect; `null` where what a former process has saved is in effect, or nothing is.
    pub since_seconds: Option<u64>,
    /// Zones of the resolver.
    pub zones: u64,
}

/// Times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// How many were measured.
    pub count: u64,
    /// Their mean.
    pub mean_us: u64,
    /// Half of them took no longer; `null` where that is beyond what is told apart.
    pub p50_within_us: Option<u64>,
    /// All but a hundredth of them took no longer.
    pub p99_within_us: Option<u64>,
}

/// Problems by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemCounts {
    /// Something is not served as written.
    pub errors: u64,
    /// Possibly not what was meant.
    pub warnings: u64,
    /// As it should be, most likely.
    pub notes: u64,
}

/// A subscriber of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberRow {
    /// What it calls itself.
    pub name: String,
    /// Its process id.
    pub pid: i32,
    /// The user it runs as.
    pub uid: u32,
    /// Seconds since it came.
    pub connected_seconds: u64,
    /// The newest generation it was sent.
    pub sent: Generation,
    /// The newest generation that it works by.
    pub acknowledged: Generation,
    /// How many times it was sent everything instead of what had changed.
    pub full_states: u32,
}

/// A problem, as `sluice check` has them too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemRow {
    /// How bad it is.
    pub level: Level,
    /// The file it is in.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// Kind, namespace and name of the object, or what else it is about.
    pub object: Option<String>,
    /// Path of the field.
    pub key: Option<String>,
    /// What is wrong and what became of it.
    pub message: String,
}

impl ProblemRow {
    /// A problem of a source whose files are in `folder`.
    pub fn new(problem: &Problem, folder: Option<&std::path::Path>) -> Self {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let file = given(&problem.file).map(PathBuf::from);
        Self {
            level: problem.level,
            file: file.map(|file| folder.map_or_else(|| file.clone(), |folder| folder.join(&file))),
            line: (problem.line > 0).then_some(problem.line),
            object: given(&problem.object),
            key: given(&problem.field),
            message: problem.message.clone(),
        }
    }
}
