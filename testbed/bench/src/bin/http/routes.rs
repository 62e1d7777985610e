//! Very many routes: what they take, and how soon one more is served.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_testbed::manifests::replace;

use crate::bed::{Bed, SERVER};
use crate::server::Kind;

/// Ingresses that are there, of a host each.
const ROUTES: usize = 5000;
/// Ingresses made beside them, one after the other.
const MADE: usize = 200;
/// For all to be served, and for each that is made.
const PATIENCE: Duration = Duration::from_secs(60);

/// An Ingress of one host.
fn ingress(name: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}, namespace: default }}\n\
         spec:\n  ingressClassName: sluice\n  rules:\n  - host: {name}.routes.example\n    http:\n      paths:\n\
         \x20     - {{ path: /, pathType: Prefix, backend: {{ service: {{ name: pods, port: {{ number: 80 }} }} }} }}\n"
    )
}

/// Rows of Sluice's: MiB that are resident, and the milliseconds from the rename of a manifest's file to the first answer by it.
pub(crate) fn measure(bed: &Bed) -> Vec<(String, &'static str, f64)> {
    let server = Kind::Sluice.start(bed);
    let manifests = bed.folder().join(Kind::Sluice.name()).join("manifests");
    let all: String = (0..ROUTES).map(|n| ingress(&format!("r{n}"))).collect();
    replace(&manifests.join("routes.yaml"), &all).unwrap();
    served(bed, &format!("r{}", ROUTES - 1), Instant::now());
    let [control, proxy] = server.resident()[..] else { panic!("two programs serve") };
    let mut times: Vec<f64> = (0..MADE).map(|n| made(bed, &manifests, &format!("n{n}"))).collect();
    times.sort_by(f64::total_cmp);
    let share = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let row = |what: &str, unit, figure| (format!("http.routes.5k.{what}"), unit, figure);
    vec![
        row("proxy", "MiB", proxy),
        row("control", "MiB", control),
        row("new.p50", "ms", share(0.5)),
        row("new.p99", "ms", share(0.99)),
        row("new.max", "ms", share(1.0)),
    ]
}

fn made(bed: &Bed, manifests: &Path, name: &str) -> f64 {
    let (file, text) = (manifests.join(format!("{name}.yaml")), ingress(name));
    let from = bed.bed.gateway.enter(move || {
        replace(&file, &text).unwrap();
        Instant::now()
    });
    served(bed, name, from)
}

/// Waits until a host is served; how long that took, in milliseconds.
fn served(bed: &Bed, name: &str, from: Instant) -> f64 {
    let request = format!("GET / HTTP/1.1\r\nHost: {name}.routes.example\r\n\r\n");
    let at = bed.bed.gateway.enter(move || {
        let mut stream = TcpStream::connect(SocketAddr::from((SERVER, 80))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        while from.elapsed() < PATIENCE {
            match status(&mut stream, &request) {
                200 => return Instant::now(),
                404 => std::thread::sleep(Duration::from_micros(200)),
                other => panic!("{other} for a route that is new"),
            }
        }
        panic!("not served after {PATIENCE:?}: {request}");
    });
    (at - from).as_secs_f64() * 1e3
}

/// The status of the answer to a request, all of which is read.
fn status(stream: &mut TcpStream, request: &str) -> u16 {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut part) = (String::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut part).unwrap();
        assert_ne!(read, 0, "closed after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&part[..read]));
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.and_then(|text| text.parse().ok()).expect("a length");
        if body.len() >= length {
            return head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        }
    }
}

/// A sentence of these rows.
pub(crate) fn told(rows: &[(String, &'static str, f64)]) -> String {
    let mut text = format!("{ROUTES} Ingresses, {MADE} made beside them:");
    for (name, unit, figure) in rows {
        let _ = write!(text, " `{name}` {figure:.1} {unit};");
    }
    text
}
