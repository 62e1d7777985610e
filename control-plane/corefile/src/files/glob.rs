//! Paths of `import`: relative to the importing file, with one `*` and one `?` at most, as in Caddy.

use super::{FileError, Files};

/// Files that one pattern may give.
const MOST_MATCHES: usize = 1000;

/// The path that `path` means in `file`.
pub(crate) fn resolve(file: &str, path: &str) -> String {
    let joined = match file.rsplit_once('/') {
        _ if path.starts_with('/') => path.to_owned(),
        Some((folder, _)) => format!("{folder}/{path}"),
        None => path.to_owned(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if joined.starts_with('/') => {}
            _ => parts.push(part),
        }
    }
    let root = if joined.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The paths that match, sorted; `None` where the path has no wildcard.
pub(crate) fn expand(files: &dyn Files, path: &str) -> Option<Result<Vec<String>, FileError>> {
    is_pattern(path).then(|| walk(files, path))
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

fn walk(files: &dyn Files, path: &str) -> Result<Vec<String>, FileError> {
    let (root, path) = path.strip_prefix('/').map_or(("", path), |rest| ("/", rest));
    let mut found = vec![root.to_owned()];
    for part in path.split('/') {
        let mut next = Vec::new();
        for folder in &found {
            let join = |name: &str| match folder.as_str() {
                "" | "/" => format!("{folder}{name}"),
                _ => format!("{folder}/{name}"),
            };
            if !is_pattern(part) {
                next.push(join(part));
                continue;
            }
            let names = files.names(folder)?;
            next.extend(names.iter().filter(|name| matches(part, name)).map(|name| join(name)));
            if next.len() > MOST_MATCHES {
                return Err(FileError::System(format!("more than {MOST_MATCHES} files match")));
            }
        }
        found = next;
    }
    // Parts behind a wildcard folder need not exist in every match of it.
    let exists = |path: &String| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = if folder.is_empty() { root } else { folder };
        files.names(folder).is_ok_and(|names| names.iter().any(|other| other == name))
    };
    if path.rsplit('/').next().is_some_and(|last| !is_pattern(last)) {
        found.retain(exists);
    }
    found.sort();
    Ok(found)
}

/// Whether `name` is what `pattern` describes. Hidden files match `*` too, as in Go.
fn matches(pattern: &str, name: &str) -> bool {
    let Some(kind) = pattern.find(['*', '?']) else { return pattern == name };
    let (before, rest) = pattern.split_at(kind);
    let Some(name) = name.strip_prefix(before) else { return false };
    let mut wildcard = rest.chars();
    match wildcard.next() {
        Some('*') => {
            let rest = wildcard.as_str();
            let starts = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            let mut ends = starts.filter_map(|at| name.get(at..));
            ends.any(|end| matches(rest, end))
        }
        _ => {
            let mut name = name.chars();
            name.next().is_some() && matches(wildcard.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryFiles;
    use super::*;

    #[test]
    fn paths_are_relative_to_the_importing_file() {
        assert_eq!(resolve("/etc/coredns/Corefile", "custom/*.server"), "/etc/coredns/custom/*.server");
        assert_eq!(resolve("/etc/coredns/Corefile", "/x/./y/../z"), "/x/z");
        assert_eq!(resolve("Corefile", "../a"), "../a");
        assert_eq!(resolve("/a/b", "../../../c"), "/c");
        assert_eq!(resolve("conf/Corefile", "../a"), "a");
    }

    #[test]
    fn one_star_and_one_question_mark() {
        for (pattern, name, expected) in [
            ("*.server", "a.server", true),
            ("*.server", ".server", true),
            ("*.server", "a.server.bak", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*?", "ab", true),
            ("a*?", "a", false),
            ("ü*", "üx", true),
            ("plain", "plain", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_find_files_in_order() {
        let files =
            ["/c/x/b.conf", "/c/x/a.conf", "/c/y/a.conf", "/c/z"].map(|path| (path.to_owned(), Vec::new()));
        let files = MemoryFiles(files.into());
        let found = |path: &str| expand(&files, path).map(Result::unwrap);
        assert_eq!(found("/c/x/*.conf").unwrap(), ["/c/x/a.conf", "/c/x/b.conf"]);
        assert_eq!(found("/c/*/a.conf").unwrap(), ["/c/x/a.conf", "/c/y/a.conf"]);
        assert_eq!(found("/none/*").unwrap(), [""; 0]);
        assert_eq!(found("/c/x/a.conf"), None);
    }
}
