//! A request and its response.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::super::Endpoint;
use super::super::connection::{LARGEST, afford};
use super::super::share::Share;
use super::freshness::max_age;
use crate::authority::Transport;
use crate::service::{Origin, Service, Step};

/// What a message is (RFC 8484, section 6).
const MESSAGE: &str = "application/dns-message";

/// The response to a request. There always is one: what is no query says so by its status.
pub(super) async fn answer(
    request: Request<Incoming>,
    client: SocketAddr,
    endpoint: &Arc<Endpoint>,
    service: &Arc<Service>,
    share: &Share,
) -> Response<Full<Bytes>> {
    let response = match query(request, endpoint, service).await {
        Ok(query) => match reply(&query, client, endpoint, service, share).await {
            Some(reply) => message(reply),
            None => refused(StatusCode::BAD_REQUEST),
        },
        Err(status) => refused(status),
    };
    service.process.https(response.status().as_u16());
    response
}

/// The message in a request.
async fn query(
    request: Request<Incoming>,
    endpoint: &Endpoint,
    service: &Service,
) -> Result<Vec<u8>, StatusCode> {
    if Some(request.uri().path()) != endpoint.path.as_deref() {
        return Err(StatusCode::NOT_FOUND);
    }
    match *request.method() {
        Method::GET => {
            let asked = request.uri().query().unwrap_or_default();
            let value = asked.split('&').find_map(|pair| pair.strip_prefix("dns="));
            let value = value.filter(|value| !value.is_empty()).ok_or(StatusCode::BAD_REQUEST)?;
            let message = URL_SAFE_NO_PAD.decode(value).map_err(|_| StatusCode::BAD_REQUEST)?;
            if message.len() > LARGEST { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(message) }
        }
        Method::POST => {
            let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
            if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case(MESSAGE.as_bytes())) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            if request.body().size_hint().lower() > LARGEST as u64 {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            let most = service.state.load().limits.message;
            let body = Limited::new(request.into_body(), LARGEST).collect();
            match tokio::time::timeout(most, body).await {
                Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
                Ok(Err(why)) if why.is::<http_body_util::LengthLimitError>() => {
                    Err(StatusCode::PAYLOAD_TOO_LARGE)
                }
                Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
                Err(_) => {
                    crate::counters::one(&service.process.connections_slow);
                    Err(StatusCode::REQUEST_TIMEOUT)
                }
            }
        }
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// The reply to a message; none if it is one that gets none.
async fn reply(
    query: &[u8],
    client: SocketAddr,
    endpoint: &Arc<Endpoint>,
    service: &Arc<Service>,
    share: &Share,
) -> Option<Vec<u8>> {
    let began = std::time::Instant::now();
    let step = service.step(query, Origin { client, endpoint }, Transport::Https);
    afford(share, began, service.state.load().limits.work, service).await;
    match step {
        Step::Reply(reply) => Some(reply),
        Step::Messages(_) | Step::Silent => None,
        Step::Wait(pending) => {
            let most = service.state.load().limits.query;
            pending.finish(service, most).await
        }
    }
}

fn message(reply: Vec<u8>) -> Response<Full<Bytes>> {
    let age = max_age(&reply);
    let mut response = Response::new(Full::new(Bytes::from(reply)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MESSAGE));
    if let Ok(age) = HeaderValue::try_from(format!("max-age={age}")) {
        response.headers_mut().insert(CACHE_CONTROL, age);
    }
    response
}

fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let reason = status.canonical_reason().unwrap_or("refused");
    let mut response = Response::new(Full::new(Bytes::from_static(reason.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}
