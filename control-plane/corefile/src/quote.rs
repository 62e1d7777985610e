//! Words back into text that the lexer reads as the same words.

/// The word as it has to be written.
pub(crate) fn word(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    // Every backslash is itself but before a quote, where it takes part in the escape.
    format!("\"{}\"", text.replace('"', "\\\""))
}

/// Whether the lexer can give this word at all: in quotes, an odd run of backslashes before a quote or the end is lost.
pub(crate) fn is_writable(text: &str) -> bool {
    if is_plain(text) {
        return true;
    }
    let mut odd = false;
    for char in text.chars() {
        if char == '"' && odd {
            return false;
        }
        odd = char == '\\' && !odd;
    }
    !odd
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(['"', '\u{feff}'])
        && !text.contains(|char: char| char.is_whitespace() || char == '#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer;
    use crate::problem::Problems;

    #[test]
    fn written_words_are_read_as_the_same_words() {
        for text in
            ["a", "a\"b", "\"a", "a b", "", "a#b", r"\d+ \.x", r"a\", r#"say "hi" \\"#, "a\nb", "\u{feff}b"]
        {
            assert!(is_writable(text), "{text:?}");
            let written = format!("{} end", word(text));
            let read = lexer::tokens(&"x".into(), &written, 9, &mut Problems::default()).unwrap();
            let read: Vec<_> = read.into_iter().map(|token| token.text).collect();
            assert_eq!(read, [text, "end"], "{written}");
        }
        assert!(!is_writable(r"a b\") && !is_writable("a \\\"b"));
    }
}
