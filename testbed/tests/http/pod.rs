//! A server that says what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sluice_testbed::netns::Netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a connection of HTTP/2 begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Serves HTTP/1.1 and HTTP/2 without TLS in the node's namespace until it is dropped.
pub struct HttpPod {
    served: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl HttpPod {
    /// Answers every request with its name, the connection's other end, the request's line and headers, a line each.
    ///
    /// `…/slow` takes a second; `…/status/503` is answered so; `application/grpc` is sent back with trailers; an upgrade to
    /// `websocket` has the pod's name in `X-Pod` and ends in bytes that are sent back.
    pub fn start(node: &Netns, name: &'static str, address: &str) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let listener = node.enter(move || std::net::TcpListener::bind(address).expect("the pod's address"));
        listener.set_nonblocking(true).unwrap();
        let served = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let count = Arc::clone(&served);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, name, count) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { served, stop: Some(stop), thread: Some(thread) }
    }

    /// Requests answered.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for HttpPod {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, name: &'static str, served: Arc<AtomicU64>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(stream, peer, name, Arc::clone(&served)));
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, name: &'static str, served: Arc<AtomicU64>) {
    let mut start = [0; PREFACE.len()];
    let mut seen = 0;
    while seen < 4 {
        seen = match stream.peek(&mut start).await {
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
    }
    let service = service_fn(move |request| {
        served.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(answer(request, peer, name).await) }
    });
    let io = TokioIo::new(stream);
    if PREFACE.starts_with(&start[..seen]) {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await;
    } else {
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
        let _ = connection.with_upgrades().await;
    }
}

async fn answer(mut request: Request<Incoming>, peer: SocketAddr, name: &str) -> Response<Body> {
    let mut said = format!(
        "pod: {name}\npeer: {peer}\nline: {} {} {:?}\n",
        request.method(),
        request.uri(),
        request.version()
    );
    for (header, value) in request.headers() {
        said.push_str(&format!("{header}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    if request.headers().get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        tokio::spawn(echo(hyper::upgrade::on(&mut request)));
        let mut response = Response::new(text(String::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert("x-pod", HeaderValue::from_str(name).unwrap());
        if let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) {
            response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, agreement(key.as_bytes()));
        }
        return response;
    }
    let path = request.uri().path().to_owned();
    let grpc = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc");
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if grpc {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("grpc-message", HeaderValue::from_str(name).unwrap());
        let frames = [Ok(Frame::data(body)), Ok(Frame::trailers(trailers))];
        let mut response = Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        return response;
    }
    said.push_str(&format!("body: {}\n", body.len()));
    if path.ends_with("/slow") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut response = Response::new(text(said));
    if let Some((_, status)) = path.rsplit_once("/status/") {
        *response.status_mut() = status.parse().unwrap_or(StatusCode::OK);
    }
    response
}

/// The answer to a WebSocket's key (RFC 6455 section 4.2.2).
fn agreement(key: &[u8]) -> HeaderValue {
    let text = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    HeaderValue::from_str(&STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))).unwrap()
}

async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut io = TokioIo::new(upgraded);
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = io.read(&mut buffer).await {
        if io.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

fn text(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed_unsync()
}
