//! DNS over HTTPS (RFC 8484): GET and POST, HTTP/2 and HTTP/1.1, everything bounded.

mod exchange;
mod freshness;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Endpoint;
use super::share::Share;
use crate::service::Service;

/// The protocol that HTTP/2 is called in TLS (RFC 9113, section 3.2), and HTTP/1.1.
pub(super) const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// The largest request head, in octets: a message of GET in base64 and what browsers send beside.
const HEAD: usize = 16 << 10;
/// Octets of a request that may come before they are asked for (RFC 9113, section 6.9).
const WINDOW: u32 = 16 << 10;

/// A connection over which HTTP comes.
pub(super) struct Https {
    pub(super) client: SocketAddr,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) service: Arc<Service>,
    pub(super) share: Arc<Share>,
    pub(super) stop: watch::Receiver<bool>,
}

/// What is going on in a connection.
#[derive(Debug)]
struct Activity {
    requests: AtomicUsize,
    /// When the last request ended; none has been if it is before the first.
    last: watch::Sender<Option<Instant>>,
}

/// A request while it is worked on.
struct Busy(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Returns when there has been no request for too long.
    async fn ended(&self, first: Duration, idle: Duration) {
        let begun = Instant::now();
        loop {
            let until = self.last.borrow().map_or(begun + first, |last| last + idle);
            let busy = self.requests.load(Ordering::Relaxed) > 0;
            if !busy && Instant::now() >= until {
                return;
            }
            // Requests have a deadline of their own: while there is one, there will be a last.
            tokio::time::sleep_until(until.max(Instant::now() + Duration::from_millis(50))).await;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.last.send_replace(Some(Instant::now()));
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Https {
    /// Answers until the client ends or is idle; `h2` says what the handshake has chosen.
    pub(super) async fn serve<S>(self, stream: S, h2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.service.state.load().limits.clone();
        let activity = Arc::new(Activity { requests: AtomicUsize::new(0), last: watch::channel(None).0 });
        let (client, endpoint, service, at_work) =
            (self.client, self.endpoint.clone(), self.service.clone(), activity.clone());
        let share = self.share.clone();
        let answer = service_fn(move |request| {
            let busy = at_work.begin();
            let (endpoint, service, share) = (endpoint.clone(), service.clone(), share.clone());
            async move {
                let response = exchange::answer(request, client, &endpoint, &service, &share).await;
                drop(busy);
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let stream = TokioIo::new(stream);
        let mut stop = self.stop.clone();
        let over = async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = activity.ended(limits.message, limits.idle) => {}
            }
        };
        if h2 {
            let streams = u32::try_from(limits.pipeline).unwrap_or(u32::MAX);
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(streams)
                .max_header_list_size(HEAD as u32)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW.saturating_mul(4))
                .max_send_buf_size(HEAD * 8);
            drive(builder.serve_connection(stream, answer), over, limits.message).await;
        } else {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(limits.message.max(limits.idle))
                .max_buf_size(HEAD)
                .max_headers(64);
            drive(builder.serve_connection(stream, answer), over, limits.message).await;
        }
    }
}

/// Works on a connection until it ends or is over; what was asked by then has so long to be answered.
async fn drive(connection: impl GracefulConnection, over: impl Future<Output = ()>, last: Duration) {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = over => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(last, connection).await;
}
