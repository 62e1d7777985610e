//! Durations as Go writes them: `5s`, `1h30m`, `1.5s`, `500ms`.

use std::fmt;
use std::time::Duration;

/// Units with their nanoseconds, largest first; `µs` has two spellings.
const UNITS: [(&str, u64); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// Zero or more.
    Positive(Duration),
    /// Less than zero.
    Negative,
}

/// Reads a duration; `None` where it is none or longer than Go's 292 years.
pub(crate) fn parse(text: &str) -> Option<Signed> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Signed::Positive(Duration::ZERO));
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part = whole.checked_mul(*scale)?.checked_add(part_of(fraction, *scale))?;
        total = total.checked_add(part).filter(|total| i64::try_from(*total).is_ok())?;
        rest = after;
    }
    Some(if negative && total > 0 { Signed::Negative } else { Signed::Positive(Duration::from_nanos(total)) })
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// `0.<fraction>` of a unit in whole nanoseconds.
fn part_of(fraction: &str, scale: u64) -> u64 {
    let mut part = 0;
    let mut weight = u128::from(scale) * 1_000_000;
    for digit in fraction.bytes().take(19) {
        weight /= 10;
        part += weight * u128::from(digit - b'0');
    }
    u64::try_from(part / 1_000_000).unwrap_or(0)
}

/// A duration in as few units as say it exactly.
pub(crate) struct Written(pub Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in UNITS.iter().filter(|(unit, _)| unit.is_ascii()) {
            let scale = u128::from(*scale);
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_reads_them() {
        let nanos = |text| match parse(text) {
            Some(Signed::Positive(duration)) => Some(duration.as_nanos()),
            _ => None,
        };
        assert_eq!(nanos("5s"), Some(5_000_000_000));
        assert_eq!(nanos("1h2m3s4ms5us6ns"), Some(3_723_004_005_006));
        assert_eq!(nanos("1.5s"), Some(1_500_000_000));
        assert_eq!(nanos(".5m"), Some(30_000_000_000));
        assert_eq!(nanos("1.m"), Some(60_000_000_000));
        assert_eq!(nanos("0"), Some(0));
        assert_eq!(nanos("7µs"), Some(7_000));
        assert_eq!(nanos("0.000000001s"), Some(1));
        assert_eq!(parse("-5s"), Some(Signed::Negative));
        assert_eq!(parse("-0s"), Some(Signed::Positive(Duration::ZERO)));
        for bad in ["", "5", "s", "5x", "5 s", ".s", "9999999h", "1e3s", "--1s", "5s5"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["5s", "1h30m", "500ms", "1m1ns", "0s", "2562047h"] {
            let Some(Signed::Positive(duration)) = parse(text) else { panic!("{text}") };
            assert_eq!(Written(duration).to_string(), text);
        }
    }
}
