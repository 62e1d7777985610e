//! The asking end of the admin socket.

use std::io::{self, BufReader, Write};
use std::marker::PhantomData;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::line::Lines;
use super::{Line, Request};

/// The longest answer line that is accepted, in bytes.
const LONGEST: usize = 16 << 20;
/// How long a role that works may be silent; what takes longer sends empty answers in between.
const SILENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{role}: {trouble}")]
pub struct AdminError {
    /// The role that was asked, as people call it.
    pub role: &'static str,
    /// What went wrong.
    pub trouble: Trouble,
}

/// What went wrong with a question.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nobody listens there, or this user may not ask.
    #[error("{}: {source}; does it run?", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection broke.
    #[error("its admin socket: {0}")]
    Io(#[from] io::Error),
    /// The answer is not what this version understands.
    #[error("its answer was not understood: {0}")]
    Answer(#[from] serde_json::Error),
    /// It could not be done.
    #[error("{0}")]
    Refused(String),
}

/// A connection to a role.
#[derive(Debug)]
pub struct Client<R> {
    lines: Lines<BufReader<UnixStream>>,
    _requests: PhantomData<fn(R)>,
}

impl<R: Request> Client<R> {
    /// Connects to the admin socket.
    ///
    /// # Errors
    /// [`Trouble::Connect`].
    pub fn connect(path: &Path) -> Result<Self, AdminError> {
        let connect = || {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(SILENCE))?;
            stream.set_write_timeout(Some(SILENCE))?;
            Ok(stream)
        };
        match connect() {
            Ok(stream) => {
                Ok(Self { lines: Lines::new(BufReader::new(stream), LONGEST), _requests: PhantomData })
            }
            Err(source) => Err(Self::error(Trouble::Connect { path: path.to_owned(), source })),
        }
    }

    /// Asks, and gives each part of the answer to `each` as it comes; `each` may end it early by giving false, after which
    /// the connection is of no more use.
    ///
    /// # Errors
    /// [`AdminError`], all but [`Trouble::Connect`].
    pub fn ask_each(&mut self, request: &R, each: impl FnMut(R::Response) -> bool) -> Result<(), AdminError> {
        self.talk(request, each).map_err(Self::error)
    }

    fn talk(&mut self, request: &R, mut each: impl FnMut(R::Response) -> bool) -> Result<(), Trouble> {
        let mut text = serde_json::to_vec(request)?;
        text.push(b'\n');
        self.lines.get_mut().get_mut().write_all(&text)?;
        loop {
            let Some(line) = self.lines.next()? else {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            };
            match serde_json::from_slice::<Line<R::Response>>(line)? {
                Line::Done => return Ok(()),
                Line::Error(message) => return Err(Trouble::Refused(message)),
                Line::Part(part) => {
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
    /// As for [`Client::ask_each`].
    pub fn ask(&mut self, request: &R) -> Result<Vec<R::Response>, AdminError> {
        let mut all = Vec::new();
        self.ask_each(request, |part| {
            all.push(part);
            true
        })?;
        Ok(all)
    }

    fn error(trouble: Trouble) -> AdminError {
        AdminError { role: R::ROLE, trouble }
    }
}
