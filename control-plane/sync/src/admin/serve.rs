//! The answering end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use sluice_feed::Server as Feed;
use sluice_observe::Stop;
use sluice_observe::admin::{Failure, Handler, Server};

use super::{Board, ControlRequest, ControlResponse};

/// Problems in one part of an answer.
const PART: usize = 256;

/// The admin socket and its thread; both go with it.
#[derive(Debug)]
pub struct Admin {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Answers on `path`, for root, this process's user and the group with this id.
    ///
    /// # Errors
    /// The system's.
    pub fn start(path: &Path, group: Option<u32>, board: Arc<Board>, feed: Arc<Feed>) -> io::Result<Self> {
        let server = Server::bind(path, group)?;
        let handler: Arc<dyn Handler<ControlRequest>> = Arc::new(Answers { board, feed });
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
    board: Arc<Board>,
    feed: Arc<Feed>,
}

impl Handler<ControlRequest> for Answers {
    fn handle(
        &self,
        request: ControlRequest,
        say: &mut dyn FnMut(ControlResponse) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match request {
            ControlRequest::Sync => say(ControlResponse::Sync(Box::new(self.board.sync(&self.feed))))?,
            ControlRequest::Release => {
                if !self.board.release() {
                    return Err(Failure::Refused("nothing is held back".to_owned()));
                }
                tracing::info!("told to let a loss of endpoints through");
            }
            ControlRequest::Problems => {
                let mut rows = self.board.problems().into_iter();
                loop {
                    let part: Vec<_> = rows.by_ref().take(PART).collect();
                    if part.is_empty() {
                        break;
                    }
                    say(ControlResponse::Problems(part))?;
                }
            }
        }
        Ok(())
    }
}
