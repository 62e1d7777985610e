//! Who is asked for what is not known here: several upstreams, each given a while before the next is asked as well.

mod loops;
mod order;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(crate) use loops::{Loops, watch};

use crate::cache::Key;
use crate::config::CheckedForward;
use crate::counters::{Process, one};
use crate::message::{Answer, ExtendedError};
use crate::upstream::{AskError, Policy, Reply, Upstream, sift};
use crate::zones::under_any;

/// The least and the most questions that are sent for one query. One that is lost is asked again.
const ATTEMPTS: std::ops::RangeInclusive<usize> = 3..=6;

/// Upstreams at work.
#[derive(Debug)]
pub(crate) struct Forward {
    settings: CheckedForward,
    upstreams: Vec<Arc<Upstream>>,
    next: AtomicUsize,
    slots: Option<Semaphore>,
    pub(crate) rejected: AtomicU64,
    pub(crate) all_down: AtomicU64,
}

/// An answer, and how many octets it had.
pub(crate) struct Fetched {
    pub(crate) answer: Answer,
    pub(crate) size: usize,
    /// Whether it may be kept: what is a failure of this server is not.
    pub(crate) keep: bool,
}

impl Fetched {
    fn failure(error: ExtendedError, keep: bool) -> Self {
        Self { answer: Answer::failure(ResponseCode::ServFail, error), size: 0, keep }
    }

    /// Somebody has been reached, or may have been, and does not answer: that it is the network has been a mistake.
    fn silence(&mut self) {
        if self.answer.error == Some(ExtendedError::NETWORK) {
            self.answer.error = Some(ExtendedError::UNREACHABLE);
        }
    }
}

impl Forward {
    pub(crate) fn new(settings: CheckedForward, ports: &RangeInclusive<u16>) -> Self {
        let upstreams =
            settings.upstreams.iter().map(|it| Arc::new(Upstream::new(it, &settings, ports.clone())));
        let slots = Some(settings.settings.max_concurrent).filter(|most| *most > 0).map(Semaphore::new);
        Self {
            upstreams: upstreams.collect(),
            next: AtomicUsize::new(0),
            slots,
            settings,
            rejected: AtomicU64::new(0),
            all_down: AtomicU64::new(0),
        }
    }

    pub(crate) fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// The suffix that is forwarded.
    pub(crate) fn from(&self) -> &Name {
        &self.settings.from
    }

    /// Whether a name is forwarded here.
    pub(crate) fn takes(&self, name: &Name) -> bool {
        self.settings.from.zone_of(name) && !under_any(name, &self.settings.except)
    }

    /// Asks until the deadline. There is always an answer; it may say why there is none.
    pub(crate) async fn ask(
        &self,
        key: &Key,
        over_stream: bool,
        protected: &[Name],
        process: &Process,
        deadline: Instant,
    ) -> Fetched {
        let slot = self.slots.as_ref().map(Semaphore::try_acquire);
        if matches!(slot, Some(Err(_))) {
            one(&self.rejected);
            return Fetched::failure(ExtendedError::OVERLOAD, false);
        }
        let order = order::order(&self.upstreams, self.settings.settings.policy, &self.next);
        if order.is_empty() {
            return Fetched::failure(ExtendedError::LOOP, false);
        }
        if order.iter().all(|upstream| upstream.is_down()) {
            one(&self.all_down);
            if self.settings.settings.fail_fast {
                return Fetched::failure(ExtendedError::UNREACHABLE, false);
            }
        }
        let stream = self.settings.settings.force_tcp || over_stream && !self.settings.settings.prefer_udp;
        let policy = Policy { protected, refuse_private: self.settings.settings.refuse_private };
        self.race(&order, key, stream, &policy, process, deadline).await
    }

    /// Asks one after the other, without giving up on the former ones; the first answer counts.
    async fn race(
        &self,
        order: &[Arc<Upstream>],
        key: &Key,
        stream: bool,
        policy: &Policy<'_>,
        process: &Process,
        deadline: Instant,
    ) -> Fetched {
        let most = (order.len() * 2).clamp(*ATTEMPTS.start(), *ATTEMPTS.end()).max(order.len());
        let mut next = order.iter().cycle().take(most);
        let mut asked = Asked::default();
        let mut last = Fetched::failure(ExtendedError::NETWORK, true);
        let mut running = FuturesUnordered::new();
        let patience = self.settings.settings.patience;
        let mut impatient = Instant::now();
        loop {
            tokio::select! {
                biased;
                Some((upstream, result)) = running.next() => {
                    let upstream: Arc<Upstream> = upstream;
                    let result: Result<Reply, AskError> = result;
                    asked.done(&upstream);
                    match result {
                        Ok(reply) => {
                            upstream.succeeded();
                            match self.judge(reply, key, policy, process) {
                                Ok(fetched) => {
                                    asked.overtaken(patience);
                                    return fetched;
                                }
                                Err(fetched) => last = *fetched,
                            }
                        }
                        Err(why) => {
                            tracing::debug!(upstream = %upstream.address(), %why, "no answer");
                            if !why.is_of_the_network() {
                                last.silence();
                            }
                            upstream.failed();
                        }
                    }
                    impatient = Instant::now();
                }
                () = tokio::time::sleep_until(impatient.min(deadline)) => {
                    if Instant::now() >= deadline {
                        asked.overtaken(Duration::ZERO);
                        last.silence();
                        last.answer.error.get_or_insert(ExtendedError::DEADLINE);
                        return last;
                    }
                    let Some(upstream) = next.next().cloned() else {
                        if running.is_empty() {
                            return last;
                        }
                        // All that is left is to wait.
                        impatient = deadline;
                        continue;
                    };
                    asked.begun(&upstream);
                    impatient = Instant::now() + patience;
                    running.push(async move {
                        let reply = upstream.ask(key, stream, deadline).await;
                        (upstream, reply)
                    });
                }
            }
        }
    }

    /// The answer in a reply, or, as an error, one that another upstream may improve on.
    fn judge(
        &self,
        reply: Reply,
        key: &Key,
        policy: &Policy<'_>,
        process: &Process,
    ) -> Result<Fetched, Box<Fetched>> {
        let size = reply.size;
        match sift(reply.message, key, &reply.sent, policy) {
            Ok(answer) => {
                let code = u16::from(answer.code);
                let improvable = self.settings.settings.failover.contains(&code);
                let fetched = Fetched { answer, size, keep: true };
                if improvable { Err(Box::new(fetched)) } else { Ok(fetched) }
            }
            Err(why) => {
                one(&process.disbelieved);
                tracing::debug!(%why, name = %key.name, "answer not believed");
                Err(Box::new(Fetched::failure(why.told(), true)))
            }
        }
    }
}

/// Questions that are out, and since when.
#[derive(Default)]
struct Asked(Vec<(Arc<Upstream>, Instant)>);

impl Asked {
    fn begun(&mut self, upstream: &Arc<Upstream>) {
        self.0.push((upstream.clone(), Instant::now()));
    }

    fn done(&mut self, upstream: &Arc<Upstream>) {
        if let Some(at) = self.0.iter().position(|(it, _)| Arc::ptr_eq(it, upstream)) {
            self.0.remove(at);
        }
    }

    /// Those that have been out for at least so long have failed.
    fn overtaken(&self, patience: Duration) {
        for (upstream, _) in self.0.iter().filter(|(_, since)| since.elapsed() >= patience) {
            upstream.failed();
        }
    }
}
