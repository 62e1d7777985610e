//! Beside nginx of Debian: what it refuses as malformed is refused, and what is not refused reaches an endpoint as the client sent
//! it, as a reader understands it who takes nothing that could be read in two ways.
//!
//! `SLUICE_LONG=1` has every case, else there is one in eight of those that are made.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests"
)]

#[path = "differential/head.rs"]
mod head;
#[path = "differential/message.rs"]
mod message;
#[path = "differential/peers.rs"]
mod peers;

mod gateway;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gateway::{Gateway, free, upstream};
use message::Message;
use peers::{Nginx, Recorder};

/// What is changed in one place.
const BASES: [&str; 5] = [
    "GET /a/b?c=d HTTP/1.1\r\nHost: a.test\r\nUser-Agent: x\r\nCookie: a=b\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Y: z\r\n\r\nhello",
    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;e=f\r\nhello\r\n0\r\nT: u\r\n\r\n",
    "GET http://a.test:80/x HTTP/1.1\r\nHost: a.test:80\r\nConnection: close, X-Z\r\nX-Z: y\r\n\r\n",
    "PUT /x HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
];
const BYTES: &[u8] = b"\0\t\n\r\x0b \"#%+,./0:;@\\_\x7f\x80\xff";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Answered,
    Refused(u16),
    Closed,
    Waits,
}

/// A client, both proxies, and what is behind them.
struct Lane {
    nginx: SocketAddr,
    gateway: Gateway,
    behind: Recorder,
}

#[test]
fn what_nginx_refuses_is_refused_and_nothing_becomes_something_else() {
    let mut cases = head::corpus();
    let every = if std::env::var_os("SLUICE_LONG").is_some() { 1 } else { 8 };
    cases.extend(mutations().step_by(every));
    let lanes: Vec<_> = (0..8).map(|_| (free(), Recorder::start())).collect();
    let addresses: Vec<_> = lanes.iter().map(|(at, recorder)| (*at, recorder.address)).collect();
    let nginx = Nginx::start(&addresses);
    let start = Instant::now();
    let parts: Vec<Vec<Vec<u8>>> = (0..lanes.len())
        .map(|lane| cases.iter().skip(lane).step_by(lanes.len()).cloned().collect())
        .collect();
    let threads: Vec<_> = lanes
        .into_iter()
        .zip(parts)
        .map(|((nginx, _), cases)| {
            std::thread::spawn(move || {
                let behind = Recorder::start();
                let gateway = Gateway::start(|_| {});
                gateway.set(&[&upstream("one", &[behind.address])]);
                let lane = Lane { nginx, gateway, behind };
                cases.iter().map(|case| lane.compare(case)).collect::<Vec<_>>()
            })
        })
        .collect();
    let outcomes: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    drop(nginx);
    let mut counts = BTreeMap::<String, usize>::new();
    for (verdicts, _) in &outcomes {
        *counts.entry(verdicts.clone()).or_default() += 1;
    }
    eprintln!("{} cases in {:.1} s: {counts:#?}", outcomes.len(), start.elapsed().as_secs_f64());
    let wrong: Vec<_> = outcomes.into_iter().filter_map(|(_, problem)| problem).collect();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(60)].join("\n")
    );
    // Both have something to say.
    assert!(
        counts
            .iter()
            .any(|(verdicts, count)| verdicts.contains("nginx Answered, here Answered") && *count > 50)
    );
    assert!(
        counts.iter().any(
            |(verdicts, count)| verdicts.contains("nginx Refused(400), here Refused(400)") && *count > 50
        )
    );
}

/// Every base with one byte put in, taken for another, or taken out, at every place.
fn mutations() -> impl Iterator<Item = Vec<u8>> {
    BASES.into_iter().flat_map(|base| {
        let base = base.as_bytes();
        (0..base.len()).flat_map(move |at| {
            let (before, after) = base.split_at(at);
            let changed = BYTES.iter().flat_map(move |byte| {
                [[before, &[*byte], after].concat(), [before, &[*byte], &after[1..]].concat()]
            });
            changed.chain([[before, &after[1..]].concat()])
        })
    })
}

impl Lane {
    /// What became of a case, and what is wrong with it.
    fn compare(&self, case: &[u8]) -> (String, Option<String>) {
        let (sent, rest) = message::all(case);
        let nginx = ask(self.nginx, case, 1, Duration::from_millis(60));
        self.behind.take();
        let mut here = ask(self.gateway.http, case, sent.len(), Duration::from_millis(60));
        if here == Verdict::Waits && nginx != Verdict::Waits {
            // Or it was only slow.
            self.behind.take();
            here = ask(self.gateway.http, case, sent.len(), Duration::from_millis(1500));
        }
        let asked = self.behind.take();
        let verdicts = format!("nginx {nginx:?}, here {here:?}");
        let told =
            |what: &str| Some(format!("{what}: {} ({verdicts}, {rest:?})\n  {asked:?}", case.escape_ascii()));
        // A head is judged when its end is there; one that never ends is answered with 408 some time.
        let is_unfinished = sent.is_empty() && rest == Some("a part") && asked.whole.is_empty();
        let problem = if !asked.nonsense.is_empty() {
            told("nonsense reached the endpoint")
        } else if asked.whole.len() > sent.len() {
            told("more requests than were sent")
        } else if let Some(difference) =
            asked.whole.iter().zip(&sent).find_map(|(got, sent)| difference(sent, got))
        {
            told(&difference)
        } else if matches!(nginx, Verdict::Refused(400 | 405 | 411 | 501 | 505))
            && (here == Verdict::Answered
                || here == Verdict::Waits && !is_unfinished
                || !asked.whole.is_empty())
            // One of the differences in docs/ingress.md.
            && !sent.first().is_some_and(|sent| sent.tabs)
            && !case.starts_with(b"PRI * HTTP/2.0\r\n\r\n")
        {
            told("nginx refuses it")
        } else {
            None
        };
        (verdicts, problem)
    }
}

/// Sends bytes on a connection and waits for the first refusal, so many answers, or the end.
fn ask(at: SocketAddr, bytes: &[u8], answers: usize, patience: Duration) -> Verdict {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    // The other end may have refused it half way.
    let _ = stream.write_all(bytes);
    let (mut got, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&got);
        let statuses: Vec<u16> = text
            .split("HTTP/1.")
            .skip(1)
            .filter_map(|part| part.get(2..5)?.parse().ok())
            .filter(|status| *status >= 200)
            .collect();
        let text_is_whole = text.ends_with("ok") || statuses.iter().any(|status| *status != 200);
        if let Some(refused) = statuses.iter().find(|status| **status >= 300) {
            return if statuses[0] == 200 { Verdict::Answered } else { Verdict::Refused(*refused) };
        }
        if statuses.len() >= answers.max(1) && text_is_whole {
            return Verdict::Answered;
        }
        match stream.read(&mut part) {
            Ok(0) => return if statuses.is_empty() { Verdict::Closed } else { Verdict::Answered },
            Ok(length) => got.extend(&part[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return if statuses.is_empty() { Verdict::Waits } else { Verdict::Answered };
            }
            Err(_) => return if statuses.is_empty() { Verdict::Closed } else { Verdict::Answered },
        }
    }
}

/// How what the endpoint got is something else than what was sent.
fn difference(sent: &Message, got: &Message) -> Option<String> {
    if sent.method != got.method {
        return Some("the method".into());
    }
    let whole = sent.target.strip_prefix("http://").or(sent.target.strip_prefix("https://"));
    let path = |rest: &str| rest.find(['/', '?']).unwrap_or(rest.len());
    let target = whole.map_or(sent.target.as_str(), |rest| match &rest[path(rest)..] {
        "" => "/",
        target => target,
    });
    if normal(target) != got.target {
        return Some(format!("the target {} for {target}", got.target));
    }
    if sent.body != got.body {
        return Some("the body".into());
    }
    let hosts = got.values("host");
    let host = |message: &Message| message.values("host").first().map(|host| host.to_ascii_lowercase());
    // That of the target counts (RFC 9112 section 3.2.2), where both are the same but for how they are written.
    let wanted = whole.map(|rest| rest[..path(rest)].to_ascii_lowercase().into_bytes()).or(host(sent));
    if hosts.len() != 1 || (wanted.is_some() && wanted != host(got)) {
        return Some("the host".into());
    }
    let nominated: Vec<String> = sent
        .values("connection")
        .iter()
        .flat_map(|value| {
            String::from_utf8_lossy(value)
                .to_ascii_lowercase()
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let own = |name: &str| {
        // What differs by that alone is another's field to some.
        let name = &*name.replace('_', "-");
        let of_the_connection =
            ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"];
        let framed_or_forwarded =
            ["content-length", "host", "x-real-ip", "x-request-id", "forwarded", "expect"];
        of_the_connection.contains(&name)
            || framed_or_forwarded.contains(&name)
            || name.starts_with("x-forwarded-")
            || nominated.iter().any(|given| given == name)
    };
    let of = |message: &Message| {
        let mut fields: Vec<_> = message.fields.iter().filter(|(name, _)| !own(name)).cloned().collect();
        fields.sort();
        fields
    };
    (of(sent) != of(got)).then(|| format!("the fields {:?}, {:?} were sent", of(got), of(sent)))
}

/// A target's path without dot segments (RFC 3986 section 5.2.4).
fn normal(target: &str) -> String {
    let (path, query) = target.find('?').map_or((target, ""), |at| target.split_at(at));
    if !path.starts_with('/') {
        return if path.is_empty() { format!("/{query}") } else { target.to_owned() };
    }
    let mut out: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path[1..].split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    out.pop();
                }
                if last {
                    out.push("");
                }
            }
            other => out.push(other),
        }
    }
    format!("/{}{query}", out.join("/"))
}
