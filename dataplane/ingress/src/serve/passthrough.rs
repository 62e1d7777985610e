//! TLS connections that are an endpoint's to answer.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_model::http::UpstreamName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::io::Socket;
use crate::splice;
use crate::upstream::{Choice, InFlight, Millis};

/// How long an endpoint may take to accept.
const CONNECT: Duration = Duration::from_secs(5);
/// Endpoints tried.
const TRIES: usize = 3;

/// Brings a connection to an endpoint of `upstream`, with `first` before what comes, and both ends together until both have ended or
/// neither has sent for too long.
pub(super) async fn serve(connection: &Connection, client: Socket, first: Vec<u8>, upstream: &UpstreamName) {
    let counts = &connection.worker.counts;
    let Some((mut endpoint, in_flight)) = connect(connection, upstream).await else {
        counts.passthrough(false);
        tracing::debug!(%upstream, "no endpoint takes a passed-through connection");
        return;
    };
    counts.passthrough(true);
    let idle = Duration::from_millis(connection.settings.passthrough_ms.into());
    let both = async {
        endpoint.write_all(&first).await?;
        drop(first);
        splice::join(client, endpoint, idle).await
    };
    if let Err(error) = both.await {
        tracing::debug!(%error, %upstream, "a passed-through connection ended");
    }
    drop(in_flight);
}

/// In turn over all workers, without those that failed too often, of connections and of requests.
async fn connect(connection: &Connection, name: &UpstreamName) -> Option<(TcpStream, InFlight)> {
    let table = connection.worker.shared.tables.load();
    let upstream = table.upstream_named(name)?;
    let mut tried: Vec<SocketAddr> = Vec::with_capacity(TRIES);
    while tried.len() < TRIES.min(upstream.members().len()) {
        let member = upstream.pick(Choice::RoundRobin, &tried, Millis::now())?;
        let endpoint = member.endpoint();
        let in_flight = endpoint.begin();
        let connected = timeout(CONNECT, TcpStream::connect(endpoint.address())).await;
        if let Ok(Ok(stream)) = connected {
            endpoint.succeeded(Millis::now());
            let _ = stream.set_nodelay(true);
            return Some((stream, in_flight));
        }
        upstream.failed(endpoint, Millis::now());
        tried.push(endpoint.address());
    }
    None
}
