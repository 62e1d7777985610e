//! Routes, certificates and upstreams of HTTP, from the proxy.

use std::time::{SystemTime, UNIX_EPOCH};

use sluice_proxy::admin::protocol::{
    ActionRow, CertificateRow, EndpointState, HttpUpstreamRow, PathKind, RouteRow,
};
use sluice_proxy::admin::{ProxyClient, ProxyRequest, ProxyResponse};

use super::parts;
use crate::exit::Failure;
use crate::output::{Align, Printer, Table, count, list, or_dash};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// `sluice show http routes`.
pub(super) fn routes(client: &mut ProxyClient, host: Option<&str>, printer: &Printer) -> Result<(), Failure> {
    let mut all = parts(client, &ProxyRequest::HttpRoutes, |response| match response {
        ProxyResponse::HttpRoutes(rows) => Some(rows),
        _ => None,
    })?;
    if let Some(host) = host {
        all.retain(|row| row.host.eq_ignore_ascii_case(host));
    }
    printer.print(all.as_slice(), route_table)
}

/// `sluice show http certificates`.
pub(super) fn certificates(client: &mut ProxyClient, printer: &Printer) -> Result<(), Failure> {
    let all = parts(client, &ProxyRequest::HttpCertificates, |response| match response {
        ProxyResponse::HttpCertificates(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), certificate_table)
}

/// `sluice show http upstreams`.
pub(super) fn upstreams(client: &mut ProxyClient, printer: &Printer) -> Result<(), Failure> {
    let all = parts(client, &ProxyRequest::HttpUpstreams, |response| match response {
        ProxyResponse::HttpUpstreams(rows) => Some(rows),
        _ => None,
    })?;
    printer.print(all.as_slice(), upstream_table)
}

/// What a route does, in words.
pub(crate) fn action(action: &ActionRow) -> String {
    match action {
        ActionRow::Forward { upstream, fallback, canary } => {
            let mut text = upstream.clone();
            if let Some(fallback) = fallback {
                text.push_str(&format!("\nor {fallback}"));
            }
            if let Some(canary) = canary {
                let by =
                    [canary.header.clone(), canary.cookie.as_ref().map(|cookie| format!("cookie {cookie}"))];
                let weight = (canary.weight > 0).then(|| format!("{} of {}", canary.weight, canary.total));
                let by: Vec<String> = by.into_iter().chain([weight]).flatten().collect();
                text.push_str(&format!("\ncanary {} ({})", canary.upstream, by.join(", ")));
            }
            text
        }
        ActionRow::Redirect { status, location } => {
            format!("{status} {}", location.as_deref().unwrap_or("elsewhere"))
        }
        ActionRow::Respond(status) => status.to_string(),
    }
}

/// How a path is compared, in a word.
pub(crate) fn kind(kind: PathKind) -> &'static str {
    match kind {
        PathKind::Exact => "exact",
        PathKind::Prefix => "prefix",
        PathKind::Pattern => "pattern",
    }
}

fn route_table(rows: &[RouteRow]) -> String {
    let mut table = Table::new(&[
        ("host", Align::Left),
        ("path", Align::Left),
        ("match", Align::Left),
        ("to", Align::Left),
        ("without tls", Align::Right),
        ("from", Align::Left),
    ]);
    for row in rows {
        table.row([
            row.host.clone(),
            row.path.clone(),
            kind(row.kind).to_owned(),
            action(&row.action),
            or_dash(row.https_redirect),
            row.origin.clone(),
        ]);
    }
    table.render("no routes")
}

fn certificate_table(rows: &[CertificateRow]) -> String {
    let mut table = Table::new(&[
        ("certificate", Align::Left),
        ("names", Align::Left),
        ("valid until", Align::Left),
        ("days left", Align::Right),
        ("shown for", Align::Left),
    ]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    for row in rows {
        table.row([
            row.certificate.clone(),
            list(&row.names),
            or_dash(row.not_after.map(date)),
            or_dash(row.not_after.map(|end| (end - now).div_euclid(DAY))),
            list(&row.server_names),
        ]);
    }
    table.render("no certificates")
}

fn upstream_table(rows: &[HttpUpstreamRow]) -> String {
    let mut table = Table::new(&[
        ("upstream", Align::Left),
        ("endpoint", Align::Left),
        ("pod", Align::Left),
        ("state", Align::Left),
        ("in flight", Align::Right),
        ("failures", Align::Right),
    ]);
    for row in rows {
        let counted = |number: u32| match row.state {
            EndpointState::None => "-".to_owned(),
            _ => count(number.into()),
        };
        table.row([
            row.upstream.clone(),
            or_dash(row.endpoint),
            or_dash(row.pod.clone()),
            row.state.to_string(),
            counted(row.in_flight),
            counted(row.failures),
        ]);
    }
    table.render("no upstreams")
}

/// The day of a time in seconds since 1970, UTC. Years are counted from March, so that the leap day is their last.
fn date(seconds: i64) -> String {
    let days = seconds.div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (951_868_799, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_798_761_599, "2026-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn tables_say_what_there_is() {
        let row = RouteRow {
            host: "*.example".to_owned(),
            path: "/".to_owned(),
            kind: PathKind::Prefix,
            action: ActionRow::Redirect { status: 301, location: None },
            https_redirect: Some(308),
            origin: "Ingress default/web".to_owned(),
        };
        let text = route_table(&[row]);
        assert!(
            text.contains("*.example") && text.contains("301 elsewhere") && text.contains("308"),
            "{text}"
        );
        assert!(route_table(&[]).contains("no routes"));
        let none = HttpUpstreamRow {
            upstream: "default/web:80".to_owned(),
            endpoint: None,
            pod: None,
            state: EndpointState::None,
            in_flight: 0,
            failures: 0,
        };
        assert!(upstream_table(&[none]).contains("no endpoint"));
        let certificate = CertificateRow {
            certificate: "default/tls".to_owned(),
            names: vec!["a.example".to_owned(), "b.example".to_owned()],
            not_after: Some(0),
            server_names: vec!["*".to_owned()],
        };
        let text = certificate_table(&[certificate]);
        assert!(text.contains("1970-01-01") && text.contains("b.example") && text.contains('-'), "{text}");
    }
}
