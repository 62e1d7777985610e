//! The little of a certificate that people ask for (RFC 5280): names and the end of validity.
//!
//! Whether it is any good is TLS's to say; here it is only read.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// `subjectAltName`: DNS names and addresses; of a certificate without any the subject's common name.
    pub names: Vec<String>,
    /// `notAfter`, in seconds since 1970.
    pub not_after: i64,
}

/// A certificate that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate in DER")]
pub struct X509Error;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The tags of `TBSCertificate`.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `dNSName` and `iPAddress` of `GeneralName`.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// `id-ce-subjectAltName`, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// Reads a certificate.
///
/// # Errors
/// [`X509Error`].
pub fn describe(der: &[u8]) -> Result<Described, X509Error> {
    let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
    let mut tbs = Reader(certificate.expect(SEQUENCE)?);
    if tbs.0.first() == Some(&VERSION) {
        tbs.any()?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        tbs.any()?;
    }
    let mut validity = Reader(tbs.expect(SEQUENCE)?);
    validity.any()?;
    let (tag, time) = validity.any()?;
    let not_after = seconds(tag, time)?;
    let subject = tbs.expect(SEQUENCE)?;
    tbs.any()?;
    let mut names = Vec::new();
    while !tbs.0.is_empty() {
        if let (EXTENSIONS, wrapped) = tbs.any()? {
            names = alternative_names(Reader(wrapped).expect(SEQUENCE)?)?;
        }
    }
    if names.is_empty() {
        names.extend(common_name(subject)?);
    }
    Ok(Described { names, not_after })
}

/// What is left of a value of several parts.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next part: its tag and its content.
    fn any(&mut self) -> Result<(u8, &'a [u8]), X509Error> {
        let (&[tag, first], rest) = self.0.split_first_chunk().ok_or(X509Error)?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Up to 4 bytes of length; the indefinite form is not DER.
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(X509Error)?;
                (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
            }
            _ => return Err(X509Error),
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(X509Error)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The content of the next part, which has this tag.
    fn expect(&mut self, tag: u8) -> Result<&'a [u8], X509Error> {
        let (found, content) = self.any()?;
        if found == tag { Ok(content) } else { Err(X509Error) }
    }
}

fn alternative_names(extensions: &[u8]) -> Result<Vec<String>, X509Error> {
    let mut extensions = Reader(extensions);
    while !extensions.0.is_empty() {
        let mut extension = Reader(extensions.expect(SEQUENCE)?);
        if extension.expect(OBJECT_IDENTIFIER)? != SUBJECT_ALT_NAME {
            continue;
        }
        // A boolean in between says whether it is critical.
        let (mut tag, mut content) = extension.any()?;
        if tag != OCTET_STRING {
            (tag, content) = extension.any()?;
        }
        if tag != OCTET_STRING {
            return Err(X509Error);
        }
        let mut names = Reader(Reader(content).expect(SEQUENCE)?);
        let mut out = Vec::new();
        while !names.0.is_empty() {
            match names.any()? {
                (DNS_NAME, name) => out.push(String::from_utf8_lossy(name).into_owned()),
                (IP_ADDRESS, address) => out.extend(ip(address)),
                _ => {}
            }
        }
        return Ok(out);
    }
    Ok(Vec::new())
}

fn ip(address: &[u8]) -> Option<String> {
    match address.len() {
        4 => address.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).to_string()),
        16 => address.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).to_string()),
        _ => None,
    }
}

fn common_name(subject: &[u8]) -> Result<Option<String>, X509Error> {
    let mut sets = Reader(subject);
    while !sets.0.is_empty() {
        let mut pair = Reader(Reader(sets.expect(SET)?).expect(SEQUENCE)?);
        if pair.expect(OBJECT_IDENTIFIER)? == COMMON_NAME {
            return Ok(Some(String::from_utf8_lossy(pair.any()?.1).into_owned()));
        }
    }
    Ok(None)
}

/// `Time` (RFC 5280 section 4.1.2.5): two digits of the year are of 1950 to 2049, and all times are in UTC.
fn seconds(tag: u8, text: &[u8]) -> Result<i64, X509Error> {
    let text = text.strip_suffix(b"Z").ok_or(X509Error)?;
    if !text.iter().all(u8::is_ascii_digit) {
        return Err(X509Error);
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2).ok_or(X509Error)?;
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4).ok_or(X509Error)?;
            (number(year), rest)
        }
        _ => return Err(X509Error),
    };
    let (pairs, []) = rest.as_chunks::<2>() else { return Err(X509Error) };
    let &[month, day, hour, minute, second] = pairs else { return Err(X509Error) };
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(|pair| number(&pair));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(X509Error);
    }
    Ok(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; years begin with March here, so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_months = (153 * month + 2) / 5;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_months + day
        - 1
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_1970() {
        for (tag, text, wanted) in [
            (UTC_TIME, &b"700101000000Z"[..], 0),
            (UTC_TIME, b"000229120000Z", 951_825_600),
            (UTC_TIME, b"491231235959Z", 2_524_607_999),
            (GENERALIZED_TIME, b"20500101000000Z", 2_524_608_000),
            (GENERALIZED_TIME, b"99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(seconds(tag, text), Ok(wanted), "{}", String::from_utf8_lossy(text));
        }
        for text in [&b"700101000000"[..], b"7001010000Z", b"701301000000Z", b"70010100000xZ", b"Z", b""] {
            assert_eq!(seconds(UTC_TIME, text), Err(X509Error));
        }
    }

    #[test]
    fn names_and_the_end_of_validity_are_read() {
        let mut params =
            rcgen::CertificateParams::new(vec!["a.example".into(), "*.b.example".into(), "192.0.2.1".into()])
                .unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap();
        let described = describe(der.der()).unwrap();
        assert_eq!(described.names, ["a.example", "*.b.example", "192.0.2.1"]);
        assert_eq!(described.not_after, days(2031, 2, 3) * 86_400);
        // Without alternative names the subject's own counts.
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        params.distinguished_name.push(rcgen::DnType::CommonName, "c.example");
        assert_eq!(describe(params.self_signed(&key).unwrap().der()).unwrap().names, ["c.example"]);
        // Cut anywhere it is none, and nothing else happens.
        for length in 0..der.der().len() {
            assert_eq!(describe(&der.der()[..length]), Err(X509Error), "{length}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at: proptest::sample::Index, byte: u8) {
            let _ = describe(&bytes);
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap();
            let mut der = params.self_signed(&key).unwrap().der().to_vec();
            let at = at.index(der.len());
            der[at] = byte;
            let _ = describe(&der);
        }
    }
}
