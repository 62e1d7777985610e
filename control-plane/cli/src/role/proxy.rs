//! `sluice proxy`: what it is told at its start. What the resolver does comes by the feed.

use sluice_config::{Config, DnsClass};
use sluice_proxy::{AdminSocket, ProxyConfig, ProxyError, Secure, Serving};
use sluice_resolver::config::{LogClass, QueryLog};
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
        Err(error @ ProxyError::Defaults(_)) => Err(Failure::new(Exit::Software, error)),
        Err(error) => Err(Failure::new(Exit::System, error)),
    }
}

/// What the role is told at its start.
fn proxy_config(config: &Config) -> ProxyConfig {
    ProxyConfig {
        feed: config.feed_socket(),
        dns: config.resolver.is_some(),
        serving: serving(&config.serving),
        admin: Some(AdminSocket { path: config.admin_socket("proxy"), group: config.group }),
        metrics: config.metrics.proxy,
    }
}

fn serving(serving: &sluice_config::Serving) -> Serving {
    let class = |class: &DnsClass| match class {
        DnsClass::Success => LogClass::Success,
        DnsClass::Denial => LogClass::Denial,
        DnsClass::Error => LogClass::Error,
    };
    let log = serving.log.as_ref().map(|log| QueryLog {
        zones: log.zones.iter().map(ToString::to_string).collect(),
        classes: log.classes.iter().map(class).collect(),
        sample: log.sample,
        rate: log.rate,
        file: log.file.clone(),
    });
    let https = serving.https.iter().map(|https| secure(https, true));
    Serving {
        health: serving.health,
        ready: serving.ready,
        lameduck: serving.lameduck,
        log,
        nsid: serving.nsid.as_ref().map(ToString::to_string),
        secure: serving.tls.iter().map(|tls| secure(tls, false)).chain(https).collect(),
        transfer: serving.transfer.clone(),
        autopath: serving.autopath,
    }
}

fn secure(secure: &sluice_config::Secure, https: bool) -> Secure {
    Secure {
        addresses: secure.addresses.clone(),
        certificate: secure.certificate.clone(),
        key: secure.key.clone(),
        path: https.then(|| secure.path.to_string()),
    }
}

/// Whether the resolver accepts the configuration; for `sluice check`.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let (Some(dns), Some(resolver)) = (&config.settings.dns, &config.resolver) else { return Ok(()) };
    let settings = sluice_resolver::Settings::of(dns, resolver);
    sluice_resolver::Config::new(settings).map(drop).map_err(|error| format!("dns: {error}"))
}
