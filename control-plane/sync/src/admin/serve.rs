//! The answering end.

use std::io;
use std::sync::Arc;

use sluice_feed::Server as Feed;
use sluice_observe::admin::{Failure, Handler};

use super::{Board, ControlRequest, ControlResponse};

/// Problems in one part of an answer.
const PART: usize = 256;

/// Answers from what is shown and who is told of it.
pub(crate) struct Answers {
    pub(crate) board: Arc<Board>,
    pub(crate) feed: Arc<Feed>,
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
