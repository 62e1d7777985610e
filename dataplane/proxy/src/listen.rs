//! The resolver's sockets: where the feed says that queries are answered.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use sluice_model::serving::Secure;
use sluice_resolver::{Config, Handle, Settings};

use crate::feed::Wanted;
use crate::secure::Secured;

/// Questions to upstreams for hints of the packet path at a time.
const HINTS: usize = 512;

/// Which addresses are listened on, and why others are not.
#[derive(Debug)]
pub(crate) struct Listening {
    /// There should be any.
    expected: bool,
    secured: Mutex<Vec<Secured>>,
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
        Self { expected, secured: Mutex::default(), state: Mutex::default() }
    }

    /// Other settings are wanted from now on. Certificates that go on being served are kept.
    pub(crate) fn forget(&self, secure: &[Secure]) {
        let mut secured = self.secured();
        let mut before = std::mem::take(&mut *secured);
        for wanted in secure {
            let same = before.iter().position(|it| it.settings() == wanted);
            secured
                .push(same.map_or_else(|| Secured::new(wanted.clone()), |index| before.swap_remove(index)));
        }
        drop(secured);
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
            None => self.secured().iter().find_map(Secured::problem),
        }
    }

    /// Opens what is wanted and not open. Addresses come to the machine with the data plane: until then this fails, and is
    /// tried again.
    pub(crate) async fn update(&self, handle: &Handle, wanted: Option<&Wanted>) {
        for secured in self.secured().iter_mut() {
            if secured.look() {
                self.state().settled = false;
            }
        }
        if self.state().settled {
            return;
        }
        let Some(Wanted { dns, resolver }) = wanted else { return };
        let mut settings = dns.as_ref().map(|dns| Settings::of(dns, resolver)).unwrap_or_default();
        if let Some(dns) = dns {
            settings.listeners.extend(self.secured().iter().flat_map(|it| it.listeners(dns)));
            settings.limits.hints = HINTS;
        }
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

    fn secured(&self) -> std::sync::MutexGuard<'_, Vec<Secured>> {
        self.secured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
