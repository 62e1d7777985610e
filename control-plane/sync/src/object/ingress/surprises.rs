//! What ingress-nginx does that nobody expects, named where an Ingress leans on it.
//!
//! After the list that Kubernetes published when ingress-nginx was retired: regular expressions fit from the beginning in any
//! case; `rewrite-target` implies them; a missing slash at the end is sent for; URLs are decoded before they are matched. (That
//! `use-regex` changes all Ingresses of a host is said where hosts are joined.)

use std::collections::BTreeMap;

use super::annotations::{Options, PREFIX};
use super::{IngressPath, IngressRule};
use crate::FieldProblem;

/// What is said of slashes, and of what is decoded, in the words that are not said elsewhere.
const SLASH: &str = "ingress-nginx answers `";
const ENCODED: &str = "has bytes that requests have encoded";

/// Whether this is said of something that is done as ingress-nginx does it, where the class says so.
pub fn is_compat(message: &str) -> bool {
    message.starts_with(SLASH) || message.contains(ENCODED)
}

/// Names them.
pub(super) fn tell(
    rules: &[IngressRule],
    annotations: Option<&BTreeMap<String, String>>,
    options: &Options,
    problems: &mut Vec<FieldProblem>,
) {
    let paths = || rules.iter().flat_map(|rule| &rule.paths);
    let mut say = |field: &str, message: String| problems.push(FieldProblem::warning(field, message));
    let given = |name: &str| {
        let full = |key: &String| key.strip_prefix(PREFIX) == Some(name);
        annotations.and_then(|all| all.iter().find(|(key, _)| full(key))).map(|(_, value)| value.as_str())
    };
    if options.regex {
        if given("use-regex") != Some("true") && !paths().any(|path| has_pattern(&path.path)) {
            let message = "implies `use-regex`: the host's paths are regular expressions, which fit from the beginning in any case";
            say(&format!("metadata.annotations[\"{PREFIX}rewrite-target\"]"), message.to_owned());
        }
        for path in paths().filter(|path| path.exact) {
            let message = "is of type Exact, and a regular expression all the same: it fits all that begins so, in any case";
            say("spec.rules", format!("`{}` {message}", path.path));
        }
        return;
    }
    for path in paths().filter(|path| never_asked_for(path)) {
        let message = "and nothing is decoded before it is matched: it fits none";
        say("spec.rules", format!("`{}` {ENCODED}, {message}", path.path));
    }
    // Whoever has none of its annotations does not come from ingress-nginx.
    if !annotations.is_some_and(|all| all.keys().any(|key| key.starts_with(PREFIX))) {
        return;
    }
    for path in paths().filter(|path| path.path.len() > 1 && path.path.ends_with('/')) {
        let without = path.path.trim_end_matches('/');
        let here = if path.exact { "is answered with 404" } else { "goes to its backend as it is" };
        let message = format!("{SLASH}{without}` with 301 to `{}`; here it {here}", path.path);
        say("spec.rules", message);
    }
}

/// Whether a path looks as if a regular expression was meant.
fn has_pattern(path: &str) -> bool {
    path.contains(['(', ')', '[', '*', '+', '?', '$', '|', '\\', '^', '{'])
}

/// Whether it has what no request's path has (RFC 3986; the proxy refuses such requests).
fn never_asked_for(path: &IngressPath) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]@!$&'()*+,;=%{}|^".contains(&byte);
    !path.path.bytes().all(known)
}
