//! The answering end.

use std::io;

use sluice_observe::admin::{Failure, Handler};
use sluice_resolver::Handle;

use super::{ProxyRequest, ProxyResponse};

/// Rows in one part of an answer.
const PART: usize = 256;

/// Answers from the resolver.
pub(crate) struct Answers {
    pub(crate) handle: Handle,
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
        }
        Ok(())
    }
}
