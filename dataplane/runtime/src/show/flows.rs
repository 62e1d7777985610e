//! Flows, asked of the lcores in small parts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::{Say, Show, touches};
use crate::admin::protocol::FlowRow;
use crate::admin::{AdminResponse, Failure};
use crate::lcore::Request;

/// Flows that an lcore is asked for at once: some tens of microseconds.
const ENTRIES: usize = 256;
/// How long an lcore may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Show {
    pub(super) fn flows(
        &self,
        address: Option<IpAddr>,
        limit: Option<u64>,
        say: &mut Say<'_>,
    ) -> Result<(), Failure> {
        let mut left = limit.unwrap_or(u64::MAX);
        let snapshot = self.tables.load();
        let mut names: HashMap<u32, Option<String>> = HashMap::new();
        for (number, lcore) in (0..).zip(&self.lcores) {
            let mut from = Some(0);
            while let (Some(entry), true) = (from, left > 0) {
                let (answer, answers) = sync_channel(1);
                if !lcore.mailbox.post(Request::Dump { from: entry, most: ENTRIES, answer }) {
                    return Err(Failure::Refused(format!("lcore {number} has too many requests")));
                }
                let Ok((records, next)) = answers.recv_timeout(PATIENCE) else {
                    return Err(Failure::Refused(format!("lcore {number} does not answer")));
                };
                from = next;
                let meant = records.into_iter().filter(|record| address.is_none_or(|ip| touches(record, ip)));
                let rows: Vec<FlowRow> = meant
                    .take(usize::try_from(left).unwrap_or(usize::MAX))
                    .map(|record| {
                        let service = record.slot.and_then(|slot| {
                            let name = || snapshot.service_port(slot).map(|entry| entry.name.to_string());
                            names.entry(slot).or_insert_with(name).clone()
                        });
                        FlowRow { lcore: number, service, record }
                    })
                    .collect();
                left -= rows.len() as u64;
                if !rows.is_empty() {
                    say(AdminResponse::Flows(rows))?;
                }
            }
        }
        Ok(())
    }
}
