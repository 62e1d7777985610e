//! Paths as servers see them that decode first.

use std::borrow::Cow;

/// A [normalised](super::normalise) path decoded, several slashes as one. Where what comes of it is no UTF-8, only ASCII is
/// decoded.
pub fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let text = String::from_utf8(bytes(path, false)).or_else(|_| String::from_utf8(bytes(path, true)));
    text.map_or(Cow::Borrowed(path), |text| match text.contains("//") {
        true => Cow::Owned(merged(&text)),
        false => Cow::Owned(text),
    })
}

/// Encodes what no path of a request has.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | b'\\' | b'#' | b'?' | 0..=0x20 | 0x7f.. => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from(DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0')));
                }
            }
            byte => out.push(char::from(byte)),
        }
    }
    out
}

fn bytes(path: &str, ascii: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digit = |at: usize| behind.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) if !(ascii && high >= 8) => {
                out.push((high << 4 | low) as u8);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(first);
                rest = behind;
            }
        }
    }
    out
}

fn merged(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '/' || !out.ends_with('/') {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::normalise;

    #[test]
    fn paths_are_decoded_once_and_slashes_put_together() {
        for (path, wanted) in [
            ("/a", "/a"),
            ("/%61%2Fb", "/a/b"),
            ("//a///b//", "/a/b/"),
            ("/a%2f/b", "/a/b"),
            ("/%2561", "/%61"),
            ("/%c3%a9", "/\u{e9}"),
            ("/%ff%41", "/%ffA"),
            ("/a%20b%3fc", "/a b?c"),
        ] {
            assert_eq!(decoded(path), wanted, "{path}");
        }
        assert!(matches!(decoded("/a/b"), Cow::Borrowed(_)));
        assert_eq!(encoded("/a b%?#\\\n\u{e9}"), "/a%20b%25%3F%23%5C%0A%C3%A9");
    }

    proptest::proptest! {
        #[test]
        fn what_is_decoded_and_encoded_is_clean_and_the_same(path in "/([a-c./;]|%[2-7][0-9a-f]|%c3%a9|%ff){0,16}") {
            if let Ok(path) = normalise(&path) {
                let plain = decoded(&path);
                proptest::prop_assert!(plain.starts_with('/') && !plain.contains("//"));
                let again = encoded(&plain);
                let again = normalise(&again);
                proptest::prop_assert!(again.is_ok(), "{path} {plain}");
                let again = again.unwrap();
                proptest::prop_assert_eq!(decoded(&again), plain);
            }
        }
    }
}
