//! `import`: a snippet, a file, or the files that a pattern finds.

use std::sync::Arc;

use super::stream::{DEEPEST, Refused};
use super::{MOST_TOKENS, Parser, Stop};
use crate::files::{self, FileError, LARGEST_FILE};
use crate::lexer::{self, Token};
use crate::problem::Place;
use crate::text;

/// How often one Corefile may import.
const MOST_IMPORTS: usize = 10_000;
/// Bytes that all imported files may have together.
const MOST_BYTES: usize = 8 << 20;

impl Parser<'_> {
    /// Puts what this `import` names before the next word.
    pub(super) fn import(&mut self, import: &Token) -> Result<(), Stop> {
        let place = &import.place;
        let mut args = Vec::new();
        while self.stream.peek_on_line().is_some_and(|token| !matches!(token.text.as_str(), "{" | "}")) {
            args.extend(self.next());
        }
        self.imports += 1;
        if self.imports > MOST_IMPORTS || self.stream.is_exhausted() {
            self.problems.error(
                place,
                format!(
                    "more than {MOST_IMPORTS} imports or {MOST_TOKENS} words; nothing behind this is read"
                ),
            );
            return Err(Stop);
        }
        let [name] = args.as_mut_slice() else {
            self.problems.error(place, "`import` takes one snippet, file or pattern");
            return Ok(());
        };
        self.expand(name);
        let name = name.text.clone();
        match self.snippets.get(&name).cloned() {
            _ if name.is_empty() => self.problems.error(place, "`import` takes one snippet, file or pattern"),
            Some(tokens) => self.put(place, &name, format!("({name})"), tokens),
            None => self.import_files(place, &name),
        }
        Ok(())
    }

    fn import_files(&mut self, place: &Place, name: &str) {
        if name.matches('*').count() > 1
            || name.matches('?').count() > 1
            || name.contains('[') && name.contains(']')
        {
            self.problems
                .error(place, format!("`{name}`: a pattern has one `*` and one `?` at most, and no `[…]`"));
            return;
        }
        let path = files::resolve(&place.file, name);
        let paths = match files::expand(self.files, &path) {
            None => vec![path.clone()],
            Some(Ok(paths)) => {
                if paths.is_empty() {
                    self.problems.warning(place, format!("no file matches `{name}`"));
                }
                paths
            }
            Some(Err(error)) => {
                self.problems.error(place, format!("`{name}`: {error}"));
                return;
            }
        };
        let mut tokens = Vec::new();
        for path in &paths {
            match self.read(path) {
                Ok(more) => tokens.extend(more),
                Err(error) => {
                    let what =
                        if error == FileError::Missing { "no file and no snippet" } else { "not readable" };
                    self.problems.error(place, format!("import of `{name}`: `{path}`: {what}: {error}"));
                }
            }
        }
        self.put(place, name, path, tokens.into());
    }

    fn read(&mut self, path: &str) -> Result<Vec<Token>, FileError> {
        let bytes = self.files.read(path)?;
        self.imported = self.imported.saturating_add(bytes.len());
        if bytes.len() > LARGEST_FILE {
            return Err(FileError::TooLarge);
        }
        if self.imported > MOST_BYTES {
            return Err(FileError::System(format!("all imports together have more than {MOST_BYTES} bytes")));
        }
        let file: Arc<str> = path.into();
        let text = text::decode(&file, &bytes, self.problems);
        lexer::tokens(&file, &text, MOST_TOKENS, self.problems).ok_or(FileError::TooLarge)
    }

    fn put(&mut self, place: &Place, name: &str, source: String, tokens: Arc<[Token]>) {
        match self.stream.push(source, tokens) {
            Ok(()) => {}
            Err(Refused::Cycle) => self.problems.error(place, format!("`{name}` imports itself")),
            Err(Refused::Depth) => {
                self.problems.error(place, format!("imports nest deeper than {DEEPEST}"));
            }
        }
    }
}
