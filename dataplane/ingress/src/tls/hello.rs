//! The first thing that a client says, read before it is decided who answers.

use std::io;

use bytes::BytesMut;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest hello taken. One with many key shares, post-quantum ones among them, has some 2 KiB.
const MAX: usize = 32 << 10;
/// Bytes read at once.
const READ: usize = 2048;

/// A client's hello.
#[derive(Debug)]
pub(crate) struct Hello {
    /// All that was read, which whoever answers has to have.
    pub(crate) bytes: BytesMut,
    /// The name that the client asks for, in lower case, without a final dot.
    pub(crate) name: Option<Box<str>>,
}

/// Why there is no hello.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    /// The connection failed or ended.
    #[error("reading the TLS hello: {0}")]
    Io(#[from] io::Error),
    /// It is not TLS, or malformed; `alert` is what the client is told.
    #[error("{error}")]
    Tls {
        /// What is wrong.
        error: rustls::Error,
        /// What the client is told.
        alert: Vec<u8>,
    },
    /// It is too long.
    #[error("the TLS hello is too long")]
    TooLong,
}

impl Hello {
    /// Reads one; `bytes` have been read already.
    pub(crate) async fn read(
        io: &mut (impl AsyncRead + Unpin),
        mut bytes: BytesMut,
    ) -> Result<Self, HelloError> {
        let mut acceptor = Acceptor::default();
        let mut taken = 0;
        loop {
            while let Some(mut new) = bytes.get(taken..).filter(|new| !new.is_empty()) {
                let read = acceptor.read_tls(&mut new)?;
                taken += read;
                match acceptor.accept() {
                    Ok(Some(accepted)) => {
                        let name = accepted.client_hello().server_name().map(clean);
                        return Ok(Self { bytes, name });
                    }
                    Ok(None) if read == 0 => return Err(HelloError::TooLong),
                    Ok(None) => {}
                    Err((error, mut alert)) => {
                        let mut told = Vec::new();
                        alert.write_all(&mut told)?;
                        return Err(HelloError::Tls { error, alert: told });
                    }
                }
            }
            if bytes.len() >= MAX {
                return Err(HelloError::TooLong);
            }
            bytes.reserve(READ);
            if io.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

fn clean(name: &str) -> Box<str> {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into()
}
