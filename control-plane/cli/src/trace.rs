//! `sluice trace`: live packets on their way through.

use std::io::{self, Write};
use std::sync::atomic::Ordering;

use rustix::time::{ClockId, clock_gettime};
use sluice_engine::trace::TraceFilter;
use sluice_runtime::admin::protocol::TraceRow;
use sluice_runtime::admin::{AdminRequest, AdminResponse};

use crate::args::{Format, Global, TraceArgs};
use crate::exit::{Exit, Failure};
use crate::output::write;
use crate::{locate, show, signals};

/// Prints packets until there are enough, time is up, or somebody says so. Whatever ends this process closes the
/// socket, which ends the trace.
pub(crate) fn run(args: &TraceArgs, global: &Global) -> Result<Exit, Failure> {
    let socket = locate::dataplane_socket(&args.config, global)?;
    let mut client = locate::dataplane(&socket)?;
    let stop = signals::stop_flag()?;
    let filter = TraceFilter {
        protocol: args.proto,
        src: args.src,
        dst: args.dst,
        port: args.port,
        limit: args.count,
    };
    let request = AdminRequest::Trace { filter, seconds: args.seconds };
    let clock = Clock::now();
    let mut outcome = Ok(());
    let mut printed = 0;
    client
        .ask_each(&request, |response| {
            outcome = match response {
                AdminResponse::Trace(rows) => {
                    printed += rows.len();
                    rows.iter().try_for_each(|row| print(row, global.output, clock))
                }
                _ => Err(show::unexpected()),
            };
            outcome.is_ok() && !stop.load(Ordering::Acquire)
        })
        .map_err(locate::failure)?;
    outcome?;
    if printed == 0 {
        // Silence could also mean that the gateway does not see the packets: say that it was listened for.
        let _ = writeln!(io::stderr(), "no packet matched; `sluice show counters` tells what came in at all");
    }
    Ok(Exit::Ok)
}

fn print(row: &TraceRow, format: Format, clock: Clock) -> Result<(), Failure> {
    let text = match format {
        Format::Table => line(row, clock),
        Format::Json => {
            serde_json::to_string(row).map_err(|error| Failure::new(Exit::Software, error))? + "\n"
        }
        Format::Yaml => {
            let document =
                serde_saphyr::to_string(row).map_err(|error| Failure::new(Exit::Software, error))?;
            format!("---\n{document}")
        }
    };
    write(&text)
}

/// `09:30:12.345 lcore 0 uplink 192.0.2.9:4000 > 192.0.2.10:80 TCP: new flow, rewritten, sent out of cluster`.
fn line(row: &TraceRow, clock: Clock) -> String {
    let TraceRow { at_ms, lcore, port, packet, stages, drop: _, lost } = row;
    let packet = packet.as_deref().unwrap_or("no IP packet");
    let gap = match lost {
        0 => String::new(),
        lost => format!("({lost} packets on lcore {lcore} came faster than they can be told)\n"),
    };
    format!("{gap}{} lcore {lcore} {port} {packet}: {}\n", clock.time_of_day(*at_ms), stages.join(", "))
}

/// From the lcores' clock to the log's.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// What the time since 1970 is ahead of the monotonic clock, in milliseconds.
    ahead_ms: i64,
}

impl Clock {
    fn now() -> Self {
        let ms = |id| {
            let time = clock_gettime(id);
            time.tv_sec * 1000 + time.tv_nsec / 1_000_000
        };
        Self { ahead_ms: ms(ClockId::Realtime) - ms(ClockId::Monotonic) }
    }

    /// `09:30:12.345`, UTC, as log lines have it.
    fn time_of_day(self, monotonic_ms: u64) -> String {
        let ms =
            i64::try_from(monotonic_ms).unwrap_or(0).saturating_add(self.ahead_ms).rem_euclid(86_400_000);
        let [hours, minutes, seconds] = [ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60];
        format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_where_what_and_what_became_of_it() {
        let row = TraceRow {
            at_ms: 12_045,
            lcore: 1,
            port: "uplink".into(),
            packet: Some("192.0.2.9:4000 > 192.0.2.10:80 TCP".into()),
            stages: vec!["LoadBalancer of default/web".into(), "dropped: source_range".into()],
            drop: Some("source_range".into()),
            lost: 0,
        };
        assert_eq!(
            line(&row, Clock { ahead_ms: 86_400_000 - 13_000 }),
            "23:59:59.045 lcore 1 uplink 192.0.2.9:4000 > 192.0.2.10:80 TCP: LoadBalancer of default/web, dropped: \
             source_range\n"
        );
        let after_gap = line(&TraceRow { lost: 7, ..row.clone() }, Clock::now());
        assert!(after_gap.starts_with("(7 packets on lcore 1 came faster"), "{after_gap}");
        let strange = TraceRow { packet: None, ..row };
        assert!(line(&strange, Clock::now()).contains("no IP packet"));
    }
}
