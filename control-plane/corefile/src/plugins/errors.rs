//! `errors`: what goes wrong is logged.

use std::time::Duration;

use super::{Read, Repeat, Write};
use crate::duration::Written;
use crate::grammar::{Directive, Line};
use crate::pattern::Pattern;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// Errors go to the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Messages that are counted rather than repeated; the first that matches holds.
    pub consolidate: Vec<Consolidate>,
    /// Whether a panic's stack is logged. There are none to log here.
    pub stacktrace: bool,
}

/// Messages of one kind, of which a period has one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consolidate {
    /// The period.
    pub period: Duration,
    /// Which messages.
    pub pattern: Pattern,
    /// The level of the summary.
    pub level: LogLevel,
    /// Whether the first message is logged as it is.
    pub show_first: bool,
}

/// Levels of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For those who look for something.
    Debug,
    /// What is usual.
    Info,
    /// What may turn into something.
    Warning,
    /// What failed.
    Error,
}

const LEVELS: [(&str, LogLevel); 4] = [
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warning", LogLevel::Warning),
    ("error", LogLevel::Error),
];

impl Read for Errors {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        match directive.args.as_slice() {
            [] => {}
            [arg] if arg.text == "stdout" => {}
            [arg, ..] => reader.error(arg, "`errors` logs to `stdout` and nowhere else"),
        }
        let mut errors = Self::default();
        for line in directive.lines() {
            match line.name.text.as_str() {
                "stacktrace" => errors.stacktrace = true,
                "consolidate" => errors.consolidate.extend(consolidate(line, reader)),
                _ => reader.unknown("errors", line, &["consolidate", "stacktrace"]),
            }
        }
        errors
    }
}

fn consolidate(line: &Line, reader: &mut Reader<'_>) -> Option<Consolidate> {
    let [period, pattern, rest @ ..] = line.args.as_slice() else {
        reader.error(
            &line.name,
            "`consolidate` takes a duration, a regular expression, a level and `show_first`",
        );
        return None;
    };
    let period = reader.duration_or_zero(period);
    let pattern = reader.pattern(pattern);
    let (mut level, mut show_first) = (None, false);
    for word in rest {
        match LEVELS.iter().find(|(name, _)| *name == word.text) {
            Some(_) if level.is_some() => reader.error(word, "`consolidate` has one level"),
            Some(_) if show_first => reader.error(word, "the level stands before `show_first`"),
            Some((_, found)) => level = Some(*found),
            None if word.text == "show_first" => show_first = true,
            None => reader.none_of(word, "level", &["debug", "info", "warning", "error", "show_first"]),
        }
    }
    Some(Consolidate {
        period: period?,
        pattern: pattern?,
        level: level.unwrap_or(LogLevel::Error),
        show_first,
    })
}

impl Write for Errors {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.flag("stacktrace", self.stacktrace);
        for Consolidate { period, pattern, level, show_first } in &self.consolidate {
            let mut args = vec![Written(*period).to_string(), pattern.as_str().to_owned()];
            let level = LEVELS.iter().find(|(_, known)| known == level && *known != LogLevel::Error);
            args.extend(level.map(|(name, _)| (*name).to_owned()));
            args.extend(show_first.then(|| "show_first".to_owned()));
            stanza.option("consolidate", args);
        }
    }
}
