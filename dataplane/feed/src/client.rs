//! One connection of a subscriber.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_model::Generation;

use crate::frame::write_frame_at_once;
use crate::message::{
    FromServer, FromSubscriber, Hello, Welcome, decode, decode_first, encode, encode_first,
};
use crate::{
    DecodeError, FrameError, FrameReader, Have, Kinds, MAX_FRAME, Mirror, Refusal, Transaction,
    TransactionError,
};

/// Why a connection could not be made or has ended.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket could not be reached, or failed.
    #[error("feed socket: {0}")]
    Io(#[from] io::Error),
    /// The server turned us away.
    #[error("control refused the subscription: {0}")]
    Refused(Refusal),
    /// The server said something that is not the protocol.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The server's transaction makes no sense.
    #[error("feed transaction: {0}")]
    Transaction(#[from] TransactionError),
    /// A message of ours has no encoding.
    #[error("encoding: {0}")]
    Encode(postcard::Error),
    /// The server closed the connection.
    #[error("control closed the feed")]
    Closed,
    /// The server has been silent for several heartbeats.
    #[error("control has been silent for {0:?}")]
    Silent(Duration),
}

/// A connected subscriber. After any error it is of no more use; the mirror stays good.
#[derive(Debug)]
pub struct Client {
    reader: FrameReader<UnixStream>,
    run: u64,
    silence: Duration,
    heard: Instant,
}

/// How long the server may take to answer the hello.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// Heartbeats that may go missing.
const MISSED: u32 = 5;

impl Client {
    /// Connects to `path` as `name`, to be sent what of `kinds` is newer than what `mirror` holds.
    pub fn connect(path: &Path, name: &str, kinds: Kinds, mirror: &mut Mirror) -> Result<Self, ClientError> {
        mirror.abandon();
        let mut socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(HANDSHAKE))?;
        socket.set_write_timeout(Some(HANDSHAKE))?;
        let hello = Hello { name: name.into(), kinds, have: mirror.have() };
        let body = encode_first(&hello).map_err(ClientError::Encode)?;
        write_frame_at_once(&mut socket, &body)?;
        let mut reader = FrameReader::new(socket, MAX_FRAME);
        let body = match reader.read() {
            Ok(body) => body.ok_or(ClientError::Closed)?,
            Err(FrameError::Idle) => return Err(ClientError::Silent(HANDSHAKE)),
            Err(error) => return Err(DecodeError::from(error).into()),
        };
        match decode_first(body)? {
            Welcome::Refused(refusal) => Err(ClientError::Refused(refusal)),
            Welcome::Accepted { run, heartbeat_ms } => Ok(Self {
                reader,
                run,
                silence: (Duration::from_millis(heartbeat_ms.into()) * MISSED)
                    .max(Duration::from_millis(500)),
                heard: Instant::now(),
            }),
        }
    }

    /// The next transaction, `None` where none was complete within `timeout`.
    ///
    /// Must be called at least every few seconds: it answers the server's pings.
    pub fn next(
        &mut self,
        mirror: &mut Mirror,
        timeout: Duration,
    ) -> Result<Option<Transaction>, ClientError> {
        // Time that the caller spent elsewhere is no silence of the server's.
        self.heard = Instant::now();
        let deadline = self.heard + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // A zero timeout would mean "for ever" to the kernel.
            let wait = left.min(self.silence).max(Duration::from_millis(1));
            self.reader.get_ref().set_read_timeout(Some(wait))?;
            let body = match self.reader.read() {
                Ok(Some(body)) => body,
                Ok(None) => return Err(ClientError::Closed),
                Err(FrameError::Idle) if self.heard.elapsed() >= self.silence => {
                    return Err(ClientError::Silent(self.silence));
                }
                Err(FrameError::Idle) if Instant::now() >= deadline => return Ok(None),
                Err(FrameError::Idle) => continue,
                Err(error) => return Err(DecodeError::from(error).into()),
            };
            self.heard = Instant::now();
            let message = decode::<FromServer>(body)?;
            if message == FromServer::Ping {
                self.say(FromSubscriber::Pong)?;
            } else if let Some(transaction) = mirror.take(message, body, self.run)? {
                return Ok(Some(transaction));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Tells the server that `generation` of this connection's run is in effect.
    pub fn ack(&mut self, generation: Generation) -> Result<(), ClientError> {
        self.say(FromSubscriber::Ack(Have { run: self.run, generation }))
    }

    /// The run of the control process at the other end.
    pub fn run(&self) -> u64 {
        self.run
    }

    fn say(&mut self, message: FromSubscriber) -> Result<(), ClientError> {
        let body = encode(&message).map_err(ClientError::Encode)?;
        write_frame_at_once(&mut self.reader.get_ref(), &body)?;
        Ok(())
    }
}
