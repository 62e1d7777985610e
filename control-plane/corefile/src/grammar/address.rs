//! The line of addresses that begins a block.

use super::{Parser, Stop};
use crate::lexer::Token;

impl Parser<'_> {
    /// The addresses from `first` on. They end at a brace or at the line's end; a comma there continues them.
    pub(super) fn addresses(&mut self, first: Token) -> Result<Vec<Token>, Stop> {
        let mut keys = Vec::new();
        let mut another = false;
        let mut token = first;
        loop {
            self.expand(&mut token);
            if token.text == "import" && token.first {
                self.import(&token)?;
            } else if token.text == "}" {
                self.problems.error(&token.place, "this `}` closes nothing");
                return Err(Stop);
            } else if token.text == "{" {
                // Only where a block begins with its brace: the others end before it.
                self.problems.error(&token.place, "a server block begins with its zones, for example `. {`");
                self.skip_body(&token.place)?;
                return Ok(Vec::new());
            } else {
                another = token.text.ends_with(',');
                if another {
                    token.text.pop();
                }
                if !token.text.is_empty() {
                    keys.push(token.clone());
                }
            }
            let ends = match self.stream.peek() {
                None => true,
                Some(next) => next.text == "{" || next.first && !another && !keys.is_empty(),
            };
            if ends {
                if another {
                    self.problems.error(&token.place, "an address is missing behind the comma");
                }
                return Ok(keys);
            }
            let Some(next) = self.next() else { return Ok(keys) };
            token = next;
        }
    }
}
