//! The ConfigMap in the API server, followed.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap as Object;
use kube::Api;
use kube::runtime::watcher::{self, Event};
use sluice_corefile::config_map::ConfigMap;
use tokio::task::JoinSet;

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(2);
/// What AKS and k3s call the ConfigMap with what users add.
const CUSTOM: &str = "coredns-custom";

/// The ConfigMap as it was seen last, and the one beside it whose keys it imports.
#[derive(Debug, Default)]
pub struct MapState(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    main: Seen,
    custom: Seen,
    version: u64,
    failure: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Unknown,
    Absent,
    There(ConfigMap),
}

impl Seen {
    fn known(&self) -> Option<Option<ConfigMap>> {
        match self {
            Self::Unknown => None,
            Self::Absent => Some(None),
            Self::There(map) => Some(Some(map.clone())),
        }
    }
}

impl MapState {
    /// Grows with each change.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// Why it cannot be followed for now.
    pub fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Both; none before both are known.
    pub(super) fn read(&self) -> Option<(Option<ConfigMap>, Option<ConfigMap>)> {
        let state = self.lock();
        Some((state.main.known()?, state.custom.known()?))
    }

    /// Writes what was seen of one of them.
    fn set(&self, name: &str, seen: Seen) {
        let mut state = self.lock();
        let place = if name == CUSTOM { &mut state.custom } else { &mut state.main };
        if *place != seen {
            *place = seen;
            state.version += 1;
        }
        state.failure = None;
    }

    fn fail(&self, why: String) {
        self.lock().failure = Some(why);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the ConfigMap of that name, and `coredns-custom` beside it, for as long as the set of tasks lives.
pub fn follow(client: &kube::Client, namespace: &str, name: &str, state: &Arc<MapState>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for name in [name, CUSTOM] {
        let api: Api<Object> = Api::namespaced(client.clone(), namespace);
        tasks.spawn(one(api, name.to_owned(), Arc::clone(state)));
    }
    tasks
}

async fn one(api: Api<Object>, name: String, state: Arc<MapState>) {
    // One object by its name: a role may name it (`resourceNames`), and no other is sent.
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    loop {
        let mut stream = pin!(watcher::watcher(api.clone(), config.clone()));
        let mut listed = None;
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Init) => listed = None,
                Ok(Event::InitApply(object)) => listed = Some(read(object)),
                Ok(Event::InitDone) => state.set(&name, listed.take().map_or(Seen::Absent, Seen::There)),
                Ok(Event::Apply(object)) => state.set(&name, Seen::There(read(object))),
                Ok(Event::Delete(_)) => state.set(&name, Seen::Absent),
                Err(error) => {
                    state.fail(error.to_string());
                    break;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn read(object: Object) -> ConfigMap {
    ConfigMap { name: object.metadata.name.unwrap_or_default(), data: object.data.unwrap_or_default() }
}
