//! A connection: messages behind their lengths, several at a time, replies in the order in which they are ready (RFC 7766).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::Endpoint;
use super::share::Share;
use crate::authority::Transport;
use crate::counters::one;
use crate::service::{Origin, Service, Step};

/// The largest query taken over a connection.
pub(super) const LARGEST: usize = 4096;
/// The least: a header.
const LEAST: usize = 12;

/// A connection's two ends.
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) transport: Transport,
    pub(super) service: Arc<Service>,
    pub(super) share: Arc<Share>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Connection {
    /// Answers until the client ends, is idle, takes too long or sends what is no message.
    pub(super) async fn serve<S>(mut self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let limits = self.service.state.load().limits.clone();
        let (reader, writer) = tokio::io::split(stream);
        let (replies, queue) = mpsc::channel(limits.pipeline);
        let writing = tokio::spawn(write(writer, queue, limits.message, self.service.clone()));
        let slots = Arc::new(Semaphore::new(limits.pipeline));
        let mut reader = BufReader::with_capacity(LARGEST, reader);
        let mut wait = limits.message;
        loop {
            let first = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => break,
                first = timeout(wait, reader.read_u8()) => first,
            };
            let Ok(first) = first else {
                // Before its first message a client is slow, after it idle.
                if wait == limits.message && wait != limits.idle {
                    one(&self.service.process.connections_slow);
                }
                break;
            };
            let Ok(high) = first else { break };
            let message = match timeout(limits.message, rest(&mut reader, high)).await {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(_) => {
                    one(&self.service.process.connections_slow);
                    break;
                }
            };
            wait = limits.idle;
            // With all slots taken nothing is read, and the client's window closes.
            let Ok(slot) = slots.clone().acquire_owned().await else { break };
            let origin = Origin { client: self.client, endpoint: &self.endpoint };
            let began = Instant::now();
            let step = self.service.step(&message, origin, self.transport);
            // Nothing is read before it is paid for.
            afford(&self.share, began, limits.work, &self.service).await;
            let sent = match step {
                Step::Reply(reply) => replies.send(framed(&reply)).await.is_ok(),
                Step::Messages(mut messages) => {
                    let (replies, share, service) =
                        (replies.clone(), self.share.clone(), self.service.clone());
                    let work = limits.work;
                    tokio::spawn(async move {
                        // Made as the client takes them: no more than the queue holds is ever in memory.
                        loop {
                            let began = Instant::now();
                            let Some(message) = messages.next() else { break };
                            afford(&share, began, work, &service).await;
                            if replies.send(framed(&message)).await.is_err() {
                                break;
                            }
                            tokio::task::yield_now().await;
                        }
                        drop(slot);
                    });
                    true
                }
                Step::Silent => true,
                Step::Wait(pending) => {
                    let (service, replies, most) = (self.service.clone(), replies.clone(), limits.query);
                    tokio::spawn(async move {
                        if let Some(reply) = pending.finish(&service, most).await {
                            let _ = replies.send(framed(&reply)).await;
                        }
                        drop(slot);
                    });
                    true
                }
            };
            if !sent {
                break;
            }
        }
        // What is still being answered has senders of its own.
        drop(replies);
        let _ = writing.await;
    }
}

/// Waits until the time since `began` is paid for, of `each` in a second.
pub(super) async fn afford(share: &Share, began: Instant, each: Duration, service: &Service) {
    if let Some(wait) = share.spend(began.elapsed(), each) {
        one(&service.process.connections_held);
        tokio::time::sleep(wait).await;
    }
}

/// The rest of a message whose length begins with `high`.
async fn rest(reader: &mut (impl AsyncRead + Unpin), high: u8) -> Option<Vec<u8>> {
    let low = reader.read_u8().await.ok()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !(LEAST..=LARGEST).contains(&length) {
        return None;
    }
    let mut message = vec![0; length];
    reader.read_exact(&mut message).await.ok()?;
    Some(message)
}

fn framed(reply: &[u8]) -> Vec<u8> {
    let length = u16::try_from(reply.len()).unwrap_or(0);
    length.to_be_bytes().iter().chain(reply.iter().take(length.into())).copied().collect()
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Vec<u8>>,
    most: Duration,
    service: Arc<Service>,
) {
    while let Some(frame) = queue.recv().await {
        let written = timeout(most, async {
            writer.write_all(&frame).await?;
            writer.flush().await
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                one(&service.process.connections_slow);
                return;
            }
        }
    }
    let _ = timeout(most, writer.shutdown()).await;
}
