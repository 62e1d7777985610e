//! Reading lines of bounded length.

use std::io::{self, BufRead};

/// Reads one line without its line feed into `line`; false at the end of the stream.
///
/// # Errors
/// `InvalidData` for a line longer than `limit` bytes, and what the reader says.
pub(super) fn read(reader: &mut impl BufRead, limit: usize, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let (part, ended) = match available.iter().position(|&byte| byte == b'\n') {
            Some(at) => (available.split_at(at).0, true),
            None => (available, false),
        };
        let used = part.len() + usize::from(ended);
        if line.len() + part.len() > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line of more than {limit} bytes"),
            ));
        }
        line.extend_from_slice(part);
        reader.consume(used);
        if ended {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_and_are_bounded() {
        let mut reader = io::BufReader::with_capacity(2, &b"one\n\nthree"[..]);
        let mut line = Vec::new();
        let mut all = Vec::new();
        while read(&mut reader, 5, &mut line).unwrap() {
            all.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(all, ["one", "", "three"]);
        let mut reader = io::BufReader::with_capacity(2, &b"sixsix\n"[..]);
        assert_eq!(read(&mut reader, 5, &mut line).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
