//! The words of a file with those that imports put between them, without ever copying the rest of the file.

use std::sync::Arc;

use super::MOST_TOKENS;
use crate::lexer::Token;

/// How deep imports may nest.
pub(super) const DEEPEST: usize = 64;

/// Why nothing could be put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is being read already: it would import itself without end.
    Cycle,
    /// [`DEEPEST`] is reached.
    Depth,
}

/// Words, and a stack of what is imported.
pub(super) struct Stream {
    frames: Vec<Frame>,
    given: usize,
}

struct Frame {
    /// The snippet or file it is.
    source: String,
    tokens: Arc<[Token]>,
    at: usize,
}

impl Stream {
    pub fn new(tokens: Vec<Token>) -> Self {
        let frame = Frame { source: String::new(), tokens: tokens.into(), at: 0 };
        Self { frames: vec![frame], given: 0 }
    }

    pub fn next(&mut self) -> Option<Token> {
        self.settle();
        let frame = self.frames.last_mut()?;
        let token = frame.tokens.get(frame.at)?.clone();
        frame.at += 1;
        self.given += 1;
        Some(token)
    }

    /// The word that [`next`](Self::next) would give.
    pub fn peek(&mut self) -> Option<&Token> {
        self.settle();
        let frame = self.frames.last()?;
        frame.tokens.get(frame.at)
    }

    /// The next word, where it stands on the same line in the same source as the one before.
    pub fn peek_on_line(&self) -> Option<&Token> {
        let frame = self.frames.last()?;
        frame.tokens.get(frame.at).filter(|token| !token.first)
    }

    /// Whether more words were given than one Corefile may have.
    pub fn is_exhausted(&self) -> bool {
        self.given > MOST_TOKENS
    }

    /// Puts words between the last one and the next.
    pub fn push(&mut self, source: String, tokens: Arc<[Token]>) -> Result<(), Refused> {
        // Sources that are read to their end count too: one that ends in its own import would never end.
        if self.frames.iter().any(|frame| frame.source == source) {
            return Err(Refused::Cycle);
        }
        if self.frames.len() > DEEPEST {
            return Err(Refused::Depth);
        }
        self.frames.push(Frame { source, tokens, at: 0 });
        Ok(())
    }

    /// Leaves sources that are read to their end, but for the first.
    fn settle(&mut self) {
        while self.frames.len() > 1 && self.frames.last().is_some_and(|frame| frame.at >= frame.tokens.len())
        {
            self.frames.pop();
        }
    }
}
