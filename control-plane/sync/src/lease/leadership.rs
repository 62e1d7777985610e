//! Whether one may write, for whoever writes.

use std::pin::pin;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// What an elector knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Until when this process leads, if it does not renew it; none where it does not lead.
    pub until: Option<Instant>,
    /// Who holds the Lease, as last seen; empty where nobody does.
    pub holder: Box<str>,
    /// Why the last call failed; none where it did not.
    pub error: Option<Box<str>>,
}

/// This process does not lead, or has ceased to. What was being done may be done or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another gateway may be writing now")]
pub struct NotLeading;

/// Whether one may write. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    view: watch::Receiver<View>,
}

impl Leadership {
    pub(super) fn new(view: watch::Receiver<View>) -> Self {
        Self { view }
    }

    /// Whether this process leads at this moment.
    pub fn is_leader(&self) -> bool {
        leads(&self.view.borrow())
    }

    /// What the elector knows, for people.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until this process leads; for ever where its elector is gone.
    pub async fn acquired(&mut self) {
        if self.view.wait_for(leads).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this process does not lead.
    pub async fn lost(&mut self) {
        loop {
            let until = self.view.borrow_and_update().until;
            let Some(until) = until.filter(|until| Instant::now() < *until) else { return };
            // Renewed, given up, or nothing until it ends.
            if let Ok(Err(_)) = timeout_at(until, self.view.changed()).await {
                return;
            }
        }
    }

    /// Does `work` for as long as this process leads. What it has sent when it is broken off has some five seconds to
    /// reach the server before another may lead.
    ///
    /// # Errors
    /// [`NotLeading`]: `work` was not begun or not completed.
    pub async fn while_leading<T>(&self, work: impl Future<Output = T>) -> Result<T, NotLeading> {
        let mut this = self.clone();
        let mut lost = pin!(this.lost());
        let mut work = pin!(work);
        tokio::select! {
            biased;
            () = &mut lost => Err(NotLeading),
            done = &mut work => Ok(done),
        }
    }
}

fn leads(view: &View) -> bool {
    view.until.is_some_and(|until| Instant::now() < until)
}
