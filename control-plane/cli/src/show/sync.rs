//! How control is: what it knows, what is wrong, who works by what it published.

use sluice_sync::admin::ControlClient;
use sluice_sync::admin::protocol::{ControlRequest, ControlResponse, SourceRow, SyncStatus};

use super::unexpected;
use crate::exit::Failure;
use crate::locate;
use crate::output::{Align, Printer, Table, count, or_dash, yes};
use crate::problem::Problem;

/// `sluice show sync`.
pub(super) fn sync(client: &mut ControlClient, printer: &Printer) -> Result<(), Failure> {
    let parts = client.ask(&ControlRequest::Sync).map_err(locate::failure)?;
    let status = parts.into_iter().find_map(|part| match part {
        ControlResponse::Sync(status) => Some(*status),
        _ => None,
    });
    printer.print(&status.ok_or_else(unexpected)?, text)
}

/// `sluice show problems`.
pub(super) fn problems(client: &mut ControlClient, printer: &Printer) -> Result<(), Failure> {
    let mut all: Vec<Problem> = Vec::new();
    for part in client.ask(&ControlRequest::Problems).map_err(locate::failure)? {
        match part {
            ControlResponse::Problems(rows) => all.extend(rows.into_iter().map(Problem::from)),
            _ => return Err(unexpected()),
        }
    }
    printer.print(all.as_slice(), |all| match all {
        [] => "no problems\n".to_owned(),
        all => all.iter().map(Problem::line).collect(),
    })
}

fn text(status: &SyncStatus) -> String {
    let mut table = Table::new(&[("what", Align::Left), ("value", Align::Left)]);
    let source = match &status.source {
        SourceRow::Manifests { folder } => format!("manifests in {}", folder.display()),
        SourceRow::Kubernetes { kubeconfig: Some(file) } => format!("API server of {}", file.display()),
        SourceRow::Kubernetes { kubeconfig: None } => "API server of this pod's cluster".to_owned(),
    };
    let generation = match status.published_seconds_ago {
        Some(seconds) => format!("{}, published {} s ago", status.generation.0, count(seconds)),
        None => "none yet".to_owned(),
    };
    let complete = if status.complete { yes(true) } else { "not yet: some objects are not known".to_owned() };
    for (what, value) in [
        (
            "control",
            format!("sluice {}, process {}, for {} s", status.sluice, status.pid, status.uptime_seconds),
        ),
        ("source", source),
        ("complete", complete),
        ("generation", generation),
        ("services published", count(status.services)),
        ("problems", problem_words(status)),
    ] {
        table.row([what.to_owned(), value]);
    }
    [table.render(""), kinds(status), subscribers(status)].join("\n")
}

fn problem_words(status: &SyncStatus) -> String {
    let counts = status.problems;
    let number = |count: u64, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {what}{plural}"))
    };
    let words: Vec<String> = [
        number(counts.errors, "error"),
        number(counts.warnings, "warning"),
        number(counts.notes, "note"),
        number(status.conflicts, "frontend").map(|frontends| format!("{frontends} claimed twice")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if words.is_empty() { "none".to_owned() } else { format!("{}: `sluice show problems`", words.join(", ")) }
}

fn kinds(status: &SyncStatus) -> String {
    let mut table =
        Table::new(&[("kind", Align::Left), ("objects", Align::Right), ("cannot be followed", Align::Left)]);
    for row in &status.kinds {
        table.row([row.kind.to_string(), count(row.objects), or_dash(row.error.as_ref())]);
    }
    table.render("")
}

fn subscribers(status: &SyncStatus) -> String {
    let mut table = Table::new(&[
        ("subscriber", Align::Left),
        ("process", Align::Right),
        ("works by generation", Align::Right),
        ("behind", Align::Right),
        ("full states", Align::Right),
        ("connected s", Align::Right),
    ]);
    for row in &status.subscribers {
        table.row([
            row.name.clone(),
            row.pid.to_string(),
            row.acknowledged.0.to_string(),
            count(status.generation.0.saturating_sub(row.acknowledged.0)),
            row.full_states.to_string(),
            count(row.connected_seconds),
        ]);
    }
    table.render("no subscribers: the data plane does not run, or has lost control's socket")
}
