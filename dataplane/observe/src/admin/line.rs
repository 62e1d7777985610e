//! Reading lines of bounded length.

use std::io::{self, BufRead};

/// Reads lines from a stream that may time out in the middle of one.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    limit: usize,
    line: Vec<u8>,
    /// The line has been given out: the next call begins a new one.
    complete: bool,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `limit` bytes.
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, line: Vec::new(), complete: false }
    }

    /// The stream.
    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The next line without its line feed, `None` at the end of the stream.
    ///
    /// # Errors
    /// `InvalidData` for a line that is too long, and what the reader says; after `WouldBlock` it goes on where it was.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if std::mem::take(&mut self.complete) {
            self.line.clear();
        }
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let ends = available.is_empty();
            let (part, ended) = match available.iter().position(|&byte| byte == b'\n') {
                Some(at) => (available.split_at(at).0, true),
                None => (available, false),
            };
            let used = part.len() + usize::from(ended);
            if self.line.len() + part.len() > self.limit {
                let problem = format!("a line of more than {} bytes", self.limit);
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            self.line.extend_from_slice(part);
            self.reader.consume(used);
            if ended || (ends && !self.line.is_empty()) {
                self.complete = true;
                return Ok(Some(&self.line));
            }
            if ends {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says one byte, then that it would block, and so on.
    struct Hesitant(&'static [u8], bool);

    impl io::Read for Hesitant {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let (now, later) = self.0.split_at(self.0.len().min(1));
            buffer[..now.len()].copy_from_slice(now);
            self.0 = later;
            Ok(now.len())
        }
    }

    #[test]
    fn lines_end_and_are_bounded() {
        let mut lines = Lines::new(io::BufReader::with_capacity(2, &b"one\n\nthree"[..]), 5);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(String::from_utf8(line.to_vec()).unwrap());
        }
        assert_eq!(all, ["one", "", "three"]);
        let mut lines = Lines::new(io::BufReader::with_capacity(2, &b"sixsix\n"[..]), 5);
        assert_eq!(lines.next().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_pause_in_a_line_loses_nothing() {
        let mut lines = Lines::new(io::BufReader::new(Hesitant(b"ab\ncd\n", false)), 5);
        let mut all = Vec::new();
        loop {
            match lines.next() {
                Ok(Some(line)) => all.push(line.to_vec()),
                Ok(None) => break,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(all, [b"ab", b"cd"]);
    }
}
