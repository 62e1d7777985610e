//! A line.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use serde::Serialize;
use sluice_model::http::UpstreamName;

use crate::forward::{self, Outcome};
use crate::{Client, Refusal};

/// Bytes of a field that are logged. A head can be long, and a queue of them longer.
const MAX_TEXT: usize = 2048;

/// A request, as it is logged.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// When it began, in seconds since 1970.
    time: f64,
    client: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Box<str>>,
    method: Box<str>,
    scheme: &'static str,
    host: Option<Box<str>>,
    path: Box<str>,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<Box<str>>,
    /// Why the gateway itself refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    /// 499 where the client went before there was one.
    status: u16,
    /// Bytes of the response's body.
    bytes: u64,
    /// To the end of the response, in milliseconds.
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "shown")]
    route: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "shown")]
    upstream: Option<Arc<UpstreamName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
}

impl Entry {
    /// A request that begins. Of one without parts nothing is known but that it was refused.
    pub(crate) fn new(client: &Client, parts: Option<&Parts>, refusal: Option<Refusal>) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut entry = Self {
            time: since.as_millis() as f64 / 1000.0,
            client: client.peer,
            scheme: if client.tls.is_some() { "https" } else { "http" },
            tls: client.tls.as_ref().map(|tls| tls.version.as_str()),
            refused: refusal.map(Refusal::as_str),
            request_id: None,
            method: Box::default(),
            host: None,
            path: Box::default(),
            protocol: "HTTP/1.1",
            user_agent: None,
            referer: None,
            status: 499,
            bytes: 0,
            duration_ms: 0.0,
            route: None,
            upstream: None,
            endpoint: None,
            tries: None,
            upstream_ms: None,
        };
        if let Some(parts) = parts {
            entry.asked(parts);
        }
        entry
    }

    fn asked(&mut self, parts: &Parts) {
        let field = |name: HeaderName| parts.headers.get(name).map(|value| text(value.as_bytes()));
        let authority = parts.uri.authority().map(|authority| text(authority.as_str().as_bytes()));
        self.method = text(parts.method.as_str().as_bytes());
        self.host = authority.or_else(|| field(header::HOST));
        self.path = text(parts.uri.path_and_query().map_or("", |path| path.as_str()).as_bytes());
        self.protocol = match parts.version {
            http::Version::HTTP_2 => "HTTP/2.0",
            http::Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        self.user_agent = field(header::USER_AGENT);
        self.referer = field(header::REFERER);
    }

    /// How it ended.
    pub(crate) fn finish(
        &mut self,
        status: Option<StatusCode>,
        outcome: Outcome,
        bytes: u64,
        time: Duration,
    ) {
        self.status = status.map_or(499, |status| status.as_u16());
        self.bytes = bytes;
        self.duration_ms = milliseconds(time);
        if let Some(address) = outcome.client {
            self.client.set_ip(address);
        }
        if let Some(id) = outcome.request_id {
            self.request_id = Some(text(id.as_bytes()));
        }
        self.refused = self.refused.or_else(|| outcome.refusal.map(forward::Refusal::as_str));
        self.route = outcome.route;
        self.upstream = outcome.upstream;
        self.endpoint = outcome.endpoint;
        self.tries = Some(outcome.tries.into()).filter(|&tries| tries > 0);
        self.upstream_ms = outcome.upstream_time.map(milliseconds);
    }

    /// Writes it down, with a line's end.
    pub(super) fn append_to(&self, lines: &mut Vec<u8>) {
        let before = lines.len();
        match serde_json::to_writer(&mut *lines, self) {
            Ok(()) => lines.push(b'\n'),
            Err(_) => lines.truncate(before),
        }
    }
}

/// As people read it.
fn shown<T: Display, S: serde::Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}", value.as_ref().map_or(&"" as &dyn Display, |value| value)))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

fn text(bytes: &[u8]) -> Box<str> {
    let bytes = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into()
}
