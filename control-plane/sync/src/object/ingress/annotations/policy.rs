//! The rules that requests are under: endpoints, deadlines, tries, sizes, sources.

use sluice_model::http::{BackendProtocol, Balance, HashKey, Policy, Retry, RetryOn, Rewrite, Timeouts};

use super::super::super::addresses::source_ranges;
use super::values::{Values, field, is_header_text, is_token};

/// Seconds of a deadline: as many milliseconds must fit the model.
const SECONDS: std::ops::RangeInclusive<u32> = 1..=4_000_000;

pub(super) fn read(values: &mut Values<'_, '_>) -> Policy {
    let defaults = Policy::default();
    let mut seconds = |name: &str, default: u32| values.number(name, SECONDS).map_or(default, |s| s * 1000);
    let timeouts = Timeouts {
        connect_ms: seconds("proxy-connect-timeout", defaults.timeouts.connect_ms),
        read_ms: seconds("proxy-read-timeout", defaults.timeouts.read_ms),
        write_ms: seconds("proxy-send-timeout", defaults.timeouts.write_ms),
    };
    Policy {
        timeouts,
        retry: retry(values),
        max_body: values.read("proxy-body-size", size).unwrap_or(defaults.max_body),
        protocol: values.read("backend-protocol", protocol).unwrap_or_default(),
        allow: ranges(values, &["whitelist-source-range", "allowlist-source-range"]),
        deny: ranges(values, &["denylist-source-range"]),
        rewrite: values.read("rewrite-target", |text| {
            let valid = text.starts_with(['/', '$']) && is_header_text(text) && !text.contains(' ');
            valid.then(|| Rewrite { path: text.into() }).ok_or("no path")
        }),
        host: values.read("upstream-vhost", |text| {
            let valid = is_header_text(text) && !text.contains(['/', ' ', '$']);
            valid.then(|| text.into()).ok_or("no host")
        }),
        balance: balance(values),
        ..defaults
    }
}

/// The networks of the first of these annotations that is there.
pub(super) fn ranges(values: &mut Values<'_, '_>, names: &[&str]) -> Vec<ipnet::IpNet> {
    let mut found = Vec::new();
    for name in names {
        let Some(text) = values.text(name) else { continue };
        let list = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        // A single address is one of its own.
        let list: Vec<String> = list
            .map(|entry| match entry.parse::<std::net::IpAddr>() {
                Ok(ip) => ipnet::IpNet::from(ip).to_string(),
                Err(_) => entry.to_owned(),
            })
            .collect();
        let list = list.iter().map(|entry| (field(name), entry.as_str()));
        let ranges = source_ranges(list, values.problems());
        if found.is_empty() {
            found = ranges;
        }
    }
    found
}

/// nginx's sizes: bytes, or with `k`, `m` or `g`; 0 for any.
fn size(text: &str) -> Result<Option<u64>, &'static str> {
    let wrong = "no size such as 8m";
    let (digits, factor) = match text.to_ascii_lowercase().as_bytes().last() {
        Some(b'k') => (text.get(..text.len() - 1), 1u64 << 10),
        Some(b'm') => (text.get(..text.len() - 1), 1 << 20),
        Some(b'g') => (text.get(..text.len() - 1), 1 << 30),
        _ => (Some(text), 1),
    };
    let number = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let number = number.and_then(|digits| digits.parse::<u64>().ok()).ok_or(wrong)?;
    let bytes = number.checked_mul(factor).ok_or(wrong)?;
    Ok(Some(bytes).filter(|&bytes| bytes > 0))
}

fn protocol(text: &str) -> Result<BackendProtocol, &'static str> {
    match text.to_ascii_uppercase().as_str() {
        "HTTP" => Ok(BackendProtocol::Http),
        "HTTPS" => Ok(BackendProtocol::Https),
        "GRPC" => Ok(BackendProtocol::Grpc),
        "GRPCS" => Ok(BackendProtocol::Grpcs),
        _ => Err("none of HTTP, HTTPS, GRPC and GRPCS"),
    }
}

fn retry(values: &mut Values<'_, '_>) -> Retry {
    let defaults = Retry::default();
    let mut on = None;
    if let Some(text) = values.text("proxy-next-upstream") {
        let mut found = RetryOn::default();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let status = word.strip_prefix("http_").and_then(|status| status.parse::<u16>().ok());
            match word {
                "error" => found.error = true,
                "timeout" => found.timeout = true,
                "invalid_header" => found.invalid_header = true,
                "non_idempotent" => found.non_idempotent = true,
                "off" => {}
                _ => match RetryOn::STATUSES.iter().position(|&known| Some(known) == status) {
                    Some(bit) => found.statuses |= 1 << bit,
                    None => values.wrong("proxy-next-upstream", word, &"no case that is known"),
                },
            }
        }
        // `off` goes before all others.
        on = Some(if text.split([' ', ',']).any(|word| word == "off") { RetryOn::default() } else { found });
    }
    let tries = values.number("proxy-next-upstream-tries", 0..=u32::MAX);
    let within = values.number("proxy-next-upstream-timeout", 0..=*SECONDS.end());
    Retry {
        on: on.unwrap_or(defaults.on),
        // 0 is nginx's word for no limit.
        tries: match tries {
            None => defaults.tries,
            Some(0) => u8::MAX,
            Some(tries) => u8::try_from(tries).unwrap_or(u8::MAX),
        },
        within_ms: within.map_or(defaults.within_ms, |seconds| seconds * 1000),
    }
}

fn balance(values: &mut Values<'_, '_>) -> Balance {
    let algorithm = values.read("load-balance", |text| match text {
        "round_robin" => Ok(Balance::RoundRobin),
        "ewma" | "least_conn" => Ok(Balance::LeastRequest),
        _ => Err("neither round_robin nor ewma"),
    });
    let hash = values.read("upstream-hash-by", |text| {
        let variable = text
            .strip_prefix('$')
            .map(|name| name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name));
        let named = |name: &str, prefix: &str| {
            name.strip_prefix(prefix).filter(|name| is_token(name)).map(|name| name.to_ascii_lowercase())
        };
        let key = variable.and_then(|name| match name {
            "remote_addr" | "binary_remote_addr" => Some(HashKey::Client),
            "request_uri" | "uri" => Some(HashKey::Uri),
            "host" | "http_host" => Some(HashKey::Host),
            _ => named(name, "http_")
                .map(|header| HashKey::Header(header.replace('_', "-").into()))
                .or_else(|| {
                    name.strip_prefix("cookie_").filter(|n| is_token(n)).map(|n| HashKey::Cookie(n.into()))
                })
                .or_else(|| {
                    name.strip_prefix("arg_").filter(|n| is_token(n)).map(|n| HashKey::Argument(n.into()))
                }),
        });
        key.ok_or("no single variable that is known")
    });
    hash.map(Balance::Hash).or(algorithm).unwrap_or(Balance::RoundRobin)
}
