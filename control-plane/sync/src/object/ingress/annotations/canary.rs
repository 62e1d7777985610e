//! Canaries: which requests another Ingress's route gives away.

use sluice_model::http::HeaderMatch;

use super::values::{Values, is_header_text, is_token};

/// What a canary Ingress takes of the requests of another Ingress's route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryRule {
    /// `canary-by-header`, with `-value` or `-pattern`.
    pub header: Option<(Box<str>, HeaderMatch)>,
    /// `canary-by-cookie`.
    pub cookie: Option<Box<str>>,
    /// `canary-weight`.
    pub weight: u32,
    /// `canary-weight-total`.
    pub total: u32,
}

pub(super) fn read(values: &mut Values<'_, '_>) -> Option<CanaryRule> {
    let is_canary = values.flag("canary").unwrap_or(false);
    let token = |text: &str| is_token(text).then(|| Box::from(text)).ok_or("no name");
    let header = values.read("canary-by-header", token);
    let value = values.read("canary-by-header-value", |text| {
        is_header_text(text).then(|| Box::from(text)).ok_or("no value of a header")
    });
    let pattern = values.read("canary-by-header-pattern", |text| {
        regex_syntax::parse(text).map(|_| Box::from(text)).map_err(|error| last_line(&error))
    });
    let cookie = values.read("canary-by-cookie", token);
    let total = values.number("canary-weight-total", 1..=1_000_000).unwrap_or(100);
    let weight = values.number("canary-weight", 0..=total).unwrap_or(0);
    is_canary.then(|| CanaryRule {
        header: header.map(|name| {
            let by = match (value, pattern) {
                (Some(value), _) => HeaderMatch::Exact(value),
                (None, Some(pattern)) => HeaderMatch::Pattern(pattern),
                (None, None) => HeaderMatch::Switch,
            };
            (name, by)
        }),
        cookie,
        weight,
        total,
    })
}

/// What is wrong with a regular expression, without a drawing of where.
pub(crate) fn last_line(error: &regex_syntax::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
