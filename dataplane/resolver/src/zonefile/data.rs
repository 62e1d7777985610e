//! A record's data from its words: the fields of each type, as octets. What names and texts may hold (RFC 1035, section 5.1) is
//! decided here; the codec reads octets alone.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, Restrict};

use super::text::{name, ttl};

/// A field of a type's data.
#[derive(Clone, Copy)]
enum Field {
    V4,
    V6,
    Name,
    U8,
    U16,
    U32,
    /// Seconds, or numbers with units.
    Time,
    /// A text of up to 255 octets, behind its length.
    Text,
    /// All words, texts of up to 255 octets each; longer ones are split, as CoreDNS does.
    Texts,
    /// A text without a length, to the end.
    Rest,
    /// All words, hexadecimal digits.
    Hex,
}

use Field::{Hex, Rest, Text, Texts, Time, U8, U16, U32, V4, V6};

/// The type of a word; none that no record can have (RFC 6895, section 3.1).
pub(super) fn kind(word: &str) -> Option<RecordType> {
    let upper = word.to_ascii_uppercase();
    let number = upper.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok());
    let kind = match (number, upper.as_str()) {
        (Some(number), _) => RecordType::from(number),
        // Those that the codec has no words for.
        (None, "RP") => RecordType::from(17),
        (None, "AFSDB") => RecordType::from(18),
        (None, "SPF") => RecordType::from(99),
        (None, word) => word.parse().ok()?,
    };
    (!matches!(u16::from(kind), 0 | 41 | 128..=255)).then_some(kind)
}

/// The fields of a type; none of those that the codec reads as words.
fn fields(kind: RecordType) -> Option<&'static [Field]> {
    Some(match u16::from(kind) {
        // A, AAAA.
        1 => &[V4],
        28 => &[V6],
        // NS, CNAME, PTR, DNAME.
        2 | 5 | 12 | 39 => &[Field::Name],
        // SOA, RP.
        6 => &[Field::Name, Field::Name, U32, Time, Time, Time, Time],
        17 => &[Field::Name, Field::Name],
        // HINFO; MX, AFSDB; TXT, SPF.
        13 => &[Text, Text],
        15 | 18 => &[U16, Field::Name],
        16 | 99 => &[Texts],
        // SRV, NAPTR.
        33 => &[U16, U16, U16, Field::Name],
        35 => &[U16, U16, Text, Text, Text, Field::Name],
        // DS, SSHFP; TLSA, SMIMEA; CAA.
        43 => &[U16, U8, U8, Hex],
        44 => &[U8, U8, Hex],
        52 | 53 => &[U8, U8, U8, Hex],
        257 => &[U8, Text, Rest],
        _ => return None,
    })
}

/// The data of a type's words.
pub(super) fn data(kind: RecordType, words: &[&str], origin: &Name) -> Result<RData, String> {
    if words.first() == Some(&"\\#") {
        return generic(kind, words.get(1..).unwrap_or_default());
    }
    let Some(fields) = fields(kind) else { return by_codec(kind, words, origin) };
    let mut octets = Vec::new();
    let mut words = words.iter();
    for field in fields {
        put(&mut octets, *field, &mut words, origin).map_err(|why| format!("{kind}: {why}"))?;
    }
    if let Some(word) = words.next() {
        return Err(format!("{kind}: `{word}` is one word too many"));
    }
    read(kind, &octets)
}

/// Adds a field's octets.
fn put<'a>(
    octets: &mut Vec<u8>,
    field: Field,
    words: &mut impl Iterator<Item = &'a &'a str>,
    origin: &Name,
) -> Result<(), String> {
    let mut next = || words.next().copied().ok_or("a word is missing");
    let number = |word: &str, most: u32| {
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        let number = word.parse::<u32>().ok().filter(|number| digits && *number <= most);
        number.ok_or_else(|| format!("`{word}` is no number from 0 to {most}"))
    };
    match field {
        V4 => {
            let word = next()?;
            let address: Ipv4Addr = word.parse().map_err(|_| format!("`{word}` is no IPv4 address"))?;
            octets.extend(address.octets());
        }
        V6 => {
            let word = next()?;
            let address: Ipv6Addr = word.parse().map_err(|_| format!("`{word}` is no IPv6 address"))?;
            octets.extend(address.octets());
        }
        Field::Name => octets.extend(name(next()?, origin)?.to_bytes().map_err(|why| why.to_string())?),
        U8 => octets.push(number(next()?, u8::MAX.into())? as u8),
        U16 => octets.extend((number(next()?, u16::MAX.into())? as u16).to_be_bytes()),
        U32 => octets.extend(number(next()?, u32::MAX)?.to_be_bytes()),
        Time => {
            let word = next()?;
            octets.extend(ttl(word).ok_or_else(|| format!("`{word}` is no time"))?.to_be_bytes());
        }
        Text => {
            let word = next()?;
            let text = text(word)?;
            octets.push(u8::try_from(text.len()).map_err(|_| format!("`{word}` has more than 255 octets"))?);
            octets.extend(text);
        }
        Texts => {
            let mut word = Some(next()?);
            while let Some(one) = word {
                let text = text(one)?;
                let parts = text.chunks(255).chain(text.is_empty().then_some(&[][..]));
                for part in parts {
                    octets.push(part.len() as u8);
                    octets.extend(part);
                }
                word = words.next().copied();
            }
        }
        Rest => octets.extend(text(next()?)?),
        Hex => {
            let digits = std::iter::once(next()?).chain(words.copied()).collect::<String>();
            octets.extend(hexadecimal(&digits)?);
        }
    }
    Ok(())
}

/// The octets of a text, with quotes or without.
fn text(word: &str) -> Result<Vec<u8>, String> {
    let mut text = Vec::with_capacity(word.len());
    let mut bytes = word.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {}
            b'\\' => {
                text.push(escaped(&mut bytes).ok_or_else(|| format!("`{word}` has an escape that is none"))?)
            }
            byte => text.push(byte),
        }
    }
    Ok(text)
}

/// What follows a backslash: three digits, or any other octet as it is.
pub(super) fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, bytes.next()?, bytes.next()?];
    let value = digits
        .iter()
        .try_fold(0_u16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))?;
    u8::try_from(value).ok()
}

/// `\# LENGTH HEX…` (RFC 3597).
fn generic(kind: RecordType, words: &[&str]) -> Result<RData, String> {
    let (length, digits) = words.split_first().ok_or("`\\#` takes a length")?;
    let length: usize = length.parse().map_err(|_| format!("`{length}` is no length"))?;
    let octets = hexadecimal(&digits.concat())?;
    if octets.len() != length {
        return Err(format!("data has {} octets and not {length}", octets.len()));
    }
    // RFC 3597 has a form for it, but many readers, the codec among them, take such a record for one of an update (RFC 2136).
    if octets.is_empty() {
        return Err(format!("TYPE{}: a record without data is not served", u16::from(kind)));
    }
    read(kind, &octets)
}

fn hexadecimal(digits: &str) -> Result<Vec<u8>, String> {
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let values: Option<Vec<u8>> = digits.bytes().map(value).collect();
    let values = values.ok_or("data is not written in hexadecimal digits")?;
    let (pairs, []) = values.as_chunks::<2>() else { return Err("half an octet".to_owned()) };
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn read(kind: RecordType, octets: &[u8]) -> Result<RData, String> {
    let length = u16::try_from(octets.len()).map_err(|_| format!("{kind}: more than 65,535 octets"))?;
    let mut decoder = BinDecoder::new(octets);
    let data =
        RData::read(&mut decoder, kind, Restrict::new(length)).map_err(|why| format!("{kind}: {why}"))?;
    if decoder.is_empty() { Ok(data) } else { Err(format!("{kind}: data is too long")) }
}

/// SVCB, HTTPS and what else the codec has words for.
fn by_codec(kind: RecordType, words: &[&str], origin: &Name) -> Result<RData, String> {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    if let (64 | 65, Some(target)) = (u16::from(kind), words.get_mut(1)) {
        *target = name(target, origin)?.to_ascii();
    }
    RData::try_from_str(kind, &words.join(" ")).map_err(|why| format!("{kind}: {why}"))
}
