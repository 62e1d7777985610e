//! `sluice proxy`: what it is told at its start. What the resolver does comes by the feed.

use sluice_config::Config;
use sluice_proxy::{AdminSocket, ProxyConfig, ProxyError};
use sluice_runtime::Stop;

use super::{begin, notify};
use crate::args::{Global, RoleArgs};
use crate::exit::{Exit, Failure};

/// `sluice proxy`.
pub(crate) fn proxy(args: &RoleArgs, global: &Global) -> Result<Exit, Failure> {
    let (config, stop) = begin("proxy", args, global)?;
    if config.resolver.is_none() && config.ingress.is_none() {
        tracing::info!("the configuration has neither `dns` nor `ingress`: nothing to do");
    }
    match sluice_proxy::run(proxy_config(&config), &Stop::from_flag(stop), notify::ready) {
        Ok(()) => Ok(Exit::Ok),
        Err(error @ ProxyError::Defaults(_)) => Err(Failure::new(Exit::Software, error)),
        Err(error) => Err(Failure::new(Exit::System, error)),
    }
}

/// What the role is told at its start.
fn proxy_config(config: &Config) -> ProxyConfig {
    ProxyConfig {
        feed: config.feed_socket(),
        dns: config.resolver.is_some(),
        http: config.ingress.is_some(),
        serving: config.resolver.as_ref().map(|resolver| resolver.serving.clone()).unwrap_or_default(),
        admin: Some(AdminSocket { path: config.admin_socket("proxy"), group: config.group }),
        metrics: config.metrics.proxy,
    }
}

/// Whether the resolver accepts the configuration; for `sluice check`.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let (Some(dns), Some(resolver)) = (&config.settings.dns, &config.resolver) else { return Ok(()) };
    let settings = sluice_resolver::Settings::of(dns, resolver);
    sluice_resolver::Config::new(settings).map(drop).map_err(|error| format!("dns: {error}"))
}
