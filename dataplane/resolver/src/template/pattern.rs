//! Zone file lines with parts of the query in them.

use std::fmt::Write;

use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use thiserror::Error;

use super::Query;

/// The TTL of a record that has none.
const TTL: u32 = 3600;
/// The longest line made.
const LONGEST: usize = 4096;

/// A line that gives a record for a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name,
    Type,
    Class,
    Zone,
    Remote,
    Match(usize),
    Group(String),
}

/// Why a line is not a pattern.
#[derive(Debug, Error)]
pub(crate) enum PatternError {
    /// `{{` without `}}`.
    #[error("an expression does not end")]
    Open,
    /// An expression that is not known.
    #[error("{{{{ {0} }}}} is not supported")]
    Expression(String),
    /// Text that is not a record whatever the query is.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Why text is not a record.
#[derive(Debug, Error)]
pub(crate) enum RecordError {
    /// A field is missing.
    #[error("it takes a name, a TTL, a class, a type and data")]
    Fields,
    /// The name.
    #[error("its name is none")]
    Name,
    /// The data.
    #[error("its data is none of its type: {0}")]
    Data(String),
    /// More than 4096 octets.
    #[error("it is too long")]
    Long,
}

impl Pattern {
    pub(crate) fn parse(line: &str) -> Result<Self, PatternError> {
        let mut pieces = Vec::new();
        let mut rest = line;
        while let Some((text, after)) = rest.split_once("{{") {
            let (expression, after) = after.split_once("}}").ok_or(PatternError::Open)?;
            pieces.push(Piece::Text(text.into()));
            pieces.push(piece(expression.trim())?);
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        let pattern = Self { pieces };
        if !pattern.pieces.iter().any(|piece| matches!(piece, Piece::Match(_) | Piece::Group(_))) {
            // Nothing in it depends on an expression, so any query shows whether it is a record.
            let name = "name.example.";
            let client = [127, 0, 0, 1].into();
            let query = Query { name, rtype: RecordType::A, zone: "example.".into(), client, groups: None };
            pattern.record(&query)?;
        }
        Ok(pattern)
    }

    /// The record for a query.
    pub(crate) fn record(&self, query: &Query<'_>) -> Result<Record, RecordError> {
        let mut line = String::new();
        for piece in &self.pieces {
            // A string takes everything.
            let _ = match piece {
                Piece::Text(text) => line.write_str(text),
                Piece::Name => line.write_str(query.name),
                Piece::Type => write!(line, "{}", query.rtype),
                Piece::Class => line.write_str("IN"),
                Piece::Zone => line.write_str(&query.zone),
                Piece::Remote => write!(line, "{}", query.client),
                Piece::Match(0) if query.groups.is_none() => line.write_str(query.name),
                Piece::Match(number) => {
                    let group = query.groups.as_ref().and_then(|groups| groups.get(*number));
                    line.write_str(group.map_or("", |group| group.as_str()))
                }
                Piece::Group(name) => {
                    let group = query.groups.as_ref().and_then(|groups| groups.name(name));
                    line.write_str(group.map_or("", |group| group.as_str()))
                }
            };
            if line.len() > LONGEST {
                return Err(RecordError::Long);
            }
        }
        record(&line)
    }
}

fn piece(expression: &str) -> Result<Piece, PatternError> {
    let unknown = || PatternError::Expression(expression.into());
    Ok(match expression {
        ".Name" | ".Question.Name" => Piece::Name,
        ".Type" => Piece::Type,
        ".Class" => Piece::Class,
        ".Zone" => Piece::Zone,
        ".Remote" => Piece::Remote,
        ".Match" => Piece::Match(0),
        other => match (other.strip_prefix(".Group."), other.strip_prefix("index .Match ")) {
            (Some(group), _) if group.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                Piece::Group(group.into())
            }
            (_, Some(number)) => Piece::Match(number.trim().parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        },
    })
}

/// A zone file line: name, TTL and class in either order or absent, type, data.
fn record(line: &str) -> Result<Record, RecordError> {
    fn word(rest: &str) -> (&str, &str) {
        let rest = rest.trim_start();
        rest.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((rest, ""))
    }
    let (owner, mut rest) = word(line);
    let mut owner = Name::from_ascii(owner).ok().filter(|_| !owner.is_empty()).ok_or(RecordError::Name)?;
    owner.set_fqdn(true);
    let mut ttl = TTL;
    loop {
        let (field, after) = word(rest);
        rest = after;
        if let Ok(number) = field.parse() {
            ttl = number;
        } else if field.parse::<DNSClass>().ok() != Some(DNSClass::IN) {
            let rtype: RecordType = field.to_ascii_uppercase().parse().map_err(|_| RecordError::Fields)?;
            let data = RData::try_from_str(rtype, rest).map_err(|why| RecordError::Data(why.to_string()))?;
            let mut record = Record::from_rdata(owner, ttl, data);
            record.ttl = record.ttl.min(604_800);
            return Ok(record);
        }
    }
}
