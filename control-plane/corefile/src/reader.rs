//! What plugins read their options with: arguments, numbers, durations, zones; all that is wrong is told.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::address::Transport;
use crate::duration::{self, Signed};
use crate::grammar::{Directive, Line};
use crate::lexer::Token;
use crate::pattern::Pattern;
use crate::problem::Problems;
use crate::zone::{self, Zone};

/// Zones that one Corefile may name; a bound on what networks with short prefixes can be made into.
pub(crate) const MOST_ZONES: usize = 20_000;

/// Zones that a plugin may have for others to be compared with each of them; nobody mistypes one of more.
pub(crate) const COMPARED: usize = 64;

/// Reads one server block's plugins.
pub(crate) struct Reader<'a> {
    /// The block's zones, which plugins without zones of their own have.
    pub zones: &'a [Zone],
    /// Where problems go.
    pub problems: &'a mut Problems,
    /// Zones read so far in the whole Corefile.
    pub zones_read: &'a mut usize,
}

impl Reader<'_> {
    pub fn error(&mut self, at: &Token, text: impl Into<String>) {
        self.problems.error(&at.place, text);
    }

    pub fn warning(&mut self, at: &Token, text: impl Into<String>) {
        self.problems.warning(&at.place, text);
    }

    /// An option that the plugin does not have.
    pub fn unknown(&mut self, plugin: &str, line: &Line, known: &[&str]) {
        let name = &line.name.text;
        let hint = self.problems.hint(name, known.iter().copied());
        self.error(&line.name, format!("`{plugin}` has no option `{name}`{hint}"));
    }

    /// A word that is none of those that may stand there.
    pub fn none_of(&mut self, at: &Token, what: &str, known: &[&str]) {
        let hint = self.problems.hint(&at.text, known.iter().copied());
        self.error(at, format!("`{}` is no {what}: {}{hint}", at.text, known.join(", ")));
    }

    /// That nothing stands behind the name.
    pub fn nothing(&mut self, name: &Token, args: &[Token]) {
        if let Some(arg) = args.first() {
            self.error(arg, format!("`{}` takes no argument", name.text));
        }
    }

    /// That the directive has no body.
    pub fn no_body(&mut self, directive: &Directive) {
        if directive.body.as_ref().is_some_and(|body| !body.is_empty()) {
            self.error(&directive.name, format!("`{}` has no options", directive.name.text));
        }
    }

    /// The one argument.
    pub fn one<'l>(&mut self, line: &'l Line) -> Option<&'l Token> {
        match line.args.as_slice() {
            [arg] => Some(arg),
            args => {
                let at = args.get(1).unwrap_or(&line.name);
                self.error(at, format!("`{}` takes one argument", line.name.text));
                None
            }
        }
    }

    /// The first argument; CoreDNS does not look at others.
    pub fn first<'l>(&mut self, line: &'l Line) -> Option<&'l Token> {
        if let Some(extra) = line.args.get(1) {
            self.warning(extra, format!("`{}` takes one argument; the others are ignored", line.name.text));
        } else if line.args.is_empty() {
            self.error(&line.name, format!("`{}` takes one argument", line.name.text));
        }
        line.args.first()
    }

    /// All arguments, at least one.
    pub fn some<'l>(&mut self, line: &'l Line) -> &'l [Token] {
        if line.args.is_empty() {
            self.error(&line.name, format!("`{}` needs an argument", line.name.text));
        }
        &line.args
    }

    /// A whole number in a range.
    pub fn number<N>(&mut self, at: &Token, range: RangeInclusive<N>) -> Option<N>
    where
        N: FromStr + PartialOrd + Display,
    {
        let number = at.text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.error(at, format!("`{}` is no number from {least} to {most}", at.text));
        }
        number
    }

    /// A duration of zero or more.
    pub fn duration(&mut self, at: &Token) -> Option<Duration> {
        match duration::parse(&at.text) {
            Some(Signed::Positive(duration)) => return Some(duration),
            Some(Signed::Negative) => self.error(at, format!("`{}` is less than nothing", at.text)),
            None => self.error(at, format!("`{}` is no duration such as 5s, 1m30s or 500ms", at.text)),
        }
        None
    }

    /// A duration whose negative values CoreDNS takes for zero.
    pub fn duration_or_zero(&mut self, at: &Token) -> Option<Duration> {
        if duration::parse(&at.text) == Some(Signed::Negative) {
            self.warning(at, format!("`{}` is less than nothing; it means 0s", at.text));
            return Some(Duration::ZERO);
        }
        self.duration(at)
    }

    /// A regular expression.
    pub fn pattern(&mut self, at: &Token) -> Option<Pattern> {
        Pattern::parse(&at.text).map_err(|error| self.error(at, error.to_string())).ok()
    }

    /// The zones of these words; networks become reverse zones, schemes and ports are not looked at.
    pub fn zones(&mut self, args: &[Token]) -> Vec<Zone> {
        let mut zones = Vec::new();
        for arg in args {
            let name = match Transport::split(&arg.text) {
                Ok((_, name)) => name,
                Err(scheme) => {
                    self.error(arg, format!("`{}` is no zone: `{scheme}` is no transport", arg.text));
                    continue;
                }
            };
            match zone::with_port(name) {
                Ok((more, _)) => zones.extend(more),
                Err(error) => self.error(arg, error.to_string()),
            }
            if self.zones_read.saturating_add(zones.len()) > MOST_ZONES {
                self.error(arg, format!("there are more than {MOST_ZONES} zones"));
                break;
            }
        }
        *self.zones_read = self.zones_read.saturating_add(zones.len());
        zones
    }

    /// The names that these words are, not networks and without ports.
    pub fn names(&mut self, args: &[Token]) -> Vec<Zone> {
        let mut names = Vec::new();
        for arg in args {
            match Zone::parse(&arg.text) {
                Ok(name) => names.push(name),
                Err(error) => self.error(arg, error.to_string()),
            }
        }
        names
    }

    /// The zones of these words; those of the server block where there are none.
    pub fn origins(&mut self, args: &[Token]) -> Vec<Zone> {
        if !args.is_empty() {
            return self.zones(args);
        }
        *self.zones_read = self.zones_read.saturating_add(self.zones.len());
        if *self.zones_read > MOST_ZONES {
            return Vec::new();
        }
        self.zones.to_vec()
    }

    /// The zones of a `fallthrough`; the root where it names none. Those outside of `own` get a warning.
    pub fn fallthrough(&mut self, plugin: &str, line: &Line, own: &[Zone]) -> Vec<Zone> {
        if line.args.is_empty() {
            return vec![Zone::root()];
        }
        let mut zones = Vec::new();
        for arg in &line.args {
            let named = self.zones(std::slice::from_ref(arg));
            let apart = |zone: &Zone| !own.iter().any(|own| own.contains(zone) || zone.contains(own));
            if (1..=COMPARED).contains(&own.len()) && named.iter().any(apart) {
                let own: Vec<String> = own.iter().map(Zone::to_string).collect();
                let hint = self.problems.hint(&arg.text, own.iter().map(String::as_str));
                self.warning(arg, format!("`{}` is outside of the zones of `{plugin}`{hint}", arg.text));
            }
            zones.extend(named);
        }
        zones
    }
}
