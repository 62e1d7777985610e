//! `sluice dns diff`: where another server answers otherwise.

mod known;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use sluice_dns::explain::Question;
use sluice_dns::name::Name;
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use super::message::{self, Row, Said};
use super::query;
use super::server::Server;
use crate::args::{DiffArgs, Global, values};
use crate::exit::{Exit, Failure};
use crate::output::{Align, Printer, Table};
use crate::{locate, show};

/// Types that each name is asked for beside its own.
const OTHERS: [u16; 5] = [1, 28, 33, 16, 6];
/// Examples of each group.
const EXAMPLES: usize = 3;

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Questions.
    asked: usize,
    /// Answers that are the same.
    same: usize,
    /// Questions that this gateway forwards, and that were not compared.
    forwarded: usize,
    /// Questions that the other server did not answer.
    unanswered: usize,
    /// Differences.
    groups: Vec<Group>,
}

/// Differences of one kind.
#[derive(Debug, Serialize)]
struct Group {
    /// In words; of known ones, those of `docs/dns.md`.
    what: String,
    /// CoreDNS is known for it.
    known: bool,
    /// How many.
    count: usize,
    /// The first of them.
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    here: Said,
    there: Said,
}

/// Asks both and prints where they differ.
pub(super) fn run(args: &DiffArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    let socket = locate::dataplane_socket(&args.config, global)?;
    let mut client = locate::dataplane(&socket)?;
    let questions = match &args.names {
        Some(path) => recorded(path)?,
        None => generated(&mut client)?,
    };
    let mut server = Server::new(args.against)
        .map_err(|error| Failure::new(Exit::of(&error), format_args!("{}: {error}", args.against)))?;
    let mut report = Report::default();
    let mut groups: BTreeMap<(bool, String), (usize, Vec<Example>)> = BTreeMap::new();
    for (name, kind) in questions {
        report.asked += 1;
        let question = Question { name: name.clone(), kind, client: None, server: None };
        let explanation = query::ask(&mut client, question)?;
        let Some(here) = explanation.reply.as_deref().filter(|_| explanation.forwarded.is_none()) else {
            report.forwarded += 1;
            continue;
        };
        // The gateway has taken the name, so it is one.
        let parsed = Name::parse(&name).map_err(|error| Failure::new(Exit::Data, error))?;
        let there = server.ask(&parsed, kind).ok().as_deref().and_then(message::read);
        let (Some(here), Some(there)) = (message::read(here), there) else {
            report.unanswered += 1;
            if report.unanswered == report.asked && report.asked > 2 {
                return Err(Failure::new(
                    Exit::Unavailable,
                    format_args!("{} does not answer", args.against),
                ));
            }
            continue;
        };
        let Some(what) = difference(&here, &there) else {
            report.same += 1;
            continue;
        };
        let known = known::defect(&name, kind, &explanation, &here, &there);
        let entry = groups.entry((known.is_some(), known.map_or(what, str::to_owned))).or_default();
        entry.0 += 1;
        if entry.1.len() < EXAMPLES {
            let kind = hickory_proto::rr::RecordType::from(kind).to_string();
            entry.1.push(Example { name, kind, here, there });
        }
    }
    let group = |((known, what), (count, examples))| Group { what, known, count, examples };
    report.groups = groups.into_iter().map(group).collect();
    printer.print(&report, text)?;
    let differs = report.unanswered > 0 || report.groups.iter().any(|group| !group.known);
    Ok(if differs { Exit::Different } else { Exit::Ok })
}

/// A name and perhaps a type on each line; `#` begins a comment.
fn recorded(path: &Path) -> Result<Vec<(String, u16)>, Failure> {
    let failed = |error| Failure::new(Exit::NoInput, format_args!("{}: {error}", path.display()));
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_string(&mut text).map_err(failed)?;
    } else {
        text = std::fs::read_to_string(path).map_err(failed)?;
    }
    let mut questions = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format_args!("{}:{}: {why}", path.display(), number + 1))
        };
        Name::parse(name).map_err(|error| wrong(&error))?;
        let kind = values::record_type(words.next().unwrap_or("A")).map_err(|why| wrong(&why))?;
        questions.push((name.to_owned(), kind.into()));
    }
    Ok(questions)
}

/// All names that the gateway has, in the types that they have and some more.
fn generated(client: &mut AdminClient) -> Result<Vec<(String, u16)>, Failure> {
    let parts = client.ask(&AdminRequest::DnsNames).map_err(locate::failure)?;
    let mut questions = Vec::new();
    for part in parts {
        let AdminResponse::DnsNames(rows) = part else { return Err(show::unexpected()) };
        for row in rows {
            let mut kinds = row.kinds;
            kinds.extend(OTHERS);
            kinds.sort_unstable();
            kinds.dedup();
            questions.extend(kinds.into_iter().map(|kind| (row.name.clone(), kind)));
        }
    }
    questions.sort();
    Ok(questions)
}

/// How two replies differ; none where they say the same.
fn difference(here: &Said, there: &Said) -> Option<String> {
    if here.code != there.code {
        return Some(format!("{} here, {} there", here.code, there.code));
    }
    let rows = |said: &Said, ttl: bool| {
        let mut rows: Vec<Row> = said.records.clone();
        for row in &mut rows {
            row.data = row.lasting();
            if !ttl {
                row.ttl = 0;
            }
        }
        rows.sort();
        rows
    };
    if rows(here, true) == rows(there, true) {
        return None;
    }
    if rows(here, false) == rows(there, false) {
        return Some("only TTLs differ".to_owned());
    }
    let of = |rows: Vec<Row>, section: &str| {
        rows.into_iter().filter(|row| row.section == section).collect::<Vec<_>>()
    };
    let (here, there) = (rows(here, false), rows(there, false));
    let section = ["answer", "authority", "additional"]
        .into_iter()
        .find(|section| of(here.clone(), section) != of(there.clone(), section));
    Some(format!("other records in {}", section.unwrap_or("a section")))
}

fn text(report: &Report) -> String {
    let mut table =
        Table::new(&[("count", Align::Right), ("known", Align::Left), ("difference", Align::Left)]);
    for group in &report.groups {
        let known = if group.known { "CoreDNS" } else { "-" };
        table.row([group.count.to_string(), known.to_owned(), group.what.clone()]);
    }
    let mut out = table.render("no differences");
    for group in report.groups.iter().filter(|group| !group.known) {
        for example in &group.examples {
            out += &format!("\n{} {}: {}\n", example.name, example.kind, group.what);
            out += &format!("  here   {}\n  there  {}\n", said(&example.here), said(&example.there));
        }
    }
    let Report { asked, same, forwarded, unanswered, .. } = report;
    out + &format!(
        "{asked} asked, {same} the same, {forwarded} forwarded and not compared, {unanswered} not answered there\n"
    )
}

fn said(said: &Said) -> String {
    let rows = said
        .records
        .iter()
        .map(|row| format!("{}: {} {} {} {}", row.section, row.owner, row.ttl, row.kind, row.data));
    [said.code.clone()].into_iter().chain(rows).collect::<Vec<_>>().join("; ")
}
