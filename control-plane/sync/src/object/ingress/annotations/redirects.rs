//! Answers that are another address.

use sluice_model::http::{HostPattern, Redirect};

use super::super::paths;
use super::Options;
use super::values::{Values, is_header_text};

pub(super) fn read(values: &mut Values<'_, '_>, options: &mut Options) {
    options.app_root = values.read("app-root", |text| {
        let valid = text.starts_with('/') && !text.starts_with("//") && is_header_text(text);
        valid.then(|| text.into()).ok_or("no path")
    });
    let permanent = status(values, "permanent-redirect-code", 301);
    let temporal = status(values, "temporal-redirect-code", 302);
    let permanent = values.read("permanent-redirect", |text| redirect(text, permanent));
    let temporal = values.read("temporal-redirect", |text| redirect(text, temporal));
    // ingress-nginx looks at the temporary one first.
    options.redirect = temporal.or(permanent);
    options.www_redirect = values.flag("from-to-www-redirect").unwrap_or(false);
    let aliases = values.list("server-alias", |entry| match entry.starts_with('~') {
        true => Err("regular expressions of hosts are not known".to_owned()),
        false => match paths::host(entry)? {
            HostPattern::Any => Err("no host".to_owned()),
            host => Ok(host),
        },
    });
    options.aliases = aliases.unwrap_or_default();
}

fn status(values: &mut Values<'_, '_>, name: &str, default: u16) -> u16 {
    let given = values.read(name, |text| match text.parse::<u16>() {
        Ok(status @ (301 | 302 | 303 | 307 | 308)) => Ok(status),
        _ => Err("none of 301, 302, 303, 307 and 308"),
    });
    given.unwrap_or(default)
}

/// An absolute URL, or a path. Of nginx's variables the one is known that people use: `$request_uri` in place of a path,
/// the request's own path and query.
fn redirect(text: &str, status: u16) -> Result<Redirect, &'static str> {
    if !is_header_text(text) || text.contains(' ') {
        return Err("no URL");
    }
    let keeps = ["$request_uri", "$uri"].into_iter().find_map(|variable| text.strip_suffix(variable));
    let plain = keeps.unwrap_or(text);
    if plain.contains('$') {
        return Err("variables are not known but for $request_uri at its end");
    }
    let scheme = ["https", "http"].into_iter().find_map(|scheme| {
        let rest = plain.strip_prefix(scheme)?.strip_prefix("://")?;
        Some((scheme, rest)).filter(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'))
    });
    match (scheme, keeps) {
        (Some((scheme, host)), Some(_)) if !host.contains('/') => Ok(Redirect {
            status,
            scheme: Some(scheme.into()),
            host: Some(host.into()),
            location: None,
            keep_query: false,
        }),
        (_, Some(_)) => Err("$request_uri can follow only a host"),
        (None, None) if !plain.starts_with('/') => Err("neither an http or https URL nor a path"),
        (_, None) => {
            Ok(Redirect { status, scheme: None, host: None, location: Some(plain.into()), keep_query: false })
        }
    }
}
