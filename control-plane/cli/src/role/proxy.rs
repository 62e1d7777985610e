//! `sluice proxy`: the resolver's part of the configuration, in the resolver's own words.

use sluice_config::Config;
use sluice_proxy::{AdminSocket, ProxyConfig, ProxyError};
use sluice_resolver::Settings;
use sluice_resolver::config::{Cache, Forward, Policy, Upstream, UpstreamTls, Zone};
use sluice_runtime::Stop;

use super::{begin, notify};
use crate::args::{Global, RoleArgs};
use crate::exit::{Exit, Failure};

/// `sluice proxy`.
pub(crate) fn proxy(args: &RoleArgs, global: &Global) -> Result<Exit, Failure> {
    let (config, stop) = begin("proxy", args, global)?;
    if config.resolver.is_none() {
        tracing::info!("the configuration has no `dns`: nothing to do");
    }
    match sluice_proxy::run(proxy_config(&config), &Stop::from_flag(stop), notify::ready) {
        Ok(()) => Ok(Exit::Ok),
        Err(error @ ProxyError::Configuration(_)) => {
            Err(Failure::new(Exit::Usage, format_args!("{}: {error}", config.path.display())))
        }
        Err(error) => Err(Failure::new(Exit::System, error)),
    }
}

/// What the role is told at its start.
fn proxy_config(config: &Config) -> ProxyConfig {
    ProxyConfig {
        feed: config.feed_socket(),
        dns: config.resolver.is_some(),
        resolver: settings(config),
        admin: Some(AdminSocket { path: config.admin_socket("proxy"), group: config.group }),
        metrics: config.metrics.proxy,
    }
}

fn settings(config: &Config) -> Settings {
    let Some(resolver) = &config.resolver else { return Settings::default() };
    let mut settings = Settings::default();
    if let Some(dns) = &config.settings.dns {
        settings.limits.udp_payload = dns.max_udp;
    }
    settings.zones = resolver
        .zones
        .iter()
        .map(|(name, upstreams)| Zone {
            name: name.to_string(),
            cache: resolver.cache.then(Cache::default),
            forward: vec![Forward {
                from: name.to_string(),
                upstreams: upstreams.iter().map(upstream).collect(),
                policy: Policy::Random,
                // A client may have its reasons for TCP; none of them is the upstream's.
                prefer_udp: true,
                refuse_private: resolver.refuse_private,
                ..Forward::default()
            }],
            ..Zone::default()
        })
        .collect();
    settings
}

fn upstream(upstream: &sluice_config::Upstream) -> Upstream {
    let tls = upstream.tls.as_ref();
    Upstream {
        address: upstream.address,
        tls: tls.map(|name| UpstreamTls { name: name.as_ref().map(ToString::to_string), roots: None }),
    }
}

/// Whether the resolver accepts the configuration; for `sluice check`.
pub(super) fn check(config: &Config) -> Result<(), String> {
    sluice_resolver::Config::new(settings(config)).map(drop).map_err(|error| format!("dns: {error}"))
}
