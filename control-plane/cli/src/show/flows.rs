//! Connections.

use sluice_model::Protocol;
use sluice_runtime::admin::protocol::FlowRow;
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use super::unexpected;
use crate::args::FlowFilter;
use crate::exit::Failure;
use crate::locate;
use crate::output::{Align, Printer, Table, or_dash};

/// `sluice show flows`.
pub(super) fn show(client: &mut AdminClient, filter: &FlowFilter, printer: &Printer) -> Result<(), Failure> {
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    // What the other end does not filter by must not count against its limit.
    let request = AdminRequest::Flows {
        address: filter.address,
        limit: filter.is_by_address().then_some(filter.limit),
    };
    let mut all: Vec<FlowRow> = Vec::new();
    let mut strange = false;
    client
        .ask_each(&request, |response| {
            match response {
                AdminResponse::Flows(rows) => all.extend(rows.into_iter().filter(|row| matches(row, filter))),
                _ => strange = true,
            }
            !strange && all.len() < limit
        })
        .map_err(locate::failure)?;
    if strange {
        return Err(unexpected());
    }
    let more = all.len() >= limit;
    all.truncate(limit);
    printer.print(all.as_slice(), |rows| {
        let mut text = table(rows);
        if more {
            text.push_str(&format!("({limit} shown; there may be more: --limit)\n"));
        }
        text
    })
}

fn matches(row: &FlowRow, filter: &FlowFilter) -> bool {
    let record = &row.record;
    let ends = [record.client, record.frontend, record.source, record.backend];
    filter.port.is_none_or(|port| ends.iter().any(|end| end.port() == port))
        && filter.proto.is_none_or(|protocol| protocol.number() == record.protocol)
        && filter
            .service
            .as_ref()
            .is_none_or(|wanted| row.service.as_ref().is_some_and(|name| is_of(name, wanted)))
}

/// Whether a flow's service, which may carry its port's name behind a colon, is the one that was asked for.
fn is_of(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn table(rows: &[FlowRow]) -> String {
    let mut table = Table::new(&[
        ("protocol", Align::Left),
        ("client", Align::Left),
        ("frontend", Align::Left),
        ("source", Align::Left),
        ("backend", Align::Left),
        ("service", Align::Left),
        ("state", Align::Left),
        ("idle s", Align::Right),
        ("lcore", Align::Right),
    ]);
    for row in rows {
        let record = &row.record;
        let protocol = Protocol::from_number(record.protocol);
        let preserved = record.source == record.client;
        table.row([
            protocol.map_or_else(|| record.protocol.to_string(), |protocol| protocol.to_string()),
            record.client.to_string(),
            record.frontend.to_string(),
            if preserved { "preserved".to_owned() } else { record.source.to_string() },
            record.backend.to_string(),
            or_dash(row.service.as_ref()),
            record.state.clone(),
            record.idle_seconds.to_string(),
            row.lcore.to_string(),
        ]);
    }
    table.render("no flows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_meant_with_or_without_its_port() {
        assert!(is_of("shop/web", "shop/web"));
        assert!(is_of("shop/web:http", "shop/web"));
        assert!(!is_of("shop/web2", "shop/web"));
        assert!(!is_of("shop/web", "shop/web:http"));
    }
}
