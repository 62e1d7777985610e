//! The resolver as a whole: started, reloaded, stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Mutex;

use crate::authority::Authority;
use crate::config::{Config, Listener};
use crate::counters::{self, one};
use crate::listen::{Bound, Gate};
use crate::overview::{self, CacheRow, UpstreamRow};
use crate::service::{Service, State};

/// The resolver.
#[derive(Clone, Copy, Debug)]
pub struct Resolver;

/// A listener whose socket cannot be had.
#[derive(Debug, Error)]
#[error("listeners[{index}].address: {address}: {why}")]
pub struct StartError {
    /// Which listener of the configuration.
    pub index: usize,
    /// Its address.
    pub address: SocketAddr,
    /// What the kernel says.
    #[source]
    pub why: std::io::Error,
}

/// A resolver at work. It ends with [`stop`](Handle::stop); dropped, it stops at once.
#[derive(Clone)]
pub struct Handle {
    service: Arc<Service>,
    gate: Arc<Gate>,
    bound: Arc<Mutex<Listening>>,
}

struct Listening {
    bound: Vec<Bound>,
    pending: usize,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Resolver {
    /// Opens the listeners and answers, on the tokio runtime that it is called on. `authority` is asked before anything else.
    ///
    /// # Errors
    /// The first listener whose socket cannot be had. Nothing has been started then.
    pub async fn start(config: Config, authority: Arc<dyn Authority>) -> Result<Handle, StartError> {
        let mut bound = Vec::new();
        for (index, listener) in config.settings().listeners.iter().enumerate() {
            bound.push(open(index, listener).await?);
        }
        let pending = config.settings().limits.pending;
        let service = Arc::new(Service::new(&config, authority));
        let gate = Arc::new(Gate::default());
        service.state.load().run(&service.loops, &service.process);
        bound.iter_mut().for_each(|it| it.run(&service, &gate));
        Ok(Handle { service, gate, bound: Arc::new(Mutex::new(Listening { bound, pending })) })
    }
}

impl Handle {
    /// The addresses that take queries, in the configuration's order.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.lock().await.bound.iter().map(|it| it.endpoint.address).collect()
    }

    /// Goes over to another configuration. Queries that have come are answered; listeners and zones that are the same go on,
    /// zones with what they have in their caches.
    ///
    /// # Errors
    /// A new listener whose socket cannot be had. The former configuration stays then.
    pub async fn reload(&self, config: Config) -> Result<(), StartError> {
        let result = self.swap(&config).await;
        let [taken, refused] = &self.service.process.reloads;
        one(if result.is_ok() { taken } else { refused });
        result
    }

    async fn swap(&self, config: &Config) -> Result<(), StartError> {
        let mut listening = self.bound.lock().await;
        let wanted = &config.settings().listeners;
        let mut fresh = Vec::new();
        for (index, listener) in wanted.iter().enumerate() {
            if !listening.bound.iter().any(|it| it.serves(listener)) {
                fresh.push(open(index, listener).await?);
            }
        }
        let mut all = std::mem::take(&mut listening.bound);
        all.append(&mut fresh);
        let former = self.service.state.load_full();
        let state = Arc::new(State::new(config, Some(&former), &self.service.process));
        self.service.state.store(state.clone());
        state.run(&self.service.loops, &self.service.process);
        for listener in wanted {
            let Some(at) = all.iter().position(|it| it.serves(listener)) else { continue };
            let mut it = all.remove(at);
            if let Err(why) = it.adopt(listener) {
                // The configuration has been checked, so that there is nothing to be wrong.
                tracing::error!(%why, "certificate not taken over");
            }
            it.run(&self.service, &self.gate);
            listening.bound.push(it);
        }
        for mut gone in all {
            gone.close().await;
        }
        let servers: Vec<_> = listening.bound.iter().map(|it| it.endpoint.label.clone()).collect();
        let dropped = listening.bound.iter().map(|it| it.endpoint.dropped.clone());
        let zones: Vec<_> = state.zones().iter().map(|zone| zone.label.clone()).chain(dropped).collect();
        self.service.registry.retain(&servers, &zones);
        let pending = config.settings().limits.pending;
        self.resize(listening.pending, pending);
        listening.pending = pending;
        Ok(())
    }

    fn resize(&self, from: usize, to: usize) {
        for semaphore in [&self.service.pending, &self.service.fetches] {
            if to > from {
                semaphore.add_permits(to - from);
            } else {
                // What is in use now is not taken away: the limit is a little higher until the next reload.
                semaphore.forget_permits(from - to);
            }
        }
    }

    /// Whether it has not been told to stop.
    pub fn is_ready(&self) -> bool {
        !self.service.is_stopping()
    }

    /// The cache of each zone that has one.
    pub fn caches(&self) -> Vec<CacheRow> {
        overview::caches(&self.service)
    }

    /// The upstreams of each zone.
    pub fn upstreams(&self) -> Vec<UpstreamRow> {
        overview::upstreams(&self.service)
    }

    /// Its metrics in Prometheus' text format, under CoreDNS's names where CoreDNS has them.
    pub fn metrics(&self) -> String {
        counters::render(&self.service, self.gate.len())
    }

    /// Stops: is not ready from now on, answers for the configured time, closes its listeners, and waits for the queries that
    /// have come.
    pub async fn stop(self) {
        self.service.stop();
        let (lameduck, query) = {
            let state = self.service.state.load();
            (state.limits.lameduck, state.limits.query)
        };
        tokio::time::sleep(lameduck).await;
        let mut listening = self.bound.lock().await;
        for bound in &mut listening.bound {
            bound.close().await;
        }
        let all = u32::try_from(listening.pending).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(query, self.service.pending.acquire_many(all)).await;
        let log = self.service.state.load().log.clone();
        // Replies are written after they are made.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
        while self.gate.len() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Some(log) = log {
            log.settle(Duration::from_secs(1)).await;
        }
    }
}

async fn open(index: usize, listener: &Listener) -> Result<Bound, StartError> {
    let address = listener.address;
    Bound::open(listener).await.map_err(|why| StartError { index, address, why })
}
