//! Ports, routes, neighbours.

use sluice_runtime::admin::protocol::{NeighborRow, PortRow, RouteRow};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use super::rows;
use crate::exit::Failure;
use crate::output::{Align, Printer, Table, count, list, or_dash};

/// `sluice show ports`.
pub(super) fn ports(client: &mut AdminClient, printer: &Printer) -> Result<(), Failure> {
    let all = rows(client, &AdminRequest::Ports, |response| match response {
        AdminResponse::Ports(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), port_table)
}

/// `sluice show routes`.
pub(super) fn routes(client: &mut AdminClient, printer: &Printer) -> Result<(), Failure> {
    let all = rows(client, &AdminRequest::Routes, |response| match response {
        AdminResponse::Routes(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), route_table)
}

/// `sluice show neighbours`.
pub(super) fn neighbours(client: &mut AdminClient, printer: &Printer) -> Result<(), Failure> {
    let all = rows(client, &AdminRequest::Neighbors, |response| match response {
        AdminResponse::Neighbors(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), neighbour_table)
}

fn port_table(rows: &[PortRow]) -> String {
    let mut table = Table::new(&[
        ("port", Align::Left),
        ("device", Align::Left),
        ("driver", Align::Left),
        ("interface", Align::Left),
        ("mac", Align::Left),
        ("addresses", Align::Left),
        ("link", Align::Left),
        ("mtu", Align::Right),
        ("queues", Align::Right),
        ("received", Align::Right),
        ("sent", Align::Right),
        ("lost", Align::Right),
        ("to linux", Align::Right),
        ("from linux", Align::Right),
    ]);
    for row in rows {
        let (device, punt) = (&row.device_counters, &row.punt_counters);
        let link = match (row.link_up, row.speed_mbps) {
            (false, _) => "down".to_owned(),
            (true, None) => "up".to_owned(),
            (true, Some(speed)) => format!("up, {} Mbit/s", count(speed.into())),
        };
        let lost = [
            device.rx_missed,
            device.rx_errors,
            device.rx_no_buffer,
            device.tx_errors,
            row.tx_full,
            row.punt_full,
        ];
        table.row([
            row.name.clone(),
            row.device.clone(),
            row.driver.clone(),
            row.interface.clone(),
            row.mac.clone(),
            list(&row.addresses),
            link,
            row.mtu.to_string(),
            row.queues.to_string(),
            count(device.rx_packets),
            count(device.tx_packets),
            count(lost.iter().fold(0, |sum, lost| sum.saturating_add(*lost))),
            count(punt.tx_packets),
            count(punt.rx_packets),
        ]);
    }
    table.render("no ports")
}

fn route_table(rows: &[RouteRow]) -> String {
    let columns =
        [("to", Align::Left), ("via", Align::Left), ("port", Align::Left), ("metric", Align::Right)];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([row.to.to_string(), or_dash(row.via), row.port.clone(), row.metric.to_string()]);
    }
    table.render("no routes")
}

fn neighbour_table(rows: &[NeighborRow]) -> String {
    let mut table = Table::new(&[("port", Align::Left), ("address", Align::Left), ("mac", Align::Left)]);
    for row in rows {
        table.row([row.port.clone(), row.ip.to_string(), row.mac.clone()]);
    }
    table.render("no neighbours")
}
