//! The answering end.

use std::io;

use sluice_ingress::View;
use sluice_observe::admin::{Failure, Handler};
use sluice_resolver::Handle;

use super::{ProxyRequest, ProxyResponse};

/// Rows in one part of an answer.
const PART: usize = 256;

/// Answers from the resolver and the server of HTTP.
pub(crate) struct Answers {
    pub(crate) handle: Handle,
    pub(crate) http: View,
}

impl Handler<ProxyRequest> for Answers {
    fn handle(
        &self,
        request: ProxyRequest,
        say: &mut dyn FnMut(ProxyResponse) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match request {
            ProxyRequest::Cache => {
                for part in self.handle.caches().chunks(PART) {
                    say(ProxyResponse::Cache(part.to_vec()))?;
                }
            }
            ProxyRequest::Upstreams => {
                for part in self.handle.upstreams().chunks(PART) {
                    say(ProxyResponse::Upstreams(part.to_vec()))?;
                }
            }
            ProxyRequest::HttpRoutes => {
                for part in self.http.routes().chunks(PART) {
                    say(ProxyResponse::HttpRoutes(part.to_vec()))?;
                }
            }
            ProxyRequest::HttpUpstreams => {
                for part in self.http.upstreams().chunks(PART) {
                    say(ProxyResponse::HttpUpstreams(part.to_vec()))?;
                }
            }
            ProxyRequest::HttpCertificates => {
                for part in self.http.certificates().chunks(PART) {
                    say(ProxyResponse::HttpCertificates(part.to_vec()))?;
                }
            }
            ProxyRequest::ExplainHttp(query) => {
                say(ProxyResponse::ExplainHttp(Box::new(self.http.explain(query))))?;
            }
        }
        Ok(())
    }
}
