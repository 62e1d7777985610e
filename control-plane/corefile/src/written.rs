//! A plugin as text.

use std::fmt::{self, Display};

use crate::duration::Written;
use crate::quote;
use crate::zone::Zone;

/// A directive to write: its arguments, then the lines of its body.
#[derive(Debug)]
pub(crate) struct Stanza {
    words: Vec<String>,
    options: Vec<Vec<String>>,
}

impl Stanza {
    pub fn new(name: &str) -> Self {
        Self { words: vec![name.to_owned()], options: Vec::new() }
    }

    pub fn arg(&mut self, arg: impl Display) -> &mut Self {
        self.words.push(arg.to_string());
        self
    }

    pub fn args<I: IntoIterator<Item: Display>>(&mut self, args: I) -> &mut Self {
        self.words.extend(args.into_iter().map(|arg| arg.to_string()));
        self
    }

    /// Zones, where they are not those of the server block anyway.
    pub fn origins(&mut self, zones: &[Zone], server: &[Zone]) -> &mut Self {
        if zones != server {
            self.args(zones);
        }
        self
    }

    /// A line of the body.
    pub fn option<I: IntoIterator<Item: Display>>(&mut self, name: &str, args: I) -> &mut Self {
        let mut line = vec![name.to_owned()];
        line.extend(args.into_iter().map(|arg| arg.to_string()));
        self.options.push(line);
        self
    }

    /// A line with one argument.
    pub fn value(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.option(name, [value])
    }

    /// A line of a name alone, where `on`.
    pub fn flag(&mut self, name: &str, on: bool) -> &mut Self {
        if on {
            self.option(name, [""; 0]);
        }
        self
    }

    /// A line with one argument, where it is not the default.
    pub fn unless<T: Display + PartialEq>(&mut self, default: T, name: &str, value: T) -> &mut Self {
        if value != default {
            self.value(name, value);
        }
        self
    }

    /// A duration that is not the default.
    pub fn duration(
        &mut self,
        default: std::time::Duration,
        name: &str,
        value: std::time::Duration,
    ) -> &mut Self {
        if value != default {
            self.value(name, Written(value));
        }
        self
    }

    /// A list that is not empty.
    pub fn list<T: Display>(&mut self, name: &str, values: &[T]) -> &mut Self {
        if !values.is_empty() {
            self.option(name, values);
        }
        self
    }

    /// `fallthrough` with its zones, where there are some.
    pub fn fallthrough(&mut self, zones: &[Zone]) -> &mut Self {
        if zones == [Zone::root()] {
            return self.flag("fallthrough", true);
        }
        self.list("fallthrough", zones)
    }
}

/// Indented as it stands in a server block.
impl Display for Stanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line =
            |words: &[String]| words.iter().map(|word| quote::word(word)).collect::<Vec<_>>().join(" ");
        write!(f, "    {}", line(&self.words))?;
        if self.options.is_empty() {
            return f.write_str("\n");
        }
        f.write_str(" {\n")?;
        for option in &self.options {
            writeln!(f, "        {}", line(option))?;
        }
        f.write_str("    }\n")
    }
}
