//! From words to server blocks: the grammar of a Caddyfile as CoreDNS uses it.
//!
//! A block is a line of addresses and directives in braces (one block alone needs no braces); a directive is a name, its
//! arguments on the same line, and a body in braces. `(name) { … }` is a snippet, and `import` puts a snippet's or a
//! file's words in its own place, wherever a line may begin.

mod address;
mod body;
mod import;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::environment;
use crate::files::Files;
use crate::lexer::Token;
use crate::problem::{Place, Problems};
use stream::Stream;

/// Words that one Corefile may have with all it imports.
pub(crate) const MOST_TOKENS: usize = 200_000;

/// A server block as it is written.
#[derive(Debug)]
pub(crate) struct Block {
    /// Its addresses.
    pub keys: Vec<Token>,
    /// Its directives, in the order of the file.
    pub directives: Vec<Directive>,
    /// Where it begins.
    pub place: Place,
}

/// A directive as it is written.
#[derive(Debug)]
pub(crate) struct Directive {
    pub name: Token,
    pub args: Vec<Token>,
    /// The lines of its body; `None` where it has no braces.
    pub body: Option<Vec<Line>>,
}

/// A line of a body; it has a name.
#[derive(Debug)]
pub(crate) struct Line {
    pub name: Token,
    pub args: Vec<Token>,
}

/// Reads blocks. What cannot be read is told, and reading goes on behind it where that makes sense.
pub(crate) fn blocks(
    tokens: Vec<Token>,
    files: &dyn Files,
    environment: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Vec<Block> {
    let mut parser = Parser {
        stream: Stream::new(tokens),
        snippets: HashMap::new(),
        imports: 0,
        imported: 0,
        files,
        environment,
        problems,
    };
    let mut blocks = Vec::new();
    while let Some(token) = parser.next() {
        match parser.block(token) {
            Ok(Some(block)) => blocks.push(block),
            Ok(None) => {}
            Err(Stop) => break,
        }
    }
    blocks
}

/// Nothing behind this place can be read with any sense; why has been told.
struct Stop;

struct Parser<'a> {
    stream: Stream,
    snippets: HashMap<String, Arc<[Token]>>,
    /// How often something was imported.
    imports: usize,
    /// Bytes of all imported files.
    imported: usize,
    files: &'a dyn Files,
    environment: &'a BTreeMap<String, String>,
    problems: &'a mut Problems,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<Token> {
        self.stream.next()
    }

    fn expand(&mut self, token: &mut Token) {
        environment::expand(token, self.environment, self.problems);
    }

    /// One block, or a snippet, which is remembered.
    fn block(&mut self, first: Token) -> Result<Option<Block>, Stop> {
        let begin = first.place.clone();
        let keys = self.addresses(first)?;
        // Where the first token is an import, the block is elsewhere.
        let place = keys.first().map_or(begin, |key| key.place.clone());
        let braces = self.stream.peek().is_some_and(|token| token.text == "{");
        if let Some(name) = snippet_name(&keys) {
            let name = name.to_owned();
            self.snippet(name, &place, braces)?;
            return Ok(None);
        }
        if keys.is_empty() && !braces {
            return Ok(None);
        }
        if braces {
            if keys.is_empty() {
                self.problems.error(&place, "this server block has no zones");
            }
            self.next();
        } else if self.stream.peek().is_none() {
            if !keys.is_empty() {
                self.problems.warning(&place, "this server block has no plugins; it serves nothing");
            }
            return Ok((!keys.is_empty()).then_some(Block { keys, directives: Vec::new(), place }));
        }
        let directives = self.directives(&place, braces)?;
        Ok((!keys.is_empty()).then_some(Block { keys, directives, place }))
    }

    fn directives(&mut self, place: &Place, braces: bool) -> Result<Vec<Directive>, Stop> {
        let mut directives = Vec::new();
        // Caddy takes the brace of a last directive's body for the block's own where the file ends there.
        let mut ended_in_brace = false;
        while let Some(mut token) = self.next() {
            if token.text == "}" {
                return Ok(directives);
            }
            if token.text == "import" {
                self.import(&token)?;
                continue;
            }
            if token.text == "{" {
                self.problems
                    .error(&token.place, "this `{` opens nothing; it belongs on the line of its directive");
                self.skip_body(&token.place)?;
                continue;
            }
            self.expand(&mut token);
            let directive = self.directive(token)?;
            ended_in_brace = directive.body.is_some();
            directives.push(directive);
        }
        if braces && ended_in_brace {
            self.problems
                .warning(place, "this block is not closed; the file's last `}` is taken for its own");
        } else if braces {
            self.problems.error(place, "this block is not closed: `}` is missing");
        }
        Ok(directives)
    }

    fn snippet(&mut self, name: String, place: &Place, braces: bool) -> Result<(), Stop> {
        if !braces {
            self.problems.error(place, format!("the snippet ({name}) has no `{{`"));
            return Err(Stop);
        }
        self.next();
        let mut depth = 1usize;
        let mut tokens = Vec::new();
        while let Some(token) = self.next() {
            match token.text.as_str() {
                "{" => depth = depth.saturating_add(1),
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                if self.snippets.insert(name.clone(), tokens.into()).is_some() {
                    self.problems.error(place, format!("the snippet ({name}) is defined twice"));
                }
                return Ok(());
            }
            tokens.push(token);
        }
        self.problems.error(place, format!("the snippet ({name}) is not closed: `}}` is missing"));
        Err(Stop)
    }
}

/// The name of the snippet that a block with these addresses defines.
fn snippet_name(keys: &[Token]) -> Option<&str> {
    match keys {
        [key] => key.text.strip_prefix('(')?.strip_suffix(')'),
        _ => None,
    }
}

impl Directive {
    /// The lines of its body, none where it has no braces.
    pub(crate) fn lines(&self) -> &[Line] {
        self.body.as_deref().unwrap_or_default()
    }
}
