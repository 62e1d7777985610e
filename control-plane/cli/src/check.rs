//! `sluice check`: everything that is wrong with a configuration and with the manifests it names.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sluice_config::{Config, ConfigError};
use sluice_sync::Level;
use sluice_sync::admin::protocol::ProblemRow;

use crate::args::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::output::Printer;
use crate::problem::Problem;
use crate::role;

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    /// The configuration.
    file: PathBuf,
    /// Whether it would do.
    ok: bool,
    /// Services that would be served; `null` where the configuration is wrong.
    services: Option<usize>,
    /// Ingresses that would be served; `null` where the configuration is wrong or has no `ingress`.
    ingresses: Option<usize>,
    /// What is wrong.
    problems: Vec<Problem>,
}

/// Checks the configuration, then the manifests.
pub(crate) fn run(args: &CheckArgs, printer: &Printer) -> Result<Exit, Failure> {
    let (report, exit) = match Config::load(&args.file) {
        Ok(config) => with_config(&args.file, &config)?,
        Err(ConfigError::Invalid { path, problems }) => {
            let problems = problems.into_iter().map(|problem| of_configuration(&path, problem)).collect();
            (Report { file: path, ok: false, services: None, ingresses: None, problems }, Exit::Usage)
        }
        Err(error @ ConfigError::Read { .. }) => return Err(Failure::new(Exit::NoInput, error)),
        Err(error @ ConfigError::TooLarge { .. }) => return Err(Failure::new(Exit::Usage, error)),
    };
    printer.print(&report, text)?;
    Ok(exit)
}

fn with_config(path: &Path, config: &Config) -> Result<(Report, Exit), Failure> {
    let file = path.to_owned();
    if let Err(message) = role::machine_independent(config) {
        let problem = Problem {
            level: Level::Error,
            file: Some(file.clone()),
            line: None,
            column: None,
            object: None,
            key: None,
            message,
            suggestion: None,
        };
        return Ok((
            Report { file, ok: false, services: None, ingresses: None, problems: vec![problem] },
            Exit::Usage,
        ));
    }
    let sluice_config::Source::Manifests(folder) = &config.source else {
        // What is in the API server was checked by it; a Corefile may be a file all the same.
        let corefile = sluice_sync::corefile::check(config);
        let problems: Vec<Problem> =
            corefile.iter().map(|problem| ProblemRow::new(problem, None).into()).collect();
        let ok = problems.iter().all(|problem| problem.level != Level::Error);
        let exit = if ok { Exit::Ok } else { Exit::Data };
        return Ok((Report { file, ok, services: None, ingresses: None, problems }, exit));
    };
    let found = sluice_sync::check(config, folder);
    let problems: Vec<Problem> =
        found.problems.iter().map(|problem| ProblemRow::new(problem, Some(folder)).into()).collect();
    let ok = problems.iter().all(|problem| problem.level != Level::Error);
    let exit = if ok { Exit::Ok } else { Exit::Data };
    let ingresses = config.ingress.as_ref().map(|_| found.ingresses);
    Ok((Report { file, ok, services: Some(found.services), ingresses, problems }, exit))
}

fn of_configuration(path: &Path, problem: sluice_config::Problem) -> Problem {
    let known = problem.line > 0;
    Problem {
        level: Level::Error,
        file: Some(path.to_owned()),
        line: known.then_some(problem.line),
        column: known.then_some(problem.column),
        object: None,
        key: given(problem.key),
        message: problem.message,
        suggestion: problem.suggestion,
    }
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        text.push_str(&problem.line());
    }
    let file = report.file.display();
    let errors = report.problems.iter().filter(|problem| problem.level == Level::Error).count();
    let served = report.services.map(|services| {
        let services = number(services, "Service");
        report.ingresses.map_or(services.clone(), |ingresses| match ingresses {
            1 => format!("{services}, 1 Ingress"),
            many => format!("{services}, {many} Ingresses"),
        })
    });
    text.push_str(&match (served, errors) {
        (Some(served), 0) => format!("{file}: ok, {served}\n"),
        (Some(served), _) => {
            format!("{file}: ok, but {} in manifests; {served} left\n", number(errors, "error"))
        }
        (None, _) => format!("{file}: {}\n", number(errors, "error")),
    });
    text
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
