//! The asking end of the admin socket.

use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::line::Lines;
use super::protocol::{AdminRequest, AdminResponse};

/// The longest answer line that is accepted, in bytes.
const LONGEST: usize = 16 << 20;
/// How long a data plane that works may be silent; a trace sends empty answers in between.
const SILENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No data plane listens there, or this user may not ask.
    #[error("{}: {source}; does the data plane run?", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the data plane's admin socket: {0}")]
    Io(#[from] io::Error),
    /// The answer is not what this version understands.
    #[error("the data plane's answer was not understood: {0}")]
    Answer(#[from] serde_json::Error),
    /// The data plane could not do it.
    #[error("{0}")]
    Refused(String),
}

/// A connection to a data plane.
#[derive(Debug)]
pub struct AdminClient {
    lines: Lines<BufReader<UnixStream>>,
}

impl AdminClient {
    /// Connects to the admin socket.
    ///
    /// # Errors
    /// [`AdminError::Connect`].
    pub fn connect(path: &Path) -> Result<Self, AdminError> {
        let connect = || {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(SILENCE))?;
            stream.set_write_timeout(Some(SILENCE))?;
            Ok(stream)
        };
        match connect() {
            Ok(stream) => Ok(Self { lines: Lines::new(BufReader::new(stream), LONGEST) }),
            Err(source) => Err(AdminError::Connect { path: path.to_owned(), source }),
        }
    }

    /// Asks, and gives each part of the answer to `each` as it comes; `each` may end it early by giving false, after which
    /// the connection is of no more use.
    ///
    /// # Errors
    /// [`AdminError`], all but `Connect`.
    pub fn ask_each(
        &mut self,
        request: &AdminRequest,
        mut each: impl FnMut(AdminResponse) -> bool,
    ) -> Result<(), AdminError> {
        let mut text = serde_json::to_vec(request)?;
        text.push(b'\n');
        self.lines.get_mut().get_mut().write_all(&text)?;
        loop {
            let Some(line) = self.lines.next()? else {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            };
            match serde_json::from_slice(line)? {
                AdminResponse::Done => return Ok(()),
                AdminResponse::Error { message } => return Err(AdminError::Refused(message)),
                part => {
                    if !each(part) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Asks, and collects the whole answer.
    ///
    /// # Errors
    /// As for [`AdminClient::ask_each`].
    pub fn ask(&mut self, request: &AdminRequest) -> Result<Vec<AdminResponse>, AdminError> {
        let mut all = Vec::new();
        self.ask_each(request, |part| {
            all.push(part);
            true
        })?;
        Ok(all)
    }
}
