//! Lists and watches one kind, or one namespace's part of it, over and over.

use std::fmt::Debug;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kube::runtime::watcher::{self, Error, Event, InitialListStrategy};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;

use super::mirror::{Delta, Mirror};
use super::{News, Outcome, Part, What};
use crate::object::{Key, Kind};

/// The server ends a watch after so many seconds; it is then resumed where it ended.
const WATCH_SECONDS: u32 = 30;
/// A watch that cannot be resumed so often in a row begins anew, with a list. A server that was restored from a backup, or
/// answers 410 as an HTTP status, would otherwise be asked for what it does not have for ever (kube-rs issue 1042).
const RESUMES: u32 = 3;
/// Pause after a first failure; it doubles with each that follows, give or take a quarter.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause: what an API server that comes back is noticed after.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait before a kind is asked for again that the server does not have.
const ABSENT: Duration = Duration::from_secs(10);

/// What to follow.
pub(super) struct Spec<K> {
    pub part: Part,
    /// Label selector; may be empty.
    pub labels: &'static str,
    /// Field selector; may be empty.
    pub fields: &'static str,
    /// Whether to ask for the first state as a watch.
    pub streaming: bool,
    pub parse: Box<dyn Fn(K) -> (Key, Outcome) + Send + Sync>,
}

/// Follows the part until nobody listens.
pub(super) async fn follow<K>(api: Api<K>, mut spec: Spec<K>, news: Sender<News>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default,
{
    let mut mirror = Mirror::default();
    let mut pause = Pause::default();
    while !news.is_closed() {
        let end = turn(&api, &spec, &mut mirror, &news, &mut pause).await;
        match end {
            End::Closed => return,
            End::Again => {}
            // The server does not have them, or has them switched off.
            End::NoStreaming => spec.streaming = false,
        }
    }
}

/// Why a watcher was given up.
enum End {
    Closed,
    Again,
    NoStreaming,
}

/// How long to wait after a failure.
#[derive(Default)]
struct Pause {
    failures: u32,
}

impl Pause {
    async fn wait(&mut self) {
        let base = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LAST_PAUSE);
        self.failures += 1;
        // Gateways that lost the same server are not to come back all at once.
        let jitter = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) % 512;
        tokio::time::sleep(base.mul_f64(0.75 + jitter as f64 / 1024.0)).await;
    }
}

async fn turn<K>(
    api: &Api<K>,
    spec: &Spec<K>,
    mirror: &mut Mirror,
    news: &Sender<News>,
    pause: &mut Pause,
) -> End
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default,
{
    let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
    if !spec.labels.is_empty() {
        config = config.labels(spec.labels);
    }
    if !spec.fields.is_empty() {
        config = config.fields(spec.fields);
    }
    if spec.streaming {
        config.initial_list_strategy = InitialListStrategy::StreamingList;
    }
    let mut stream = pin!(watcher::watcher(api.clone(), config));
    let (mut resumes, mut listed) = (0, false);
    while let Some(event) = stream.next().await {
        let at = Instant::now();
        let (delta, synced) = match event {
            Ok(event) => {
                // A beginning is no success yet.
                if !matches!(event, Event::Init) {
                    (resumes, pause.failures) = (0, 0);
                }
                listed |= matches!(event, Event::InitDone);
                take(event, spec, mirror)
            }
            // Another program's kind: until its definition is installed there are none of it.
            Err(error) if spec.part.kind == Kind::ServiceImport && code(&error) == 404 => {
                if !tell(news, &spec.part, at, What::Absent).await {
                    return End::Closed;
                }
                tokio::time::sleep(ABSENT).await;
                return End::Again;
            }
            Err(error) => {
                let message = describe(&error);
                let denied = code(&error) == 403;
                let what = if denied { What::Denied(message) } else { What::Failed(message) };
                if !tell(news, &spec.part, at, what).await {
                    return End::Closed;
                }
                resumes += u32::from(matches!(error, Error::WatchStartFailed(_)));
                if spec.streaming && !listed && refuses_streaming(&error) {
                    return End::NoStreaming;
                }
                pause.wait().await;
                // Who was denied is told that all may be read again by a list alone.
                if denied || is_gone(&error) || is_transport(&error) || resumes >= RESUMES {
                    return End::Again;
                }
                continue;
            }
        };
        let changed = !delta.is_empty();
        if changed && !tell(news, &spec.part, at, What::Changed(delta.changes, delta.problems)).await {
            return End::Closed;
        }
        if synced && !tell(news, &spec.part, at, What::Synced { objects: mirror.len() }).await {
            return End::Closed;
        }
    }
    End::Again
}

/// What an event changes, and whether the kind is now as the server has it.
fn take<K>(event: Event<K>, spec: &Spec<K>, mirror: &mut Mirror) -> (Delta, bool) {
    match event {
        Event::Init => {
            mirror.begin();
            (Delta::default(), false)
        }
        Event::InitApply(object) => {
            let (key, outcome) = (spec.parse)(object);
            mirror.list(key, outcome);
            (Delta::default(), false)
        }
        Event::InitDone => (mirror.end(), true),
        Event::Apply(object) => {
            let (key, outcome) = (spec.parse)(object);
            (mirror.apply(key, outcome), false)
        }
        Event::Delete(object) => (mirror.delete(&(spec.parse)(object).0), false),
    }
}

async fn tell(news: &Sender<News>, part: &Part, at: Instant, what: What) -> bool {
    news.send(News { part: part.clone(), at, what }).await.is_ok()
}

/// The whole chain of causes: the last one often says most.
fn describe(error: &Error) -> String {
    let mut text = match error {
        // In an API server's own words: verb, kind and user.
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status)) => {
            return status.message.clone();
        }
        Error::WatchError(status) => return status.message.clone(),
        other => other.to_string(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += ": ";
            text += &cause_text;
        }
        source = cause.source();
    }
    text
}

fn code(error: &Error) -> u16 {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status)) => status.code,
        Error::WatchError(status) => status.code,
        _ => 0,
    }
}

/// The connection broke. The server behind the next one may have been restored from a backup meanwhile, and numbers of
/// versions mean something else there: only a list tells.
fn is_transport(error: &Error) -> bool {
    match error {
        Error::InitialListFailed(cause) | Error::WatchStartFailed(cause) | Error::WatchFailed(cause) => {
            !matches!(cause, kube::Error::Api(_))
        }
        Error::WatchError(_) | Error::NoResourceVersion => false,
    }
}

fn is_gone(error: &Error) -> bool {
    code(error) == 410
}

/// Servers that do not know `sendInitialEvents` say 400 or 422 (invalid), those that have it switched off 422 too.
fn refuses_streaming(error: &Error) -> bool {
    matches!(code(error), 400 | 404 | 405 | 422)
}
