//! Listeners over TLS: their certificates come from files, which are looked at again and again.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use sluice_model::DnsSettings;
use sluice_model::serving::Secure;
use sluice_resolver::config::{Identity, Listener, Protocol};
use sluice_resolver::{Config, Settings};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Such addresses, and the certificate they have now.
#[derive(Debug)]
pub(crate) struct Secured {
    settings: Secure,
    /// What was read last, and could be used.
    identity: Option<Identity>,
    /// Why what was read last could not.
    problem: Option<String>,
    looked: Option<Instant>,
}

impl Secured {
    pub(crate) fn new(settings: Secure) -> Self {
        Self { settings, identity: None, problem: None, looked: None }
    }

    /// What it was made of.
    pub(crate) fn settings(&self) -> &Secure {
        &self.settings
    }

    /// Looks at the files, if that is due. True if there is another certificate now: one that cannot be used leaves the last
    /// one in use, for files are seldom replaced at one stroke.
    pub(crate) fn look(&mut self) -> bool {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return false;
        }
        self.looked = Some(Instant::now());
        let read = read(&self.settings).and_then(|identity| {
            if self.identity.as_ref() == Some(&identity) { Ok(identity) } else { self.usable(identity) }
        });
        match read {
            Ok(identity) => {
                self.problem = None;
                let other = self.identity.as_ref() != Some(&identity);
                self.identity = Some(identity);
                if other {
                    tracing::info!(certificate = %self.settings.certificate.display(), "certificate taken over");
                }
                other
            }
            Err(problem) => {
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(%problem, "certificate not taken over");
                }
                self.problem = Some(problem);
                false
            }
        }
    }

    /// Why there is no listener, if there is none.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.clone().filter(|_| self.identity.is_none())
    }

    /// The listeners, once there is a certificate.
    pub(crate) fn listeners(&self, dns: &DnsSettings) -> Vec<Listener> {
        let Some(identity) = &self.identity else { return Vec::new() };
        self.listeners_with(identity, dns)
    }

    fn listeners_with(&self, identity: &Identity, dns: &DnsSettings) -> Vec<Listener> {
        let protocol = match &self.settings.path {
            Some(path) => Protocol::Https { identity: identity.clone(), path: path.clone() },
            None => Protocol::Tls(identity.clone()),
        };
        let listener = |address: &SocketAddr| Listener {
            address: *address,
            protocol: protocol.clone(),
            clients: dns.clients_at(address.ip()).to_vec(),
            recursion: dns.recursion_at(address.ip()).map(<[_]>::to_vec),
        };
        self.settings.addresses.iter().map(listener).collect()
    }

    /// Whether the resolver takes a certificate.
    fn usable(&self, identity: Identity) -> Result<Identity, String> {
        let clients = vec![IpNet::from(std::net::IpAddr::from([127, 0, 0, 1]))];
        let listeners = self.listeners_with(&identity, &DnsSettings { clients, ..DnsSettings::default() });
        let checked = Config::new(Settings { listeners, ..Settings::default() });
        let name = self.settings.certificate.display();
        checked.map(|_| identity).map_err(|why| format!("{name}: {}", why.problem))
    }
}

fn read(settings: &Secure) -> Result<Identity, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()));
    Ok(Identity { certificates: read(&settings.certificate)?, key: read(&settings.key)? })
}
