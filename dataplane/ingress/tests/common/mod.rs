//! A gateway of one worker, endpoints and clients, all on loopback and in one thread.
#![allow(dead_code, reason = "each test file uses its part")]

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sluice_ingress::forward::{Forwarder, Outcome};
use sluice_ingress::table::Tables;
use sluice_ingress::upstream::ClientPool;
use sluice_ingress::{Client, RequestBody};
use sluice_model::ServiceName;
use sluice_model::http::{
    Action, Forward, HostPattern, HttpChange, HttpSettings, PathMatch, Policy, Route, Upstream,
    UpstreamEndpoint, UpstreamName, UpstreamPort, VirtualHost,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test in one thread.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async { tokio::time::timeout(LIMIT, test).await.expect("in time") })
}

/// What the proxy is to requests, with hyper's server before it.
#[derive(Clone)]
pub struct Gateway {
    /// Where HTTP/1.1 is served.
    pub address: SocketAddr,
    /// Where HTTP/2 is served.
    pub http2: SocketAddr,
    pub tables: Arc<Tables>,
    pub forwarder: Rc<Forwarder>,
    pub outcomes: Rc<RefCell<Vec<Outcome>>>,
    /// What is said of clients.
    pub client: Rc<RefCell<Option<Client>>>,
    pub patience: Rc<Cell<Duration>>,
}

impl Gateway {
    pub async fn start(changes: &[HttpChange]) -> Self {
        let tables = Arc::new(Tables::default());
        tables.apply(changes);
        Self::of(tables).await
    }

    pub async fn of(tables: Arc<Tables>) -> Self {
        let (one, two) = (listener().await, listener().await);
        let gateway = Self {
            address: one.local_addr().unwrap(),
            http2: two.local_addr().unwrap(),
            forwarder: Rc::new(Forwarder::new(Arc::clone(&tables), Arc::default())),
            tables,
            outcomes: Rc::default(),
            client: Rc::default(),
            patience: Rc::new(Cell::new(Duration::from_secs(10))),
        };
        for (listener, is_http2) in [(one, false), (two, true)] {
            let gateway = gateway.clone();
            tokio::task::spawn_local(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::task::spawn_local(gateway.clone().serve(stream, is_http2));
                }
            });
        }
        gateway
    }

    async fn serve(self, stream: TcpStream, is_http2: bool) {
        stream.set_nodelay(true).unwrap();
        let (peer, local) = (stream.peer_addr().unwrap(), stream.local_addr().unwrap());
        let plain = Client { peer, local, tls: None, trusted: false };
        let own = Rc::new(ClientPool::default());
        let client = Rc::new(self.client.borrow().clone().unwrap_or(plain));
        let service = service_fn(move |request: Request<Incoming>| {
            let (gateway, client, own) = (self.clone(), Rc::clone(&client), Rc::clone(&own));
            async move {
                let patience = gateway.patience.get();
                let request = request.map(|body| RequestBody::new(body, patience));
                let mut outcome = Outcome::default();
                let response = gateway.forwarder.handle(&client, &own, request, &mut outcome).await;
                gateway.outcomes.borrow_mut().push(outcome);
                Ok::<_, Infallible>(response)
            }
        });
        let io = TokioIo::new(stream);
        if is_http2 {
            let mut builder = hyper::server::conn::http2::Builder::new(LocalExecutor);
            drop(builder.timer(TokioTimer::new()).serve_connection(io, service).await);
        } else {
            let mut builder = hyper::server::conn::http1::Builder::new();
            drop(builder.timer(TokioTimer::new()).serve_connection(io, service).with_upgrades().await);
        }
    }

    pub fn apply(&self, changes: &[HttpChange]) {
        self.tables.apply(changes);
    }

    pub fn outcome(&self) -> Outcome {
        self.outcomes.borrow().last().expect("a request").clone()
    }
}

#[derive(Clone)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

pub async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    listener().await.local_addr().unwrap()
}

pub fn name(service: &str) -> UpstreamName {
    let service = ServiceName { namespace: "default".into(), name: service.into() };
    UpstreamName { service, port: UpstreamPort::Number(80) }
}

pub fn upstream(service: &str, endpoints: &[SocketAddr]) -> HttpChange {
    let mut endpoints: Vec<_> =
        endpoints.iter().map(|&address| UpstreamEndpoint { address, pod: None }).collect();
    endpoints.sort_by_key(|endpoint| endpoint.address);
    HttpChange::Upstream(Upstream { name: name(service), endpoints })
}

pub fn forward(service: &str) -> Action {
    Action::Forward(Forward { upstream: name(service), fallback: None, canary: None })
}

pub fn route(path: PathMatch, action: Action, policy: Policy) -> Route {
    Route { path, action, policy, origin: "Ingress default/web".into() }
}

pub fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.into())
}

pub fn host(name: &str, routes: Vec<Route>) -> HttpChange {
    let host = match name.strip_prefix("*.") {
        Some(suffix) => HostPattern::Wildcard(suffix.into()),
        None if name == "*" => HostPattern::Any,
        None => HostPattern::Exact(name.into()),
    };
    HttpChange::Host(VirtualHost { host, routes, decoded: false })
}

pub fn settings(change: impl FnOnce(&mut HttpSettings)) -> HttpChange {
    let mut settings = HttpSettings::default();
    change(&mut settings);
    HttpChange::Settings(Box::new(settings))
}

/// A gateway that sends all requests to these endpoints.
pub async fn gateway(policy: Policy, endpoints: &[SocketAddr]) -> Gateway {
    let routes = vec![route(prefix("/"), forward("web"), policy)];
    Gateway::start(&[host("*", routes), upstream("web", endpoints)]).await
}

/// An endpoint, and the connections that it has taken.
pub struct Endpoint {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Endpoint {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An endpoint that does with a connection what is said; it is given the connection's number.
pub async fn raw<F: Future<Output = ()> + 'static>(
    serve: impl Fn(TcpStream, usize) -> F + 'static,
) -> Endpoint {
    let listener = listener().await;
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let task = tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::task::spawn_local(serve(stream, count.fetch_add(1, Ordering::Relaxed)));
        }
    });
    Endpoint { address, connections, task }
}

/// An endpoint that answers by hyper's HTTP/1.1 server.
pub async fn http1<F, B>(answer: impl Fn(Request<Incoming>) -> F + Clone + 'static) -> Endpoint
where
    F: Future<Output = Response<B>> + 'static,
    B: http_body::Body<Data = Bytes> + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    raw(move |stream, _| {
        let answer = answer.clone();
        async move {
            let service = service_fn(move |request| {
                let answering = answer(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let io = TokioIo::new(stream);
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .with_upgrades()
                    .await,
            );
        }
    })
    .await
}

/// An endpoint that answers by hyper's HTTP/2 server.
pub async fn http2<F, B>(answer: impl Fn(Request<Incoming>) -> F + Clone + 'static) -> Endpoint
where
    F: Future<Output = Response<B>> + 'static,
    B: http_body::Body<Data = Bytes> + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    raw(move |stream, _| {
        let answer = answer.clone();
        async move {
            let service = service_fn(move |request| {
                let answering = answer(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let io = TokioIo::new(stream);
            let builder = hyper::server::conn::http2::Builder::new(LocalExecutor);
            drop(builder.serve_connection(io, service).await);
        }
    })
    .await
}

/// An endpoint that answers with what it was asked: the request line, a line for each field, and the body.
pub async fn echo() -> Endpoint {
    http1(|request| async { Response::new(Full::new(Bytes::from(told(request).await))) }).await
}

pub async fn told(request: Request<Incoming>) -> String {
    let (parts, body) = request.into_parts();
    let mut text = format!("{} {} {:?}\n", parts.method, parts.uri, parts.version);
    for (name, value) in &parts.headers {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    text + "\n" + &String::from_utf8_lossy(&body)
}

/// An endpoint that answers with its own name.
pub async fn named(name: &'static str) -> Endpoint {
    http1(move |_| async move { Response::new(Full::new(Bytes::from_static(name.as_bytes()))) }).await
}

/// Asks on a connection of its own.
pub async fn ask<B>(gateway: &Gateway, request: Request<B>) -> Response<Bytes>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    whole(sender.send_request(request).await.unwrap()).await
}

/// Asks over HTTP/2 on a connection of its own.
pub async fn ask_http2<B>(
    gateway: &Gateway,
    request: Request<B>,
) -> Response<http_body_util::Collected<Bytes>>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(gateway.http2).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(LocalExecutor, TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap())
}

pub async fn whole(response: Response<Incoming>) -> Response<Bytes> {
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// A request for a path of `a.com`.
pub fn get(path: &str) -> Request<Full<Bytes>> {
    with(path, &[])
}

pub fn with(path: &str, fields: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().uri(path);
    if fields.iter().all(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        request = request.header("host", "a.com");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}

pub fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method("POST").uri(path).header("host", "a.com");
    request.body(Full::new(body.into())).unwrap()
}

pub fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

/// Sends text on a connection of its own and reads until it is closed.
pub async fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    drop(tokio::time::timeout(Duration::from_secs(10), reading).await.expect("it closes the connection"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until it is so; the test's own limit ends it where it never is.
pub async fn until(is: impl Fn() -> bool) {
    while !is() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads a request's head.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
