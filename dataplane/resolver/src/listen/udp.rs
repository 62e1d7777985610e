//! Datagrams.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::Endpoint;
use crate::authority::Transport;
use crate::counters::one;
use crate::service::{Origin, Service, Step};

/// Larger than any query that is taken.
const BUFFER: usize = 2048;
/// Room for queries that wait for their turn, in octets, as far as the kernel gives it.
const QUEUE: usize = 4 << 20;

pub(super) async fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address).await?;
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, QUEUE);
    Ok(socket)
}

/// Answers until told to stop.
pub(super) async fn run(
    socket: Arc<UdpSocket>,
    endpoint: Arc<Endpoint>,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let received = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, client) = match received {
            Ok(received) => received,
            Err(why) => {
                // An ICMP error of a former reply, or a lack of memory: neither ends the listener.
                tracing::debug!(%why, listener = %endpoint.address, "nothing received");
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        let origin = Origin { client, endpoint: &endpoint };
        if client.port() == 0 && service.hint(bytes, origin) {
            continue;
        }
        match service.step(bytes, origin, Transport::Udp) {
            Step::Reply(reply) => send(&socket, &reply, client, &service),
            Step::Messages(_) | Step::Silent => {}
            Step::Wait(pending) => {
                let (socket, service) = (socket.clone(), service.clone());
                tokio::spawn(async move {
                    let most = service.state.load().limits.query;
                    if let Some(reply) = pending.finish(&service, most).await {
                        send(&socket, &reply, client, &service);
                    }
                });
            }
        }
    }
}

/// Sends, or, where the kernel has no room, does not: whoever asks over UDP asks again.
fn send(socket: &UdpSocket, reply: &[u8], client: SocketAddr, service: &Service) {
    if let Err(why) = socket.try_send_to(reply, client) {
        one(&service.process.unsent);
        tracing::debug!(%why, %client, "reply not sent");
    }
}
