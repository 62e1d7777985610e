//! Just enough HTTP/1.1 for metrics and health checks: GET and HEAD, one request a connection, everything bounded.

mod connection;
mod server;

pub use server::Server;

/// Who answers: gets the path, without its query.
pub type Answer = dyn Fn(&str) -> Page + Send + Sync;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// More headers: names and values, without line ends.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Page {
    /// Plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }
}

#[cfg(test)]
mod tests;
