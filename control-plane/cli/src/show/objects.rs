//! Services and their endpoints.

use sluice_runtime::admin::protocol::{BackendRow, ServiceRow};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use super::rows;
use crate::args::What;
use crate::exit::Failure;
use crate::output::{Align, Printer, Table, or_dash};

/// `sluice show services`.
pub(super) fn services(client: &mut AdminClient, which: &What, printer: &Printer) -> Result<(), Failure> {
    let (namespace, name) = which.parts();
    let all = rows(client, &AdminRequest::Services { namespace, name }, |response| match response {
        AdminResponse::Services(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), service_table)
}

/// `sluice show backends`.
pub(super) fn backends(client: &mut AdminClient, which: &What, printer: &Printer) -> Result<(), Failure> {
    let (namespace, name) = which.parts();
    let all = rows(client, &AdminRequest::Backends { namespace, name }, |response| match response {
        AdminResponse::Backends(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), backend_table)
}

fn service_table(rows: &[ServiceRow]) -> String {
    let mut table = Table::new(&[
        ("service", Align::Left),
        ("port", Align::Left),
        ("kind", Align::Left),
        ("address", Align::Left),
        ("protocol", Align::Left),
        ("ready", Align::Right),
        ("endpoints", Align::Right),
    ]);
    for row in rows {
        table.row([
            row.name.clone(),
            name_or_dash(&row.port),
            row.kind.to_string(),
            row.address.to_string(),
            row.protocol.to_string(),
            row.ready.to_string(),
            row.endpoints.to_string(),
        ]);
    }
    table.render("no Services: see `sluice show sync` and `sluice show problems`")
}

fn backend_table(rows: &[BackendRow]) -> String {
    let mut table = Table::new(&[
        ("service", Align::Left),
        ("port", Align::Left),
        ("protocol", Align::Left),
        ("endpoint", Align::Left),
        ("condition", Align::Left),
        ("node", Align::Left),
        ("zone", Align::Left),
    ]);
    for row in rows {
        table.row([
            row.service.clone(),
            name_or_dash(&row.port),
            row.protocol.to_string(),
            row.address.to_string(),
            condition(row).to_owned(),
            or_dash(row.node.as_ref()),
            or_dash(row.zone.as_ref()),
        ]);
    }
    table.render("no endpoints")
}

/// The three conditions in a word or two.
fn condition(row: &BackendRow) -> &'static str {
    match (row.ready, row.serving, row.terminating) {
        (true, _, false) => "ready",
        (true, _, true) => "ready, terminating",
        (false, true, true) => "terminating, serving",
        (false, true, false) => "serving, not ready",
        (false, false, true) => "terminating",
        (false, false, false) => "not ready",
    }
}

fn name_or_dash(name: &str) -> String {
    or_dash((!name.is_empty()).then_some(name))
}
