//! What becomes of a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sluice_model::http::UpstreamName;

use crate::table::Tables;
use crate::{Client, RequestBody};

/// What clients are sent.
pub type ResponseBody = Full<Bytes>;

/// Handles the requests of one worker.
#[derive(Debug)]
pub struct Forwarder {
    tables: Arc<Tables>,
}

/// Where a request went, for logs and metrics; in the response's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// [`Route::origin`](sluice_model::http::Route::origin) of the route; none where no route fits.
    pub route: Option<Box<str>>,
    /// The upstream; none where the gateway itself answered.
    pub upstream: Option<UpstreamName>,
    /// The endpoint that answered, or was tried last.
    pub endpoint: Option<std::net::SocketAddr>,
    /// Endpoints tried.
    pub tries: u8,
    /// From the first try to the response's head.
    pub upstream_time: Option<Duration>,
}

impl Forwarder {
    /// One that goes by these tables, as they are when a request comes.
    pub fn new(tables: Arc<Tables>) -> Self {
        Self { tables }
    }

    /// Answers a request.
    pub async fn handle(&self, _client: &Client, _request: Request<RequestBody>) -> Response<ResponseBody> {
        let _table = self.tables.load();
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response.extensions_mut().insert(Outcome::default());
        response
    }
}
