//! Deadlines that are hardly ever reached.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// A timer for deadlines that move on with every use. It is set anew when it rings too early, or the next deadline comes sooner,
/// and not with every wait: a request that waits for its answer costs no entry in the event loop's timers.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether the deadline is over; the task is woken then, and perhaps before.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, due: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn it_rings_at_the_deadline_it_was_last_asked_for() {
        let mut alarm = Alarm::default();
        let start = Instant::now();
        let tick = Duration::from_millis(20);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(alarm.poll(&mut context, start + tick).is_pending());
        // A later one: the timer rings too early, once.
        poll_fn(|context| alarm.poll(context, start + 3 * tick)).await;
        assert!(start.elapsed() >= 3 * tick);
        // A sooner one than the timer stands at.
        assert!(alarm.poll(&mut context, start + 1_000_000 * tick).is_pending());
        poll_fn(|context| alarm.poll(context, start + 5 * tick)).await;
        assert!(start.elapsed() >= 5 * tick);
        // One that is over.
        poll_fn(|context| alarm.poll(context, start)).await;
    }
}
