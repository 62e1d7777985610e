//! What a real API server does not do on demand: every way in which lists and watches go wrong, by a server that is told
//! to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::rules;
use sluice_sync::kube::{News, Part, What, client, follow};
use sluice_sync::object::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Receiver;

/// What the server does next on a connection.
#[derive(Clone, Debug)]
enum Do {
    /// A whole answer.
    Answer(u16, String),
    /// An answer that goes on: its head.
    Begin,
    /// A piece of it.
    Line(String),
    /// Ends it in good order.
    End,
    /// Waits.
    Pause(u64),
    /// Closes the connection in the middle.
    Cut,
    /// Says nothing more, ever.
    Hang,
}

type Script = dyn Fn(&str, usize) -> Vec<Do> + Send + Sync;

/// Serves Services by a script, which is given the request's target and its number; other kinds are empty.
async fn serve(
    script: impl Fn(&str, usize) -> Vec<Do> + Send + Sync + 'static,
) -> (kube::Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let script: Arc<Script> = Arc::new(script);
    let (asked, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&script), Arc::clone(&log), Arc::clone(&count)));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{ name: c, cluster: {{ server: \"http://{address}\" }} }}]\nusers: [{{ name: u, user: {{}} }}]\ncontexts: [{{ name: x, context: {{ cluster: c, user: u }} }}]\ncurrent-context: x\n"
    );
    std::fs::write(&path, text).unwrap();
    let config = sluice_config::Kubernetes {
        kubeconfig: Some(path),
        context: None,
        namespace: "sluice-system".into(),
        streaming_lists: false,
        state_max_age: None,
    };
    (client(&config).await.unwrap(), asked)
}

async fn connection(
    mut stream: TcpStream,
    script: Arc<Script>,
    log: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
) {
    let mut buffer = Vec::new();
    loop {
        while !buffer.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(n) => buffer.extend_from_slice(&piece[..n]),
            }
        }
        let target = String::from_utf8_lossy(&buffer).split(' ').nth(1).unwrap().to_owned();
        buffer.clear();
        let steps = if target.starts_with("/api/v1/services") {
            log.lock().unwrap().push(target.clone());
            script(&target, count.fetch_add(1, Ordering::Relaxed))
        } else if target.contains("watch=true") {
            vec![Do::Begin, Do::Hang]
        } else {
            vec![Do::Answer(200, list("1", &[]))]
        };
        for step in steps {
            let write = match step {
                Do::Answer(status, body) => format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nRetry-After: 0\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                Do::Begin => {
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                        .to_owned()
                }
                Do::Line(line) => format!("{:x}\r\n{line}\r\n", line.len()),
                Do::End => "0\r\n\r\n".to_owned(),
                Do::Pause(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    continue;
                }
                Do::Cut => return,
                Do::Hang => std::future::pending().await,
            };
            if stream.write_all(write.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn service(name: &str, port: u16, version: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"default","resourceVersion":"{version}"}},"spec":{{"clusterIP":"10.96.0.{port}","ports":[{{"port":{port}}}]}}}}"#
    )
}

fn list(version: &str, items: &[String]) -> String {
    format!(
        r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#,
        items.join(",")
    )
}

fn event(kind: &str, object: &str) -> Do {
    Do::Line(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}

fn status(code: u16, reason: &str) -> String {
    format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"told to say {reason}","reason":"{reason}","code":{code}}}"#
    )
}

fn is_watch(target: &str) -> bool {
    target.contains("watch=true")
}

/// What has been told of Services.
struct Told {
    news: Receiver<News>,
    ports: BTreeMap<String, u16>,
    failures: Vec<String>,
    synced: usize,
    /// The most Services that were taken away by one message.
    most_gone: usize,
    _tasks: tokio::task::JoinSet<()>,
}

impl Told {
    fn by(client: &kube::Client, streaming: bool) -> Self {
        let (news, tasks) = follow(client, &Arc::new(rules()), streaming);
        Self { news, ports: BTreeMap::new(), failures: Vec::new(), synced: 0, most_gone: 0, _tasks: tasks }
    }

    /// Takes news until this holds.
    async fn until(&mut self, seconds: u64, done: impl Fn(&Self) -> bool) {
        let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
        while !done(self) {
            let next = tokio::time::timeout_at(end, self.news.recv()).await;
            let news = next
                .unwrap_or_else(|_| panic!("not within {seconds} s: {:?} {:?}", self.ports, self.failures));
            let News { part: Part { kind: Kind::Service, .. }, what, .. } = news.unwrap() else { continue };
            match what {
                What::Changed(changes, _) => {
                    let gone = changes.iter().filter(|(_, object)| object.is_none()).count();
                    self.most_gone = self.most_gone.max(gone);
                    for (key, object) in changes {
                        match object {
                            Some(sluice_sync::object::Object::Service(s)) => self
                                .ports
                                .insert(key.name.to_string(), s.service.as_ref().unwrap().ports[0].port),
                            _ => self.ports.remove(&*key.name),
                        };
                    }
                }
                What::Synced { .. } => self.synced += 1,
                What::Failed(message) | What::Denied(message) => self.failures.push(message),
                What::Absent => {}
            }
        }
    }

    fn has(&self, expected: &[(&str, u16)]) -> bool {
        self.ports.iter().map(|(n, p)| (n.as_str(), *p)).eq(expected.iter().copied())
    }
}

#[tokio::test]
async fn gone_as_an_event_and_as_an_http_status_lead_to_a_new_list() {
    for as_event in [true, false] {
        let (client, asked) = serve(move |target, n| match (is_watch(target), n) {
            (false, 0) => vec![Do::Answer(200, list("5", &[service("a", 1, "4"), service("b", 2, "5")]))],
            (false, _) => vec![Do::Answer(200, list("9", &[service("b", 22, "8")]))],
            (true, 1) if as_event => vec![Do::Begin, event("ERROR", &status(410, "Expired")), Do::End],
            (true, 1) => vec![Do::Answer(410, status(410, "Expired"))],
            _ => vec![Do::Begin, Do::Hang],
        })
        .await;
        let mut told = Told::by(&client, false);
        told.until(10, |told| told.has(&[("b", 22)])).await;
        let lists = asked.lock().unwrap().iter().filter(|target| !is_watch(target)).count();
        assert_eq!(lists, 2, "{:?}", asked.lock().unwrap());
    }
}

#[tokio::test]
async fn refusals_are_told_in_the_servers_words_and_tried_again() {
    for (code, reason) in
        [(403, "Forbidden"), (429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")]
    {
        let (client, _) = serve(move |target, n| match (is_watch(target), n) {
            (false, 0 | 1) => vec![Do::Answer(code, status(code, reason))],
            (false, _) => vec![Do::Answer(200, list("5", &[service("a", 1, "4")]))],
            (true, 3 | 4) => vec![Do::Answer(code, status(code, reason))],
            _ => vec![Do::Begin, event("MODIFIED", &service("a", 11, "6")), Do::Hang],
        })
        .await;
        let mut told = Told::by(&client, false);
        told.until(20, |told| told.has(&[("a", 11)])).await;
        // A watch that is denied is not resumed, but begun anew by a list.
        let least = if code == 403 { 3 } else { 4 };
        assert!(told.failures.len() >= least, "{code}: {:?}", told.failures);
        assert!(
            told.failures.iter().all(|said| *said == format!("told to say {reason}")),
            "{:?}",
            told.failures
        );
    }
}

#[tokio::test]
async fn torn_lists_and_watches_take_nothing_away() {
    let (client, _) = serve(|target, n| match (is_watch(target), n) {
        (false, 0) => vec![Do::Answer(200, list("5", &[service("a", 1, "4"), service("b", 2, "5")]))],
        // In the middle of an object.
        (true, 1) => {
            let whole = format!("{{\"type\":\"MODIFIED\",\"object\":{}}}\n", service("a", 11, "6"));
            vec![Do::Begin, Do::Line(whole[..whole.len() / 2].to_owned()), Do::Cut]
        }
        // The resumed watch has gone too far back; then: a list that ends in the middle, one that is no JSON, one that is cut off, one that is empty bytes.
        (true, 2) => vec![Do::Answer(410, status(410, "Expired"))],
        (false, 3) => vec![Do::Answer(200, list("7", &[service("a", 1, "4")])[..60].to_owned())],
        (false, 4) => vec![Do::Answer(200, "not JSON at all".into())],
        (false, 5) => vec![Do::Begin, Do::Line(r#"{"kind":"List","items":["#.into()), Do::Cut],
        (false, 6) => vec![Do::Answer(200, String::new())],
        (false, _) => vec![Do::Answer(200, list("8", &[service("a", 12, "8"), service("b", 2, "5")]))],
        _ => vec![Do::Begin, Do::Hang],
    })
    .await;
    let mut told = Told::by(&client, false);
    told.until(30, |told| told.has(&[("a", 12), ("b", 2)])).await;
    assert_eq!(told.most_gone, 0, "nothing was ever taken away");
    assert!(told.failures.len() >= 4, "{:?}", told.failures);
}

#[tokio::test]
async fn list_in_pages_is_told_when_its_last_page_has_come() {
    let page = |continued: &str, name: &str| {
        list("5", &[service(name, 1, "4")]).replace(
            r#""resourceVersion":"5"}"#,
            &format!(r#""resourceVersion":"5","continue":"{continued}"}}"#),
        )
    };
    let (first, second) = (page("x", "a"), page("y", "b"));
    let (client, asked) = serve(move |target, _| match is_watch(target) {
        true => vec![Do::Begin, Do::Hang],
        false if target.contains("continue=x") => vec![Do::Pause(300), Do::Answer(200, second.clone())],
        false if target.contains("continue=y") => {
            vec![Do::Pause(300), Do::Answer(200, list("5", &[service("c", 1, "4")]))]
        }
        false => vec![Do::Answer(200, first.clone())],
    })
    .await;
    let mut told = Told::by(&client, false);
    told.until(10, |told| !told.ports.is_empty()).await;
    assert!(told.has(&[("a", 1), ("b", 1), ("c", 1)]), "all of it at once: {:?}", told.ports);
    assert!(asked.lock().unwrap().len() >= 3);
}

#[tokio::test]
async fn streaming_lists_where_the_server_has_them_and_ordinary_ones_where_not() {
    let bookmark = r#"{"kind":"Service","apiVersion":"v1","metadata":{"resourceVersion":"7","creationTimestamp":null,"annotations":{"k8s.io/initial-events-end":"true"}},"spec":{},"status":{"loadBalancer":{}}}"#;
    let (client, asked) = serve(move |target, _| {
        assert!(target.contains("sendInitialEvents=true"), "{target}");
        vec![Do::Begin, event("ADDED", &service("a", 1, "4")), event("BOOKMARK", bookmark), Do::Hang]
    })
    .await;
    let mut told = Told::by(&client, true);
    told.until(10, |told| told.synced > 0).await;
    assert!(told.has(&[("a", 1)]) && asked.lock().unwrap().len() == 1);
    let (client, _) = serve(|target, _| match target {
        t if t.contains("sendInitialEvents") => vec![Do::Answer(422, status(422, "Invalid"))],
        t if is_watch(t) => vec![Do::Begin, Do::Hang],
        _ => vec![Do::Answer(200, list("5", &[service("a", 1, "4")]))],
    })
    .await;
    let mut told = Told::by(&client, true);
    told.until(10, |told| told.synced > 0).await;
    assert!(told.has(&[("a", 1)]));
}

#[tokio::test]
async fn connection_that_falls_silent_is_given_up_within_45_seconds() {
    let (client, _) = serve(|target, n| match (is_watch(target), n) {
        (false, 0) => vec![Do::Answer(200, list("5", &[service("a", 1, "4")]))],
        (true, 1) => vec![Do::Begin, Do::Hang],
        (true, 2) => vec![Do::Begin, event("MODIFIED", &service("a", 11, "6")), Do::Hang],
        (false, _) => vec![Do::Answer(200, list("6", &[service("a", 11, "6")]))],
        _ => vec![Do::Begin, Do::Hang],
    })
    .await;
    let mut told = Told::by(&client, false);
    told.until(45, |told| told.has(&[("a", 11)])).await;
}
