//! The answering end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use sluice_observe::Stop;
use sluice_observe::admin::{Failure, Handler, Server};
use sluice_resolver::Handle;

use super::{ProxyRequest, ProxyResponse};

/// Rows in one part of an answer.
const PART: usize = 256;

/// The admin socket and its thread; both go with it.
#[derive(Debug)]
pub(crate) struct Admin {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Answers on `path`, for root, this process's user and the group with this id.
    pub(crate) fn start(path: &Path, group: Option<u32>, handle: Handle) -> io::Result<Self> {
        let server = Server::bind(path, group)?;
        let handler: Arc<dyn Handler<ProxyRequest>> = Arc::new(Answers { handle });
        let stop = Stop::default();
        let until = stop.clone();
        let thread =
            std::thread::Builder::new().name("admin".into()).spawn(move || server.run(&handler, &until))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Answers {
    handle: Handle,
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
