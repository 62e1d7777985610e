//! What becomes of a request.
//!
//! ```text
//! asked (host, path) → table → misdirected? → https? → networks → CORS → redirect │ status │ forward
//! forward: canary → body limit → fields → attempts (endpoint, connection, retry) → response │ upgrade
//! ```

mod answer;
mod asked;
mod attempts;
mod choice;
mod cors;
mod fields;
mod outcome;
mod outgoing;
mod proxied;
mod redirect;
mod response;
mod upgrade;
mod viewer;
mod websocket;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{HeaderValue, ORIGIN, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use ipnet::IpNet;

use crate::limit::{Exceeded, Limits};
use crate::table::{CompiledAction, CompiledPolicy, Lookup, Table, Tables};
use crate::upstream::{ClientPool, Connector, Pool, Room};
use crate::{Client, RequestBody};
use asked::Asked;
use viewer::Viewer;

pub use outcome::{Outcome, Refusal};
pub use outgoing::{OutgoingBody, OutgoingError};
pub use response::{ResponseBody, ResponseBodyError};

/// Handles the requests of one worker.
pub struct Forwarder {
    tables: Arc<Tables>,
    /// The worker's own reference: requests take part in no count that other workers write.
    table: RefCell<Rc<Known>>,
    pool: Arc<Pool>,
    connector: Connector,
    /// Of connections that are clients' own.
    room: Room,
    limits: Arc<Limits>,
}

/// A table that a worker knows.
struct Known(Arc<Table>);

/// A request on its way to an answer.
struct Asking<'a> {
    table: &'a Table,
    client: &'a Client,
    own: &'a ClientPool,
    viewer: Viewer,
    asked: Asked,
    parts: Parts,
    body: RequestBody,
    /// `CONNECT` for WebSocket: a response of success opens a tunnel, and nothing else may have one.
    websocket: bool,
}

impl Forwarder {
    /// One that goes by these tables, as they are when a request comes, and counts clients' requests with others.
    pub fn new(tables: Arc<Tables>, limits: Arc<Limits>) -> Self {
        let table = RefCell::new(Rc::new(Known(tables.load())));
        Self {
            tables,
            table,
            pool: Arc::default(),
            connector: Connector::new(),
            room: Room::default(),
            limits,
        }
    }

    /// Idle connections to endpoints that speak HTTP/1.1.
    pub fn idle_connections(&self) -> usize {
        self.pool.idle()
    }

    /// Answers a request, and tells what became of it. `own` are the connections of this client alone.
    pub async fn handle(
        &self,
        client: &Client,
        own: &ClientPool,
        request: Request<RequestBody>,
        outcome: &mut Outcome,
    ) -> Response<ResponseBody> {
        let table = self.table();
        let method = request.method().clone();
        self.answer(&table.0, client, own, request, outcome).await.unwrap_or_else(|refusal| {
            outcome.refusal = Some(refusal);
            answer::refusal(refusal, &method)
        })
    }

    fn table(&self) -> Rc<Known> {
        let mut known = self.table.borrow_mut();
        if let Some(newer) = self.tables.load_if_changed(&known.0) {
            *known = Rc::new(Known(newer));
        }
        Rc::clone(&known)
    }

    async fn answer(
        &self,
        table: &Table,
        client: &Client,
        own: &ClientPool,
        request: Request<RequestBody>,
        outcome: &mut Outcome,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::new(client, &parts.headers, &table.settings().trusted);
        outcome.client = Some(viewer.address);
        let websocket = parts.method == Method::CONNECT && websocket::is_asked(&parts)?;
        if parts.method == Method::TRACE || (parts.method == Method::CONNECT && !websocket) {
            return Err(Refusal::Method);
        }
        if websocket {
            // What it would be in HTTP/1.1, for all that goes by the method.
            parts.method = Method::GET;
        }
        let asked = Asked::take(&mut parts.uri, &mut parts.headers, parts.version)?;
        if let Some(tls) = &client.tls
            // Who asked TLS for this very name is right here, also when its entry has become another one since.
            && tls.server_name.as_deref() != Some(asked.host())
            && tls.entry != *table.server_name(asked.host())
        {
            return Err(Refusal::Misdirected);
        }
        let found = match table.find(asked.host(), asked.path()) {
            Lookup::Route(found) => found,
            Lookup::NoPath => return Err(Refusal::NoRoute),
            Lookup::NoHost => return Err(Refusal::NoHost),
        };
        let route = found.value;
        let policy = route.policy();
        outcome.route = Some(Arc::clone(route.origin()));
        let method = parts.method.clone();
        let origin = policy.cors().and_then(|_| parts.headers.get(ORIGIN).cloned());

        let asking = Asking { table, client, own, viewer, asked, parts, body, websocket };
        let answered = match asking.before(policy, route.origin(), &self.limits) {
            Ok(Some(response)) => Ok(response),
            Err(refusal) => Err(refusal),
            Ok(None) => match route.action() {
                CompiledAction::Redirect(redirect) => Ok(asking.redirect(redirect)),
                CompiledAction::Respond(status) => {
                    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::NOT_FOUND);
                    Ok(answer::status(status, &method))
                }
                CompiledAction::Forward(forward) => {
                    let rewritten = policy.rewrite().map(|rewrite| {
                        let path = asking.asked.path();
                        rewrite.of(&found, path).map_err(|_| Refusal::MalformedPath)
                    });
                    match rewritten.transpose() {
                        Ok(path) => self.proxy(asking, route, forward, path, outcome).await,
                        Err(refusal) => Err(refusal),
                    }
                }
            },
        };
        let answered = answered.and_then(|response| {
            let is_tunnel = response.extensions().get::<websocket::Tunnel>().is_some();
            // Of the gateway's own answers, or the endpoint's.
            let is_false = websocket && response.status().is_success() && !is_tunnel;
            if is_false { Err(Refusal::InvalidResponse) } else { Ok(response) }
        });
        let mut response = answered.unwrap_or_else(|refusal| {
            outcome.refusal = Some(refusal);
            answer::refusal(refusal, &method)
        });
        finish(policy, client, origin.as_ref(), &mut response);
        Ok(response)
    }
}

/// What holds for all answers of a route.
fn finish(
    policy: &CompiledPolicy,
    client: &Client,
    origin: Option<&HeaderValue>,
    response: &mut Response<ResponseBody>,
) {
    if let Some(hsts) = policy.hsts().filter(|_| client.tls.is_some()) {
        response.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
    if let Some(cors) = policy.cors() {
        cors::apply(cors, origin, response.headers_mut());
    }
}

impl Asking<'_> {
    /// What is answered before the route's action comes to it.
    fn before(
        &self,
        policy: &CompiledPolicy,
        origin: &str,
        limits: &Limits,
    ) -> Result<Option<Response<ResponseBody>>, Refusal> {
        let method = &self.parts.method;
        if let Some(status) = policy.https_redirect.filter(|_| !self.viewer.secure) {
            return Ok(Some(answer::redirect(status, &self.https(), method)));
        }
        let is_in =
            |networks: &[IpNet]| networks.iter().any(|network| network.contains(&self.viewer.address));
        if is_in(&policy.deny) || (!policy.allow.is_empty() && !is_in(&policy.allow)) {
            return Err(Refusal::Forbidden);
        }
        if let Some(rules) = &policy.limits {
            let counted = limits.request(rules, origin, self.viewer.address, Instant::now());
            counted.map_err(|Exceeded| Refusal::Limited)?;
        }
        if let Some(response) =
            policy.cors().and_then(|cors| cors::preflight(cors, method, &self.parts.headers))
        {
            return Ok(Some(response));
        }
        if policy.max_body.is_some_and(|most| self.body.size_hint().lower() > most) {
            return Err(Refusal::TooLarge);
        }
        Ok(None)
    }
}
