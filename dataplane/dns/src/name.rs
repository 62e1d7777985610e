//! Names in wire form (RFC 1035, section 3.1): labels, each behind its length, up to the empty one of the root.
//!
//! Names compare without regard to the case of ASCII letters (RFC 4343). Length bytes are below 64, letters are not, so a
//! whole name can be lower-cased bytewise, eight bytes at a time.

use std::net::IpAddr;

/// The longest name in wire form, the root's empty label included (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 255;
/// The longest label.
pub const MAX_LABEL: usize = 63;

/// Text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A label has no characters.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label has more than 63 characters.
    #[error("a label is longer than 63 characters")]
    LongLabel,
    /// The whole is longer than 255 bytes in wire form.
    #[error("a name is longer than 255 bytes")]
    LongName,
}

/// A name under construction, from its first label on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Vec<u8>);

impl Name {
    /// From text such as `web.default.svc.cluster.local`, with or without the last dot, in the case it has; the empty text
    /// and `.` are the root.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        if !text.is_empty() {
            for label in text.split('.') {
                push_label(&mut wire, label.as_bytes())?;
            }
        }
        wire.push(0);
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        Ok(Self(wire))
    }

    /// This name with a label in front.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn child(&self, label: &str) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(self.0.len() + label.len() + 1);
        push_label(&mut wire, label.as_bytes())?;
        wire.extend(&self.0);
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        Ok(Self(wire))
    }

    /// A name that is in wire form already.
    pub(crate) fn from_wire(wire: &[u8]) -> Self {
        Self(wire.to_vec())
    }

    /// With all letters in lower case.
    pub fn lowered(mut self) -> Self {
        self.0.make_ascii_lowercase();
        self
    }

    /// The wire form.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }
}

fn push_label(wire: &mut Vec<u8>, label: &[u8]) -> Result<(), NameError> {
    match label.len() {
        0 => Err(NameError::EmptyLabel),
        n @ 1..=MAX_LABEL => {
            wire.push(n as u8);
            wire.extend(label);
            Ok(())
        }
        _ => Err(NameError::LongLabel),
    }
}

/// Wire form as text, for people: bytes that are not printable as `\DDD`.
pub fn text(wire: &[u8]) -> String {
    let mut text = String::new();
    for label in labels(wire) {
        for &byte in label {
            match byte {
                b'.' | b'\\' => text.extend(['\\', char::from(byte)]),
                0x21..=0x7e => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
        text.push('.');
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

/// The labels of a name in wire form, without the root's.
pub fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (&length, tail) = rest.split_first()?;
        let label = tail.get(..usize::from(length)).filter(|label| !label.is_empty())?;
        rest = tail.get(usize::from(length)..)?;
        Some(label)
    })
}

/// Whether `name` is `zone` or below it, compared without case; `zone` is in lower case.
pub fn is_within(name: &[u8], zone: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(zone.len()) else { return false };
    if !name.get(start..).is_some_and(|tail| equal(zone, tail)) {
        return false;
    }
    // The tail has to begin with a label: the same bytes could stand inside one.
    let mut at = 0;
    while at < start {
        match name.get(at) {
            Some(&length) if length != 0 => at += usize::from(length) + 1,
            _ => return false,
        }
    }
    at == start
}

/// Keys of the names' hash, new for each process: nobody outside can prepare names that collide.
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub [u64; 2]);

impl Seed {
    /// Random keys.
    pub fn random() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let state = RandomState::new();
        Self([state.hash_one(1_u8), state.hash_one(2_u8) | 1])
    }
}

/// The hash of a name, whatever its case: of its bytes without the bit that is a letter's case. Names that differ in nothing
/// but that bit of other bytes have one hash, and are few.
#[inline]
pub fn hash(name: &[u8], seed: Seed) -> u64 {
    let [first, second] = seed.0;
    let mut state = first ^ name.len() as u64;
    let (pairs, rest) = name.as_chunks::<16>();
    for pair in pairs {
        state = mixed(u128::from_le_bytes(*pair), state, second);
    }
    if !rest.is_empty() {
        let last = match name.last_chunk::<16>() {
            // Some of them were there already.
            Some(last) => u128::from_le_bytes(*last),
            None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u128::from(byte)),
        };
        state = mixed(last, state, second);
    }
    state
}

/// The state after sixteen bytes more.
#[inline(always)]
fn mixed(bytes: u128, state: u64, key: u64) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    fold((bytes as u64 | CASE) ^ key, ((bytes >> 64) as u64 | CASE) ^ state)
}

/// Whether `name` is `lowered`, which is in lower case, but for case.
#[inline]
pub fn equal(lowered: &[u8], name: &[u8]) -> bool {
    if lowered.len() != name.len() {
        return false;
    }
    // Most clients ask in lower case.
    lowered == name || equal_but_for_case(lowered, name)
}

fn equal_but_for_case(lowered: &[u8], name: &[u8]) -> bool {
    let (left, left_rest) = lowered.as_chunks::<8>();
    let (right, right_rest) = name.as_chunks::<8>();
    let mut different = 0;
    for (l, r) in left.iter().zip(right) {
        different |= u64::from_le_bytes(*l) ^ lower(u64::from_le_bytes(*r));
    }
    if !left_rest.is_empty() {
        different |= tail(lowered, left_rest) ^ lower(tail(name, right_rest));
    }
    different == 0
}

/// The last bytes: eight of them, some of which were seen before, where there are so many.
#[inline(always)]
fn tail(whole: &[u8], rest: &[u8]) -> u64 {
    match whole.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// The bytes `A` to `Z` of a word in lower case.
#[inline(always)]
fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let seven = word & (0x7f * ONES);
    let above_z = seven + (0x7f - b'Z' as u64) * ONES;
    let from_a = seven + (0x80 - b'A' as u64) * ONES;
    let upper = (from_a ^ above_z) & !word & (0x80 * ONES);
    word | upper >> 2
}

#[inline(always)]
fn fold(value: u64, key: u64) -> u64 {
    let product = u128::from(value) * u128::from(key);
    (product >> 64) as u64 ^ product as u64
}

/// An address as endpoints without a hostname are named: dashes for dots and colons, and a zero where the last would be
/// nothing (`fd00::` is `fd00--0`).
pub fn dashed(address: IpAddr) -> String {
    let text = address.to_string().replace(['.', ':'], "-");
    if text.ends_with('-') { text + "0" } else { text }
}

/// The reverse name of an address (RFC 1035, section 3.5; RFC 3596, section 2.5).
pub fn reverse(address: IpAddr) -> Name {
    let mut wire = Vec::with_capacity(80);
    match address {
        IpAddr::V4(ip) => {
            for octet in ip.octets().iter().rev() {
                let text = octet.to_string();
                wire.push(text.len() as u8);
                wire.extend(text.as_bytes());
            }
            wire.extend(b"\x07in-addr\x04arpa\x00");
        }
        IpAddr::V6(ip) => {
            for octet in ip.octets().iter().rev() {
                for nibble in [octet & 15, octet >> 4] {
                    wire.extend([1, b"0123456789abcdef"[usize::from(nibble)]]);
                }
            }
            wire.extend(b"\x03ip6\x04arpa\x00");
        }
    }
    Name(wire)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_and_wire_form() {
        let name = Name::parse("Web.default").unwrap();
        assert_eq!(name.wire(), b"\x03Web\x07default\x00");
        assert_eq!(text(name.wire()), "Web.default.");
        assert_eq!(Name::parse(".").unwrap().wire(), b"\x00");
        assert_eq!(text(b"\x03a.b\x01\x07\x00"), "a\\.b.\\007.");
        assert_eq!(Name::parse("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(Name::parse(&"x".repeat(64)), Err(NameError::LongLabel));
        assert_eq!(Name::parse(&"abcdefg.".repeat(32)), Err(NameError::LongName));
        assert!(Name::parse(&format!("{}ab", "abcdefg.".repeat(31))).is_ok());
    }

    #[test]
    fn a_zone_begins_with_a_label() {
        let zone = b"\x07cluster\x05local\x00";
        assert!(is_within(b"\x07cluster\x05local\x00", zone));
        assert!(is_within(b"\x01a\x07CLUSTER\x05Local\x00", zone));
        assert!(!is_within(b"\x0fa\x07cluster\x05local\x00", zone));
        assert!(!is_within(b"\x05local\x00", zone));
    }

    #[test]
    fn addresses_as_names() {
        assert_eq!(dashed("10.1.2.3".parse().unwrap()), "10-1-2-3");
        assert_eq!(dashed("fd00::1".parse().unwrap()), "fd00--1");
        assert_eq!(dashed("fd00::".parse().unwrap()), "fd00--0");
        assert_eq!(text(reverse("10.1.2.3".parse().unwrap()).wire()), "3.2.1.10.in-addr.arpa.");
        let v6 = text(reverse("2001:db8::1f".parse().unwrap()).wire());
        assert!(v6.starts_with("f.1.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa."), "{v6}");
    }

    proptest! {
        #[test]
        fn words_are_lowered_as_bytes_are(word: u64) {
            let bytes = word.to_le_bytes().map(|b| b.to_ascii_lowercase());
            prop_assert_eq!(lower(word).to_le_bytes(), bytes);
        }

        #[test]
        fn case_changes_neither_hash_nor_equality(
            name in proptest::collection::vec(any::<u8>(), 0..80), flip in proptest::collection::vec(any::<bool>(), 80),
            other in 0_usize..80
        ) {
            let seed = Seed([3, 5]);
            let lowered = name.to_ascii_lowercase();
            let mixed: Vec<u8> =
                name.iter().zip(&flip).map(|(b, up)| if *up { b.to_ascii_uppercase() } else { *b }).collect();
            prop_assert!(equal(&lowered, &mixed));
            prop_assert_eq!(hash(&lowered, seed), hash(&mixed, seed));
            if let Some(byte) = lowered.clone().get_mut(other) {
                let mut changed = mixed.clone();
                changed[other] = byte.wrapping_add(64);
                prop_assert_eq!(equal(&lowered, &changed), lowered == changed.to_ascii_lowercase());
            }
        }
    }
}
