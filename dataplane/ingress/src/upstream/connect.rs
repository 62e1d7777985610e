//! New connections to endpoints.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use sluice_model::http::BackendProtocol;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::io::SharedStream;
use super::{Http1, tls};
use crate::forward::OutgoingBody;

/// What an HTTP/2 endpoint may send of one response, and of all, before it is taken on, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Makes connections to endpoints.
#[derive(Clone, Default)]
pub struct Connector {
    http1: Option<TlsConnector>,
    http2: Option<TlsConnector>,
}

/// A connection on which requests are sent.
#[derive(Debug)]
pub enum Sender {
    /// One at a time.
    Http1(Http1),
    /// Many.
    Http2(http2::SendRequest<OutgoingBody>),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused, unreachable, or the TLS handshake failed.
    #[error("connecting: {0}")]
    Io(#[from] io::Error),
    /// The deadline passed.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// The HTTP/2 handshake failed, or another request's attempt at a shared connection did.
    #[error("no HTTP connection")]
    Http,
}

impl Connector {
    /// One with TLS configurations of its own.
    pub fn new() -> Self {
        Self { http1: tls::connector(b"http/1.1").ok(), http2: tls::connector(b"h2").ok() }
    }

    /// A connection to an endpoint, handshakes and all, within a deadline. `first` is sent before anything else.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(
        &self,
        address: SocketAddr,
        protocol: BackendProtocol,
        first: Option<&[u8]>,
        deadline: Duration,
    ) -> Result<Sender, ConnectError> {
        let connecting = self.try_connect(address, protocol, first);
        tokio::time::timeout(deadline, connecting).await.unwrap_or(Err(ConnectError::Timeout(deadline)))
    }

    async fn try_connect(
        &self,
        address: SocketAddr,
        protocol: BackendProtocol,
        first: Option<&[u8]>,
    ) -> Result<Sender, ConnectError> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if let Some(first) = first {
            stream.write_all(first).await?;
        }
        let stream = SharedStream::new(stream);
        // An address as the name: none is sent (RFC 6066 section 3), as with ingress-nginx's default.
        let name = ServerName::IpAddress(address.ip().into());
        match protocol {
            BackendProtocol::Http => Ok(Sender::Http1(Http1::new(stream.clone(), stream).await?)),
            BackendProtocol::Https => {
                let tls = self.http1.as_ref().ok_or(ConnectError::Http)?;
                let tls = tls.connect(name, stream.clone()).await?;
                Ok(Sender::Http1(Http1::new(tls, stream).await?))
            }
            BackendProtocol::Grpc => http2(stream).await,
            BackendProtocol::Grpcs => {
                let tls = self.http2.as_ref().ok_or(ConnectError::Http)?;
                http2(tls.connect(name, stream).await?).await
            }
        }
    }
}

async fn http2<T>(io: T) -> Result<Sender, ConnectError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .max_header_list_size(64 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake(TokioIo::new(io))
        .await
        .map_err(|_| ConnectError::Http)?;
    tokio::spawn(async move {
        drop(connection.await);
    });
    Ok(Sender::Http2(sender))
}
