//! TLS connections that are an endpoint's to answer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use sluice_model::http::UpstreamName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::io::Socket;

/// How long an endpoint may take to accept.
const CONNECT: Duration = Duration::from_secs(5);
/// Endpoints tried.
const TRIES: usize = 3;

/// Brings a connection to an endpoint of `upstream`, with what was read of it, and both ends together until both have ended.
pub(super) async fn serve(
    connection: &Connection,
    mut client: Socket,
    read: BytesMut,
    upstream: &UpstreamName,
) {
    let counts = &connection.worker.counts;
    let Some(mut endpoint) = connect(connection, upstream).await else {
        counts.passthrough(false);
        tracing::debug!(%upstream, "no endpoint takes a passed-through connection");
        return;
    };
    counts.passthrough(true);
    let both = async {
        endpoint.write_all(&read).await?;
        drop(read);
        tokio::io::copy_bidirectional(&mut client, &mut endpoint).await
    };
    if let Err(error) = both.await {
        tracing::debug!(%error, %upstream, "a passed-through connection ended");
    }
}

async fn connect(connection: &Connection, upstream: &UpstreamName) -> Option<TcpStream> {
    let table = connection.worker.shared.tables.load();
    let members = table.upstream_named(upstream)?.members();
    let endpoints: Vec<SocketAddr> = members.iter().map(|member| member.endpoint().address()).collect();
    let first = rand::random_range(0..endpoints.len().max(1));
    for step in 0..endpoints.len().min(TRIES) {
        let address: SocketAddr = *endpoints.get((first + step) % endpoints.len())?;
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await {
            let _ = stream.set_nodelay(true);
            return Some(stream);
        }
    }
    None
}
