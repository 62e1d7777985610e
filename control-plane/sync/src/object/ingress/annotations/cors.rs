//! Cross-origin resource sharing.

use sluice_model::http::Cors;

use super::values::{Values, is_token};

/// ingress-nginx's defaults.
const METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS: &str = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization";
const MAX_AGE: u32 = 1_728_000;

pub(super) fn read(values: &mut Values<'_, '_>) -> Option<Cors> {
    let enabled = values.flag("enable-cors").unwrap_or(false);
    // Read even where it is off, so that what is wrong with it is told.
    let origins = values.list("cors-allow-origin", |entry| {
        if is_origin(entry) { Ok(entry.into()) } else { Err("neither `*` nor an origin".to_owned()) }
    });
    let mut names = |name: &str| {
        values.read(name, |text| {
            let valid = text.split(',').all(|part| is_token(part.trim()));
            valid.then(|| Box::from(text)).ok_or("no list of names")
        })
    };
    let methods = names("cors-allow-methods").unwrap_or_else(|| METHODS.into());
    let headers = names("cors-allow-headers").unwrap_or_else(|| HEADERS.into());
    let expose = names("cors-expose-headers").unwrap_or_default();
    let credentials = values.flag("cors-allow-credentials").unwrap_or(true);
    let max_age = values.number("cors-max-age", 0..=31_536_000).unwrap_or(MAX_AGE);
    // Where no origin could be read, none may: that is closer to what was meant than all.
    let origins = origins.unwrap_or_else(|| vec!["*".into()]);
    enabled.then_some(Cors { origins, methods, headers, expose, credentials, max_age })
}

/// `*`, `scheme://host`, `scheme://*.host`, each with a port or without.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        Some(_) => return false,
        None => host,
    };
    let host = host.strip_prefix("*.").unwrap_or(host);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && !host.is_empty()
        && host.bytes().all(plain)
}
