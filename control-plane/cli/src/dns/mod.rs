//! `sluice dns`: Corefiles, and what would be answered.
//!
//! `import`: a Corefile is checked and printed in one spelling, or as the `dns` section that does the same.

mod diff;
mod message;
mod query;
mod section;
mod server;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sluice_corefile::config_map::ConfigMap;
use sluice_corefile::{Base, DiskFiles, Imported, LARGEST_FILE, Options, Pillars, Problems, parse, run};
use sluice_model::{DnsSettings, ServiceName};
use sluice_sync::Level;

use crate::args::{DnsArgs, DnsCommand, Global, ImportArgs};
use crate::exit::{Exit, Failure};
use crate::output::{Printer, write};
use crate::problem::Problem;

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    /// What was read.
    file: PathBuf,
    /// Whether it can be used.
    ok: bool,
    /// Whether the gateway can run from it.
    runs: bool,
    /// The Corefile in one spelling; `null` where it cannot be used.
    corefile: Option<String>,
    /// What is wrong.
    problems: Vec<Problem>,
}

/// Runs a command about DNS.
pub(crate) fn dns(args: DnsArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    match args.command {
        DnsCommand::Import(args) => import(&args, printer),
        DnsCommand::Query(args) => query::run(&args, global, printer),
        DnsCommand::Diff(args) => diff::run(&args, global, printer),
    }
}

fn import(args: &ImportArgs, printer: &Printer) -> Result<Exit, Failure> {
    let (corefile, section, problems) = match read(args)? {
        Ok(Imported { corefile, warnings }) => match run(&corefile, &DiskFiles, &base()) {
            Ok(running) => {
                let mut told = warnings;
                told.append(running.told.clone());
                let section = section::section(&corefile, &running, &args.file);
                (Some(corefile.to_string()), Some(section), told)
            }
            // In one spelling all the same: CoreDNS runs from it.
            Err(refusals) => {
                let mut told = warnings;
                told.append(refusals);
                (Some(corefile.to_string()), None, told)
            }
        },
        Err(problems) => (None, None, problems),
    };
    let exit = if corefile.is_some() { Exit::Ok } else { Exit::Usage };
    if printer.is_yaml() {
        say(&problems)?;
        let Some(section) = section else { return Ok(Exit::Usage) };
        return write_section(&section, args).map(|()| Exit::Ok);
    }
    if printer.is_table() {
        say(&problems)?;
    }
    let problems = problems.iter().map(of_corefile).collect();
    let report =
        Report { file: args.file.clone(), ok: exit == Exit::Ok, runs: section.is_some(), corefile, problems };
    if report.ok || !printer.is_table() {
        printer.print(&report, |report| report.corefile.clone().unwrap_or_default())?;
    }
    Ok(exit)
}

/// What a Corefile does not say: who asks, and where. The addresses are those of the Service that is always there.
fn base() -> Base {
    let service = Some(ServiceName::new("kube-system", "kube-dns"));
    Base { dns: DnsSettings { service, ..DnsSettings::default() }, ..Base::default() }
}

/// The section, with what it does not say as comments.
fn write_section(section: &section::Section, args: &ImportArgs) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Whole<'a> {
        dns: &'a section::Section,
    }
    let mut text = format!(
        "# From {}. Who may ask is `clients`: the pods' networks, where nothing is said.\n",
        name(&args.file)
    );
    for left in &section.left {
        text.push_str(&format!("# Not carried over: {left}.\n"));
    }
    text += &serde_saphyr::to_string(&Whole { dns: section })
        .map_err(|error| Failure::new(Exit::Software, error))?;
    write(&text)
}

fn read(args: &ImportArgs) -> Result<Result<Imported, Problems>, Failure> {
    let environment = std::env::vars_os();
    let text =
        environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let options = Options { environment: text.collect(), pillars: pillars(&args.pillars) };
    let bytes = contents(&args.file)?;
    let manifest = std::str::from_utf8(&bytes).ok().filter(|text| ConfigMap::is_manifest(text));
    let Some(manifest) = manifest else {
        if args.custom.is_some() {
            return Err(Failure::new(Exit::Usage, "--custom goes with a ConfigMap, not with a Corefile")
                .hint("a Corefile imports files from the disk"));
        }
        return Ok(parse(&name(&args.file), &bytes, &DiskFiles, &options));
    };
    let map = config_map(&args.file, manifest)?;
    let custom = match &args.custom {
        Some(path) => Some(config_map(path, &String::from_utf8_lossy(&contents(path)?))?),
        None => None,
    };
    Ok(map.import(custom.as_ref(), &options))
}

fn config_map(path: &Path, text: &str) -> Result<ConfigMap, Failure> {
    ConfigMap::read(text).map_err(|error| Failure::new(Exit::Usage, format_args!("{}: {error}", name(path))))
}

fn pillars(given: &[(String, String)]) -> Pillars {
    let mut pillars = Pillars::default();
    for (name, value) in given {
        // The names were checked with the arguments.
        pillars.set(name, value);
    }
    pillars
}

fn name(path: &Path) -> String {
    if is_standard_input(path) { "stdin".to_owned() } else { path.display().to_string() }
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The file's contents, and one octet more than it may have where it has too many.
fn contents(path: &Path) -> Result<Vec<u8>, Failure> {
    let limit = LARGEST_FILE as u64 + 1;
    let mut bytes = Vec::new();
    let read = if is_standard_input(path) {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(Exit::NoInput, format_args!("{}: {error}", name(path)))),
    }
}

/// Problems on the standard error: data is on the other.
fn say(problems: &Problems) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    let written = writeln!(io::stderr().lock(), "{problems}");
    written.map_err(|error| Failure::new(Exit::of(&error), format_args!("standard error: {error}")))
}

fn of_corefile(problem: &sluice_corefile::Problem) -> Problem {
    Problem {
        level: match problem.level {
            sluice_corefile::Level::Error => Level::Error,
            sluice_corefile::Level::Warning => Level::Warning,
            sluice_corefile::Level::Note => Level::Note,
        },
        file: Some(problem.place.file.as_ref().into()),
        line: Some(u64::from(problem.place.line)),
        column: None,
        object: None,
        key: None,
        message: problem.text.clone(),
        suggestion: None,
    }
}
