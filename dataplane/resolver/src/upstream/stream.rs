//! Connections to an upstream, plain or TLS: one question at a time.

use std::net::SocketAddr;

use hickory_proto::op::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::AskError;
use super::question::{Check, Question, check};
use crate::tls::ClientTls;

trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// A connection.
pub(super) struct Connection {
    stream: Box<dyn Duplex>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    pub(super) async fn open(upstream: SocketAddr, tls: Option<&ClientTls>) -> Result<Self, AskError> {
        let stream = TcpStream::connect(upstream).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Duplex> = match tls {
            None => Box::new(stream),
            Some(tls) => {
                Box::new(TlsConnector::from(tls.config.clone()).connect(tls.name.clone(), stream).await?)
            }
        };
        Ok(Self { stream })
    }

    /// Asks. Says also whether the upstream has kept the name's case. After an error the connection is of no use.
    pub(super) async fn ask(&mut self, question: &Question) -> Result<(Message, usize, bool), AskError> {
        let length = u16::try_from(question.bytes.len()).map_err(|_| AskError::Encode)?;
        // In one write: some servers take a length of its own for a message that is cut off.
        let framed: Vec<u8> = length.to_be_bytes().iter().chain(&question.bytes).copied().collect();
        self.stream.write_all(&framed).await?;
        self.stream.flush().await?;
        let length = usize::from(self.stream.read_u16().await?);
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await?;
        match check(question, &bytes) {
            // Nobody off the path can speak here, so that an upstream which has lost its cookie is believed.
            Check::Reply(message) | Check::NoCookie(message) => Ok((*message, length, true)),
            Check::OtherCase(message) => Ok((*message, length, false)),
            Check::Truncated | Check::Other => Err(AskError::Mismatch),
        }
    }
}
