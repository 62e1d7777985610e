//! A directive with its arguments and its body.

use super::{Directive, Line, Parser, Stop};
use crate::lexer::Token;
use crate::problem::Place;

impl Parser<'_> {
    /// The directive that `name` begins.
    pub(super) fn directive(&mut self, name: Token) -> Result<Directive, Stop> {
        let mut args = Vec::new();
        while let Some(next) = self.stream.peek_on_line() {
            match next.text.as_str() {
                "{" => {
                    let Some(open) = self.next() else { break };
                    let body = Some(self.body(&name, &open.place)?);
                    self.nothing_behind_body();
                    return Ok(Directive { name, args, body });
                }
                "}" => {
                    self.problems.error(&next.place.clone(), "this `}` must stand on a line of its own");
                    // It was meant to close the block, and does.
                    break;
                }
                _ => self.argument(&mut args),
            }
        }
        Ok(Directive { name, args, body: None })
    }

    fn argument(&mut self, args: &mut Vec<Token>) {
        if let Some(mut token) = self.next() {
            self.expand(&mut token);
            args.push(token);
        }
    }

    fn body(&mut self, directive: &Token, open: &Place) -> Result<Vec<Line>, Stop> {
        let mut lines: Vec<Line> = Vec::new();
        // Behind an import the next word begins a line wherever it stood.
        let mut begins = true;
        while let Some(mut token) = self.next() {
            match token.text.as_str() {
                "}" => return Ok(lines),
                "{" => {
                    self.problems.error(
                        &token.place,
                        format!("`{}` has no options with a body of their own", directive.text),
                    );
                    self.skip_body(&token.place)?;
                }
                "import" if token.first => {
                    self.import(&token)?;
                    begins = true;
                    continue;
                }
                _ => {
                    let first = token.first || begins;
                    self.expand(&mut token);
                    match lines.last_mut() {
                        Some(line) if !first => line.args.push(token),
                        _ => lines.push(Line { name: token, args: Vec::new() }),
                    }
                }
            }
            begins = false;
        }
        self.problems.error(open, format!("the body of `{}` is not closed: `}}` is missing", directive.text));
        Err(Stop)
    }

    /// Reads over a body that is not wanted; its brace has been read.
    pub(super) fn skip_body(&mut self, open: &Place) -> Result<(), Stop> {
        let mut depth = 1usize;
        while let Some(token) = self.next() {
            match token.text.as_str() {
                "{" => depth = depth.saturating_add(1),
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        self.problems.error(open, "this `{` is not closed");
        Err(Stop)
    }

    fn nothing_behind_body(&mut self) {
        while let Some(next) = self.stream.peek_on_line() {
            if next.text == "}" {
                return;
            }
            let (place, text) = (next.place.clone(), next.text.clone());
            self.problems.error(&place, format!("`{text}` stands behind the body's `}}`"));
            self.next();
        }
    }
}
