//! `sluice proxy`: what needs sockets of Linux's: HTTP and TLS, DNS over TCP, and names that are not the cluster's.
//!
//! It follows the feed as the data plane does, so that a name has one answer whichever way it is asked for. Where it dies,
//! packets are forwarded and cluster names are answered over UDP without it.
#![forbid(unsafe_code)]

pub mod admin;
mod autopath;
mod cluster;
mod feed;
mod listen;
mod observed;
mod secure;
mod serving;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sluice_dns::Zones;
use sluice_observe::Stop;
use sluice_resolver::{Config, ConfigError, Resolver, Settings, StartError};
use tokio::sync::watch;

pub use cluster::ClusterNames;
pub use sluice_model::serving::{Secure, Serving};

/// How often the role looks whether it should end, and a listener that could not be had is tried again.
const TICK: Duration = Duration::from_millis(200);

/// What the role is told at its start.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The feed's socket.
    pub feed: PathBuf,
    /// Whether there is DNS to answer; without, the role is ready without.
    pub dns: bool,
    /// Whether there is HTTP to serve; without, the role is ready before it knows what.
    pub http: bool,
    /// How it serves until the feed says so: its pages are there before control is.
    pub serving: Serving,
    /// The admin socket; none where nobody is to ask.
    pub admin: Option<AdminSocket>,
    /// Where metrics and health are served.
    pub metrics: Option<SocketAddr>,
}

/// Where `sluice show dns` asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSocket {
    /// The socket.
    pub path: PathBuf,
    /// The group whose members may ask, beside root and the process's own user.
    pub group: Option<u32>,
}

/// Why the role did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The resolver's own defaults, which is a mistake of this program.
    #[error("dns: {0}")]
    Defaults(#[from] ConfigError),
    /// The event loop or a thread.
    #[error("cannot start: {0}")]
    Start(#[source] std::io::Error),
    /// The admin socket.
    #[error("admin socket {}: {source}", path.display())]
    Admin {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A socket.
    #[error(transparent)]
    Listen(#[from] StartError),
    /// HTTP's workers.
    #[error(transparent)]
    Http(#[from] sluice_ingress::StartError),
}

/// Serves until told to stop. `ready` is called once, when everything is set up that does not wait for others.
///
/// # Errors
/// [`ProxyError`]. An upstream, a control process or an address that is away ends nothing.
pub fn run(config: ProxyConfig, stop: &Stop, ready: impl FnOnce()) -> Result<(), ProxyError> {
    let zones = Arc::new(ArcSwap::from_pointee(Zones::default()));
    let (settings, changed) = watch::channel(None::<feed::Wanted>);
    let http = Arc::new(sluice_ingress::Server::start(None)?);
    let follower = feed::Follower::new(&config.feed, Arc::clone(&zones), settings, Arc::clone(&http));
    let connected = follower.connected();
    let follower = std::thread::Builder::new().name("feed".into()).spawn({
        let stop = stop.clone();
        move || follower.run(&stop)
    });
    let follower = follower.map_err(ProxyError::Start)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProxyError::Start)?;
    let served = runtime.block_on(serve(&config, zones, changed, connected, &http, stop, ready));
    stop.set();
    let _ = follower.join();
    http.stop();
    served
}

async fn serve(
    config: &ProxyConfig,
    zones: Arc<ArcSwap<Zones>>,
    mut changed: watch::Receiver<Option<feed::Wanted>>,
    connected: Arc<std::sync::atomic::AtomicBool>,
    http: &Arc<sluice_ingress::Server>,
    stop: &Stop,
    ready: impl FnOnce(),
) -> Result<(), ProxyError> {
    let names = Arc::new(ClusterNames::new(Arc::clone(&zones)));
    let handle = Resolver::start(Config::new(Settings::default())?, Arc::clone(&names) as _).await?;
    let listening = Arc::new(listen::Listening::new(config.dns));
    let role = observed::Role {
        handle: handle.clone(),
        zones,
        connected,
        listening: Arc::clone(&listening),
        http: Arc::clone(http),
        expect_http: config.http,
    };
    let role: Arc<dyn sluice_observe::Observed> = Arc::new(role);
    let _pages = match config.metrics {
        Some(address) => {
            Some(sluice_observe::role::serve(Arc::clone(&role), address).map_err(ProxyError::Start)?)
        }
        None => None,
    };
    let mut pages = serving::Pages::new(Arc::clone(&role));
    pages.set(&config.serving);
    let _admin = match &config.admin {
        Some(AdminSocket { path, group }) => Some(
            sluice_observe::admin::Server::bind(path, *group)
                .and_then(|socket| {
                    socket.start(Arc::new(admin::Answers { handle: handle.clone(), http: http.view() }))
                })
                .map_err(|source| ProxyError::Admin { path: path.clone(), source })?,
        ),
        None => None,
    };
    ready();
    let mut wanted = None;
    while !stop.is_set() {
        let news = tokio::time::timeout(TICK, changed.changed()).await;
        if matches!(news, Ok(Ok(()))) {
            wanted = changed.borrow_and_update().clone();
            let serving = wanted.as_ref().map_or(&config.serving, |wanted| &wanted.resolver.serving);
            names.set(serving);
            pages.set(serving);
            listening.forget(&serving.secure);
        }
        listening.update(&handle, wanted.as_ref()).await;
        if matches!(news, Ok(Err(_))) {
            // The follower has ended, which it does when it is told to stop.
            tokio::time::sleep(TICK).await;
        }
    }
    // Requests in flight end while the resolver does. Until the last of them this can be asked how it is, and its admin socket
    // is there, by which others see that it still serves.
    http.end();
    handle.stop().await;
    let http = Arc::clone(http);
    let _ = tokio::task::spawn_blocking(move || http.stop()).await;
    Ok(())
}
