//! A zone file's entries (RFC 1035, section 5.1): words, without comments, parentheses and line ends within them.

use super::TextError;

/// An entry: its words as they are written, quotes included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The line that it begins on.
    pub(super) line: u32,
    /// Whether it begins with a blank: the owner is the one before.
    pub(super) blank: bool,
    pub(super) words: Vec<&'a str>,
}

/// All entries of a text, in their order.
pub(super) struct Entries<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Entries<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        // An editor's mark is no word.
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0, line: 1 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The end of the word that begins here.
    fn word(&mut self) -> Result<&'a str, TextError> {
        let start = self.at;
        let mut quoted = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' if quoted => {
                    return Err(TextError::new(self.line, "a quote is not closed on its line"));
                }
                b'\\' if self.text.as_bytes().get(self.at + 1).is_some_and(|next| *next != b'\n') => {
                    self.at += 1
                }
                b'"' => quoted = !quoted,
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' if !quoted => break,
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.text.len());
        // Behind a backslash there may be a character of several bytes.
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        if quoted {
            return Err(TextError::new(self.line, "a quote is not closed"));
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    fn entry(&mut self) -> Result<Option<Entry<'a>>, TextError> {
        let mut entry = Entry { line: self.line, blank: false, words: Vec::new() };
        let (mut depth, mut start) = (0_u32, true);
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    if depth > 0 {
                        continue;
                    }
                    if !entry.words.is_empty() {
                        return Ok(Some(entry));
                    }
                    (entry.line, entry.blank, start) = (self.line, false, true);
                    continue;
                }
                b';' => {
                    let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    continue;
                }
                b' ' | b'\t' | b'\r' => {
                    entry.blank |= start && byte != b'\r';
                    self.at += 1;
                }
                b'(' => {
                    depth += 1;
                    self.at += 1;
                }
                b')' => {
                    depth = depth.checked_sub(1).ok_or_else(|| {
                        TextError::new(self.line, "a parenthesis is closed that was not opened")
                    })?;
                    self.at += 1;
                }
                _ => entry.words.push(self.word()?),
            }
            start = false;
        }
        if depth > 0 {
            return Err(TextError::new(entry.line, "a parenthesis is not closed"));
        }
        Ok((!entry.words.is_empty()).then_some(entry))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entry();
        if entry.is_err() {
            self.at = self.text.len();
        }
        entry.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_split_into_words() {
        let text = "a 1 IN A 192.0.2.1 ; c\r\n\n  TXT \"a ; (b\" x\\;y\n@ SOA ( a ; (\n b )\nlast x";
        let found: Vec<Entry<'_>> = Entries::new(text).map(Result::unwrap).collect();
        let entry = |line, blank, words: &[&'static str]| Entry { line, blank, words: words.to_vec() };
        assert_eq!(
            found,
            [
                entry(1, false, &["a", "1", "IN", "A", "192.0.2.1"]),
                entry(3, true, &["TXT", "\"a ; (b\"", "x\\;y"]),
                entry(4, false, &["@", "SOA", "a", "b"]),
                entry(6, false, &["last", "x"]),
            ]
        );
        for (text, line) in [("a\nb \"x\ny\"", 2), ("a (\nb", 1), ("a\n)", 2), ("a \"x", 1)] {
            let error = Entries::new(text).find_map(Result::err).unwrap();
            assert_eq!(error.line, line, "{text}");
            assert_eq!(Entries::new(text).filter(Result::is_err).count(), 1);
        }
    }
}
