//! A worker: an event loop, its listeners and its connections.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::http::HttpSettings;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::connection;
use super::listen::{Address, bind};
use super::shared::Shared;
use crate::forward::Forwarder;
use crate::metrics::Counts;

/// How often an address that cannot be had is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How long nothing is accepted after that failed: most likely there are no file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// What a worker's connections need.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) forwarder: Forwarder,
    pub(super) counts: Arc<Counts>,
    pub(super) ending: watch::Receiver<bool>,
}

/// A listener's task; it ends when this goes.
type Listening = oneshot::Sender<()>;

/// Serves until all is at its end. `index` is the worker's number.
pub(super) async fn run(shared: Arc<Shared>, index: usize) {
    let counts = shared.metrics.worker();
    let mut settings = shared.settings.subscribe();
    let mut ending = shared.ending.subscribe();
    let forwarder = Forwarder::new(Arc::clone(&shared.tables), Arc::clone(&shared.limits));
    let worker = Rc::new(Worker { shared: Arc::clone(&shared), forwarder, counts, ending: ending.clone() });
    let mut listeners: BTreeMap<Address, Listening> = BTreeMap::new();
    while !*ending.borrow() {
        let wanted = settings.borrow_and_update().clone();
        let all = wanted.as_deref().is_none_or(|settings| listen(&worker, index, settings, &mut listeners));
        tokio::select! {
            _ = settings.changed() => {}
            _ = ending.changed() => {}
            () = tokio::time::sleep(RETRY), if !all => {}
        }
    }
    drop(listeners);
    let drain = settings.borrow().as_ref().map_or(0, |settings| settings.drain_ms);
    // What is still open then ends with the event loop.
    let _ = tokio::time::timeout(Duration::from_millis(drain.into()), shared.connections.none()).await;
}

/// Opens and closes listeners as the settings want it; false where one could not be had.
fn listen(
    worker: &Rc<Worker>,
    index: usize,
    settings: &HttpSettings,
    listeners: &mut BTreeMap<Address, Listening>,
) -> bool {
    let plain = settings.http.iter().map(|&at| Address { at, secure: false });
    let secure = settings.https.iter().map(|&at| Address { at, secure: true });
    let wanted: Vec<Address> = plain.chain(secure).collect();
    let problems = &worker.shared.problems;
    problems.retain(index, &wanted);
    listeners.retain(|address, _| wanted.contains(address));
    let mut all = true;
    for address in wanted {
        if listeners.contains_key(&address) {
            continue;
        }
        match bind(address.at) {
            Ok(listener) => {
                let (listening, gone) = oneshot::channel();
                tokio::task::spawn_local(accept(Rc::clone(worker), listener, address, gone));
                listeners.insert(address, listening);
                problems.clear(index, address);
            }
            Err(problem) => {
                problems.set(index, address, &problem);
                all = false;
            }
        }
    }
    all
}

async fn accept(worker: Rc<Worker>, listener: TcpListener, address: Address, gone: oneshot::Receiver<()>) {
    tokio::pin!(gone);
    loop {
        tokio::select! {
            biased;
            _ = &mut gone => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => begin(&worker, stream, peer, address),
                Err(error) => {
                    tracing::debug!(%error, address = %address.at, "accepting");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    // Connections that Linux has taken already would be reset with the socket.
    let next = || {
        std::future::poll_fn(|context| match listener.poll_accept(context) {
            std::task::Poll::Ready(accepted) => std::task::Poll::Ready(accepted.ok()),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
    };
    while let Some((stream, peer)) = next().await {
        begin(&worker, stream, peer, address);
    }
}

fn begin(worker: &Rc<Worker>, stream: TcpStream, peer: std::net::SocketAddr, address: Address) {
    let settings = Arc::clone(worker.shared.tables.load().settings());
    let Some(open) = worker.shared.connections.open(settings.max_connections as usize) else {
        worker.counts.refused_connection();
        return;
    };
    worker.counts.connection(address.secure);
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(connection::serve(worker, settings, stream, peer, address.secure, open));
}
