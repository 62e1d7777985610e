//! The feed between a server and subscribers over a real socket.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sluice_feed::{
    Client, ClientError, Kinds, MAX_FRAME, Mirror, Refusal, Server, ServerOptions, Subscriber, Transaction,
};
use sluice_model::{Change, Endpoint, Generation, Protocol, Service, ServiceName, ServicePort, Settings};

const WAIT: Duration = Duration::from_secs(5);

fn all() -> Kinds {
    Kinds::SETTINGS.and(Kinds::SERVICES)
}

fn name(name: &str) -> ServiceName {
    ServiceName::new("default", name)
}

fn service(service: &str, endpoints: u32) -> Service {
    let endpoints = (1..=endpoints).map(|n| Endpoint {
        address: (std::net::Ipv4Addr::from_bits(0x0af4_0000 + n), 8080).into(),
        ready: true,
        serving: true,
        terminating: false,
        node: Some("node-1".into()),
        zone: None,
        hint_zones: vec![],
        hint_nodes: vec![],
        pod: Some(format!("pod-{n}").into()),
        weight: 1,
    });
    Service {
        name: name(service),
        created: 1,
        cluster_ips: vec!["10.96.0.1".parse().unwrap()],
        external_ips: vec![],
        load_balancer_ips: vec![],
        external_policy: Default::default(),
        internal_policy: Default::default(),
        affinity: None,
        source_ranges: vec![],
        health_check_node_port: None,
        ports: vec![ServicePort {
            name: "http".into(),
            protocol: Protocol::Tcp,
            port: 80,
            node_port: None,
            endpoints: endpoints.collect(),
        }],
    }
}

fn made(s: &str, endpoints: u32) -> Change {
    Change::Service(service(s, endpoints))
}

fn gone(s: &str) -> Change {
    Change::ServiceGone(name(s))
}

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.sock");
        Self { _folder: folder, path }
    }

    fn server(&self) -> Server {
        self.server_with(ServerOptions::default())
    }

    fn server_with(&self, options: ServerOptions) -> Server {
        Server::bind(&self.path, options).unwrap()
    }

    fn subscriber(&self) -> Subscriber {
        Subscriber::new(&self.path, "test", all())
    }
}

fn next(subscriber: &mut Subscriber) -> Transaction {
    let transaction = subscriber.next(WAIT);
    transaction.unwrap_or_else(|| panic!("no transaction: {:?}", subscriber.last_error()))
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < WAIT, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn nothing_is_sent_before_the_first_publication_then_everything_then_deltas() {
    let bench = Bench::new();
    let server = bench.server();
    let mut subscriber = bench.subscriber();
    assert_eq!(subscriber.next(Duration::from_millis(100)), None);
    assert!(subscriber.is_connected());

    let settings = Settings { node: "edge-1".into(), ..Settings::default() };
    server.publish(&[Change::Settings(settings.clone()), made("b", 1), made("a", 1)]).unwrap();
    let first = next(&mut subscriber);
    assert_eq!(first.generation, Generation(1));
    assert_eq!(first.run, server.run());
    assert_eq!(first.changes, [Change::Settings(settings), made("a", 1), made("b", 1)]);

    server.publish(&[made("a", 2), gone("b")]).unwrap();
    let second = next(&mut subscriber);
    assert_eq!(second.generation, Generation(2));
    assert_eq!(second.changes, [gone("b"), made("a", 2)]);
    assert_eq!(server.subscribers()[0].full_states, 1);
}

#[test]
fn acknowledgements_reach_the_server() {
    let bench = Bench::new();
    let server = bench.server();
    let mut subscriber = bench.subscriber();
    let generation = server.publish(&[made("a", 1)]).unwrap();
    let transaction = next(&mut subscriber);
    assert!(!server.wait_acked(generation, Duration::from_millis(50)));
    subscriber.ack(transaction.generation);
    assert!(server.wait_acked(generation, WAIT));
    let status = &server.subscribers()[0];
    assert_eq!((&*status.name, status.acked), ("test", generation));
}

#[test]
fn a_reconnecting_subscriber_is_sent_a_delta() {
    let bench = Bench::new();
    let server = bench.server();
    server.publish(&[made("a", 1), made("b", 1)]).unwrap();
    let mut mirror = Mirror::default();
    let mut client = Client::connect(&bench.path, "t", all(), &mut mirror).unwrap();
    client.next(&mut mirror, WAIT).unwrap().unwrap();
    drop(client);
    server.publish(&[made("b", 3)]).unwrap();
    let mut client = Client::connect(&bench.path, "t", all(), &mut mirror).unwrap();
    let transaction = client.next(&mut mirror, WAIT).unwrap().unwrap();
    assert_eq!(transaction.changes, [made("b", 3)]);
    until("full state instead of a delta", || {
        server.subscribers().last().is_some_and(|s| s.full_states == 0)
    });
}

#[test]
fn a_restarted_server_disturbs_nothing_that_did_not_change() {
    let bench = Bench::new();
    let server = bench.server();
    server.publish(&[made("same", 4), made("changes", 1), made("goes", 1)]).unwrap();
    let mut subscriber = bench.subscriber();
    let first = next(&mut subscriber);
    drop(server);
    // Away: the subscriber keeps what it has.
    assert_eq!(subscriber.next(Duration::from_millis(100)), None);
    assert!(!subscriber.is_connected());
    assert_eq!(subscriber.mirror().len(), 3);

    let server = bench.server();
    server.publish(&[made("same", 4), made("changes", 2), made("new", 1)]).unwrap();
    let second = next(&mut subscriber);
    assert_ne!(first.run, second.run);
    assert_eq!(second.changes, [gone("goes"), made("changes", 2), made("new", 1)]);
    drop(server);
    let server = bench.server();
    server.publish(&[made("same", 4), made("changes", 2), made("new", 1)]).unwrap();
    let third = next(&mut subscriber);
    assert_eq!(third.changes, [], "nothing changed");
    assert_eq!(third.run, server.run());
}

#[test]
fn a_slow_subscriber_gets_the_newest_state_once_it_reads() {
    let bench = Bench::new();
    let server = bench.server();
    let mut mirror = Mirror::default();
    let mut client = Client::connect(&bench.path, "slow", all(), &mut mirror).unwrap();
    // Far more than a socket buffers, while nobody reads.
    for generation in 1..=400 {
        server.publish(&[made("a", 2000 + generation)]).unwrap();
    }
    let mut transactions = 0;
    while mirror.have().is_none_or(|have| have.generation.0 < 400) {
        let transaction = client.next(&mut mirror, WAIT).unwrap().unwrap();
        transactions += 1;
        if transaction.generation.0 == 400 {
            assert_eq!(transaction.changes, [made("a", 2400)]);
        }
    }
    assert!(transactions < 20, "{transactions} instead of a few");
}

#[test]
fn a_subscriber_that_stops_reading_is_disconnected_and_comes_back() {
    let bench = Bench::new();
    let server = bench.server_with(ServerOptions {
        heartbeat: Duration::from_millis(20),
        dead_after: Duration::from_millis(200),
        ..ServerOptions::default()
    });
    let big: Vec<Change> = (0..50).map(|n| made(&format!("s{n}"), 5000)).collect();
    server.publish(&big).unwrap();
    let mut subscriber = bench.subscriber();
    subscriber.next(Duration::ZERO);
    until("it never appeared", || server.subscribers().len() == 1);
    until("it stayed", || server.subscribers().is_empty());
    assert_eq!(next(&mut subscriber).changes.len(), 50);
}

#[test]
fn a_silent_server_is_noticed() {
    // A server that answers the hello and then hangs, as a stopped process would.
    let bench = Bench::new();
    let server =
        bench.server_with(ServerOptions { heartbeat: Duration::from_millis(20), ..ServerOptions::default() });
    let mut mirror = Mirror::default();
    let mut recorded = UnixStream::connect(&bench.path).unwrap();
    recorded.write_all(&hello()).unwrap();
    let mut welcome = [0; 64];
    let length = recorded.read(&mut welcome).unwrap();
    drop(server);

    let listener = std::os::unix::net::UnixListener::bind(&bench.path).unwrap();
    let hung = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&welcome[..length]).unwrap();
        std::thread::sleep(Duration::from_secs(2));
    });
    let mut client = Client::connect(&bench.path, "t", all(), &mut mirror).unwrap();
    let error = client.next(&mut mirror, WAIT).unwrap_err();
    assert!(matches!(error, ClientError::Silent(_)), "{error}");
    hung.join().unwrap();
}

#[test]
fn heartbeats_keep_an_idle_connection_up() {
    let bench = Bench::new();
    let server = bench.server_with(ServerOptions {
        heartbeat: Duration::from_millis(20),
        dead_after: Duration::from_millis(200),
        ..ServerOptions::default()
    });
    server.publish(&[]).unwrap();
    let mut subscriber = bench.subscriber();
    assert_eq!(next(&mut subscriber).changes, []);
    let since = server.subscribers()[0].since;
    assert_eq!(subscriber.next(Duration::from_millis(900)), None);
    assert_eq!(server.subscribers()[0].since, since, "it had to reconnect");
}

/// A hello as a subscriber sends it, taken from the wire.
fn hello() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let client = std::thread::spawn(move || {
        let _ = Client::connect(&path, "t", all(), &mut Mirror::default());
    });
    let (mut socket, _) = listener.accept().unwrap();
    let mut bytes = vec![0; 256];
    let length = socket.read(&mut bytes).unwrap();
    bytes.truncate(length);
    drop(socket);
    client.join().unwrap();
    bytes
}

/// Writes `bytes` to the server and returns what it answers until it hangs up.
fn answer(bench: &Bench, bytes: &[u8], close: bool) -> Vec<u8> {
    let mut socket = UnixStream::connect(&bench.path).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    let _ = socket.write_all(bytes);
    if close {
        socket.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let mut answer = Vec::new();
    if let Err(error) = socket.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    answer
}

#[test]
fn garbage_torn_and_oversized_frames_end_the_connection_only() {
    let bench = Bench::new();
    let server = bench
        .server_with(ServerOptions { handshake: Duration::from_millis(300), ..ServerOptions::default() });
    let good = hello();
    assert_eq!(answer(&bench, b"GET / HTTP/1.1\r\n\r\n", false), b"");
    assert_eq!(answer(&bench, &[0; 100], false), b"");
    assert_eq!(answer(&bench, &u32::MAX.to_le_bytes(), false), b"");
    assert_eq!(answer(&bench, &(MAX_FRAME as u32).to_le_bytes(), true), b"");
    // Torn, closed; and torn, left open until the handshake's time is over.
    assert_eq!(answer(&bench, &good[..good.len() - 1], true), b"");
    assert_eq!(answer(&bench, &good[..good.len() - 1], false), b"");
    // A good hello, then garbage: welcomed, then disconnected.
    let mut bytes = good.clone();
    bytes.extend([5, 0, 0, 0, 9, 9, 9, 9, 9]);
    assert!(!answer(&bench, &bytes, false).is_empty());
    // An acknowledgement of what was never sent.
    let mut bytes = good.clone();
    bytes.extend([3, 0, 0, 0, 0, 1, 77]);
    assert!(!answer(&bench, &bytes, false).is_empty());

    until("sessions stay", || server.subscribers().is_empty());
    server.publish(&[made("a", 1)]).unwrap();
    assert_eq!(next(&mut bench.subscriber()).changes, [made("a", 1)]);
}

#[test]
fn another_version_is_refused_in_words() {
    let bench = Bench::new();
    let _server = bench.server();
    let mut bytes = hello();
    bytes[12] = 99;
    let body = answer(&bench, &bytes, true);
    assert!(body.windows(8).any(|w| w == b"sluicefd"));

    let listener_path = bench.path.with_extension("old");
    let listener = std::os::unix::net::UnixListener::bind(&listener_path).unwrap();
    let old = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        assert!(socket.read(&mut [0; 256]).unwrap() > 0);
        socket.write_all(&body).unwrap();
    });
    let error = Client::connect(&listener_path, "t", all(), &mut Mirror::default()).unwrap_err();
    assert!(matches!(error, ClientError::Refused(Refusal::Version)), "{error}");
    old.join().unwrap();
}

#[test]
fn too_many_subscribers_are_told_so() {
    let bench = Bench::new();
    let _server = bench.server_with(ServerOptions { max_subscribers: 1, ..ServerOptions::default() });
    let mut mirror = Mirror::default();
    let _first = Client::connect(&bench.path, "1", all(), &mut mirror).unwrap();
    let error = Client::connect(&bench.path, "2", all(), &mut Mirror::default()).unwrap_err();
    assert!(matches!(error, ClientError::Refused(Refusal::Full)), "{error}");
}

#[test]
fn a_stale_socket_is_replaced_and_a_served_one_is_not() {
    let bench = Bench::new();
    drop(std::os::unix::net::UnixListener::bind(&bench.path).unwrap());
    assert!(bench.path.exists());
    let server = bench.server();
    let error = Server::bind(&bench.path, ServerOptions::default()).err();
    assert!(error.unwrap().to_string().contains("another process"));
    drop(server);
    assert!(!bench.path.exists(), "the socket was left behind");
}

#[test]
fn a_subscriber_is_given_only_the_kinds_it_asked_for() {
    let bench = Bench::new();
    let server = bench.server();
    let settings = Change::Settings(Settings::default());
    server.publish(&[settings.clone(), made("a", 1)]).unwrap();
    let mut subscriber = Subscriber::new(&bench.path, "t", Kinds::SETTINGS);
    assert_eq!(next(&mut subscriber).changes, [settings]);
    server.publish(&[made("a", 2)]).unwrap();
    let second = next(&mut subscriber);
    assert_eq!((second.generation, second.changes.len()), (Generation(2), 0));
}

#[test]
fn ten_thousand_services_of_ten_endpoints_arrive_whole() {
    let bench = Bench::new();
    let server = bench.server();
    let changes: Vec<Change> = (0..10_000).map(|n| made(&format!("s{n:05}"), 10)).collect();
    server.publish(&changes).unwrap();
    let mut subscriber = bench.subscriber();
    assert_eq!(next(&mut subscriber).changes, changes);
}
