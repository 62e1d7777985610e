//! How the gateway is.

use sluice_runtime::admin::protocol::{Status, VersionInfo};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use crate::exit::Failure;
use crate::locate;
use crate::output::{Align, Printer, Table, count, or_dash, yes};

use super::unexpected;

/// `sluice show status`.
pub(super) fn show(client: &mut AdminClient, printer: &Printer) -> Result<(), Failure> {
    let status = ask(client, &AdminRequest::Status, |response| match response {
        AdminResponse::Status(status) => Some(status),
        _ => None,
    })?;
    printer.print(&status, table)
}

/// Which release runs.
pub(crate) fn version(client: &mut AdminClient) -> Result<VersionInfo, Failure> {
    ask(client, &AdminRequest::Version, |response| match response {
        AdminResponse::Version(version) => Some(version),
        _ => None,
    })
}

fn ask<T>(
    client: &mut AdminClient,
    request: &AdminRequest,
    part: impl Fn(AdminResponse) -> Option<T>,
) -> Result<T, Failure> {
    let parts = client.ask(request).map_err(locate::failure)?;
    parts.into_iter().find_map(part).ok_or_else(unexpected)
}

fn table(status: &Status) -> String {
    let mut table = Table::new(&[("what", Align::Left), ("value", Align::Left)]);
    let of = |free: u64, all: u64| format!("{} of {}", count(free), count(all));
    let [buffers, free] = status.buffers;
    let control = match (&status.feed_connected, &status.feed_error) {
        (true, _) => "connected".to_owned(),
        (false, error) => format!("away: {}", or_dash(error.as_ref())),
    };
    for (what, value) in [
        ("ready", yes(status.ready)),
        ("control", control),
        ("generation", status.generation.0.to_string()),
        ("services", count(status.services)),
        ("routes", count(status.routes)),
        ("neighbours", count(status.neighbors)),
        ("flows", of(status.flows, status.flow_capacity)),
        ("buffers free", of(free, buffers)),
        ("huge pages", yes(status.huge_pages)),
    ] {
        table.row([what.to_owned(), value]);
    }
    let mut text = table.render("");
    if !status.conflicts.is_empty() {
        let mut conflicts = Table::new(&[
            ("claimed twice", Align::Left),
            ("protocol", Align::Left),
            ("served by", Align::Left),
            ("not served by", Align::Left),
        ]);
        for conflict in &status.conflicts {
            conflicts.row([
                conflict.address.to_string(),
                conflict.protocol.to_string(),
                conflict.winner.to_string(),
                conflict.loser.to_string(),
            ]);
        }
        text.push('\n');
        text.push_str(&conflicts.render(""));
    }
    text
}
