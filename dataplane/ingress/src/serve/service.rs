//! A connection's requests.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};

use super::connection::Connection;
use super::reply::{Account, Reply};
use crate::RequestBody;
use crate::forward::Outcome;
use crate::head::{Refusal, check_parts};
use crate::log::Entry;

/// `Server`, where the endpoint sends none.
const SERVER: HeaderValue = HeaderValue::from_static("sluice");

/// What hyper calls with each request.
pub(super) fn service(
    connection: Connection,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Reply>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Reply>, Infallible>>,
> {
    let connection = Rc::new(connection);
    service_fn(move |request: Request<Incoming>| {
        let refusal = connection.pace.called();
        let connection = Rc::clone(&connection);
        async move { Ok(answer(&connection, request, refusal).await) }
    })
}

async fn answer(
    connection: &Connection,
    request: Request<Incoming>,
    refusal: Option<Refusal>,
) -> Response<Reply> {
    let (mut parts, body) = request.into_parts();
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
            if parts.method == Method::CONNECT {
                // Its stream may go on when it is answered.
                parts.extensions.insert(Arc::clone(&connection.pace));
            }
            let patience = Duration::from_millis(connection.settings.body_ms.into());
            let request = Request::from_parts(parts, RequestBody::new(body, patience));
            let (client, own) = (&connection.client, &connection.own);
            let response = worker.forwarder.handle(client, own, request, &mut account.outcome).await;
            account.status = Some(response.status());
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
