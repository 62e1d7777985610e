//! Requests to a worker, done between bursts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};

use rtrb::Producer;
use sluice_engine::clients::TopClients;
use sluice_engine::flow::FlowRecord;
use sluice_engine::query_log::QueryRecord;
use sluice_engine::trace::{TraceFilter, TraceRecord};

/// Requests that may wait.
const MOST: usize = 64;

/// What a worker can be asked to do. Answers go to channels that never make it wait.
#[derive(Debug)]
pub enum Request {
    /// A part of its flows.
    Dump {
        /// The entry to begin with.
        from: u32,
        /// How many entries at most; bounds the pause.
        most: usize,
        /// The flows, and where to go on.
        answer: SyncSender<(Vec<FlowRecord>, Option<u32>)>,
    },
    /// Who sends most DNS queries.
    Clients {
        /// What it knows of them.
        answer: SyncSender<TopClients>,
    },
    /// Note the queries that are logged.
    QueryLog {
        /// Where.
        ring: Producer<QueryRecord>,
    },
    /// Record what happens to matching packets, until the other end of the channel is gone.
    Trace {
        /// Which packets.
        filter: TraceFilter,
        /// Where the records go; those that find it full are lost.
        records: SyncSender<Vec<TraceRecord>>,
    },
}

/// Where requests wait for their worker.
#[derive(Debug, Default)]
pub struct Mailbox {
    filled: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

impl Mailbox {
    /// Leaves a request; false where too many wait.
    pub fn post(&self, request: Request) -> bool {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= MOST {
            return false;
        }
        requests.push(request);
        self.filled.store(true, Ordering::Release);
        true
    }

    /// Takes what is there; costs one load where there is nothing.
    #[inline]
    pub(crate) fn take(&self) -> Vec<Request> {
        if !self.filled.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        self.filled.store(false, Ordering::Relaxed);
        std::mem::take(&mut *requests)
    }
}
