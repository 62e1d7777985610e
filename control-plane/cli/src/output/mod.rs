//! Printing data: a table for people, JSON or YAML for programs.

mod cells;
mod table;

use std::io::{self, Write};

use serde::Serialize;

pub(crate) use cells::{count, list, or_dash, yes};
pub(crate) use table::{Align, Table};

use crate::args::Format;
use crate::exit::{Exit, Failure};

/// Writes data to the standard output in the format that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    format: Format,
}

impl Printer {
    /// A printer of that format.
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints `data`, or for people what `table` makes of it.
    pub(crate) fn print<T: Serialize + ?Sized>(
        &self,
        data: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Table => table(data),
            Format::Json => {
                let mut text = serde_json::to_string_pretty(data)
                    .map_err(|error| Failure::new(Exit::Software, error))?;
                text.push('\n');
                text
            }
            Format::Yaml => {
                serde_saphyr::to_string(&data).map_err(|error| Failure::new(Exit::Software, error))?
            }
        };
        write(&text)
    }

    /// Whether it prints YAML.
    pub(crate) fn is_yaml(&self) -> bool {
        self.format == Format::Yaml
    }

    /// Whether it prints for people.
    pub(crate) fn is_table(&self) -> bool {
        self.format == Format::Table
    }
}

/// Writes to the standard output.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// What came of writing to the standard output. A reader that has had enough, as `head` has, is no error worth words.
pub(crate) fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::silent(Exit::Ok)),
        Err(error) => Err(Failure::new(Exit::of(&error), format_args!("standard output: {error}"))),
    }
}
