//! The resolver's sockets: where the feed says that queries are answered.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use sluice_model::DnsSettings;
use sluice_resolver::config::{Listener, Protocol};
use sluice_resolver::{Config, Handle, Settings};

/// Which addresses are listened on, and why others are not.
#[derive(Debug)]
pub(crate) struct Listening {
    /// There should be any.
    expected: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The addresses are those that are wanted.
    settled: bool,
    /// There are addresses.
    any: bool,
    problem: Option<String>,
}

impl Listening {
    /// Nothing yet.
    pub(crate) fn new(expected: bool) -> Self {
        Self { expected, state: Mutex::default() }
    }

    /// Other addresses are wanted from now on.
    pub(crate) fn forget(&self) {
        self.state().settled = false;
    }

    /// Why queries are not answered, if they are not.
    pub(crate) fn problem(&self) -> Option<String> {
        let state = self.state();
        match &state.problem {
            _ if !self.expected => None,
            Some(problem) => Some(problem.clone()),
            None if !state.settled => Some("the addresses to answer on are not known yet".into()),
            None if !state.any => Some("no address to answer on".into()),
            None => None,
        }
    }

    /// Opens what is wanted and not open. Addresses come to the machine with the data plane: until then this fails, and is
    /// tried again.
    pub(crate) async fn update(&self, handle: &Handle, base: &Settings, wanted: Option<&DnsSettings>) {
        if self.state().settled {
            return;
        }
        let Some(wanted) = wanted else { return };
        let settings = Settings {
            listeners: listeners(wanted),
            protected: wanted.zones.iter().map(ToString::to_string).collect(),
            ..base.clone()
        };
        let outcome = match Config::new(settings) {
            Ok(config) => handle.reload(config).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut state = self.state();
        match outcome {
            Ok(()) => {
                *state = State { settled: true, any: !wanted.listen.is_empty(), problem: None };
                tracing::info!(addresses = ?wanted.listen, "answering");
            }
            Err(problem) => {
                if state.problem.as_ref() != Some(&problem) {
                    tracing::warn!(%problem, "not answering yet");
                }
                state.problem = Some(problem);
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listeners(wanted: &DnsSettings) -> Vec<Listener> {
    let both = |address: &SocketAddr| {
        [Protocol::Udp, Protocol::Tcp].map(|protocol| Listener {
            address: *address,
            protocol,
            clients: wanted.clients.clone(),
        })
    };
    wanted.listen.iter().flat_map(both).collect()
}
