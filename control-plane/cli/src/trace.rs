//! `sluice trace`: live packets on their way through.

use std::sync::atomic::Ordering;

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
    let mut outcome = Ok(());
    client
        .ask_each(&request, |response| {
            outcome = match response {
                AdminResponse::Trace(rows) => rows.iter().try_for_each(|row| print(row, global.output)),
                _ => Err(show::unexpected()),
            };
            outcome.is_ok() && !stop.load(Ordering::Acquire)
        })
        .map_err(locate::failure)?;
    outcome.map(|()| Exit::Ok)
}

fn print(row: &TraceRow, format: Format) -> Result<(), Failure> {
    let text = match format {
        Format::Table => line(row),
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

/// `12.345 lcore 0 uplink 192.0.2.9:4000 > 192.0.2.10:80 TCP: new flow, rewritten, sent out of cluster`.
fn line(row: &TraceRow) -> String {
    let TraceRow { at_ms, lcore, port, packet, stages } = row;
    let packet = packet.as_deref().unwrap_or("no IP packet");
    format!("{}.{:03} lcore {lcore} {port} {packet}: {}\n", at_ms / 1000, at_ms % 1000, stages.join(", "))
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
        };
        assert_eq!(
            line(&row),
            "12.045 lcore 1 uplink 192.0.2.9:4000 > 192.0.2.10:80 TCP: LoadBalancer of default/web, dropped: \
             source_range\n"
        );
        let strange = TraceRow { packet: None, ..row };
        assert!(line(&strange).contains("no IP packet"));
    }
}
