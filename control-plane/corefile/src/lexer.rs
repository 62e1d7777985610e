//! Words of a Corefile, as Caddy's lexer makes them.
//!
//! Words are separated by white space. One that begins with a quote goes to the next quote, over lines if need be; in it
//! `\"` is a quote and every other backslash is itself. `#` begins a comment.

use std::sync::Arc;

use crate::problem::{Place, Problems};

/// A word.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub text: String,
    pub place: Place,
    /// Whether it is the first one on its line.
    pub first: bool,
}

/// Splits `text` into words, at most `limit` of them; `None` where there are more.
pub(crate) fn tokens(
    file: &Arc<str>,
    text: &str,
    limit: usize,
    problems: &mut Problems,
) -> Option<Vec<Token>> {
    let mut lexer = Lexer { rest: text.strip_prefix('\u{feff}').unwrap_or(text).chars(), line: 1 };
    let mut tokens: Vec<Token> = Vec::new();
    // The line on which the last word ended.
    let mut ended = 0;
    while let Some(word) = lexer.next() {
        if tokens.len() >= limit {
            return None;
        }
        let place = Place { file: file.clone(), line: word.line };
        match word.oddity {
            Some(Oddity::Unclosed) => problems.warning(&place, "this quote is never closed"),
            Some(Oddity::HashInside) => problems.warning(
                &place,
                "`#` inside a word hides only the rest of the word, not of the line; put a space before it",
            ),
            None => {}
        }
        let first = word.line > ended;
        ended = word.line.saturating_add(u32::try_from(word.text.matches('\n').count()).unwrap_or(u32::MAX));
        tokens.push(Token { text: word.text, place, first });
    }
    Some(tokens)
}

enum Oddity {
    Unclosed,
    HashInside,
}

struct Word {
    text: String,
    line: u32,
    oddity: Option<Oddity>,
}

struct Lexer<'a> {
    rest: std::str::Chars<'a>,
    line: u32,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Word> {
        let mut word = Word { text: String::new(), line: self.line, oddity: None };
        let mut comment = false;
        while let Some(char) = self.rest.next() {
            if char.is_whitespace() {
                match char {
                    // Dropped wherever it stands: it belongs to a line's end.
                    '\r' => continue,
                    '\n' => {
                        self.line = self.line.saturating_add(1);
                        comment = false;
                    }
                    _ => {}
                }
                if !word.text.is_empty() {
                    return Some(word);
                }
                continue;
            }
            if char == '#' && !comment {
                comment = true;
                if !word.text.is_empty() && !self.line_ends_here() {
                    word.oddity = Some(Oddity::HashInside);
                }
            }
            if comment {
                continue;
            }
            if word.text.is_empty() {
                word.line = self.line;
                if char == '"' {
                    self.quoted(&mut word);
                    return (!word.text.is_empty() || word.oddity.is_none()).then_some(word);
                }
            }
            word.text.push(char);
        }
        (!word.text.is_empty()).then_some(word)
    }

    /// Whether a comment in the middle of a word hides all that is left of the line: no word follows this one.
    fn line_ends_here(&self) -> bool {
        // Reads no further than the next word, so that a line of many such words is not read again and again.
        let behind = self.rest.clone().skip_while(|char| !char.is_whitespace());
        behind.take_while(|char| *char != '\n').all(char::is_whitespace)
    }

    fn quoted(&mut self, word: &mut Word) {
        let mut escaped = false;
        for char in self.rest.by_ref() {
            if !escaped {
                match char {
                    '\\' => {
                        escaped = true;
                        continue;
                    }
                    '"' => return,
                    _ => {}
                }
            }
            if char == '\n' {
                self.line = self.line.saturating_add(1);
            }
            if escaped && char != '"' {
                word.text.push('\\');
            }
            word.text.push(char);
            escaped = false;
        }
        word.oddity = Some(Oddity::Unclosed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, u32, bool)> {
        let found = tokens(&"Corefile".into(), text, 100, &mut Problems::default()).unwrap();
        found.into_iter().map(|token| (token.text, token.place.line, token.first)).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.0).collect()
    }

    #[test]
    fn words_lines_comments_quotes_and_escapes() {
        assert_eq!(
            words("a b # c {\n{\n\"d e\nf\" g\nh"),
            [
                ("a".into(), 1, true),
                ("b".into(), 1, false),
                ("{".into(), 2, true),
                ("d e\nf".into(), 3, true),
                ("g".into(), 4, false),
                ("h".into(), 5, true),
            ]
        );
        assert_eq!(texts(r#""a \"b\" \d" c\d e"f g"#), [r#"a "b" \d"#, r"c\d", r#"e"f"#, "g"]);
        assert_eq!(texts("\"\" a\"\" \r\nb\r\n"), ["", "a\"\"", "b"]);
        assert_eq!(texts("\u{feff}a\u{a0}b"), ["a", "b"]);
        assert!(texts("# only this").is_empty());
    }

    #[test]
    fn a_comment_glued_to_a_word_ends_at_the_next_space_as_in_caddy() {
        let mut problems = Problems::default();
        let found = tokens(&"x".into(), "a#b c\nd#e\n", 9, &mut problems).unwrap();
        let found: Vec<_> = found.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(found, ["a", "c", "d"]);
        assert_eq!(problems.warnings().map(|problem| problem.place.line).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn an_unclosed_quote_is_told_and_the_number_of_words_is_bounded() {
        let mut problems = Problems::default();
        let found = tokens(&"x".into(), "a \"b c", 9, &mut problems).unwrap();
        assert_eq!(found.last().unwrap().text, "b c");
        assert_eq!(problems.warnings().count(), 1);
        assert!(tokens(&"x".into(), "a b c", 2, &mut problems).is_none());
    }
}
