//! How control is: what it knows, what is wrong, who works by what it published.

use sluice_sync::admin::ControlClient;
use sluice_sync::admin::protocol::{ControlRequest, ControlResponse, CorefileRow, SourceRow, SyncStatus};

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
    let complete = match (status.complete, status.stale_seconds) {
        (true, _) => yes(true),
        (false, Some(age)) => {
            format!(
                "no: the saved state, {} s old, is served until the API server has been heard",
                count(age)
            )
        }
        (false, None) => "not yet: some objects are not known".to_owned(),
    };
    let latency = status.latency.map(|latency| {
        let within =
            |us: Option<u64>| us.map_or("over 5 s".to_owned(), |us| format!("within {}", milliseconds(us)));
        format!(
            "{} on the mean, half {}, 99 of 100 {} ({} measured)",
            milliseconds(latency.mean_us),
            within(latency.p50_within_us),
            within(latency.p99_within_us),
            count(latency.count)
        )
    });
    let held = status.held.map(|held| {
        format!(
            "{} of {} endpoints would be left, for {} s now: `sluice release` lets it through",
            count(held.after),
            count(held.before),
            count(held.seconds)
        )
    });
    let rows = [
        (
            "control",
            format!("sluice {}, process {}, for {} s", status.sluice, status.pid, status.uptime_seconds),
        ),
        ("source", source),
        ("complete", complete),
        ("generation", generation),
        ("services published", count(status.services)),
        ("problems", problem_words(status)),
    ];
    let more = [
        ("manifest files", status.manifest_files.map(count)),
        ("Corefile", status.corefile.as_ref().map(corefile_words)),
        ("held back", held),
        ("writes statuses", status.leader.map(yes)),
        ("from event to lcore", latency),
    ];
    let more = more.into_iter().filter_map(|(what, value)| Some((what, value?)));
    for (what, value) in rows.into_iter().chain(more) {
        table.row([what.to_owned(), value]);
    }
    [table.render(""), kinds(status), subscribers(status)].join("\n")
}

fn corefile_words(corefile: &CorefileRow) -> String {
    let CorefileRow { source, in_effect, since_seconds, zones } = corefile;
    match (in_effect, since_seconds) {
        (true, Some(since)) => {
            format!("{source}, in effect for {} s, {} zones", count(*since), count(*zones))
        }
        (true, None) => format!("{source}, in effect"),
        (false, Some(since)) => format!(
            "{source} is not in effect as it is now (`sluice show problems`); what it was {} s ago is",
            count(*since)
        ),
        (false, None) if *zones > 0 => {
            format!("{source} is not in effect (`sluice show problems`); what was saved of one before is")
        }
        (false, None) => format!("{source} is not in effect (`sluice show problems`), and nothing is"),
    }
}

fn milliseconds(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
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
    let mut table = Table::new(&[
        ("kind", Align::Left),
        ("synced", Align::Left),
        ("objects", Align::Right),
        ("last event s ago", Align::Right),
        ("lists", Align::Right),
        ("errors", Align::Right),
        ("cannot be followed", Align::Left),
    ]);
    for row in &status.kinds {
        table.row([
            row.kind.to_string(),
            yes(row.synced),
            count(row.objects),
            or_dash(row.last_event_seconds_ago.map(count)),
            or_dash(row.lists.map(count)),
            or_dash(row.errors.map(count)),
            or_dash(row.error.as_ref()),
        ]);
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
