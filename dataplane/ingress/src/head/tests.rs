use super::corpus::{ACCEPTED, BAD_CHUNKS, REFUSED};
use super::*;

#[test]
fn heads_that_two_readers_could_understand_differently_are_refused_each_for_its_reason() {
    for (head, refusal) in REFUSED {
        let found = check(head.as_bytes());
        // Without the end of a line nobody looks further.
        assert_eq!(found, Err(*refusal), "{}", head.escape_debug());
    }
}

#[test]
fn heads_with_one_reading_are_let_through() {
    for (head, length) in ACCEPTED {
        let framing = length.map_or(Framing::Chunked, Framing::Length);
        assert_eq!(check(head.as_bytes()), Ok(Head { framing, upgrade: false }), "{}", head.escape_debug());
    }
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    assert!(check(upgrade.as_bytes()).unwrap().upgrade);
    assert!(!check(upgrade.replace("1.1", "1.0").as_bytes()).unwrap().upgrade);
}

#[test]
fn a_hundred_fields_are_taken_and_no_more() {
    let head = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(count - 1));
    assert!(check(head(100).as_bytes()).is_ok());
    assert_eq!(check(head(101).as_bytes()), Err(Refusal::TooManyFields));
}

#[test]
fn statuses_are_what_clients_expect() {
    assert_eq!(Refusal::HeadTooLong.status(), 431);
    assert_eq!(Refusal::TooManyFields.status(), 431);
    assert_eq!(Refusal::Version.status(), 505);
    assert_eq!(Refusal::Slow.status(), 408);
    assert_eq!(Refusal::Framing.status(), 400);
}

fn chunked(bytes: &[u8]) -> Result<(usize, bool), ChunkError> {
    let mut chunks = Chunks::default();
    let taken = chunks.take(bytes)?;
    Ok((taken, chunks.is_done()))
}

#[test]
fn chunks_that_are_framed_oddly_are_refused() {
    for body in BAD_CHUNKS {
        assert!(chunked(body.as_bytes()).is_err(), "{}", body.escape_debug());
        // However they come.
        let mut chunks = Chunks::default();
        let whole = body.as_bytes().iter().try_for_each(|byte| chunks.take(&[*byte]).map(drop));
        assert!(whole.is_err(), "{}", body.escape_debug());
    }
}

#[test]
fn chunks_end_where_they_end() {
    for body in [
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "00005\r\nhello\r\n000\r\n\r\n",
        "A\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n",
        "a;x=\"y\";z\r\n0123456789\r\n0;e\r\n\r\n",
    ] {
        let more = format!("{body}GET / HTTP/1.1\r\n");
        assert_eq!(chunked(more.as_bytes()), Ok((body.len(), true)), "{}", body.escape_debug());
        for end in 0..body.len() {
            assert_eq!(chunked(&body.as_bytes()[..end]), Ok((end, false)));
        }
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let extended = |length, times| format!("1;{}\r\nx\r\n", "e".repeat(length)).repeat(times);
    assert!(chunked(extended(100, 40).as_bytes()).is_ok());
    assert_eq!(chunked(extended(100, 42).as_bytes()), Err(ChunkError::Extension));
    let trailers =
        |length: usize, times| format!("0\r\n{}", format!("x: {}\r\n", "y".repeat(length)).repeat(times));
    assert!(chunked(trailers(10, 100).as_bytes()).is_ok());
    assert_eq!(chunked(trailers(10, 101).as_bytes()), Err(ChunkError::Trailer));
    assert_eq!(chunked(trailers(9000, 1).as_bytes()), Err(ChunkError::Trailer));
}
