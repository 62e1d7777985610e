//! `sluice explain http`: what would become of a request, and why.

use sluice_proxy::admin::protocol::{
    CandidateRow, HttpExplanation, HttpQuery, HttpVerdict, RedirectBy, TlsExplained,
};
use sluice_proxy::admin::{ProxyRequest, ProxyResponse};

use super::words::line;
use crate::args::{ExplainHttpArgs, Global};
use crate::exit::{Exit, Failure};
use crate::output::Printer;
use crate::{locate, show};

/// Asks the running proxy and prints its answer.
pub(super) fn run(args: &ExplainHttpArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    let folder = locate::runtime_dir(&args.config, global)?;
    let query = HttpQuery { client: args.client, ..args.url.clone() };
    let answer =
        locate::proxy_in(&folder)?.ask(&ProxyRequest::ExplainHttp(query)).map_err(locate::failure)?;
    let explanation = answer
        .into_iter()
        .find_map(|part| match part {
            ProxyResponse::ExplainHttp(explanation) => Some(*explanation),
            _ => None,
        })
        .ok_or_else(show::unexpected)?;
    printer.print(&explanation, text)?;
    Ok(Exit::Ok)
}

/// A line for each thing that came up, the verdict last.
fn text(explanation: &HttpExplanation) -> String {
    let mut out = String::new();
    line(&mut out, "request", &request_words(&explanation.query));
    if let Some(tls) = &explanation.tls {
        line(&mut out, "TLS", &tls_words(tls));
    }
    if let Some(host) = &explanation.host {
        let mut words = match &host.pattern {
            Some(pattern) if *pattern == host.name => pattern.clone(),
            Some(pattern) => format!("{pattern}, for {}", host.name),
            None => format!("none for {}", host.name),
        };
        if !host.passed_over.is_empty() {
            words.push_str(&format!("; not looked at: {}", host.passed_over.join(", ")));
        }
        line(&mut out, "virtual host", &words);
    }
    if let Some(path) = explanation.path.as_ref().filter(|path| **path != explanation.query.path) {
        line(&mut out, "path", path);
    }
    if let Some(route) = &explanation.route {
        let kind = show::http::kind(route.kind);
        line(&mut out, "route", &format!("{} ({kind}) of {}", route.path, route.origin));
        for (number, words) in show::http::action(&route.action).lines().enumerate() {
            line(&mut out, if number == 0 { "to" } else { "" }, words);
        }
    }
    for (number, other) in explanation.others.iter().enumerate() {
        line(&mut out, if number == 0 { "other routes" } else { "" }, &other_words(other));
    }
    if explanation.more > 0 {
        line(&mut out, "", &format!("and {} more", explanation.more));
    }
    for (number, row) in explanation.endpoints.iter().enumerate() {
        let endpoint = row.endpoint.map_or_else(String::new, |endpoint| endpoint.to_string());
        let pod = row.pod.as_ref().map(|pod| format!(", pod {pod}")).unwrap_or_default();
        let words = format!("{endpoint}{pod}, {}, {} in flight", row.state, row.in_flight);
        line(&mut out, if number == 0 { "endpoints" } else { "" }, &words);
    }
    line(&mut out, "verdict", &verdict_words(&explanation.verdict));
    out
}

fn request_words(query: &HttpQuery) -> String {
    let scheme = if query.tls { "https" } else { "http" };
    let port = match (query.tls, query.port) {
        (false, 80) | (true, 443) => String::new(),
        (_, port) => format!(":{port}"),
    };
    let behind = query.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let client = query.client.map(|client| format!(" from {client}")).unwrap_or_default();
    format!("{scheme}://{}{port}{}{behind}{client}", query.host, query.path)
}

fn tls_words(tls: &TlsExplained) -> String {
    let entry = &tls.server_name;
    match (&tls.passthrough, &tls.certificate) {
        (Some(upstream), _) => format!("server name {entry}, passed on to {upstream} as it is"),
        (None, Some(certificate)) => format!("server name {entry}, certificate {certificate}"),
        (None, None) => format!("server name {entry}, the gateway's own certificate"),
    }
}

fn other_words(other: &CandidateRow) -> String {
    let why = if other.fits { "fits, but the route above comes before it" } else { "does not fit" };
    format!("{} ({}) of {}: {why}", other.path, show::http::kind(other.kind), other.origin)
}

fn verdict_words(verdict: &HttpVerdict) -> String {
    match verdict {
        HttpVerdict::NotServed => "nobody serves this port in this way".to_owned(),
        HttpVerdict::Passthrough { upstream } => format!("passed on to {upstream} within TLS"),
        HttpVerdict::Refuse { status, help, .. } => format!("answered with {status}: {help}"),
        HttpVerdict::Redirect { status, by: RedirectBy::Https, location } => {
            format!("answered with {status} to {location}, since it came without TLS")
        }
        HttpVerdict::Redirect { status, by: RedirectBy::Route, location } => {
            format!("answered with {status} to {location}")
        }
        HttpVerdict::Respond { status } => format!("answered with {status}, as the route says"),
        HttpVerdict::Forward { upstream, fallback, path, host } => {
            let instead = if *fallback { ", for the first choice has no endpoint" } else { "" };
            format!("forwarded to {upstream}{instead}, as {path} of {host}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(verdict: HttpVerdict) -> HttpExplanation {
        HttpExplanation {
            query: HttpQuery {
                tls: true,
                host: "shop.example".to_owned(),
                port: 8443,
                path: "/a/../b".to_owned(),
                query: Some("c=d".to_owned()),
                client: Some("192.0.2.1".parse().unwrap()),
            },
            verdict,
            tls: None,
            host: None,
            path: Some("/b".to_owned()),
            route: None,
            others: Vec::new(),
            more: 3,
            endpoints: Vec::new(),
        }
    }

    #[test]
    fn every_verdict_has_words() {
        let upstream = "default/web:80".to_owned();
        let location = "https://a/".to_owned();
        for (verdict, words) in [
            (HttpVerdict::NotServed, "nobody serves"),
            (HttpVerdict::Passthrough { upstream: upstream.clone() }, "within TLS"),
            (
                HttpVerdict::Refuse {
                    status: 404,
                    reason: "no-route".to_owned(),
                    help: "no route".to_owned(),
                },
                "404: no route",
            ),
            (
                HttpVerdict::Redirect { status: 308, by: RedirectBy::Https, location: location.clone() },
                "308 to https://a/, since",
            ),
            (HttpVerdict::Redirect { status: 301, by: RedirectBy::Route, location }, "301 to https://a/"),
            (HttpVerdict::Respond { status: 410 }, "410"),
            (
                HttpVerdict::Forward {
                    upstream,
                    fallback: true,
                    path: "/b".to_owned(),
                    host: "h".to_owned(),
                },
                "default/web:80, for the first",
            ),
        ] {
            let text = text(&explanation(verdict));
            assert!(text.lines().last().unwrap().contains(words), "{text}");
            assert!(
                text.starts_with("request        https://shop.example:8443/a/../b?c=d from 192.0.2.1\n"),
                "{text}"
            );
            assert!(text.contains("path           /b\n") && text.contains("and 3 more"), "{text}");
        }
    }
}
