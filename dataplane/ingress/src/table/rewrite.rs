//! Paths made of what a pattern's groups took.

use std::borrow::Cow;

use crate::routes::{Found, PathError, normalise};

/// A text with `$1` to `$9`.
#[derive(Debug)]
pub struct Template(Box<[Part]>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Group(usize),
}

impl Template {
    /// Reads a template; a `$` before anything but a digit from 1 to 9 stands for itself.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let group = characters.peek().and_then(|next| next.to_digit(10)).filter(|&group| group > 0);
            match group {
                Some(group) if character == '$' => {
                    characters.next();
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain).into()));
                    }
                    parts.push(Part::Group(group as usize));
                }
                _ => plain.push(character),
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Self(parts.into())
    }

    /// The path for a request with what `group` says that groups took of its path, which is about so long.
    ///
    /// It is as clean as a client's must be: dot segments that come of the parts' meeting are removed, and there is one slash at
    /// its beginning, for two would read as a host in an answer's `Location`.
    ///
    /// # Errors
    /// What comes of it is no path.
    pub fn fill<'a>(
        &self,
        length: usize,
        group: impl Fn(usize) -> Cow<'a, str>,
    ) -> Result<String, PathError> {
        let mut filled = String::with_capacity(length + 1);
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Group(number) => filled.push_str(&group(*number)),
            }
        }
        let rest = filled.trim_start_matches('/');
        let slashes = filled.len() - rest.len();
        if slashes == 0 {
            filled.insert(0, '/');
        } else if slashes > 1 {
            filled.replace_range(..slashes, "/");
        }
        match normalise(&filled)? {
            Cow::Borrowed(_) => Ok(filled),
            Cow::Owned(normal) => Ok(normal),
        }
    }
}

impl Template {
    /// The path for a request whose route was found so.
    ///
    /// # Errors
    /// What comes of it is no path.
    pub fn of<V>(&self, found: &Found<'_, V>, path: &str) -> Result<String, PathError> {
        let groups = found.groups(path).unwrap_or_default();
        self.fill(path.len(), |group| found.group(&groups, group, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Pattern;

    fn rewrite(pattern: &str, template: &str, path: &str) -> Result<String, PathError> {
        let groups = Pattern::new(pattern).unwrap().groups(path).unwrap();
        Template::new(template).fill(path.len(), |group| groups.get(group, path).into())
    }

    #[test]
    fn groups_are_put_in() {
        for (pattern, template, path, wanted) in [
            ("/something(/|$)(.*)", "/$2", "/something", "/"),
            ("/something(/|$)(.*)", "/$2", "/something/", "/"),
            ("/something(/|$)(.*)", "/$2", "/something/new", "/new"),
            ("/something(/|$)(.*)", "/$2", "/something//evil.com/x", "/evil.com/x"),
            ("/(a)(b)?", "/x-$1-$2-$3-$$-$0", "/a", "/x-a---$$-$0"),
            ("/(.*)", "$1", "/a%2fb", "/a%2fb"),
            ("/a", "/", "/a/b", "/"),
            ("/(.*)/(.*)", "/x/.$1./$2", "/./y", "/x/.../y"),
        ] {
            assert_eq!(
                rewrite(pattern, template, path).as_deref(),
                Ok(wanted),
                "{pattern} {template} {path}"
            );
        }
        assert_eq!(Template::new("/b$1").fill(2, |_| "".into()).as_deref(), Ok("/b"));
    }

    #[test]
    fn what_comes_together_is_no_way_out() {
        assert_eq!(rewrite("/(.*)/(.*)", "/x/$1$2/z", "/./.",).as_deref(), Ok("/z"));
        assert_eq!(rewrite("/([^/]*)", "/.$1", "/.",), Err(PathError::AboveRoot));
        assert_eq!(rewrite("/(..)", "/%$1", "/zz",), Err(PathError::Encoding));
    }
}
