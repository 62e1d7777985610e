//! A connection's requests.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::connection::Connection;
use super::reply::{Account, Reply};
use crate::RequestBody;
use crate::forward::Outcome;
use crate::head::{Refusal, check_parts};
use crate::log::Entry;

/// `Server`, where the endpoint sends none.
const SERVER: HeaderValue = HeaderValue::from_static("sluice");

/// What hyper calls with each request.
#[derive(Clone)]
pub(super) struct Service(Rc<Connection>);

impl Service {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Rc::new(connection))
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let refusal = self.0.pace.called();
        let connection = Rc::clone(&self.0);
        Box::pin(async move { Ok(answer(&connection, request, refusal).await) })
    }
}

async fn answer(
    connection: &Connection,
    request: Request<Incoming>,
    refusal: Option<Refusal>,
) -> Response<Reply> {
    let (parts, body) = request.into_parts();
    let worker = &connection.worker;
    let mut account = Account {
        pace: Arc::clone(&connection.pace),
        counts: Arc::clone(&worker.counts),
        log: None,
        begun: Instant::now(),
        status: None,
        outcome: Outcome::default(),
        sent: 0,
        unread: false,
    };
    let is_stand_in = refusal.is_some();
    let refusal = refusal.or_else(|| check_parts(&parts).err());
    if let Some(log) = worker.shared.log.current() {
        account.log =
            Some((log, Box::new(Entry::new(&connection.client, (!is_stand_in).then_some(&parts), refusal))));
    }
    let mut response = match refusal {
        Some(refusal) => refuse(refusal, account),
        None => {
            let patience = Duration::from_millis(connection.settings.body_ms.into());
            let request = Request::from_parts(parts, RequestBody::new(body, patience));
            let mut response = worker.forwarder.handle(&connection.client, request).await;
            account.status = Some(response.status());
            account.outcome = response.extensions_mut().remove().unwrap_or_default();
            response.map(|body| Reply::forwarded(body, account))
        }
    };
    response.headers_mut().entry(header::SERVER).or_insert(SERVER);
    connection.pace.answered(response.status() == StatusCode::SWITCHING_PROTOCOLS);
    response
}

fn refuse(refusal: Refusal, mut account: Account) -> Response<Reply> {
    account.counts.refused(refusal);
    let status = refusal.status();
    account.status = Some(status);
    let mut response = Response::new(Reply::own(format!("{status}: {refusal}\n"), account));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
