//! HTTP/2 from clients that mean no good: memory stays bounded, others are served meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "in helpers of tests")]

mod gateway;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use gateway::{Gateway, connect, eventually, in_flight, rest, statuses};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as a literal that is not indexed (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        // An integer with a prefix of seven bits.
        let mut bytes = Vec::new();
        match text.len().checked_sub(127) {
            None => bytes.push(text.len() as u8),
            Some(mut rest) => {
                bytes.push(127);
                while rest >= 128 {
                    bytes.push(rest as u8 | 128);
                    rest >>= 7;
                }
                bytes.push(rest as u8);
            }
        }
        bytes.extend(text.as_bytes());
        bytes
    };
    [vec![0], text(name), text(value)].concat()
}

fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

fn get(path: &str) -> Vec<u8> {
    head(&[(":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", path)])
}

/// A connection with the preface said, and its settings.
fn begin(gateway: &Gateway, settings: &[u8]) -> TcpStream {
    let mut stream = gateway.connect();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).unwrap();
    stream
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn read(stream: &mut TcpStream) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some(Frame { kind: head[3], flags: head[4], stream: id, payload })
}

/// Sends without ever reading until the other end has had enough; how much that was, or none where it takes all.
fn flood(stream: &mut TcpStream, most: usize, mut next: impl FnMut(u32) -> Vec<u8>) -> Option<usize> {
    stream.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut drain = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while drain.read(&mut bytes).is_ok_and(|read| read > 0) {}
    });
    let mut sent = 0;
    let mut id = 1;
    let ended = loop {
        if sent >= most {
            break None;
        }
        let bytes = next(id);
        id += 2;
        match stream.write_all(&bytes) {
            Ok(()) => sent += bytes.len(),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "neither taken nor ended after {sent} bytes");
                break Some(sent);
            }
        }
    };
    stream.shutdown(std::net::Shutdown::Both).ok();
    reader.join().unwrap();
    ended
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Does something to a gateway; meanwhile others are served, and at the end there is little more memory in use.
fn bounded(gateway: &Gateway, megabytes: usize, work: impl FnOnce()) {
    // One after another, since it is the process that is measured.
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = resident();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let (mut worst, mut most) = (Duration::ZERO, 0);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let begun = Instant::now();
                assert_eq!(statuses(&gateway.talk(LAST)), [200]);
                worst = worst.max(begun.elapsed());
                most = most.max(resident());
            }
            (worst, most)
        });
        work();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let (worst, most) = other.join().unwrap();
        assert!(worst < Duration::from_secs(15), "another client waited for {worst:?}");
        let more = most.max(resident()).saturating_sub(before);
        assert!(more < megabytes << 20, "{} MiB more", more >> 20);
    });
}

#[test]
fn http_2_without_tls_is_spoken_to_those_who_begin_with_it() {
    let gateway = Gateway::start(|_| {});
    let url = format!("http://{}/x", gateway.http);
    let args = ["-s", "--http2-prior-knowledge", &url, "-w", "%{http_version}", "-d", "hello"];
    let output = Command::new("curl").args(args).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("one POST /x\n") && said.ends_with("5 bytes\n2"), "{said}");
    gateway.configure(|settings| settings.http2 = false);
    assert_eq!(statuses(&gateway.talk(PREFACE)), [505]);
}

/// The status of a request with these fields; none where the stream is reset or the connection ended.
fn asked(gateway: &Gateway, fields: &[(&str, &str)]) -> Option<String> {
    let mut stream = begin(gateway, &[]);
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head(fields));
    stream.write_all(&request).unwrap();
    loop {
        let frame = read(&mut stream)?;
        match (frame.kind, frame.stream) {
            (HEADERS, 1) => {
                // Statuses of the static table (RFC 7541 appendix A), or a literal.
                let first = frame.payload[0];
                let known = ["200", "204", "206", "304", "400", "404", "500"];
                let index = usize::from(first & 0x7f);
                return Some(match first {
                    0x88..=0x8e => known[index - 8].to_owned(),
                    _ => hpack_status(&frame.payload),
                });
            }
            (RST_STREAM, 1) | (GOAWAY, 0) => return None,
            _ => {}
        }
    }
}

/// The literal status at a block's beginning: three digits, plain or in Huffman's code, whose digits have five or six bits.
fn hpack_status(block: &[u8]) -> String {
    let length = usize::from(block[1] & 0x7f);
    if block[1] & 0x80 == 0 {
        return String::from_utf8_lossy(&block[2..2 + length]).into_owned();
    }
    let bits = block[2..2 + length].iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = length * 8;
    let mut text = String::new();
    while text.len() < 3 {
        let five = bits >> (left - 5) & 31;
        if five < 3 {
            text.push(char::from(b'0' + five as u8));
            left -= 5;
        } else {
            text.push(char::from(b'3' + (bits >> (left - 6) & 63) as u8 - 0b01_1001));
            left -= 6;
        }
    }
    text
}

#[test]
fn requests_that_would_be_something_else_to_the_endpoint_are_refused() {
    let gateway = Gateway::start(|_| {});
    let (get, http) = ((":method", "GET"), (":scheme", "http"));
    let (host, path) = ((":authority", "a.test"), (":path", "/"));
    assert_eq!(asked(&gateway, &[get, http, host, path]).as_deref(), Some("200"));
    assert_eq!(asked(&gateway, &[get, http, path, ("host", "a.test")]).as_deref(), Some("200"));
    let bad: [&[(&str, &str)]; 18] = [
        &[get, http, host, path, ("host", "b.test")],
        &[get, http, host, path, ("host", "a.test"), ("host", "a.test")],
        &[get, http, path],
        &[get, http, (":authority", "u@a.test"), path],
        &[get, http, (":authority", "a.test/x"), path],
        &[get, http, host, (":path", "x")],
        &[get, http, host, (":path", "")],
        &[get, http, host, (":path", "/a b")],
        &[get, http, host, (":path", "/a\\b")],
        &[get, http, host, (":path", "/ HTTP/1.1\r\nx: y")],
        &[(":method", "G ET"), http, host, path],
        &[(":method", "CONNECT"), host],
        &[get, http, host, path, ("x", "y\r\nz: w")],
        &[get, http, host, path, ("x\r\ny", "z")],
        &[get, http, host, path, ("connection", "close")],
        &[get, http, host, path, ("transfer-encoding", "chunked")],
        &[get, http, host, path, ("content-length", "5, 5")],
        &[get, http, host, path, ("content-length", "0"), ("content-length", "0")],
    ];
    for fields in bad {
        let status = asked(&gateway, fields);
        assert!(status.as_deref().is_none_or(|status| status.starts_with('4')), "{fields:?}: {status:?}");
    }
}

#[test]
fn rapid_resets_end_the_connection() {
    let gateway = Gateway::start(|_| {});
    bounded(&gateway, 32, || {
        for _ in 0..5 {
            let mut stream = begin(&gateway, &[]);
            let request = get("/slow");
            let sent = flood(&mut stream, 50 << 20, |id| {
                let open = frame(HEADERS, END_STREAM | END_HEADERS, id, &request);
                [open, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
            });
            assert!(sent.is_some(), "a million resets were taken");
        }
    });
}

#[test]
fn streams_that_the_gateway_has_to_reset_end_the_connection() {
    let gateway = Gateway::start(|_| {});
    bounded(&gateway, 32, || {
        let mut stream = begin(&gateway, &[]);
        let request = get("/slow");
        // A window update of nothing is an error of the stream (RFC 9113 section 6.9).
        let sent = flood(&mut stream, 50 << 20, |id| {
            let open = frame(HEADERS, END_HEADERS, id, &request);
            [open, frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat()
        });
        assert!(sent.is_some(), "a million errors were taken");
    });
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let gateway = Gateway::start(|_| {});
    bounded(&gateway, 32, || {
        let mut stream = begin(&gateway, &[]);
        let part = head(&[("x", &"y".repeat(10_000))]);
        stream.write_all(&frame(HEADERS, END_STREAM, 1, &get("/"))).unwrap();
        let sent = flood(&mut stream, 50 << 20, |_| frame(CONTINUATION, 0, 1, &part));
        assert!(sent.is_some(), "a head of 50 MiB was taken");
        // Frames without anything in them.
        let mut stream = begin(&gateway, &[]);
        stream.write_all(&frame(HEADERS, END_STREAM, 1, &get("/"))).unwrap();
        let sent = flood(&mut stream, 20 << 20, |_| frame(CONTINUATION, 0, 1, &[]).repeat(100));
        assert!(sent.is_some(), "two million empty frames were taken");
    });
}

#[test]
fn a_huge_list_of_fields_is_refused() {
    let gateway = Gateway::start(|_| {});
    bounded(&gateway, 32, || {
        let mut stream = begin(&gateway, &[]);
        // One field put into the table, then named again and again: few bytes, many fields (RFC 7541 section 7.3).
        let mut block = get("/");
        block.push(0x40);
        block.extend(&field("bomb", &"y".repeat(3000))[1..]);
        block.extend(vec![0xbe; 13_000]);
        let frames = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
        stream.write_all(&frames).unwrap();
        let answer = std::iter::from_fn(|| read(&mut stream)).find(|frame| {
            (frame.kind == HEADERS && frame.stream == 1) || frame.kind == RST_STREAM || frame.kind == GOAWAY
        });
        let answer = answer.unwrap();
        let refused = answer.kind != HEADERS || hpack_status(&answer.payload) == "431";
        assert!(refused, "{} {:?}", answer.kind, answer.payload);
    });
}

#[test]
fn pings_and_settings_without_end_take_no_memory() {
    let gateway = Gateway::start(|_| {});
    bounded(&gateway, 32, || {
        for bytes in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])] {
            // The answers are never read.
            let mut stream = begin(&gateway, &[]);
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            let bytes = bytes.repeat(1000);
            let mut sent = 0;
            while sent < 40 << 20 && stream.write_all(&bytes).is_ok() {
                sent += bytes.len();
            }
            assert!(sent < 40 << 20, "answers to {sent} bytes are held");
        }
    });
}

#[test]
fn a_client_with_windows_of_nothing_is_let_go_and_holds_little() {
    let gateway = Gateway::start(|settings| settings.body_ms = 700);
    bounded(&gateway, 96, || {
        // SETTINGS_INITIAL_WINDOW_SIZE 0: responses cannot go.
        let streams: Vec<TcpStream> = (0..8)
            .map(|_| {
                let mut stream = begin(&gateway, &[0, 4, 0, 0, 0, 0]);
                for id in 0..100 {
                    stream
                        .write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1 + 2 * id, &get("/more")))
                        .unwrap();
                }
                stream
            })
            .collect();
        let begun = Instant::now();
        for mut stream in streams {
            while read(&mut stream).is_some() {}
        }
        assert!(begun.elapsed() < Duration::from_secs(18), "{:?}", begun.elapsed());
    });
}

#[test]
fn more_streams_than_a_hundred_are_refused() {
    let gateway = Gateway::start(|_| {});
    let mut stream = begin(&gateway, &[]);
    for id in 0..150 {
        let request = frame(HEADERS, END_STREAM | END_HEADERS, 1 + 2 * id, &get("/slow"));
        stream.write_all(&request).unwrap();
    }
    let (mut refused, mut ended) = (0, 0);
    while refused + ended < 150 {
        let Some(frame) = read(&mut stream) else { break };
        match frame.kind {
            RST_STREAM => refused += 1,
            DATA | HEADERS if frame.flags & END_STREAM != 0 => ended += 1,
            _ => {}
        }
    }
    assert_eq!((ended, refused), (100, 50));
}

#[test]
fn an_idle_connection_is_told_to_go_and_one_that_never_asks_too() {
    let gateway = Gateway::start(|settings| (settings.keep_alive_ms, settings.head_ms) = (400, 400));
    for asks in [true, false] {
        let mut stream = begin(&gateway, &[]);
        if asks {
            stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/"))).unwrap();
        }
        let begun = Instant::now();
        let mut told = false;
        while let Some(frame) = read(&mut stream) {
            told |= frame.kind == GOAWAY;
        }
        assert!(told && begun.elapsed() < Duration::from_secs(18), "{asks} {told} {:?}", begun.elapsed());
    }
}

#[test]
fn at_the_end_streams_in_flight_are_answered_and_the_client_is_told() {
    let gateway = Gateway::start(|_| {});
    let mut stream = begin(&gateway, &[]);
    stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/slow"))).unwrap();
    in_flight(&gateway);
    let ended = std::thread::spawn(move || gateway.server.stop());
    let (mut told, mut answered) = (false, false);
    while let Some(next) = read(&mut stream) {
        told |= next.kind == GOAWAY;
        answered |= next.stream == 1 && next.flags & END_STREAM != 0 && next.kind != SETTINGS;
        if next.kind == PING && next.flags & 1 == 0 {
            stream.write_all(&frame(PING, 1, 0, &next.payload)).unwrap();
        }
    }
    assert!(told && answered, "{told} {answered}");
    ended.join().unwrap();
}

#[test]
fn many_slow_clients_leave_others_served() {
    let gateway = Gateway::with_workers(2, |settings| settings.head_ms = 3000);
    bounded(&gateway, 64, || {
        let held: Vec<TcpStream> = (0..400)
            .map(|index| {
                let mut stream = connect(gateway.http);
                let parts: [&[u8]; 4] = [
                    b"GET / HTTP/1.1\r\nHo",
                    PREFACE,
                    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
                    b"",
                ];
                stream.write_all(parts[index % 4]).unwrap();
                stream
            })
            .collect();
        eventually("all", || (gateway.metric("sluice_http_connections") >= 400).then_some(()));
        for _ in 0..50 {
            let mut stream = connect(gateway.http);
            stream.write_all(LAST).unwrap();
            assert_eq!(statuses(&rest(&mut stream)), [200]);
        }
        drop(held);
    });
}
