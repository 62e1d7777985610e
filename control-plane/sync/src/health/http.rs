//! The answers, over HTTP, whatever path is asked for.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_observe::http::{Page, Server};

use super::Answer;

/// Listens on one port of several addresses until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    answer: Arc<Mutex<Answer>>,
    _server: Server,
}

impl Listener {
    /// Listens on `port` of each of `addresses` that can be had.
    pub(super) fn start(addresses: &[IpAddr], port: u16, answer: Answer) -> io::Result<Self> {
        let mut sockets = Vec::new();
        let mut failed = None;
        for &ip in addresses {
            match TcpListener::bind(SocketAddr::new(ip, port)) {
                Ok(socket) => sockets.push(socket),
                Err(error) => failed = Some(error),
            }
        }
        if let (true, Some(error)) = (sockets.is_empty(), failed) {
            return Err(error);
        }
        let answer = Arc::new(Mutex::new(answer));
        let shared = Arc::clone(&answer);
        let page = move |_: &str| page(&shared.lock().unwrap_or_else(PoisonError::into_inner));
        let server = Server::over("health-check", sockets, Arc::new(page))?;
        Ok(Self { answer, _server: server })
    }

    /// What it answers from now on.
    pub(super) fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

/// As kube-proxy answers, header `X-Load-Balancing-Endpoint-Weight` included.
fn page(answer: &Answer) -> Page {
    let Answer { name, local_endpoints } = answer;
    let body = serde_json::json!({
        "service": { "namespace": &*name.namespace, "name": &*name.name },
        "localEndpoints": local_endpoints,
        "serviceProxyHealthy": true,
    });
    Page {
        status: if *local_endpoints > 0 { 200 } else { 503 },
        content_type: "application/json",
        headers: vec![("X-Load-Balancing-Endpoint-Weight", local_endpoints.to_string())],
        body: format!("{body}\n"),
    }
}
