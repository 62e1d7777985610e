//! What the feed says of TLS, as handshakes look it up.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use sluice_model::http::{
    Certificate, CertificateName, HostPattern, HttpChange, HttpSettings, ProxyVersion, TlsAction,
    UpstreamName,
};

use super::CertificateError;
use super::identity::{self, Shown};
use super::names::Names;
use super::tickets::Tickets;

/// All that handshakes need. A change is in effect for handshakes that begin after it; connections stay as they are.
#[derive(Debug)]
pub(crate) struct Store {
    maker: Maker,
    state: RwLock<State>,
}

/// What becomes of a connection.
#[derive(Debug)]
pub(crate) enum Chosen {
    /// It ends here, with this configuration; the entry is the one of its name.
    Terminate(Arc<ServerConfig>, HostPattern),
    /// It goes to this upstream as it is, or behind a PROXY protocol header.
    Passthrough(UpstreamName, Option<ProxyVersion>),
}

/// Makes configurations. Tickets of all of them are sealed with the same keys, so that a client comes back to any worker.
#[derive(Debug)]
struct Maker {
    provider: Arc<CryptoProvider>,
    tickets: Arc<Tickets>,
    own: Arc<CertifiedKey>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) names: Names,
    pub(super) certificates: HashMap<CertificateName, Identity>,
    manner: Manner,
    /// For names without a certificate: the one of the settings, while that is there.
    pub(super) fallback: Option<CertificateName>,
    own: Arc<ServerConfig>,
}

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    config: Arc<ServerConfig>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Manner {
    http2: bool,
    tls13_only: bool,
}

impl Store {
    /// One without names or certificates: every client is shown the gateway's own, which is made now.
    pub(crate) fn new() -> Result<Self, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tickets = Arc::new(Tickets::new()?);
        let own = identity::make(&provider)?;
        let maker = Maker { provider, tickets, own };
        let manner = Manner { http2: true, tls13_only: false };
        let own = maker.config(&maker.own, manner)?;
        let state =
            State { names: Names::default(), certificates: HashMap::new(), manner, fallback: None, own };
        Ok(Self { maker, state: RwLock::new(state) })
    }

    /// Takes a change over.
    ///
    /// # Errors
    /// A certificate that is of no use; the one that had its name before stays in effect.
    pub(crate) fn apply(&self, change: &HttpChange) -> Result<(), CertificateError> {
        match change {
            HttpChange::ServerName(name) => self.write().names.set(&name.host, name.action.clone()),
            HttpChange::ServerNameGone(host) => self.write().names.remove(host),
            HttpChange::Certificate(certificate) => self.certificate(certificate)?,
            HttpChange::CertificateGone(name) => drop(self.write().certificates.remove(name)),
            HttpChange::Settings(settings) => self.settings(settings)?,
            _ => {}
        }
        Ok(())
    }

    /// What becomes of a connection whose client asks for `name`, in lower case and without a final dot.
    pub(crate) fn choose(&self, name: Option<&str>) -> Chosen {
        let state = self.read();
        let (entry, action) = state.names.find(name);
        let certificate = match action {
            Some(TlsAction::Passthrough { upstream, proxy_protocol }) => {
                return Chosen::Passthrough(upstream.clone(), *proxy_protocol);
            }
            Some(TlsAction::Terminate(certificate)) => certificate.as_ref(),
            None => None,
        };
        let found = [certificate, state.fallback.as_ref()];
        let found = found.into_iter().flatten().find_map(|name| state.certificates.get(name));
        let config = found.map_or(&state.own, |identity| &identity.config);
        Chosen::Terminate(Arc::clone(config), entry)
    }

    /// Names and certificates held.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.read();
        (state.names.len(), state.certificates.len())
    }

    fn certificate(&self, certificate: &Certificate) -> Result<(), CertificateError> {
        let key = identity::take(certificate, &self.maker.provider)?;
        let mut state = self.write();
        let config = self.maker.config(&key, state.manner)?;
        state.certificates.insert(certificate.name.clone(), Identity { key, config });
        Ok(())
    }

    fn settings(&self, settings: &HttpSettings) -> Result<(), CertificateError> {
        self.maker.tickets.share(&settings.ticket_keys);
        let manner = Manner { http2: settings.http2, tls13_only: settings.tls13_only };
        let mut state = self.write();
        let state = &mut *state;
        state.fallback.clone_from(&settings.default_certificate);
        if state.manner != manner {
            state.own = self.maker.config(&self.maker.own, manner)?;
            for identity in state.certificates.values_mut() {
                identity.config = self.maker.config(&identity.key, manner)?;
            }
            state.manner = manner;
        }
        Ok(())
    }

    pub(super) fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gateway's own certificate.
    pub(super) fn own(&self) -> &Arc<CertifiedKey> {
        &self.maker.own
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maker {
    fn config(&self, key: &Arc<CertifiedKey>, manner: Manner) -> Result<Arc<ServerConfig>, rustls::Error> {
        let both = [&rustls::version::TLS13, &rustls::version::TLS12];
        let versions = if manner.tls13_only { &both[..1] } else { &both[..] };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Shown(Arc::clone(key))));
        let protocols: [&[u8]; 2] = [b"h2", b"http/1.1"];
        let protocols = if manner.http2 { &protocols[..] } else { &protocols[1..] };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config.ticketer = Arc::<Tickets>::clone(&self.tickets);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Arc::new(config))
    }
}
