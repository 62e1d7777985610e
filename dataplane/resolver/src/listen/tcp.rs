//! Connections, plain and TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::Endpoint;
use super::connection::Connection;
use super::gate::{Full, Gate, Pass};
use super::https::Https;
use crate::authority::Transport;
use crate::counters::one;
use crate::service::Service;

/// What a listener's connections share.
#[derive(Clone)]
pub(super) struct Listening {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) transport: Transport,
    pub(super) service: Arc<Service>,
    pub(super) gate: Arc<Gate>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Listening {
    /// Takes connections until told to stop.
    pub(super) async fn run(mut self, socket: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, client)) => self.enter(stream, client),
                Err(why) => {
                    // Most likely out of descriptors: those of others are given back in time.
                    tracing::warn!(%why, listener = %self.endpoint.address, "no connection accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn enter(&self, stream: TcpStream, client: SocketAddr) {
        let process = &self.service.process;
        if !self.endpoint.allows(client.ip()) {
            one(&process.prohibited);
            return;
        }
        let entered = self.gate.enter(client.ip(), &self.service.state.load().limits);
        let refused = match &entered {
            Ok(_) => None,
            Err(Full::All) => process.connections_refused.first(),
            Err(Full::Client) => process.connections_refused.last(),
        };
        refused.into_iter().for_each(one);
        if let Ok(pass) = entered {
            one(&process.connections);
            tokio::spawn(self.clone().serve(stream, client, pass));
        }
    }

    async fn serve(self, stream: TcpStream, client: SocketAddr, pass: Pass) {
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            client,
            endpoint: self.endpoint.clone(),
            transport: self.transport,
            service: self.service.clone(),
            share: pass.share.clone(),
            stop: self.stop.clone(),
        };
        let Some(tls) = &self.endpoint.tls else { return connection.serve(stream).await };
        let most = self.service.state.load().limits.message;
        let acceptor = TlsAcceptor::from(tls.load_full());
        match tokio::time::timeout(most, acceptor.accept(stream)).await {
            Ok(Ok(stream)) if self.transport == Transport::Https => {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let Connection { client, endpoint, service, share, stop, .. } = connection;
                Https { client, endpoint, service, share, stop }.serve(stream, h2).await;
            }
            Ok(Ok(stream)) => connection.serve(stream).await,
            _ => one(&self.service.process.handshakes_failed),
        }
    }
}
