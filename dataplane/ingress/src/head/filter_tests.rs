//! The filter with hyper behind it.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::super::corpus::{ACCEPTED, BAD_CHUNKS, REFUSED};
use super::super::judge::{PATIENCE, judge, statuses, through};
use super::*;

const GOOD: &[u8] = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn requests_before_a_bad_one_are_answered_and_none_after_it() {
    for (bad, refusal) in REFUSED {
        for step in [1, 7, 4096] {
            let bytes = [GOOD, GOOD, bad.as_bytes(), GOOD].concat();
            let (seen, answer) = through(&bytes, step, PATIENCE);
            let what = bad.escape_debug();
            assert_eq!(seen.len(), 2, "{what}: {seen:?}");
            assert_eq!(statuses(&answer), [200, 200, refusal.status().as_u16()], "{what}: {answer}");
            assert!(answer.to_lowercase().contains("connection: close"), "{what}: {answer}");
        }
    }
}

#[test]
fn good_requests_go_through_with_their_bodies() {
    for (head, length) in ACCEPTED {
        let body = match length {
            None => "5\r\nhello\r\n1;x\r\n!\r\n0\r\nA: b\r\n\r\n".to_owned(),
            Some(length) if *length < 100 => "x".repeat(*length as usize),
            Some(_) => continue,
        };
        let last = head.contains("close") || head.contains("HTTP/1.0");
        for step in [1, 5, 4096] {
            let bytes = [head.as_bytes(), body.as_bytes(), GOOD].concat();
            let (seen, _) = through(&bytes, step, PATIENCE);
            let what = head.escape_debug();
            assert_eq!(seen.len(), if last { 1 } else { 2 }, "{what}: {seen:?}");
            let expected = length.map_or(b"hello!".to_vec(), |length| vec![b'x'; length as usize]);
            assert_eq!(seen[0].body.as_deref(), Some(&expected[..]), "{what}");
        }
    }
}

#[test]
fn a_body_that_is_framed_oddly_comes_to_nobody_whole_and_ends_the_connection() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in BAD_CHUNKS {
        for step in [1, 4096] {
            let bytes = [GOOD, head, body.as_bytes(), GOOD].concat();
            let (seen, answer) = through(&bytes, step, PATIENCE);
            let what = body.escape_debug();
            assert_eq!(seen.len(), 2, "{what}: {seen:?}");
            assert_eq!(seen[1].body, None, "{what}");
            assert_eq!(statuses(&answer), [200, 400], "{what}: {answer}");
        }
    }
}

#[test]
fn a_head_that_is_too_long_is_answered_with_431() {
    for filler in ["x".repeat(5000), "x: y\r\n".repeat(90) + &"z".repeat(5000)] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{filler}");
        for step in [100, 100_000] {
            let (seen, answer) = through(bytes.as_bytes(), step, PATIENCE);
            assert_eq!((seen.len(), statuses(&answer)), (0, vec![431]));
        }
    }
    let fits = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(4000));
    assert_eq!(statuses(&through(fits.as_bytes(), 4096, PATIENCE).1), [200]);
}

#[test]
fn an_empty_line_before_a_request_is_skipped_and_only_one() {
    let one = [b"\r\n", GOOD, b"\r\n", GOOD].concat();
    assert_eq!(statuses(&through(&one, 1, PATIENCE).1), [200, 200]);
    let two = [b"\r\n\r\n", GOOD].concat();
    assert_eq!(statuses(&through(&two, 1, PATIENCE).1), [400]);
}

/// A client that sends `first`, waits and sends nothing more: what it is answered, and after how long.
fn waits(first: &'static [u8]) -> (String, Duration) {
    const PATIENCE: Patience =
        Patience { max_head: 4096, head: Duration::from_millis(200), keep_alive: Duration::from_millis(400) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let pace = Arc::new(Pace::new());
        let filter = Filter::new(server, BytesMut::new(), Arc::clone(&pace), PATIENCE);
        let service = hyper::service::service_fn(move |_: http::Request<Incoming>| {
            let refusal = pace.called();
            let pace = Arc::clone(&pace);
            async move {
                // Longer than any patience: a client that waits for its answer is not slow.
                if refusal.is_none() {
                    tokio::time::sleep(Duration::from_millis(900)).await;
                }
                pace.answered(false);
                pace.ended(false);
                let mut response = Response::new(Full::<Bytes>::default());
                *response.status_mut() = refusal.map_or(StatusCode::OK, |refusal| refusal.status());
                Ok::<_, Infallible>(response)
            }
        });
        let served =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(filter), service);
        let begun = Instant::now();
        let send = async {
            client.write_all(first).await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            (String::from_utf8(answer).unwrap(), begun.elapsed())
        };
        tokio::join!(served, send).1
    })
}

#[test]
fn a_client_that_says_nothing_is_waited_for_so_long_and_no_longer() {
    // Not before, by a clock that moves every 10 ms at worst (`Millis`); and after it as soon as the machine comes to it.
    let near = |time: Duration, ms: u128| (ms - 20..ms + 20_000).contains(&time.as_millis());
    let (answer, time) = waits(b"");
    assert!(answer.is_empty() && near(time, 200), "{answer} {time:?}");
    let (answer, time) = waits(b"GET / HTTP/1.1\r\nHos");
    assert!(statuses(&answer) == [408] && near(time, 200), "{answer} {time:?}");
    // Idle after an answer that took longer than any patience.
    let (answer, time) = waits(GOOD);
    assert!(statuses(&answer) == [200] && near(time, 1300), "{answer} {time:?}");
}

/// Requests, most of them good, with a few bytes changed.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![
        4 => proptest::sample::select(ACCEPTED).prop_map(|(head, length)| {
            let body = match length {
                None => "3\r\nabc\r\n2;e=f\r\nde\r\n0\r\nT: u\r\n\r\n".to_owned(),
                Some(length) => "y".repeat(length.min(50) as usize),
            };
            format!("{head}{body}").into_bytes()
        }),
        1 => proptest::sample::select(REFUSED).prop_map(|(head, _)| head.as_bytes().to_vec()),
        1 => proptest::sample::select(BAD_CHUNKS).prop_map(|body| {
            format!("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
        }),
    ];
    let byte =
        prop_oneof![proptest::sample::select(&b"\r\n\t :;,0\x00\x0b\x7f\xa0/HTPax5-+"[..]), any::<u8>(),];
    let change = (any::<proptest::sample::Index>(), 0..4u8, byte);
    (prop::collection::vec(head, 1..5), prop::collection::vec(change, 0..4)).prop_map(|(heads, changes)| {
        let mut bytes = heads.concat();
        for (at, how, byte) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What hyper understands is what the filter judged, byte for byte, however the bytes come.
    #[test]
    fn hyper_understands_what_is_let_through_as_the_filter_does(bytes in hostile(), step in 1..60usize) {
        prop_assert_eq!(judge(&bytes, step), Ok(()));
    }
}
