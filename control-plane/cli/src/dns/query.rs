//! `sluice dns query`: what would be answered, from which object, and why.

use std::fmt::Write;

use serde::Serialize;
use sluice_config::Config;
use sluice_dns::explain::{Explanation, Question, Subject};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use super::message::{self, Said};
use crate::args::{Global, QueryArgs};
use crate::exit::{Exit, Failure};
use crate::output::Printer;
use crate::{locate, show};

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    client: Option<std::net::IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<std::net::IpAddr>,
    allowed: bool,
    /// Namespaces whose pod the client is, where that matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_of: Option<Vec<String>>,
    zone: Option<String>,
    subject: Subject,
    rule: sluice_dns::explain::Rule,
    forwarded: Option<String>,
    upstreams: Vec<String>,
    reply: Option<Said>,
}

/// Asks the running gateway and prints its answer.
pub(super) fn run(args: &QueryArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    let socket = locate::dataplane_socket(&args.config, global)?;
    let mut client = locate::dataplane(&socket)?;
    let question = Question {
        name: args.name.clone(),
        kind: args.kind.into(),
        client: args.client,
        server: args.server,
    };
    let said = ask(&mut client, question)?;
    let upstreams = match (&said.forwarded, &args.config.config) {
        (Some(name), Some(path)) => {
            let pod_of = said.pod_of.as_deref().unwrap_or_default();
            upstreams(&locate::config(path, global)?, name, pod_of)
        }
        _ => Vec::new(),
    };
    let report = Report {
        name: args.name.clone(),
        kind: args.kind.to_string(),
        client: args.client,
        at: args.server,
        allowed: said.allowed,
        pod_of: said.pod_of,
        zone: said.zone,
        subject: said.subject,
        rule: said.rule,
        reply: said.reply.as_deref().and_then(message::read),
        forwarded: said.forwarded,
        upstreams,
    };
    printer.print(&report, text)?;
    Ok(Exit::Ok)
}

/// Asks what the tables say.
pub(super) fn ask(client: &mut AdminClient, question: Question) -> Result<Explanation, Failure> {
    let answer = client.ask(&AdminRequest::Dns(question)).map_err(locate::failure)?;
    let said = answer.into_iter().find_map(|part| match part {
        AdminResponse::Dns(explanation) => Some(*explanation),
        _ => None,
    });
    said.ok_or_else(show::unexpected)
}

/// Whom the resolver asks for a name: those of the nearest domain, of two that of the client's namespace.
fn upstreams(config: &Config, name: &str, pod_of: &[String]) -> Vec<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let within = |zone: &str| {
        let zone = zone.trim_end_matches('.').to_ascii_lowercase();
        zone.is_empty() || name.strip_suffix(&zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let zones = config.resolver.iter().flat_map(|it| &it.zones).filter(|zone| within(&zone.name));
    let is_for = |namespaces: &[Box<str>]| match pod_of {
        [namespace] => namespaces.is_empty() || namespaces.iter().any(|own| **own == **namespace),
        _ => namespaces.is_empty(),
    };
    let zones = zones.filter(|zone| is_for(&zone.namespaces));
    let nearest =
        zones.max_by_key(|zone| (zone.name.trim_end_matches('.').len(), !zone.namespaces.is_empty()));
    let forward = nearest.and_then(|zone| zone.forward.iter().find(|forward| within(&forward.from)));
    let upstreams = forward.map(|forward| forward.upstreams.as_slice()).unwrap_or_default();
    let word = |tls: bool| if tls { "tls://" } else { "" };
    upstreams.iter().map(|it| format!("{}{}", word(it.tls.is_some()), it.address)).collect()
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |what: &str, words: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{what:<14} {words}");
    };
    line("question", &format!("{} {}", report.name, report.kind));
    if let Some(client) = report.client {
        let may = if report.allowed { "may ask" } else { "may not ask" };
        let there = report.at.map(|at| format!(" {at}")).unwrap_or_default();
        let pod = match report.pod_of.as_deref() {
            None => String::new(),
            Some([]) => ", the address of no pod that is known".to_owned(),
            Some(namespaces) => format!(", a pod of {}", namespaces.join(" and ")),
        };
        line("client", &format!("{client}, {may}{there}{pod}"));
    }
    if let Some(zone) = &report.zone {
        line("zone", zone);
    }
    line("object", &subject(&report.subject));
    line("why", &report.rule.to_string());
    if let Some(name) = &report.forwarded {
        let whom =
            if report.upstreams.is_empty() { "its upstreams".into() } else { report.upstreams.join(", ") };
        line("forwarded", &format!("sluice proxy asks {whom} for {name}"));
    }
    if let Some(reply) = &report.reply {
        line("code", &reply.code);
        let mut last = "";
        for row in &reply.records {
            let label = if row.section == last { "" } else { row.section };
            last = row.section;
            line(label, &format!("{} {} {} {}", row.owner, row.ttl, row.kind, row.data));
        }
    }
    out
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Foreign => "none of the cluster".to_owned(),
        Subject::Zone => "the zone itself".to_owned(),
        Subject::Inner => "none: names of the zone begin below it".to_owned(),
        Subject::Version => "the version of the DNS specification".to_owned(),
        Subject::Server => "the addresses queries are answered on".to_owned(),
        Subject::Namespace { namespace } => format!("Namespace {namespace}"),
        Subject::Service { service, part: None } => format!("Service {service}"),
        Subject::Service { service, part: Some(part) } => format!("Service {service}, {part} of it"),
        Subject::Pod { namespace, label } => {
            format!("the pod in Namespace {namespace} that {label} is the address of")
        }
        Subject::Host { host } => format!("Ingresses and Services with the host {host}"),
        Subject::Address { address } => format!("whatever has the address {address}"),
        Subject::Unknown => "none: no object makes names of this form".to_owned(),
    }
}
