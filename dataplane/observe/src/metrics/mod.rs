//! Metrics in Prometheus' text format, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>. Counters live where they are counted; a role reads them
//! and writes them down here when somebody asks.

mod process;

use std::fmt::{self, Display, Write};

pub use process::{build, process};

/// The `Content-Type` of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label's name and value.
pub type Label<'a> = (&'a str, &'a dyn Display);

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the process's start. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole one.
    Whole(u64),
    /// Any.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Whole(value) => value.fmt(f),
            Self::Real(value) if value.is_nan() => f.write_str("NaN"),
            Self::Real(value) if value.is_infinite() => {
                f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
            }
            Self::Real(value) => value.fmt(f),
        }
    }
}

/// Metrics as text, family after family.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a family, which must not have been begun before. `help` is a sentence.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.push(format_args!("# HELP {name} {}\n# TYPE {name} {kind}\n", Escaped(&help, false)));
        Family { exposition: self, name }
    }

    /// A family of one number without labels.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Into<Value>) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.text.write_fmt(text);
    }
}

/// A family in the making.
#[derive(Debug)]
pub struct Family<'a> {
    exposition: &'a mut Exposition,
    name: &'static str,
}

impl Family<'_> {
    /// Adds a number. No two of a family may have the same labels.
    pub fn sample(&mut self, labels: &[Label<'_>], value: impl Into<Value>) -> &mut Self {
        self.line("", labels, None, value.into());
        self
    }

    /// Adds a histogram: counts by bucket, each for itself, of which the last is for everything above the last bound;
    /// the bounds; and the sum of all that was counted.
    pub fn histogram(&mut self, labels: &[Label<'_>], counts: &[u64], bounds: &[f64], sum: f64) -> &mut Self {
        let mut below = 0;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        for (count, bound) in counts.iter().zip(bounds) {
            below += count;
            let bound = Value::Real(bound);
            self.line("_bucket", labels, Some(("le", &bound)), below.into());
        }
        self.line("_sum", labels, None, sum.into());
        self.line("_count", labels, None, below.into());
        self
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], more: Option<Label<'_>>, value: Value) {
        let name = self.name;
        self.exposition.push(format_args!("{name}{suffix}"));
        let mut separator = '{';
        for (label, value) in labels.iter().copied().chain(more) {
            self.exposition.push(format_args!("{separator}{label}=\"{}\"", Escaped(value, true)));
            separator = ',';
        }
        let end = if separator == '{' { "" } else { "}" };
        self.exposition.push(format_args!("{end} {value}\n"));
    }
}

/// Text with backslashes and line feeds escaped and, as a label's value, quotes.
struct Escaped<'a>(&'a dyn Display, bool);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>, bool);
        impl Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                text.chars().try_for_each(|c| match c {
                    '\\' => self.0.write_str("\\\\"),
                    '\n' => self.0.write_str("\\n"),
                    '"' if self.1 => self.0.write_str("\\\""),
                    c => self.0.write_char(c),
                })
            }
        }
        write!(Escaping(f, self.1), "{}", self.0)
    }
}
