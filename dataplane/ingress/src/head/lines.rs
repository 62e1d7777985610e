//! Lines, and the bytes that they may have.

use super::Refusal;

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a field's value may have it: visible ASCII, spaces, tabs, and bytes beyond ASCII.
fn is_value(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

/// Takes the first line off, without its end. None where there is no whole line.
///
/// # Errors
/// [`Refusal::Line`]: it ends otherwise than with CR LF, or has a CR within.
pub(super) fn take_line<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
    let (line, rest) = bytes.split_at(end);
    let Some((b'\r', line)) = line.split_last() else { return Err(Refusal::Line) };
    if line.contains(&b'\r') {
        return Err(Refusal::Line);
    }
    *bytes = rest.get(1..).unwrap_or_default();
    Ok(Some(line))
}

/// A field line's name, and its value without the spaces around it.
///
/// # Errors
/// The rule of RFC 9112 section 5 that it breaks.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::Folded);
    }
    if !line.iter().all(|&byte| is_value(byte)) {
        return Err(Refusal::Control);
    }
    let colon = line.iter().position(|&byte| byte == b':').ok_or(Refusal::FieldName)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        return Err(Refusal::FieldName);
    }
    Ok((name, trim(value.get(1..).unwrap_or_default())))
}

/// Without the spaces and tabs around it (OWS of RFC 9110 section 5.6.3, and no others).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
