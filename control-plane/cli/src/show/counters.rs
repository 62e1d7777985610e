//! Counters and lcores.

use sluice_runtime::admin::protocol::{CounterRow, LcoreRow};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use super::rows;
use crate::args::CounterFilter;
use crate::exit::Failure;
use crate::output::{Align, Printer, Table, count};

/// `sluice show counters`.
pub(super) fn counters(
    client: &mut AdminClient,
    filter: &CounterFilter,
    printer: &Printer,
) -> Result<(), Failure> {
    let mut all = rows(client, &AdminRequest::Counters, |response| match response {
        AdminResponse::Counters(rows) => Some(rows),
        _ => None,
    })?;
    select(&mut all, filter);
    printer.print(all.as_slice(), |rows| counter_table(rows, filter.per_lcore))
}

/// `sluice show lcores`.
pub(super) fn lcores(client: &mut AdminClient, printer: &Printer) -> Result<(), Failure> {
    let all = rows(client, &AdminRequest::Lcores, |response| match response {
        AdminResponse::Lcores(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), lcore_table)
}

/// Drops first, each kind by name.
fn select(rows: &mut Vec<CounterRow>, filter: &CounterFilter) {
    rows.retain(|row| {
        (filter.all || row.total > 0) && filter.name.as_ref().is_none_or(|name| row.name.contains(name))
    });
    rows.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
}

fn counter_table(rows: &[CounterRow], per_lcore: bool) -> String {
    let lcores = if per_lcore { rows.iter().map(|row| row.lcores.len()).max().unwrap_or(0) } else { 0 };
    let names: Vec<String> = (0..lcores).map(|lcore| format!("lcore {lcore}")).collect();
    let mut columns = vec![("kind", Align::Left), ("name", Align::Left), ("total", Align::Right)];
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    columns.push(("what it counts", Align::Left));
    let mut table = Table::new(&columns);
    for row in rows {
        let mut cells = vec![row.kind.clone(), row.name.clone(), count(row.total)];
        cells.extend((0..lcores).map(|lcore| count(row.lcores.get(lcore).copied().unwrap_or(0))));
        cells.push(row.help.clone());
        table.cells(cells);
    }
    table.render("all at zero")
}

fn lcore_table(rows: &[LcoreRow]) -> String {
    let mut table = Table::new(&[
        ("lcore", Align::Right),
        ("cpu", Align::Right),
        ("busy turns", Align::Right),
        ("received", Align::Right),
        ("flows", Align::Right),
        ("flows that fit", Align::Right),
        ("generation", Align::Right),
    ]);
    for row in rows {
        table.row([
            row.lcore.to_string(),
            row.cpu.to_string(),
            percent(row.busy_turns, row.turns),
            count(row.received),
            count(row.flows.into()),
            count(row.flow_capacity.into()),
            row.generation.0.to_string(),
        ]);
    }
    table.render("no lcores")
}

/// `part` of `whole` in percent, to a tenth.
fn percent(part: u64, whole: u64) -> String {
    let thousandths = (u128::from(part) * 1000).checked_div(whole.into()).unwrap_or(0);
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, name: &str, lcores: &[u64]) -> CounterRow {
        CounterRow {
            name: name.into(),
            kind: kind.into(),
            help: format!("Counts {name}."),
            total: lcores.iter().sum(),
            lcores: lcores.to_vec(),
        }
    }

    fn names(filter: &CounterFilter) -> Vec<String> {
        let mut rows = vec![
            row("event", "received", &[5, 6]),
            row("drop", "no_route", &[0, 1]),
            row("drop", "malformed", &[0, 0]),
        ];
        select(&mut rows, filter);
        rows.into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn zeros_are_hidden_and_drops_come_first() {
        let filter = CounterFilter::default();
        assert_eq!(names(&filter), ["no_route", "received"]);
        assert_eq!(
            names(&CounterFilter { all: true, ..filter.clone() }),
            ["malformed", "no_route", "received"]
        );
        assert_eq!(names(&CounterFilter { all: true, name: Some("rou".into()), ..filter }), ["no_route"]);
    }

    #[test]
    fn lcores_have_their_columns_where_asked_for() {
        let rows = [row("event", "received", &[5, 1_000])];
        let summed = counter_table(&rows, false);
        assert!(summed.contains("1 005") && !summed.contains("LCORE"), "{summed}");
        let each = counter_table(&rows, true);
        assert!(
            each.contains("LCORE 1") && each.contains("1 000") && each.contains("Counts received."),
            "{each}"
        );
        assert_eq!(counter_table(&[], true), "all at zero\n");
    }

    #[test]
    fn percentages_survive_zero() {
        assert_eq!(percent(0, 0), "0.0 %");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
    }
}
