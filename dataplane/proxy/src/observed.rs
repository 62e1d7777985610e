//! The role seen from outside.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use sluice_dns::Zones;
use sluice_ingress::Server;
use sluice_observe::Observed;
use sluice_resolver::Handle;

use crate::listen::Listening;

/// What metrics and health say.
pub(crate) struct Role {
    pub(crate) handle: Handle,
    pub(crate) zones: Arc<ArcSwap<Zones>>,
    pub(crate) connected: Arc<AtomicBool>,
    pub(crate) listening: Arc<Listening>,
    pub(crate) http: Arc<Server>,
    /// There should be HTTP.
    pub(crate) expect_http: bool,
}

impl Observed for Role {
    fn metrics(&self) -> String {
        let mut text = self.handle.metrics();
        let (connected, names) = (u8::from(self.connected.load(Ordering::Relaxed)), self.zones.load().len());
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "# HELP sluice_proxy_feed_connected Whether control is connected.\n# TYPE sluice_proxy_feed_connected \
             gauge\nsluice_proxy_feed_connected {connected}\n# HELP sluice_proxy_names Names in the cluster's \
             zones.\n# TYPE sluice_proxy_names gauge\nsluice_proxy_names {names}"
        );
        text + &self.http.metrics()
    }

    fn healthy(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        if !self.handle.is_ready() {
            return Err("ending".into());
        }
        let http = || self.http.problem().filter(|_| self.expect_http || self.http.is_wanted());
        self.listening.problem().or_else(http).map_or(Ok(()), Err)
    }
}
