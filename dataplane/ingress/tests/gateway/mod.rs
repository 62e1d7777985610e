//! A gateway on loopback with an endpoint behind it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sluice_ingress::Server;
use sluice_model::ServiceName;
use sluice_model::http::{
    Action, Certificate, CertificateName, Forward, HostPattern, HttpChange, HttpSettings, PathMatch, Policy,
    Route, ServerName, TlsAction, Upstream, UpstreamEndpoint, UpstreamName, UpstreamPort, VirtualHost,
};

/// A port of loopback that nobody has, each time another, and none of those that Linux gives to connections (32768 and up): one of
/// them might be taken before it is listened on.
pub fn free() -> SocketAddr {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Every process starts somewhere else; 61 is prime to the count.
    let start = std::process::id() % COUNT * 61;
    let ports = std::iter::from_fn(|| Some(FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT));
    let mut found =
        ports.take(COUNT as usize).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16)));
    found.find(|at| TcpListener::bind(at).is_ok()).unwrap()
}

/// A server under test.
pub struct Gateway {
    pub server: Server,
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub settings: HttpSettings,
}

impl Gateway {
    /// One with a worker, whose every host leads to an endpoint of its own.
    pub fn start(with: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::with_workers(1, with)
    }

    pub fn with_workers(workers: usize, with: impl FnOnce(&mut HttpSettings)) -> Self {
        let server = Server::start(NonZeroUsize::new(workers)).unwrap();
        assert!(server.problem().unwrap().contains("not known yet"));
        let (http, https) = (free(), free());
        let mut settings =
            HttpSettings { http: vec![http], https: vec![https], drain_ms: 5000, ..HttpSettings::default() };
        with(&mut settings);
        let gateway = Self { server, http, https, settings };
        gateway.set(&[&gateway.host(HostPattern::Any, "one"), &upstream("one", &[backend("one")])]);
        gateway.configure(|_| {});
        for at in gateway.settings.http.iter().chain(&gateway.settings.https) {
            eventually("a listener", || TcpStream::connect(at).ok());
        }
        assert_eq!(gateway.server.problem(), None);
        // Those connections are over.
        let accepted = |tls| gateway.metric(&format!("sluice_http_connections_total{{tls=\"{tls}\"}}"));
        eventually("no connections", || {
            let all = accepted(false) > 0 && accepted(true) > 0;
            (all && gateway.metric("sluice_http_connections") == 0).then_some(())
        });
        gateway
    }

    pub fn set(&self, changes: &[&HttpChange]) {
        changes.iter().for_each(|change| change.check().unwrap());
        self.server.apply(changes);
    }

    pub fn configure(&self, with: impl FnOnce(&mut HttpSettings)) {
        let mut settings = self.settings.clone();
        with(&mut settings);
        self.set(&[&HttpChange::Settings(settings.into())]);
    }

    /// All paths of a host to an upstream.
    pub fn host(&self, host: HostPattern, upstream: &str) -> HttpChange {
        let forward = Forward { upstream: upstream_name(upstream), fallback: None, canary: None };
        let route = Route {
            path: PathMatch::Prefix("/".into()),
            action: Action::Forward(forward),
            policy: Policy { max_body: None, ..Policy::default() },
            origin: format!("Ingress default/{upstream}").into(),
        };
        HttpChange::Host(VirtualHost { host, routes: vec![route], decoded: false })
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.http)
    }

    /// What is answered to these bytes, up to the connection's end.
    pub fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        rest(&mut stream)
    }

    pub fn metric(&self, line: &str) -> u64 {
        let metrics = self.server.metrics();
        let found = metrics.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(' '));
        found.map_or(0, |value| value.parse().unwrap())
    }
}

pub fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// All that is still to come.
pub fn rest(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    if let Err(error) = stream.read_to_end(&mut text) {
        assert_ne!(
            error.kind(),
            std::io::ErrorKind::WouldBlock,
            "no end: {}",
            String::from_utf8_lossy(&text)
        );
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads a response with a `Content-Length`.
pub fn response(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            return String::from_utf8_lossy(&text).into_owned();
        }
        text.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&text).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    text.extend(body);
    String::from_utf8_lossy(&text).into_owned()
}

pub fn statuses(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).map(|part| part[..3].parse().unwrap()).collect()
}

pub fn eventually<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(found) = find() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come")
}

/// Waits until the endpoint `one` has a request.
pub fn in_flight(gateway: &Gateway) {
    let has = || gateway.server.view().upstreams().iter().any(|row| row.in_flight > 0);
    eventually("a request at the endpoint", || has().then_some(()));
}

pub fn exact(host: &str) -> HostPattern {
    HostPattern::Exact(host.into())
}

pub fn upstream_name(name: &str) -> UpstreamName {
    UpstreamName { service: ServiceName::new("default", name), port: UpstreamPort::Number(80) }
}

pub fn upstream(name: &str, endpoints: &[SocketAddr]) -> HttpChange {
    let mut endpoints: Vec<_> =
        endpoints.iter().map(|&address| UpstreamEndpoint { address, pod: None }).collect();
    endpoints.sort_by_key(|endpoint| endpoint.address);
    HttpChange::Upstream(Upstream { name: upstream_name(name), endpoints })
}

/// A certificate for a name, under that name.
pub fn certificate(name: &str) -> (HttpChange, rustls::pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate = Certificate {
        name: CertificateName::new("default", name),
        chain: vec![made.cert.der().to_vec()],
        key: made.signing_key.serialize_der(),
    };
    (HttpChange::Certificate(certificate), made.cert.der().clone())
}

pub fn server_name(host: HostPattern, action: TlsAction) -> HttpChange {
    HttpChange::ServerName(ServerName { host, action })
}

pub fn terminate(name: &str) -> HttpChange {
    server_name(exact(name), TlsAction::Terminate(Some(CertificateName::new("default", name))))
}

/// A server that says what it was asked, and by which name it goes.
pub fn backend(name: &'static str) -> SocketAddr {
    let (told, at) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            // Room for floods that come through.
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let listener = socket.listen(4096).unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper::service::service_fn(move |request| say(name, request));
                let served = hyper::server::conn::http1::Builder::new()
                    .auto_date_header(false)
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(served);
            }
        });
    });
    at.recv().unwrap()
}

/// A body that no window or socket has room for.
static BIG: [u8; 16 << 20] = [b'b'; 16 << 20];

async fn say(
    name: &'static str,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut text = format!("{name} {} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    match request.uri().path() {
        "/upgrade" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", "websocket".parse().unwrap());
            return Ok(response);
        }
        "/never" => std::future::pending().await,
        "/slow" => tokio::time::sleep(Duration::from_millis(600)).await,
        "/more" => return Ok(Response::new(Full::new(Bytes::from_static(&BIG[..256 << 10])))),
        "/big" => return Ok(Response::new(Full::new(Bytes::from_static(&BIG)))),
        _ => {}
    }
    if let Ok(body) = request.into_body().collect().await {
        text += &format!("{} bytes\n", body.to_bytes().len());
    }
    Ok(Response::new(Full::new(text.into())))
}
