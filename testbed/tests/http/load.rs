//! Clients that ask as fast as they are answered.

use std::io::Result as IoResult;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;

use super::tls::Tls;
use super::{ADDRESS, Connection, HttpLab, Reply};

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// HTTP/1.1, over a connection for so many requests.
    Http1(u64),
    /// The same in TLS; where each has a connection of its own, with whole handshakes.
    Tls(u64),
    /// HTTP/2 in TLS, four requests at a time, a connection for each fifty times four.
    Http2,
    /// A WebSocket that is sent back what it sends, for each twenty messages.
    WebSocket,
    /// HTTP/1.1 whose requests arrive in parts, slowly; every third is given up half way, every third answer is not read.
    Slow,
    /// Requests that must be refused.
    Malformed,
}

/// What clients ask for: a host and a path.
pub type Asked = (&'static str, &'static str);

/// Running clients.
pub struct Load {
    stop: Arc<AtomicBool>,
    asked: Vec<(Client, Arc<AtomicU64>)>,
    threads: Vec<JoinHandle<Vec<String>>>,
    /// What those with whole handshakes have in common.
    pub tls: Tls,
}

/// What a client needs to go on, and to say what came of it.
struct Run {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    failed: Vec<String>,
    tls: Tls,
    to: Asked,
    pause: Duration,
}

impl Load {
    /// Starts these clients: kind, how many, what they ask for.
    pub fn start(lab: &HttpLab, clients: &[(Client, usize, Asked)]) -> Self {
        Self::paced(lab, clients, Duration::ZERO)
    }

    /// As [`Load::start`], of clients that rest so long between requests.
    pub fn paced(lab: &HttpLab, clients: &[(Client, usize, Asked)], pause: Duration) -> Self {
        // A connection for each request, to one address and port: its own ports must not run out before the test ends.
        let mut sysctl = lab.lab.bed.client.command("sysctl");
        sysctl.args(["-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1"]);
        assert!(sysctl.status().unwrap().success());
        let (stop, tls) = (Arc::new(AtomicBool::new(false)), Tls::new(&[], false));
        let mut load = Self { stop, asked: Vec::new(), threads: Vec::new(), tls };
        for &(client, count, to) in clients {
            let asked = Arc::new(AtomicU64::new(0));
            load.asked.push((client, Arc::clone(&asked)));
            for _ in 0..count {
                let tls = match client {
                    Client::Http2 => Tls::new(&["h2"], true),
                    Client::Tls(most) if most > 1 => Tls::new(&[], true),
                    _ => load.tls.clone(),
                };
                let (stop, asked) = (Arc::clone(&load.stop), Arc::clone(&asked));
                let run = Run { stop, asked, failed: Vec::new(), tls, to, pause };
                load.threads.push(lab.lab.bed.client.spawn(move || run.work(client)));
            }
        }
        load
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.asked.iter().map(|(_, asked)| asked.load(Ordering::Relaxed)).sum()
    }

    /// Requests of each kind of client so far.
    pub fn each(&self) -> Vec<(Client, u64)> {
        self.asked.iter().map(|(client, asked)| (*client, asked.load(Ordering::Relaxed))).collect()
    }

    /// Ends it; what failed.
    pub fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn work(mut self, client: Client) -> Vec<String> {
        match client {
            Client::Http1(most) => self.http1(most, |_, to| Connection::open(to), 80),
            Client::Tls(most) => self.http1(most, |run, to| run.tls.open(to, run.to.0), 443),
            Client::Http2 => self.http2(),
            Client::WebSocket => self.again(Duration::ZERO, Self::websocket),
            Client::Slow => self.again(Duration::ZERO, Self::slow),
            Client::Malformed => self.again(Duration::from_millis(5), Self::malformed),
        }
        self.failed
    }

    fn count(&mut self, outcome: Result<(), String>) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Err(problem) = outcome {
            self.failed.push(problem);
            // Whoever is not there is not asked a million times.
            std::thread::sleep(Duration::from_millis(20));
        }
        if !self.pause.is_zero() {
            std::thread::sleep(self.pause);
        }
    }

    fn http1(&mut self, most: u64, open: impl Fn(&Self, SocketAddr) -> IoResult<Connection>, port: u16) {
        let to: SocketAddr = format!("{ADDRESS}:{port}").parse().unwrap();
        let (host, path) = self.to;
        let (mut connection, mut used) = (None, 0);
        while self.goes_on() {
            let open = match connection.take().filter(|_| used < most) {
                Some(open) => Ok(open),
                None => {
                    used = 0;
                    open(self, to)
                }
            };
            let outcome = open.and_then(|mut open| open.get(host, path).map(|reply| (open, reply)));
            let outcome = match outcome {
                Ok((open, reply)) => {
                    used += 1;
                    // The gateway may end a connection, when it says so.
                    if reply.header("connection").is_none_or(|value| value != "close") {
                        connection = Some(open);
                    }
                    answered(&reply, used)
                }
                Err(error) => Err(format!("port {port}: {error} after {used}")),
            };
            self.count(outcome);
        }
    }

    fn again(&mut self, pause: Duration, one: impl Fn(&Self, u64) -> Result<(), String>) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let outcome = one(self, number);
            self.count(outcome);
            std::thread::sleep(pause);
        }
    }

    fn websocket(&self, _number: u64) -> Result<(), String> {
        let told = |error: std::io::Error| format!("WebSocket: {error}");
        let (host, path) = self.to;
        let mut connection = Connection::open(plain()).map_err(told)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        connection.send(request.as_bytes()).map_err(told)?;
        let reply = connection.reply().map_err(told)?;
        if reply.status != 101 {
            return Err(format!("WebSocket: {}", reply.status));
        }
        for message in 0..20_u8 {
            let sent = vec![message; 200 + usize::from(message)];
            connection.send(&sent).map_err(told)?;
            if connection.exactly(sent.len()).map_err(told)? != sent {
                return Err("WebSocket: something else came back".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn slow(&self, number: u64) -> Result<(), String> {
        let told = |error: std::io::Error| format!("slow: {error}");
        let (host, path) = self.to;
        let mut connection = Connection::open(plain()).map_err(told)?;
        let request = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\n0123456789");
        for (at, part) in request.as_bytes().chunks(8).enumerate() {
            if number % 3 == 1 && at == 4 {
                return Ok(());
            }
            connection.send(part).map_err(told)?;
            std::thread::sleep(Duration::from_millis(30));
        }
        if number % 3 == 2 {
            return Ok(());
        }
        answered(&connection.reply().map_err(told)?, 1)
    }

    fn malformed(&self, number: u64) -> Result<(), String> {
        const HEADS: [&str; 6] = [
            "GET / HTTP/1.1\nHost: a\n\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
            "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: up.example\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\r\n\r\n",
        ];
        let head = HEADS[(number % 6) as usize];
        let told = |error: std::io::Error| format!("malformed {head:?}: {error}");
        let mut connection = Connection::open(plain()).map_err(told)?;
        connection.send(head.as_bytes()).map_err(told)?;
        match connection.reply() {
            Ok(reply) if reply.status == 400 => Ok(()),
            Ok(reply) => Err(format!("malformed {head:?}: {}", reply.status)),
            Err(error) => Err(told(error)),
        }
    }

    fn http2(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while self.goes_on() {
            if let Err(problem) = runtime.block_on(self.http2_connection()) {
                self.count(Err(problem));
            }
        }
    }

    async fn http2_connection(&mut self) -> Result<(), String> {
        let told = |what: &str, error: &dyn std::error::Error| format!("HTTP/2, {what}: {error}");
        let (host, path) = self.to;
        let to = SocketAddr::new(ADDRESS.parse().unwrap(), 443);
        let stream = tokio::net::TcpStream::connect(to).await.map_err(|error| told("connecting", &error))?;
        let _ = stream.set_nodelay(true);
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls.config));
        let name = ServerName::try_from(host).unwrap();
        let stream = connector.connect(name, stream).await.map_err(|error| told("TLS", &error))?;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(|error| told("its beginning", &error))?;
        let task = tokio::spawn(connection);
        for _ in 0..50 {
            if !self.goes_on() {
                break;
            }
            // GOAWAY: what comes after it takes another connection.
            if sender.ready().await.is_err() {
                break;
            }
            let ask = |_| {
                let request = hyper::Request::get(format!("https://{host}{path}"));
                sender.send_request(request.body(Empty::<Bytes>::new()).unwrap())
            };
            let responses: Vec<_> = (0..4).map(ask).collect();
            for response in responses {
                let outcome = match response.await {
                    Ok(response) => {
                        let status = response.status().as_u16();
                        match response.into_body().collect().await {
                            Ok(_) if status == 200 => Ok(()),
                            Ok(_) => Err(format!("HTTP/2: {status}")),
                            Err(error) => Err(told("a body", &error)),
                        }
                    }
                    Err(error) => Err(told("a response", &error)),
                };
                self.count(outcome);
            }
        }
        drop(sender);
        let _ = task.await;
        Ok(())
    }
}

fn plain() -> SocketAddr {
    SocketAddr::new(ADDRESS.parse().unwrap(), 80)
}

fn answered(reply: &Reply, used: u64) -> Result<(), String> {
    if reply.status == 200 { Ok(()) } else { Err(format!("{} after {used}", reply.status)) }
}
