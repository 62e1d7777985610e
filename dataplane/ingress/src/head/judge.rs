//! What hyper makes of bytes behind the filter, held against what the filter's rules make of them.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Chunks, Filter, Framing, Pace, Patience, check};

pub(super) const PATIENCE: Patience =
    Patience { max_head: 4096, head: Duration::from_secs(10), keep_alive: Duration::from_secs(20) };

/// A request as hyper understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    /// How many.
    pub(super) fields: usize,
    /// None: it did not come whole.
    pub(super) body: Option<Vec<u8>>,
}

/// A request as the rules have it: its head, and the content of its body.
pub(super) type Ruled = (Vec<u8>, Vec<u8>);

/// What hyper makes of bytes that come in parts of `step`, and what the client is answered.
pub(super) fn through(bytes: &[u8], step: usize, patience: Patience) -> (Vec<Seen>, String) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Default::default();
    };
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let pace = Arc::new(Pace::new());
        let filter = Filter::new(server, BytesMut::new(), Arc::clone(&pace), patience);
        let service = hyper::service::service_fn({
            let seen = Arc::clone(&seen);
            move |request: http::Request<Incoming>| {
                let refusal = pace.called();
                let (seen, pace) = (Arc::clone(&seen), Arc::clone(&pace));
                async move {
                    let status = match refusal {
                        Some(refusal) => refusal.status(),
                        None => take(request, &seen).await,
                    };
                    pace.answered(false);
                    pace.ended(false);
                    let mut response = Response::new(Full::<Bytes>::default());
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .max_buf_size(1 << 20)
            // The client's end comes before it is answered.
            .half_close(true)
            .serve_connection(TokioIo::new(filter), service);
        let send = async {
            for part in bytes.chunks(step.max(1)) {
                // The other end may have had enough.
                if client.write_all(part).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = client.shutdown().await;
            let mut answer = Vec::new();
            let _ = client.read_to_end(&mut answer).await;
            answer
        };
        let (_, answer) = tokio::join!(served, send);
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (seen, String::from_utf8_lossy(&answer).into_owned())
    })
}

async fn take(request: http::Request<Incoming>, seen: &Mutex<Vec<Seen>>) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
    let status = if body.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let (method, target) = (parts.method.to_string(), parts.uri.to_string());
    let request = Seen { method, target, fields: parts.headers.len(), body };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    status
}

/// The statuses of responses.
pub(super) fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("\r\n").filter_map(|line| line.strip_prefix("HTTP/1."));
    lines.filter_map(|line| line.get(2..5)?.parse().ok()).collect()
}

/// What the rules make of bytes, by a walk over the whole: the requests up to the first that they refuse.
pub(super) fn walk(mut bytes: &[u8]) -> Vec<Ruled> {
    let mut requests = Vec::new();
    while let Some((request, rest)) = step(bytes) {
        requests.push(request);
        bytes = rest;
    }
    requests
}

fn step(bytes: &[u8]) -> Option<(Ruled, &[u8])> {
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at(end + 4);
    let (body, rest) = match check(head).ok()?.framing {
        Framing::Length(length) => {
            let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (body.to_vec(), rest)
        }
        Framing::Chunked => {
            let mut chunks = Chunks::default();
            let taken = chunks.take(rest).ok()?;
            let (body, rest) = rest.split_at(taken);
            (chunks.is_done().then(|| decode(body)).flatten()?, rest)
        }
    };
    Some(((head.to_vec(), body), rest))
}

/// The content of chunks that are in order.
fn decode(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.iter().position(|&byte| byte == b'\r')?;
        let digits = chunks.get(..end)?.split(|&byte| byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunks.get(end + 2..end + 2 + size)?);
        chunks = chunks.get(end + 4 + size..)?;
    }
}

/// Holds what hyper makes of bytes against what the rules make of them.
///
/// # Errors
/// Where the two differ.
pub(crate) fn judge(bytes: &[u8], step: usize) -> Result<(), String> {
    let expected = walk(bytes);
    let (seen, answer) = through(bytes, step, PATIENCE);
    let whole: Vec<_> = seen.iter().filter(|seen| seen.body.is_some()).collect();
    let differ = |what: &str| Err(format!("{what}: {} {seen:?} {answer}", bytes.escape_ascii()));
    if whole.len() > expected.len() {
        return differ("more than the rules have");
    }
    for (seen, (head, body)) in whole.iter().zip(&expected) {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let method = lines.next().and_then(|line| line.split(' ').next());
        let fields = lines.filter(|line| !line.is_empty()).count();
        if method != Some(&seen.method) || fields != seen.fields || seen.body.as_ref() != Some(body) {
            return differ("another request");
        }
    }
    // hyper ends a connection where a client wants it, and refuses a few requests that the rules let through.
    if let Some((head, _)) = whole.len().checked_sub(1).and_then(|last| expected.get(last))
        && whole.len() < expected.len()
    {
        let head = String::from_utf8_lossy(head).to_lowercase();
        let was_last = head.contains("http/1.0\r\n") || head.contains("connection:");
        if !was_last && !matches!(statuses(&answer).last(), Some(400 | 431)) {
            return differ("less than the rules have, and nobody is told");
        }
    }
    Ok(())
}
