//! Loads: what wrk and h2load ask for, and what they say of it.

use std::time::Instant;

use crate::bed::{Bed, PLAIN, SECURE};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// HTTP/1.1 over 64 connections that are kept.
    Keep,
    /// HTTP/1.1, a connection for each request.
    New,
    /// HTTP/1.1 in TLS over 64 connections that are kept.
    TlsKeep,
    /// A connection for each request, whose TLS begins with a session's ticket.
    TlsResumed,
    /// A connection for each request with a whole handshake.
    TlsFull,
    /// HTTP/2 in TLS: 16 connections with 16 streams each.
    Http2,
}

/// All of them.
pub(crate) const ALL: [Load; 6] =
    [Load::Keep, Load::New, Load::TlsKeep, Load::TlsResumed, Load::TlsFull, Load::Http2];

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Requests that were answered with 200.
    pub(crate) requests: f64,
    /// While the generator ran.
    pub(crate) seconds: f64,
    /// Microseconds that half of the requests, and 99 %, took at most.
    pub(crate) latency: [f64; 2],
}

/// Connections that [`Load::TlsFull`] opens at once: h2load begins none anew.
const AT_ONCE: usize = 256;

impl Load {
    /// Its name in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keep => "plain.keep",
            Self::New => "plain.new",
            Self::TlsKeep => "tls.keep",
            Self::TlsResumed => "tls.resumed",
            Self::TlsFull => "tls.full",
            Self::Http2 => "tls.h2",
        }
    }

    /// Puts it on whoever serves, for so many seconds.
    pub(crate) fn put(self, bed: &Bed, seconds: u32) -> Outcome {
        let secure = format!("https://{SECURE}/");
        let duration = format!("{seconds}s");
        let wrk = |url: &str, more: &[&str]| {
            let line = ["wrk", "-t1", "-c64", "-d", &duration, "--latency"];
            let text = said(bed, &[&line, more, &[url]].concat());
            of_wrk(&text).unwrap_or_else(|| panic!("{text}"))
        };
        match self {
            Self::Keep => wrk(&format!("http://{PLAIN}/"), &[]),
            Self::New => wrk(&format!("http://{PLAIN}/"), &["-H", "Connection: close"]),
            Self::TlsKeep => wrk(&secure, &[]),
            // It keeps a connection's session for the next one.
            Self::TlsResumed => wrk(&secure, &["-H", "Connection: close"]),
            Self::TlsFull => {
                let count = AT_ONCE.to_string();
                let (start, mut rounds) = (Instant::now(), Vec::new());
                while start.elapsed().as_secs_f64() < f64::from(seconds) {
                    rounds.push(h2load(bed, &["--h1", "-c", &count, "-n", &count], &secure));
                }
                let mean =
                    |what: fn(&Outcome) -> f64| rounds.iter().map(what).sum::<f64>() / rounds.len() as f64;
                Outcome {
                    requests: rounds.iter().map(|round| round.requests).sum(),
                    seconds: rounds.iter().map(|round| round.seconds).sum(),
                    latency: [mean(|round| round.latency[0]), mean(|round| round.latency[1])],
                }
            }
            Self::Http2 => {
                // As many as take about as long at 20,000 a second.
                let count = (seconds * 20_000).to_string();
                h2load(bed, &["-c", "16", "-m", "16", "-n", &count], &secure)
            }
        }
    }
}

fn said(bed: &Bed, line: &[&str]) -> String {
    let output = bed.client(line).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{line:?}: {text}");
    text
}

/// Runs h2load, which writes a line for each request.
fn h2load(bed: &Bed, more: &[&str], url: &str) -> Outcome {
    let log = bed.folder().join("h2load.log");
    let _ = std::fs::remove_file(&log);
    let path = format!("--log-file={}", log.display());
    let text = said(bed, &[&["h2load", "-t1", &path], more, &[url]].concat());
    let lines = std::fs::read_to_string(&log).unwrap();
    of_h2load(&text, &lines).unwrap_or_else(|| panic!("{text}"))
}

/// `None` where anything else than 200 was answered, or nothing.
fn of_wrk(text: &str) -> Option<Outcome> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return None;
    }
    let share = |share: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(share))?;
        microseconds(line.trim())
    };
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    let (requests, rest) = line.trim().split_once(" requests in ")?;
    let seconds = microseconds(rest.split_once(',')?.0)? / 1e6;
    Some(Outcome { requests: requests.parse().ok()?, seconds, latency: [share("50%")?, share("99%")?] })
}

/// `1.5ms`, `2.03s`, `17.00us`, `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let unit = match &text[end..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(text[..end].parse::<f64>().ok()? * unit)
}

/// Its summary, and its lines: start, status, microseconds.
fn of_h2load(text: &str, lines: &str) -> Option<Outcome> {
    let finished = text.lines().find_map(|line| line.strip_prefix("finished in "))?;
    let seconds = microseconds(finished.split_once(',')?.0)? / 1e6;
    let mut took = Vec::new();
    for line in lines.lines() {
        let mut fields = line.split('\t').skip(1);
        if fields.next()? != "200" {
            return None;
        }
        took.push(fields.next()?.parse::<f64>().ok()?);
    }
    if took.is_empty() || !text.contains(" 0 failed, 0 errored, 0 timeout") {
        return None;
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
    Some(Outcome { requests: took.len() as f64, seconds, latency: [at(0.5), at(0.99)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_understood_and_failures_are_none() {
        let text = "  Latency Distribution\n     50%    5.18ms\n     75%    7.83ms\n     99%    1.01s\n  2051 requests in 2.03s, 290.42KB read\n";
        let outcome = of_wrk(text).unwrap();
        assert_eq!(
            (outcome.requests, outcome.seconds, outcome.latency),
            (2051.0, 2.03, [5180.0, 1_010_000.0])
        );
        assert!(of_wrk(&format!("{text}  Non-2xx or 3xx responses: 3\n")).is_none());
    }

    #[test]
    fn what_h2load_says_is_understood_and_failures_are_none() {
        let text = "finished in 37.50ms, 0.00 req/s, 0B/s\nrequests: 3 total, 3 started, 3 done, 3 succeeded, 0 failed, 0 errored, 0 timeout\n";
        let outcome = of_h2load(text, "1\t200\t30\n1\t200\t10\n1\t200\t20\n").unwrap();
        assert_eq!((outcome.requests, outcome.seconds, outcome.latency), (3.0, 0.0375, [20.0, 30.0]));
        assert!(of_h2load(text, "1\t503\t30\n").is_none());
    }
}
