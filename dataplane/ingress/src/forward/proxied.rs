//! Requests that go to an endpoint.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue, SET_COOKIE, TE, UPGRADE};
use http::{Response, StatusCode, Version};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use sluice_model::http::BackendProtocol;

use super::attempts::{Exchange, Reply, forward};
use super::outgoing::Source;
use super::websocket::{Handshake, Tunnel};
use super::{Asking, Forwarder, Outcome, Refusal, ResponseBody, choice, cors, fields, upgrade};
use crate::head::{Held, Pace};
use crate::limit::Exceeded;
use crate::proxy_protocol;
use crate::table::{CompiledForward, CompiledPolicy, CompiledRoute, Table, Target};
use crate::upstream::{ClientPool, UpstreamState};

/// What a client wants its connection to become, and how it is taken over.
struct Upgrading {
    protocol: HeaderValue,
    client: OnUpgrade,
    /// Where the client asked with HTTP/2.
    websocket: Option<WebSocket>,
}

/// A stream of HTTP/2 that is to be a WebSocket.
struct WebSocket {
    handshake: Handshake,
    held: Option<Held>,
}

impl Forwarder {
    /// Sends a request to an endpoint, under another path where there is one, and gives its answer.
    pub(super) async fn proxy(
        &self,
        asking: Asking<'_>,
        route: &CompiledRoute,
        action: &CompiledForward,
        path: Option<String>,
        outcome: &mut Outcome,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let Asking { table, client, own, viewer, asked, mut parts, body, websocket } = asking;
        let policy = route.policy();
        let is_http2 = matches!(policy.protocol, BackendProtocol::Grpc | BackendProtocol::Grpcs);
        if is_http2 && websocket {
            return Err(Refusal::Protocol);
        }
        if is_http2 && parts.version < Version::HTTP_2 {
            let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
            if kind.starts_with(b"application/grpc") && !kind.starts_with(b"application/grpc-web") {
                return Err(Refusal::GrpcVersion);
            }
        }
        if let Some(expectation) = parts.headers.remove(EXPECT)
            && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
        {
            return Err(Refusal::Expectation);
        }
        // The client gets its 100 when an endpoint has a connection for the body, and none where the request is refused.
        let source = (!body.is_end_stream()).then(|| Source::new(body, policy.max_body));
        let (target, upstream) = pick_upstream(table, action, &parts.headers);
        outcome.upstream = Some(Arc::clone(target.name()));
        let upstream =
            upstream.filter(|upstream| !upstream.members().is_empty()).ok_or(Refusal::NoEndpoint)?;
        let of_client = match &policy.limits {
            None => None,
            Some(rules) => {
                let begun = self.limits.begin(rules, route.origin(), viewer.address);
                begun.map_err(|Exceeded| Refusal::Limited)?
            }
        };
        let choice = choice::choice(policy, viewer, &asked, &parts.headers);

        let connection = fields::take_connection(&mut parts.headers);
        outcome.request_id = Some(viewer.tell(client, &mut parts.headers, asked.authority.as_ref()));
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let may_upgrade = !is_http2 && parts.version == Version::HTTP_11 && source.is_none();
        let upgrading = match websocket {
            true => {
                let held = parts.extensions.remove::<Arc<Pace>>().map(|pace| pace.hold());
                let websocket = WebSocket { handshake: Handshake::ask(&mut parts.headers), held };
                let protocol = HeaderValue::from_static("websocket");
                // Only hyper's server makes such requests, with what this needs.
                let client = on_upgrade.ok_or(Refusal::Protocol)?;
                Some(Upgrading { protocol, client, websocket: Some(websocket) })
            }
            false => connection
                .upgrade
                .filter(|protocol| may_upgrade && upgrade::is_allowed(protocol))
                .zip(on_upgrade)
                .map(|(protocol, client)| Upgrading { protocol, client, websocket: None }),
        };
        if let Some(upgrading) = &upgrading {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(UPGRADE, upgrading.protocol.clone());
        } else if connection.trailers {
            parts.headers.insert(TE, HeaderValue::from_static("trailers"));
            if !is_http2 {
                parts.headers.insert(CONNECTION, HeaderValue::from_static("te"));
            }
        }
        if !is_http2 {
            fields::join_cookies(&mut parts.headers);
        }
        let first = policy.proxy_protocol;
        let first = first.map(|version| proxy_protocol::header(version, client.peer, client.local));
        let (pool, most_idle) = match first {
            None => (&self.pool, table.settings().upstream_idle as usize),
            Some(_) => (own.get(&self.room), ClientPool::MOST_IDLE),
        };
        let exchange = Exchange {
            upstream,
            policy,
            choice,
            method: parts.method,
            target: asked.target(path)?,
            headers: parts.headers,
            authority: policy.host().cloned().or(asked.authority),
            source,
            most_idle,
            first,
        };
        let mut reply = forward(exchange, pool, &self.connector, outcome).await?;
        reply.in_flight.count(of_client);

        let cookie = policy.affinity.as_ref().and_then(|affinity| {
            let endpoint = reply.in_flight.endpoint();
            choice::set_cookie(affinity, choice, upstream, endpoint, route.path(), viewer.secure)
        });
        let mut response = match upgrading {
            _ if reply.response.status() != StatusCode::SWITCHING_PROTOCOLS => pass(reply, policy),
            Some(upgrading) => switch(reply, upgrading, policy)?,
            // Nobody asked for that.
            None => return Err(Refusal::InvalidResponse),
        };
        if let Some(cookie) = cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(response)
    }
}

/// The canary's where that takes the request and has an endpoint; else the route's own, or its fallback.
fn pick_upstream<'a>(
    table: &'a Table,
    action: &'a CompiledForward,
    headers: &http::HeaderMap,
) -> (&'a Target, Option<&'a Arc<UpstreamState>>) {
    let with_endpoints = |target: &'a Target| {
        let upstream = table.upstream(target).filter(|upstream| !upstream.members().is_empty());
        upstream.map(|upstream| (target, Some(upstream)))
    };
    let canary = action.canary.as_ref().filter(|canary| choice::is_canary(canary, headers));
    let chosen = canary.and_then(|canary| with_endpoints(&canary.upstream));
    let chosen = chosen.or_else(|| with_endpoints(&action.upstream));
    chosen.or_else(|| with_endpoints(action.fallback.as_ref()?)).unwrap_or((&action.upstream, None))
}

/// An endpoint's response for the client.
fn pass(reply: Reply, policy: &CompiledPolicy) -> Response<ResponseBody> {
    let Reply { response, mut lease, in_flight } = reply;
    let (mut head, body) = response.into_parts();
    let (keep_alive, _) = fields::clean_response(&mut head.headers);
    if policy.cors().is_some() {
        cors::take(&mut head.headers);
    }
    if let Some(seconds) = keep_alive {
        lease.keep_alive(seconds);
    }
    let patience = Duration::from_millis(policy.timeouts.read_ms.into());
    let mut passed = Response::new(ResponseBody::from_endpoint(body, lease, in_flight, patience));
    *passed.status_mut() = head.status;
    *passed.headers_mut() = head.headers;
    passed
}

/// A response that makes both connections something else.
fn switch(
    reply: Reply,
    upgrading: Upgrading,
    policy: &CompiledPolicy,
) -> Result<Response<ResponseBody>, Refusal> {
    let Reply { mut response, lease, in_flight } = reply;
    let endpoint = hyper::upgrade::on(&mut response);
    let (mut head, _) = response.into_parts();
    let (_, protocol) = fields::clean_response(&mut head.headers);
    let protocol =
        protocol.filter(|protocol| protocol.as_bytes().eq_ignore_ascii_case(upgrading.protocol.as_bytes()));
    let protocol = protocol.ok_or(Refusal::InvalidResponse)?;
    let idle = Duration::from_millis(policy.timeouts.read_ms.into());
    let mut passed = Response::new(ResponseBody::empty());
    if let Some(WebSocket { handshake, held }) = upgrading.websocket {
        if !handshake.is_accepted(&mut head.headers) {
            return Err(Refusal::InvalidResponse);
        }
        lease.leave();
        let splicing = upgrade::splice(upgrading.client, endpoint, idle, in_flight);
        tokio::spawn(async move {
            splicing.await;
            drop(held);
        });
        *passed.headers_mut() = head.headers;
        passed.extensions_mut().insert(Tunnel);
        return Ok(passed);
    }
    lease.leave();
    tokio::spawn(upgrade::splice(upgrading.client, endpoint, idle, in_flight));
    *passed.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *passed.headers_mut() = head.headers;
    passed.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    passed.headers_mut().insert(UPGRADE, protocol);
    Ok(passed)
}
