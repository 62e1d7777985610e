//! Which upstream takes a request, and which of its endpoints.

use std::fmt::Write;
use std::hash::Hasher;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::HeaderValue;
use siphasher::sip::SipHasher13;
use sluice_model::http::{Affinity, Balance, HashKey, PathMatch, SameSite};

use super::asked::Asked;
use super::fields;
use super::viewer::Viewer;
use crate::table::{CompiledCanary, CompiledPolicy, HeaderSwitch};
use crate::upstream::{Choice, Endpoint, UpstreamState};

/// Whether the canary takes a request: by a header, by a cookie, by chance.
pub fn is_canary(canary: &CompiledCanary, headers: &HeaderMap) -> bool {
    let by_header = canary.header.as_ref().and_then(|(name, switch)| {
        let value = headers.get(name)?;
        match switch {
            HeaderSwitch::Switch => always_or_never(value.as_bytes()),
            HeaderSwitch::Exact(wanted) => (value == wanted).then_some(true),
            HeaderSwitch::Pattern(pattern) => pattern.is_match(value.as_bytes()).then_some(true),
        }
    });
    let by_cookie = || always_or_never(fields::cookie(headers, canary.cookie.as_deref()?)?.as_bytes());
    by_header
        .or_else(by_cookie)
        .unwrap_or_else(|| canary.weight > 0 && rand::random_range(0..canary.total.max(1)) < canary.weight)
}

fn always_or_never(value: &[u8]) -> Option<bool> {
    match value {
        b"always" => Some(true),
        b"never" => Some(false),
        _ => None,
    }
}

/// How the endpoint is chosen.
pub fn choice(policy: &CompiledPolicy, viewer: Viewer, asked: &Asked, headers: &HeaderMap) -> Choice {
    let sticky = policy.affinity.as_ref().and_then(|affinity| named(affinity, headers));
    if let Some(id) = sticky {
        return Choice::Sticky(id);
    }
    match &policy.balance {
        Balance::RoundRobin => Choice::RoundRobin,
        Balance::LeastRequest => Choice::LeastRequest,
        // What has nothing to hash has no endpoint of its own.
        Balance::Hash(key) => hash(key, viewer, asked, headers).map_or(Choice::RoundRobin, Choice::Hash),
    }
}

fn hash(key: &HashKey, viewer: Viewer, asked: &Asked, headers: &HeaderMap) -> Option<u64> {
    let query = || asked.query().unwrap_or_default();
    Some(match key {
        HashKey::Client => match viewer.address {
            IpAddr::V4(address) => hash_of(&[&address.octets()]),
            IpAddr::V6(address) => hash_of(&[&address.octets()]),
        },
        HashKey::Uri => hash_of(&[asked.path().as_bytes(), b"?", query().as_bytes()]),
        HashKey::Host => hash_of(&[asked.host().as_bytes()]),
        HashKey::Header(name) => hash_of(&[headers.get(&**name)?.as_bytes()]),
        HashKey::Cookie(name) => hash_of(&[fields::cookie(headers, name)?.as_bytes()]),
        HashKey::Argument(name) => {
            let mut pairs = query().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            hash_of(&[pairs.find(|(found, _)| *found == &**name)?.1.as_bytes()])
        }
    })
}

/// The same on every gateway.
fn hash_of(parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x736c_7569_6365, 0x7265_7175_6573_7473);
    parts.iter().for_each(|part| hasher.write(part));
    hasher.finish()
}

/// The endpoint that the cookie names.
fn named(affinity: &Affinity, headers: &HeaderMap) -> Option<u64> {
    u64::from_str_radix(fields::cookie(headers, &affinity.cookie)?, 16).ok()
}

/// The cookie for who has been answered by this endpoint; none where the one that came is still good.
pub fn set_cookie(
    affinity: &Affinity,
    choice: Choice,
    upstream: &UpstreamState,
    endpoint: &Endpoint,
    path: &PathMatch,
    secure: bool,
) -> Option<HeaderValue> {
    if let Choice::Sticky(id) = choice {
        let is_there = || upstream.members().iter().any(|member| member.endpoint().id() == id);
        if id == endpoint.id() || (!affinity.change_on_failure && is_there()) {
            return None;
        }
    }
    let path = match (&affinity.path, path) {
        (Some(path), _) => path,
        (None, PathMatch::Exact(path) | PathMatch::Prefix(path)) if !path.is_empty() => path,
        (None, _) => "/",
    };
    let mut cookie = format!("{}={:016x}; Path={path}", affinity.cookie, endpoint.id());
    if let Some(domain) = &affinity.domain {
        let _ = write!(cookie, "; Domain={domain}");
    }
    if let Some(seconds) = affinity.max_age {
        let _ = write!(cookie, "; Max-Age={seconds}");
    }
    if affinity.secure.unwrap_or(secure) {
        cookie.push_str("; Secure");
    }
    cookie.push_str("; HttpOnly");
    cookie.push_str(match affinity.same_site {
        Some(SameSite::Strict) => "; SameSite=Strict",
        Some(SameSite::Lax) => "; SameSite=Lax",
        Some(SameSite::None) => "; SameSite=None",
        None => "",
    });
    HeaderValue::try_from(cookie).ok()
}
