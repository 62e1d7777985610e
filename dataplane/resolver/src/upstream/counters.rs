//! What is counted of an upstream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use crate::counters::{RcodeTimes, Rcodes};

/// Counters of an upstream.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Replies by code.
    pub(crate) codes: Rcodes,
    /// Times until replies, by code.
    pub(crate) times: RcodeTimes,
    /// Questions asked.
    pub(crate) questions: AtomicU64,
    /// Questions without a reply.
    pub(crate) failures: AtomicU64,
    /// Probes without a reply.
    pub(crate) probe_failures: AtomicU64,
    /// Messages that were not the reply.
    pub(crate) mismatches: AtomicU64,
    /// Questions asked again over TCP, for the reply was truncated.
    pub(crate) truncations: AtomicU64,
    /// Questions asked again over TCP, for there were too many mismatches.
    pub(crate) doubts: AtomicU64,
    /// Times it was learned that case is not kept.
    pub(crate) blind: AtomicU64,
    /// Connections used again.
    pub(crate) reused: AtomicU64,
    /// Connections opened.
    pub(crate) opened: AtomicU64,
}

fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn asked(&self, code: Option<ResponseCode>, time: Duration) {
        one(&self.questions);
        if let Some(code) = code {
            self.codes.add(code);
            self.times.add(code, time);
        }
    }

    pub(super) fn failed(&self) {
        one(&self.failures);
    }

    pub(super) fn probe_failed(&self) {
        one(&self.probe_failures);
    }

    pub(super) fn mismatched(&self) {
        one(&self.mismatches);
    }

    pub(super) fn truncated(&self) {
        one(&self.truncations);
    }

    pub(super) fn doubted(&self) {
        one(&self.doubts);
    }

    pub(super) fn blinded(&self) {
        one(&self.blind);
    }

    pub(super) fn reused(&self) {
        one(&self.reused);
    }

    pub(super) fn connected(&self) {
        one(&self.opened);
    }
}
