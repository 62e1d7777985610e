//! The resolver's sockets: where the feed says that queries are answered.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use sluice_resolver::{Config, Handle, Settings};

use crate::feed::Wanted;

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
    pub(crate) async fn update(&self, handle: &Handle, wanted: Option<&Wanted>) {
        if self.state().settled {
            return;
        }
        let Some(Wanted { dns, resolver }) = wanted else { return };
        let settings = dns.as_ref().map(|dns| Settings::of(dns, resolver)).unwrap_or_default();
        let addresses: Vec<SocketAddr> = dns.iter().flat_map(|dns| &dns.listen).copied().collect();
        let outcome = match Config::new(settings) {
            Ok(config) => handle.reload(config).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let mut state = self.state();
        match outcome {
            Ok(()) => {
                *state = State { settled: true, any: !addresses.is_empty(), problem: None };
                tracing::info!(?addresses, zones = resolver.zones.len(), "answering");
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
