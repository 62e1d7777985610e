//! Paths as routes see them and endpoints get them.

use std::borrow::Cow;

/// Why a path is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not in origin form (RFC 9112 section 3.2.1).
    #[error("the path does not begin with /")]
    NotAbsolute,
    /// Neither of a path's characters (RFC 3986 section 3.3) nor one that clients are known to send as it is; or a backslash,
    /// which some servers read as a slash.
    #[error("the path has a character that must be percent-encoded")]
    Character,
    /// A `%` without two hexadecimal digits, or `%00`.
    #[error("the path has a broken percent-encoding")]
    Encoding,
    /// `..` beyond the root.
    #[error("the path leads above the root")]
    AboveRoot,
    /// A dot segment that only a decoder sees: `%2e%2e`, `..;x`, `..%2f`.
    #[error("the path has a hidden dot segment")]
    HiddenDots,
}

/// The path without dot segments (RFC 3986 section 5.2.4). Nothing is decoded: `%2f` stays, `//` stays.
///
/// What a server behind could still read as a dot segment after decoding is refused: routes would be chosen by one path and
/// files by another.
///
/// # Errors
/// What is wrong with the path; the request is malformed.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathError> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    let mut dots = false;
    let mut before = b'/';
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => {
                check_encoding(bytes.get(at + 1..at + 3))?;
                dots = true;
            }
            b'.' => dots |= before == b'/',
            b'\\' | b'#' | b'?' | 0..=0x20 | 0x7f.. => return Err(PathError::Character),
            _ => {}
        }
        before = byte;
    }
    if !dots {
        return Ok(Cow::Borrowed(path));
    }
    let mut plain = false;
    for segment in path.split('/') {
        match dots_of(segment) {
            Dots::None => {}
            Dots::Plain => plain = true,
            Dots::Hidden => return Err(PathError::HiddenDots),
        }
    }
    if plain { without_dots(path).map(Cow::Owned) } else { Ok(Cow::Borrowed(path)) }
}

fn check_encoding(digits: Option<&[u8]>) -> Result<(), PathError> {
    match digits {
        Some(b"00") => Err(PathError::Encoding),
        Some(digits) if digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit) => Ok(()),
        _ => Err(PathError::Encoding),
    }
}

enum Dots {
    None,
    Plain,
    Hidden,
}

fn dots_of(segment: &str) -> Dots {
    if matches!(segment, "." | "..") {
        return Dots::Plain;
    }
    if !segment.contains(['.', '%']) {
        return Dots::None;
    }
    // Between what decodes to a separator, and up to what begins a parameter, there must be no dots alone.
    let decoded = decode(segment);
    let hidden = decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| {
        let name = part.split(|&byte| byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    });
    if hidden { Dots::Hidden } else { Dots::None }
}

fn decode(segment: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let digit =
            |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or_default();
        decoded.push(match byte {
            b'%' => (digit(bytes.next()) << 4 | digit(bytes.next())) as u8,
            byte => byte,
        });
    }
    decoded
}

fn without_dots(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                let parent = out.rfind('/').ok_or(PathError::AboveRoot)?;
                out.truncate(parent);
            }
            segment => {
                out.push('/');
                out.push_str(segment);
                continue;
            }
        }
        if last {
            out.push('/');
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_removed_as_rfc_3986_says() {
        for (path, wanted) in [
            ("/", "/"),
            ("/a/./b", "/a/b"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/a/..", "/"),
            ("/.", "/"),
            ("/a//../b", "/a/b"),
            ("/a/b/c/./../../g", "/a/g"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b/..c/d..", "/a..b/..c/d.."),
        ] {
            assert_eq!(normalise(path).as_deref(), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn nothing_is_decoded() {
        for path in
            ["/a%2fb", "/a%2Fb", "/%41", "//", "/a//b", "/a%20b", "/%2e%2e%2e", "/a;..", "/%252e%252e/"]
        {
            assert_eq!(normalise(path), Ok(Cow::Borrowed(path)), "{path}");
        }
    }

    #[test]
    fn dots_that_only_a_decoder_sees_are_refused() {
        for path in [
            "/%2e%2e/a",
            "/a/.%2E",
            "/a/%2e",
            "/..;/a",
            "/a/..;x=1/b",
            "/.;/a",
            "/a%2f..%2fb",
            "/a/..%2f",
            "/..%5ca",
            "/%2e%2e%2fa",
            "/a/%2e%2e;x",
        ] {
            assert_eq!(normalise(path), Err(PathError::HiddenDots), "{path}");
        }
    }

    #[test]
    fn malformed_paths_are_refused() {
        for (path, error) in [
            ("", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("a/b", PathError::NotAbsolute),
            ("/..", PathError::AboveRoot),
            ("/a/../../b", PathError::AboveRoot),
            ("/a\\..\\b", PathError::Character),
            ("/a b", PathError::Character),
            ("/a\0", PathError::Character),
            ("/\u{e9}", PathError::Character),
            ("/a#b", PathError::Character),
            ("/%", PathError::Encoding),
            ("/%2", PathError::Encoding),
            ("/%zz", PathError::Encoding),
            ("/%00", PathError::Encoding),
            ("/%+1", PathError::Encoding),
        ] {
            assert_eq!(normalise(path), Err(error), "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_dot_segment_is_left(path in "/([a./%;2eE5cf]|%2e|%2f|%5c|\\.\\./){0,24}") {
            if let Ok(path) = normalise(&path) {
                proptest::prop_assert!(path.starts_with('/'));
                for segment in path.split('/') {
                    let decoded = decode(segment);
                    for part in decoded.split(|byte| b"/\\".contains(byte)) {
                        let name = part.split(|&byte| byte == b';').next().unwrap();
                        proptest::prop_assert!(name != b"." && name != b"..", "{path}");
                    }
                }
                let again = normalise(&path);
                proptest::prop_assert_eq!(again.as_deref(), Ok(&*path), "a second time changes nothing");
            }
        }
    }
}
