//! Live traces.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use sluice_engine::snapshot::Snapshot;
use sluice_engine::trace::{Stage, TraceFilter, TraceRecord};

use super::{Say, Show, service_port};
use crate::admin::protocol::TraceRow;
use crate::admin::{AdminResponse, Failure};
use crate::lcore::Request;

/// Batches of records that may wait; those that find no room are lost, not the lcore's time.
const QUEUE: usize = 256;
/// How often an empty part shows that the trace goes on, and finds out whether anybody still reads.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

impl Show {
    pub(super) fn trace(&self, filter: &TraceFilter, seconds: u32, say: &mut Say<'_>) -> Result<(), Failure> {
        let (records, arriving) = sync_channel(QUEUE);
        for (number, lcore) in self.lcores.iter().enumerate() {
            let request = Request::Trace { filter: filter.clone(), records: records.clone() };
            if !lcore.mailbox.post(request) {
                return Err(Failure::Refused(format!("lcore {number} has too many requests")));
            }
        }
        drop(records);
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        let mut left = filter.limit as usize;
        let mut said = Instant::now();
        while left > 0 && !self.stop.is_set() {
            let wait = deadline.saturating_duration_since(Instant::now()).min(SIGN_OF_LIFE);
            if wait.is_zero() {
                break;
            }
            let batch = match arriving.recv_timeout(wait) {
                Ok(batch) => batch,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                // Another trace took the lcores over.
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Refused("another trace was started".into()));
                }
            };
            let snapshot = self.tables.load();
            let rows: Vec<TraceRow> =
                batch.into_iter().take(left).map(|record| self.trace_row(record, &snapshot)).collect();
            left -= rows.len();
            if !rows.is_empty() || said.elapsed() >= SIGN_OF_LIFE {
                said = Instant::now();
                say(AdminResponse::Trace(rows))?;
            }
        }
        // The lcores stop when they find nobody at the other end.
        Ok(())
    }

    fn trace_row(&self, record: TraceRecord, snapshot: &Snapshot) -> TraceRow {
        let TraceRecord { at_ms, lcore, port, tuple, stages, lost } = record;
        let has_frontend = stages.iter().any(|stage| matches!(stage, Stage::Frontend { .. }));
        let stage = |stage: &Stage| match stage {
            Stage::Frontend { slot, kind } => match snapshot.service_port(*slot) {
                Some(entry) => format!("{kind} of {}", service_port(&entry.name, &entry.port_name)),
                None => stage.to_string(),
            },
            Stage::Transmitted { port } => format!("sent out of {}", self.port_name(*port)),
            Stage::Refused if has_frontend => "refused: the Service has no endpoint".to_owned(),
            Stage::Refused => "refused: a service address, but no Service has this port".to_owned(),
            Stage::Dropped(reason) => {
                format!("dropped: {reason} ({})", reason.help().trim().trim_end_matches('.'))
            }
            _ => stage.to_string(),
        };
        TraceRow {
            at_ms,
            lcore,
            port: self.port_name(port),
            packet: tuple.map(|tuple| tuple.to_string()),
            drop: stages.iter().find_map(|stage| match stage {
                Stage::Dropped(reason) => Some(reason.name().to_owned()),
                _ => None,
            }),
            stages: stages.iter().map(stage).collect(),
            lost,
        }
    }
}
