//! A request's way to an endpoint, and to another one where that fails.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use sluice_model::http::{BackendProtocol, Retry};
use tokio::time::Instant;

use super::outgoing::{BodyFailure, OutgoingBody, Source};
use super::{Outcome, Refusal};
use crate::table::CompiledPolicy;
use crate::upstream::{
    Choice, ConnectError, Connector, Endpoint, InFlight, Key, Lease, Millis, Pool, UpstreamState,
};

/// A request, and all that decides where it goes.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// Where it goes.
    pub upstream: &'a UpstreamState,
    /// Under which rules.
    pub policy: &'a CompiledPolicy,
    /// To which endpoint first.
    pub choice: Choice,
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// Its fields, without `Host`.
    pub headers: HeaderMap,
    /// `Host`; none in HTTP/1.0 without it.
    pub authority: Option<HeaderValue>,
    /// Its body; none where it has none.
    pub source: Option<Arc<Source>>,
    /// Idle connections kept by the pool.
    pub most_idle: usize,
    /// What connections begin with before anything of HTTP or TLS.
    pub first: Option<Vec<u8>>,
}

/// What an endpoint answered.
#[derive(Debug)]
pub struct Reply {
    /// Its head, and the body to come.
    pub response: Response<Incoming>,
    /// The connection that it comes by.
    pub lease: Lease,
    /// Who answers.
    pub in_flight: InFlight,
}

/// Why one attempt failed.
#[derive(Clone, Copy, Debug)]
struct Failure {
    refusal: Refusal,
    /// Nothing of the request can have got to the endpoint's application.
    unsent: bool,
}

/// Sends a request to endpoints until one answers, within the policy's limits.
///
/// # Errors
/// What the last attempt failed by.
pub async fn forward(
    mut exchange: Exchange<'_>,
    pool: &Arc<Pool>,
    connector: &Connector,
    outcome: &mut Outcome,
) -> Result<Reply, Refusal> {
    let retry = exchange.policy.retry;
    let upstream = exchange.upstream;
    let (start, begun) = (Millis::now(), Instant::now());
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut last = Refusal::NoEndpoint;
    loop {
        let now = Millis::now();
        let Some(member) = upstream.pick(exchange.choice, &tried, now) else { return Err(last) };
        let endpoint = member.endpoint();
        outcome.tries = outcome.tries.saturating_add(1);
        outcome.endpoint = Some(endpoint.address());
        let in_flight = endpoint.begin();
        let tries = outcome.tries;
        let may_try_again = |now: Millis| {
            let in_time =
                retry.within_ms == 0 || now.since(start) < Duration::from_millis(retry.within_ms.into());
            tries < retry.tries && in_time && tried.len() + 1 < upstream.members().len()
        };
        let attempt = exchange.attempt(pool, connector, endpoint, may_try_again(now)).await;
        let now = Millis::now();
        outcome.upstream_time = Some(begun.elapsed());
        match attempt {
            Ok((response, lease)) => {
                let status = response.status().as_u16();
                // Those two are about the request.
                if status >= 500 && !matches!(status, 501 | 505) {
                    upstream.failed(endpoint, now);
                } else {
                    endpoint.succeeded(now);
                }
                let again = retry.on.status(status)
                    && may_try_again(now)
                    && exchange.may_send_again(retry)
                    && upstream.take_retry(now);
                if !again {
                    return Ok(Reply { response, lease, in_flight });
                }
            }
            Err(failure) => {
                last = failure.refusal;
                if failure.is_clients() {
                    return Err(last);
                }
                upstream.failed(endpoint, now);
                let again = failure.is_retried(retry)
                    && may_try_again(now)
                    && (failure.unsent || (exchange.may_send_again(retry) && upstream.take_retry(now)));
                if !again {
                    return Err(last);
                }
            }
        }
        tried.push(endpoint.address());
    }
}

impl Exchange<'_> {
    /// Whether a request that an endpoint may have seen may go to another one (RFC 9110 section 9.2.2).
    fn may_send_again(&self, retry: Retry) -> bool {
        (self.method.is_idempotent() || retry.on.non_idempotent)
            && self.source.as_ref().is_none_or(|source| source.is_replayable())
    }

    async fn attempt(
        &mut self,
        pool: &Arc<Pool>,
        connector: &Connector,
        endpoint: &Arc<Endpoint>,
        more: bool,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let key = Key { address: endpoint.address(), protocol: self.policy.protocol };
        let connect_within = Duration::from_millis(self.policy.timeouts.connect_ms.into());
        let again = self.may_send_again(self.policy.retry);
        let mut waiting = pool.take(key, endpoint, self.most_idle, !again);
        loop {
            let mut lease = match waiting.take() {
                Some(lease) => lease,
                None => {
                    // Handshakes are large, and rare: a request's own state stays small without.
                    let first = self.first.as_deref();
                    let connecting =
                        pool.connect(connector, key, endpoint, self.most_idle, first, connect_within);
                    Box::pin(connecting).await?
                }
            };
            let reused = lease.is_reused();
            let request = self.request(endpoint, reused || more)?;
            let failure = match self.send(&mut lease, request).await {
                Ok(response) => return Ok((response, lease)),
                Err(failure) => failure,
            };
            // An endpoint may close a connection at the moment it is used again: that is no failure of the endpoint's, and a new
            // connection shows whether it is there.
            let stale = reused && failure.refusal == Refusal::Reset;
            let again = failure.unsent || self.may_send_again(self.policy.retry);
            if !(stale && again) {
                return Err(failure);
            }
        }
    }

    fn request(&mut self, endpoint: &Endpoint, keep: bool) -> Result<Request<OutgoingBody>, Failure> {
        let body = match &self.source {
            None => OutgoingBody::empty(),
            Some(source) => source.attempt().ok_or(Failure::sent(Refusal::BrokenBody))?,
        };
        let headers = if keep { self.headers.clone() } else { std::mem::take(&mut self.headers) };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = headers;
        let malformed = Failure::sent(Refusal::MalformedHost);
        let authority = || match &self.authority {
            Some(authority) => Ok(authority.clone()),
            None => HeaderValue::try_from(endpoint.address().to_string()).map_err(|_| malformed),
        };
        match self.policy.protocol {
            BackendProtocol::Http | BackendProtocol::Https => {
                request.headers_mut().insert(HOST, authority()?);
                *request.uri_mut() = Uri::from(self.target.clone());
                *request.version_mut() = Version::HTTP_11;
            }
            protocol @ (BackendProtocol::Grpc | BackendProtocol::Grpcs) => {
                let scheme = if protocol == BackendProtocol::Grpc { "http" } else { "https" };
                let uri = Uri::builder().scheme(scheme).authority(authority()?.as_bytes());
                *request.uri_mut() =
                    uri.path_and_query(self.target.clone()).build().map_err(|_| malformed)?;
                *request.version_mut() = Version::HTTP_2;
            }
        }
        Ok(request)
    }

    /// The response's head, within the policy's deadlines.
    async fn send(
        &self,
        lease: &mut Lease,
        request: Request<OutgoingBody>,
    ) -> Result<Response<Incoming>, Failure> {
        let timeouts = self.policy.timeouts;
        let mut sending = pin!(lease.send(request));
        let patience = match self.source {
            None => timeouts.read_ms,
            Some(_) => timeouts.read_ms.min(timeouts.write_ms),
        };
        let mut deadline = Instant::now() + Duration::from_millis(patience.into());
        loop {
            let answered =
                poll_fn(|context| match lease.poll(context, |context| sending.as_mut().poll(context)) {
                    Poll::Ready(sent) => Poll::Ready(Some(sent)),
                    Poll::Pending => lease.poll_due(context, deadline).map(|()| None),
                });
            if let Some(sent) = answered.await {
                return sent.map_err(|mut error| {
                    let unsent = error.take_message().is_some();
                    self.failure(error.error(), unsent)
                });
            }
            // While the client sends, the endpoint is not late.
            let due = self.source.as_ref().map(|source| source.deadline(&timeouts));
            let now = Millis::now();
            deadline = match due {
                Some(None) => Instant::now() + Duration::from_millis(patience.into()),
                Some(Some(due)) if due > now => Instant::now() + due.since(now),
                _ => return Err(Failure::sent(Refusal::Timeout)),
            };
        }
    }

    fn failure(&self, error: &hyper::Error, unsent: bool) -> Failure {
        let refusal = match self.source.as_ref().and_then(|source| source.failure()) {
            Some(BodyFailure::TooLarge) => Refusal::TooLarge,
            Some(BodyFailure::Client) => Refusal::BrokenBody,
            Some(BodyFailure::Slow) => Refusal::SlowBody,
            None if error.is_parse() => Refusal::InvalidResponse,
            None => Refusal::Reset,
        };
        Failure { refusal, unsent: unsent || is_refused_stream(error) }
    }
}

/// Whether an HTTP/2 endpoint said that it has not looked at the request (RFC 9113 section 8.7).
fn is_refused_stream(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

impl Failure {
    fn sent(refusal: Refusal) -> Self {
        Self { refusal, unsent: false }
    }

    fn is_clients(self) -> bool {
        !matches!(
            self.refusal,
            Refusal::Connect
                | Refusal::ConnectTimeout
                | Refusal::Reset
                | Refusal::InvalidResponse
                | Refusal::Timeout
        )
    }

    fn is_retried(self, retry: Retry) -> bool {
        match self.refusal {
            Refusal::Connect | Refusal::Reset => retry.on.error,
            Refusal::ConnectTimeout => retry.on.error || retry.on.timeout,
            Refusal::InvalidResponse => retry.on.invalid_header,
            Refusal::Timeout => retry.on.timeout,
            _ => false,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let refusal = match error {
            ConnectError::Timeout(_) => Refusal::ConnectTimeout,
            ConnectError::Io(_) | ConnectError::Http => Refusal::Connect,
        };
        Self { refusal, unsent: true }
    }
}
