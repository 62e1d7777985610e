//! Other addresses for the client.

use http::Response;
use sluice_model::http::Redirect;

use super::{Asking, ResponseBody, answer};

impl Asking<'_> {
    /// The same address under `https`, at the port where that is served.
    pub(super) fn https(&self) -> String {
        let served = &self.table.settings().https;
        let here = served
            .iter()
            .find(|address| address.ip().to_canonical() == self.client.local.ip().to_canonical());
        let port = here.or(served.first()).map_or(443, std::net::SocketAddr::port);
        let host = self.asked.host();
        let target = self.target();
        if port == 443 { format!("https://{host}{target}") } else { format!("https://{host}:{port}{target}") }
    }

    /// The answer of a route that names another address.
    pub(super) fn redirect(&self, redirect: &Redirect) -> Response<ResponseBody> {
        let method = &self.parts.method;
        let own = if self.viewer.secure { "https" } else { "http" };
        let target = match redirect.location.as_deref() {
            Some(location) if location.contains("://") => {
                return answer::redirect(redirect.status, location, method);
            }
            Some(location) => match self.asked.query().filter(|_| redirect.keep_query) {
                Some(query) => format!("{location}?{query}"),
                None => location.to_owned(),
            },
            None => self.target(),
        };
        let scheme = redirect.scheme.as_deref().unwrap_or(own);
        let came = || {
            self.asked.authority.as_ref().and_then(|authority| authority.to_str().ok()).unwrap_or_default()
        };
        let authority = match redirect.host.as_deref() {
            Some(host) => host,
            // A port is one scheme's own.
            None if scheme == own => came(),
            None => self.asked.host(),
        };
        let location = if authority.is_empty() { target } else { format!("{scheme}://{authority}{target}") };
        answer::redirect(redirect.status, &location, method)
    }

    fn target(&self) -> String {
        self.asked.target(None).map(|target| target.to_string()).unwrap_or_else(|_| "/".to_owned())
    }
}
