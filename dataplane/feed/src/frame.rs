//! Length-delimited frames over a byte stream.

use std::io::{self, BufReader, Read, Write};

/// The largest frame, in bytes: a Service of some 150,000 endpoints.
pub const MAX_FRAME: usize = 16 << 20;

/// Memory is taken in steps of this size as bytes arrive, so a length alone cannot make us allocate.
const STEP: usize = 64 << 10;
/// A buffer that once held a large frame is given back beyond this.
const KEEP: usize = 1 << 20;

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The read timeout passed; what was received so far is kept and the next call goes on from there.
    #[error("no complete frame within the read timeout")]
    Idle,
    /// The length exceeds the reader's limit.
    #[error("frame of {length} bytes exceeds the limit of {limit}")]
    Oversized {
        /// The length that was announced.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame, after {received} bytes of it")]
    Torn {
        /// How many bytes of the frame, its length included, had arrived.
        received: usize,
    },
    /// The stream failed.
    #[error("reading a frame: {0}")]
    Io(io::Error),
}

/// Reads frames; keeps a partial one over timeouts.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: BufReader<R>,
    buffer: Vec<u8>,
    limit: usize,
    complete: bool,
}

impl<R: Read> FrameReader<R> {
    /// A reader of frames of at most `limit` bytes each, length field not counted.
    pub fn new(inner: R, limit: usize) -> Self {
        Self { inner: BufReader::with_capacity(STEP, inner), buffer: Vec::new(), limit, complete: false }
    }

    /// The next frame's body, `None` where the stream ended between frames.
    pub fn read(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if self.complete {
            self.complete = false;
            self.buffer.clear();
            if self.buffer.capacity() > KEEP {
                self.buffer.shrink_to(STEP);
            }
        }
        if !self.fill(4)? {
            return Ok(None);
        }
        let length = match self.buffer.first_chunk::<4>() {
            Some(bytes) => u32::from_le_bytes(*bytes) as usize,
            None => return Ok(None),
        };
        if length > self.limit {
            return Err(FrameError::Oversized { length, limit: self.limit });
        }
        if !self.fill(4 + length)? {
            return Ok(None);
        }
        self.complete = true;
        Ok(self.buffer.get(4..))
    }

    /// The stream below.
    pub fn get_ref(&self) -> &R {
        self.inner.get_ref()
    }

    /// Fills the buffer up to `target` bytes; false where the stream ended before the first one.
    fn fill(&mut self, target: usize) -> Result<bool, FrameError> {
        while self.buffer.len() < target {
            let start = self.buffer.len();
            let step = (target - start).min(STEP);
            self.buffer.resize(start + step, 0);
            let read = match self.buffer.get_mut(start..) {
                Some(free) => self.inner.read(free),
                None => Ok(0),
            };
            self.buffer.truncate(start + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) if start == 0 => return Ok(false),
                Ok(0) => return Err(FrameError::Torn { received: start }),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A socket's read timeout is WouldBlock on Linux; others say TimedOut.
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(FrameError::Idle);
                }
                Err(e) => return Err(FrameError::Io(e)),
            }
        }
        Ok(true)
    }
}

/// Writes one frame. The caller has made sure that `body` is not larger than [`MAX_FRAME`].
pub fn write_frame(writer: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "frame beyond 4 GiB"))?;
    writer.write_all(&length.to_le_bytes())?;
    writer.write_all(body)
}

/// Writes one frame in a single call, for streams without a buffer.
pub fn write_frame_at_once(writer: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(4 + body.len());
    write_frame(&mut frame, body)?;
    writer.write_all(&frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out its pieces one by one, with a timeout between them.
    struct Pieces(Vec<Option<Vec<u8>>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.first().cloned() {
                None => Ok(0),
                Some(None) => {
                    self.0.remove(0);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Some(Some(bytes)) => {
                    self.0.remove(0);
                    buffer[..bytes.len()].copy_from_slice(&bytes);
                    Ok(bytes.len())
                }
            }
        }
    }

    #[test]
    fn a_frame_survives_timeouts_at_every_byte() {
        let mut whole = Vec::new();
        write_frame(&mut whole, b"sluice").unwrap();
        let pieces = whole.iter().flat_map(|b| [Some(vec![*b]), None]).collect::<Vec<_>>();
        let mut reader = FrameReader::new(Pieces(pieces), 16);
        let mut idle = 0;
        let body = loop {
            match reader.read() {
                Err(FrameError::Idle) => idle += 1,
                other => break other.unwrap().unwrap().to_vec(),
            }
        };
        assert_eq!(body, b"sluice");
        assert_eq!(idle, whole.len() - 1);
        assert!(matches!(reader.read(), Err(FrameError::Idle)));
        assert!(reader.read().unwrap().is_none());
    }

    #[test]
    fn a_torn_frame_is_an_error_and_an_empty_one_is_not() {
        let mut reader = FrameReader::new(&[3, 0, 0, 0, 1][..], 16);
        assert!(matches!(reader.read(), Err(FrameError::Torn { received: 5 })));
        let mut reader = FrameReader::new(&[0, 0, 0, 0][..], 16);
        assert_eq!(reader.read().unwrap().unwrap(), b"");
        assert!(reader.read().unwrap().is_none());
    }

    #[test]
    fn an_oversized_frame_is_refused_before_memory_is_taken() {
        let mut reader = FrameReader::new(&[255, 255, 255, 255, 1][..], MAX_FRAME);
        assert!(matches!(reader.read(), Err(FrameError::Oversized { .. })));
        // Within the limit, but nothing follows: only one step is held.
        let length = (MAX_FRAME as u32).to_le_bytes();
        let mut reader = FrameReader::new(&length[..], MAX_FRAME);
        assert!(matches!(reader.read(), Err(FrameError::Torn { received: 4 })));
        assert!(reader.buffer.capacity() <= 2 * STEP);
    }
}
