//! Zone files (RFC 1035, section 5): `$ORIGIN`, `$TTL` (RFC 2308), relative names, owners and TTLs carried over, records of
//! types that are only numbers (RFC 3597). Nothing is included from elsewhere and nothing generated.

use hickory_proto::rr::{Name, Record};

use super::TextError;
use super::data::{data, escaped, kind};
use super::words::{Entries, Entry};

/// The longest TTL (RFC 2181, section 8).
const MOST_TTL: u32 = i32::MAX as u32;
/// The TTL of records before any other is given.
const FIRST_TTL: u32 = 3600;

/// The records of a text, in its order, as those of the zone `origin`.
///
/// # Errors
/// The first entry that is wrong, or one more than `most` records.
pub(super) fn records(text: &str, origin: &Name, most: usize) -> Result<Vec<Record>, TextError> {
    let mut reader = Reader { origin: origin.clone(), owner: None, default: None, last: FIRST_TTL };
    let mut records = Vec::new();
    for entry in Entries::new(text) {
        let entry = entry?;
        let line = entry.line;
        let record = reader.entry(&entry).map_err(|why| TextError::new(line, why))?;
        let Some(record) = record else { continue };
        if !origin.zone_of(&record.name) {
            let why = format!("{} is outside of the zone {origin}", record.name);
            return Err(TextError::new(line, why));
        }
        if records.len() == most {
            return Err(TextError::new(line, format!("there are more than {most} records")));
        }
        records.push(record);
    }
    Ok(records)
}

struct Reader {
    origin: Name,
    owner: Option<Name>,
    /// `$TTL`.
    default: Option<u32>,
    /// The one before.
    last: u32,
}

impl Reader {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<Option<Record>, String> {
        let (first, rest) = entry.words.split_first().ok_or("an entry without words")?;
        if !entry.blank && first.starts_with('$') {
            self.directive(first, rest)?;
            return Ok(None);
        }
        let mut words = entry.words.as_slice();
        if !entry.blank {
            self.owner = Some(name(first, &self.origin)?);
            words = rest;
        }
        let owner = self.owner.clone().ok_or("there is no name before it that it could be for")?;
        let mut given = None;
        loop {
            let (word, rest) = words.split_first().ok_or("there is no type")?;
            words = rest;
            if let (Some(number), None) = (ttl(word), given) {
                given = Some(number);
            } else if word.eq_ignore_ascii_case("IN") {
                // The class of all records here.
            } else if ["CH", "HS", "CS"].iter().any(|class| word.eq_ignore_ascii_case(class)) {
                return Err(format!("records of class {word} are not served"));
            } else {
                let kind = kind(word).ok_or_else(|| format!("`{word}` is no type of record"))?;
                let time = given.or(self.default).unwrap_or(self.last).min(MOST_TTL);
                self.last = time;
                let data = data(kind, words, &self.origin)?;
                return Ok(Some(Record::from_rdata(owner, time, data)));
            }
        }
    }

    fn directive(&mut self, name_of: &str, words: &[&str]) -> Result<(), String> {
        match (name_of.to_ascii_uppercase().as_str(), words) {
            ("$ORIGIN", [origin]) => self.origin = name(origin, &self.origin)?,
            ("$TTL", [time]) => {
                self.default = Some(ttl(time).ok_or_else(|| format!("`{time}` is no TTL"))?);
            }
            ("$ORIGIN" | "$TTL", _) => return Err(format!("`{name_of}` takes one value")),
            ("$INCLUDE", _) => return Err("`$INCLUDE` is not read: a zone is one file".to_owned()),
            _ => return Err(format!("`{name_of}` is not known")),
        }
        Ok(())
    }
}

/// A TTL: seconds, or numbers with `w`, `d`, `h`, `m` and `s`.
pub(super) fn ttl(word: &str) -> Option<u32> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (mut sum, mut number) = (0_u32, None::<u32>);
    for c in word.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    sum.checked_add(number.unwrap_or(0))
}

/// A name: `@`, relative to the origin, or whole.
pub(super) fn name(word: &str, origin: &Name) -> Result<Name, String> {
    if word == "@" {
        return Ok(origin.clone());
    }
    let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
    let mut bytes = word.bytes();
    let wrong = || format!("`{word}` is no name");
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'.' => {
                labels.push(Vec::new());
                continue;
            }
            b'\\' => escaped(&mut bytes).ok_or_else(wrong)?,
            b'"' => return Err(wrong()),
            byte => byte,
        };
        labels.last_mut().ok_or_else(wrong)?.push(byte);
    }
    let whole = labels.len() > 1 && labels.last().is_some_and(Vec::is_empty);
    if whole {
        labels.pop();
    }
    let root = whole && labels.len() == 1 && labels.first().is_some_and(Vec::is_empty);
    if root {
        labels.clear();
    }
    if labels.iter().any(Vec::is_empty) {
        return Err(wrong());
    }
    let own = labels.iter().map(Vec::as_slice);
    let behind: Vec<&[u8]> = if whole { Vec::new() } else { origin.iter().collect() };
    let mut name = Name::from_labels(own.chain(behind)).map_err(|why| format!("`{word}`: {why}"))?;
    name.set_fqdn(true);
    Ok(name)
}
