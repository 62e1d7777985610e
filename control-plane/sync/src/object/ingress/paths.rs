//! Hosts and paths of rules, as the API server takes them.

use std::net::IpAddr;

use sluice_model::http::HostPattern;

/// The longest path.
const MOST: usize = 4096;

/// A host: a name, or `*.` and a name. Neither an address nor one with a port.
pub(super) fn host(text: &str) -> Result<HostPattern, String> {
    let (suffix, wildcard) = match text.strip_prefix("*.") {
        Some(suffix) => (suffix, true),
        None => (text, false),
    };
    let wrong = |why: &str| Err(format!("`{text}` {why}"));
    if text.parse::<IpAddr>().is_ok() || text.starts_with('[') {
        return wrong("is an address, and a name is needed");
    }
    if text == "*" {
        return wrong("is no host; none stands for all");
    }
    if text.contains(':') {
        return wrong("has a port, and a name alone is needed");
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if suffix.len() > 253 || !suffix.split('.').all(label) {
        return wrong("is no name of a host (RFC 1123)");
    }
    let name = suffix.to_ascii_lowercase().into();
    Ok(if wildcard { HostPattern::Wildcard(name) } else { HostPattern::Exact(name) })
}

/// A path of type `Exact` or `Prefix`.
pub(super) fn plain(path: &str) -> Result<(), String> {
    specific(path)?;
    if path.is_empty() {
        return Err("a path is needed".to_owned());
    }
    for part in ["//", "/./", "/../", "%2f", "%2F"] {
        if path.contains(part) {
            return Err(format!("`{path}` has `{part}`, which no request's path has"));
        }
    }
    for end in ["/..", "/."] {
        if path.ends_with(end) {
            return Err(format!("`{path}` ends in `{end}`, which no request's path does"));
        }
    }
    Ok(())
}

/// A path of type `ImplementationSpecific`: absolute, or empty, which stands for all.
pub(super) fn specific(path: &str) -> Result<(), String> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err(format!("`{path}` does not begin with `/`"));
    }
    if path.len() > MOST {
        return Err(format!("{} bytes are more than {MOST}", path.len()));
    }
    if path.bytes().any(|b| b.is_ascii_control()) {
        return Err("a control character, which no request's path has".to_owned());
    }
    Ok(())
}
