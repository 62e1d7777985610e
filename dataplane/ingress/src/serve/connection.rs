//! A connection, from its first byte to its requests.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use sluice_model::http::HttpSettings;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::io::Socket;
use super::listen::{PING, PONG};
use super::passthrough;
use super::service::service;
use super::shared::Open;
use super::worker::Worker;
use crate::head::{Filter, Pace, Patience};
use crate::metrics::Failure;
use crate::proxy_protocol::{self, ProxyError};
use crate::tls::{Chosen, Hello, HelloError};
use crate::upstream::{ClientPool, Millis};
use crate::{Client, TlsInfo, TlsVersion};

/// What HTTP/2 connections begin with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Requests of a connection at a time, with HTTP/2.
const STREAMS: u32 = 100;
/// The largest list of fields, with HTTP/2.
const MAX_HEADER_LIST: u32 = 64 << 10;
/// Streams that a client may reset before we have looked at them, and those that we reset because of its errors, until the
/// connection is ended.
const MAX_RESETS: usize = 32;
const MAX_ERRORS: usize = 128;
/// What of requests' bodies is held, on a stream and on a connection, and of responses on a stream.
const STREAM_WINDOW: u32 = 128 << 10;
const WINDOW: u32 = 512 << 10;
const SEND_BUFFER: usize = 64 << 10;
/// What hyper may hold of a connection of HTTP/1 that is not handed on, beside the longest head.
const BUFFER: usize = 64 << 10;
/// Why a connection never had requests.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRequests {
    /// The peer has to begin with a PROXY protocol header.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The socket.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The TLS handshake.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The client took too long.
    #[error("the client was too slow")]
    Slow,
    /// The gateway ends, and nothing was asked.
    #[error("the gateway ends")]
    Ending,
}

impl NoRequests {
    fn kind(&self) -> Failure {
        match self {
            Self::Proxy(_) => Failure::Proxy,
            Self::Hello(HelloError::Tls { .. } | HelloError::TooLong) => Failure::Tls,
            Self::Io(error) if error.kind() == io::ErrorKind::InvalidData => Failure::Tls,
            Self::Slow => Failure::Slow,
            Self::Io(_) | Self::Hello(HelloError::Io(_)) | Self::Ending => Failure::Gone,
        }
    }
}

/// What goes with a connection's requests.
pub(super) struct Connection {
    pub(super) worker: Rc<Worker>,
    pub(super) settings: Arc<HttpSettings>,
    pub(super) client: Client,
    /// Connections to endpoints that are this client's alone.
    pub(super) own: ClientPool,
    pub(super) pace: Arc<Pace>,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    settings: Arc<HttpSettings>,
    stream: TcpStream,
    peer: SocketAddr,
    secure: bool,
    open: Arc<Open>,
) {
    let outcome = begin(&worker, &settings, stream, peer, secure, open).await;
    if let Err(why) = outcome {
        worker.counts.failed(why.kind());
        tracing::debug!(%peer, %why, "a connection without requests");
    }
}

/// Waits for what comes before requests: so long, and no longer than the gateway itself is to live.
async fn within<T>(
    worker: &Worker,
    patience: Duration,
    work: impl Future<Output = T>,
) -> Result<T, NoRequests> {
    let mut ending = worker.ending.clone();
    tokio::select! {
        biased;
        outcome = timeout(patience, work) => outcome.map_err(|_| NoRequests::Slow),
        () = is_set(&mut ending) => Err(NoRequests::Ending),
    }
}

async fn begin(
    worker: &Rc<Worker>,
    settings: &Arc<HttpSettings>,
    stream: TcpStream,
    peer: SocketAddr,
    secure: bool,
    open: Arc<Open>,
) -> Result<(), NoRequests> {
    let mut client =
        Client { peer: canonical(peer), local: canonical(stream.local_addr()?), tls: None, trusted: false };
    let mut socket = Socket::new(stream, ms(settings.body_ms), open);
    let patience = ms(settings.head_ms);
    let speaks_proxy = settings.proxy_protocol.iter().any(|net| net.contains(&client.peer.ip()));
    if speaks_proxy && let Some((from, to)) = within(worker, patience, proxy_header(&mut socket)).await?? {
        (client.peer, client.local) = (canonical(from), canonical(to));
    }
    client.trusted = settings.trusted.iter().any(|net| net.contains(&client.peer.ip()));
    let pace = Arc::new(Pace::new());
    let own = ClientPool::default();
    let mut connection =
        Connection { worker: Rc::clone(worker), settings: Arc::clone(settings), client, own, pace };
    if !secure {
        let read = socket.take_read();
        let (read, is_http2) = match settings.http2 {
            true => within(worker, patience, preface(&mut socket, read)).await??,
            false => (read, false),
        };
        if is_http2 {
            socket.unread(read);
            http2(socket, connection).await;
        } else {
            http1(socket, read, connection).await;
        }
        return Ok(());
    }
    let read = socket.take_read();
    let hello = match within(worker, patience, Hello::read(&mut socket, read)).await? {
        Ok(hello) => hello,
        Err(error) => {
            if let HelloError::Tls { alert, .. } = &error {
                let _ = timeout(patience, socket.write_all(alert)).await;
            }
            return Err(error.into());
        }
    };
    match worker.shared.tls.choose(hello.name.as_deref()) {
        Chosen::Passthrough(upstream, version) => {
            let Client { peer, local, .. } = connection.client;
            let header = version.map(|version| proxy_protocol::header(version, peer, local));
            let first = [header.as_deref().unwrap_or_default(), &hello.bytes[..]].concat();
            passthrough::serve(&connection, socket, first, &upstream).await;
        }
        Chosen::Terminate(config, entry) => {
            socket.unread(hello.bytes);
            let accepted = TlsAcceptor::from(config).accept(socket);
            let stream = within(worker, patience, accepted).await??;
            let tls = stream.get_ref().1;
            let version = match tls.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
                _ => TlsVersion::Tls13,
            };
            let is_http2 = tls.alpn_protocol() == Some(b"h2");
            worker.counts.handshake(version);
            connection.client.tls = Some(TlsInfo { version, server_name: hello.name, entry });
            if is_http2 {
                http2(stream, connection).await;
            } else {
                http1(stream, BytesMut::new(), connection).await;
            }
        }
    }
    Ok(())
}

/// Reads a PROXY protocol header.
async fn proxy_header(socket: &mut Socket) -> Result<Option<(SocketAddr, SocketAddr)>, NoRequests> {
    let mut read = BytesMut::with_capacity(256);
    loop {
        if socket.stream().read_buf(&mut read).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(header) = proxy_protocol::parse(&read)? {
            let rest = read.split_off(header.length);
            socket.unread(rest);
            return Ok(header.addresses);
        }
        if read.len() >= proxy_protocol::MAX {
            return Err(ProxyError::TooLong.into());
        }
    }
}

/// Reads until it is clear whether the client speaks HTTP/2.
async fn preface(socket: &mut Socket, mut read: BytesMut) -> io::Result<(BytesMut, bool)> {
    loop {
        let length = read.len().min(PREFACE.len());
        if read.get(..length) != PREFACE.get(..length) {
            return Ok((read, false));
        }
        if length == PREFACE.len() {
            return Ok((read, true));
        }
        read.reserve(1024);
        if socket.read_buf(&mut read).await? == 0 {
            return Ok((read, false));
        }
    }
}

async fn http1<T>(io: T, read: BytesMut, connection: Connection)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = &connection.settings;
    let patience = Patience {
        max_head: settings.max_head as usize,
        head: ms(settings.head_ms),
        keep_alive: ms(settings.keep_alive_ms),
    };
    let filter = Filter::new(io, read, Arc::clone(&connection.pace), patience);
    let max_buffer = patience.max_head.max(8 << 10) + BUFFER;
    let mut ending = connection.worker.ending.clone();
    let served = http1::Builder::new()
        .max_buf_size(max_buffer)
        .serve_connection(TokioIo::new(filter), service(connection))
        .with_upgrades();
    let mut served = pin!(served);
    let outcome = tokio::select! {
        // First: what has come already is answered.
        biased;
        outcome = &mut served => outcome,
        () = is_set(&mut ending) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection of HTTP/1 ended");
    }
}

async fn http2<T>(io: T, connection: Connection)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let settings = Arc::clone(&connection.settings);
    let pace = Arc::clone(&connection.pace);
    let mut ending = connection.worker.ending.clone();
    let served = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        // RFC 8441.
        .enable_connect_protocol()
        .max_header_list_size(MAX_HEADER_LIST.min(settings.max_head))
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_ERRORS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .serve_connection(TokioIo::new(io), service(connection));
    let mut served = pin!(served);
    let (head, keep_alive) = (ms(settings.head_ms), ms(settings.keep_alive_ms));
    let body = ms(settings.body_ms);
    let look =
        (head.min(keep_alive).min(body) / 2).max(Duration::from_millis(10)).min(Duration::from_secs(10));
    let mut told = false;
    let mut closing = false;
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut served => break outcome,
            () = is_set(&mut ending), if !told => {
                told = true;
                served.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(look) => {
                let patience = if pace.is_used() { keep_alive } else { head };
                let now = Millis::now();
                let idle = pace.idle_since().is_some_and(|since| now.since(since) >= patience);
                let stalled = pace.stalled_since().is_some_and(|since| now.since(since) >= body);
                if stalled || (idle && closing) {
                    tracing::debug!(stalled, "a connection of HTTP/2 is given up");
                    return;
                }
                if idle {
                    // Once more round, and it is over whatever the client does.
                    (closing, told) = (true, true);
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection of HTTP/2 ended");
    }
}

async fn is_set(flag: &mut tokio::sync::watch::Receiver<bool>) {
    // The sender lives as long as the worker.
    let _ = flag.wait_for(|set| *set).await;
}

/// IPv4 as such, not as it is seen through an IPv6 socket.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn ms(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds.into())
}

/// Runs tasks of HTTP/2 on the worker.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}
