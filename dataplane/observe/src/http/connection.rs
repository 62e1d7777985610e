//! One connection: a request, an answer, the end.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{Answer, Page};

/// How long a client may take for its request: who asks for health or metrics sends it at once.
const REQUEST: Duration = Duration::from_millis(500);
/// How long a client may take to read the answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long what a client sends on is read and forgotten. A socket that is closed with data unread is reset, and the
/// client may lose the answer.
const LINGER: Duration = Duration::from_millis(200);
/// The longest request, in bytes.
const LONGEST: usize = 4096;

/// Serves a connection to its end.
///
/// # Errors
/// Those of the socket; a client that breaks off or is too slow is its own problem.
pub(super) fn serve(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut request = [0; LONGEST];
    let mut len = 0;
    let end = Instant::now() + REQUEST;
    let head = loop {
        if let Some(head) = head_of(request.get(..len).unwrap_or_default()) {
            break Some(head);
        }
        let Some(free) = request.get_mut(len..).filter(|free| !free.is_empty()) else { break None };
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(free)? {
            0 => return Ok(()),
            more => len += more,
        }
    };
    let (page, with_body) = match head.map(parse) {
        None => (Page::text(431, "the request is too long\n"), true),
        Some(Ok((path, is_head))) => (answer(path), !is_head),
        Some(Err(page)) => (page, true),
    };
    let mut text = head_text(&page);
    if with_body {
        text.push_str(&page.body);
    }
    send(&mut stream, text.as_bytes())?;
    linger(&mut stream)
}

/// The head of a request, once it is complete.
fn head_of(bytes: &[u8]) -> Option<&[u8]> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").and_then(|at| bytes.get(..at))
}

/// The path, and whether only the head is wanted.
fn parse(head: &[u8]) -> Result<(&str, bool), Page> {
    let bad = || Page::text(400, "this is no HTTP request\n");
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| bad())?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad());
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Err(bad());
    }
    let is_head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => {
            let allow = vec![("Allow", "GET, HEAD".to_owned())];
            return Err(Page { headers: allow, ..Page::text(405, "only GET and HEAD are served\n") });
        }
    };
    Ok((target.split('?').next().unwrap_or_default(), is_head))
}

fn head_text(page: &Page) -> String {
    let Page { status, content_type, headers, body } = page;
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    };
    let mut text = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        // A string takes everything.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text + "\r\n"
}

fn send(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let end = Instant::now() + ANSWER;
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(end)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let end = Instant::now() + LINGER;
    let mut rest = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left(end)?))?;
        if stream.read(&mut rest)? == 0 {
            return Ok(());
        }
    }
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
