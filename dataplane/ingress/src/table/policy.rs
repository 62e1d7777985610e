//! Policies with what can be made of them beforehand.

use http::HeaderValue;
use sluice_model::http::{Cors, Policy};

use super::Template;

/// A policy, once for all routes that have an equal one.
#[derive(Debug)]
pub struct CompiledPolicy {
    policy: Policy,
    hsts: Option<HeaderValue>,
    host: Option<HeaderValue>,
    rewrite: Option<Template>,
    cors: Option<CompiledCors>,
}

/// Cross-origin resource sharing, its values ready to be sent.
#[derive(Debug)]
pub struct CompiledCors {
    /// Every origin.
    pub any: bool,
    /// `Access-Control-Allow-Methods`.
    pub methods: Option<HeaderValue>,
    /// `Access-Control-Allow-Headers`.
    pub headers: Option<HeaderValue>,
    /// `Access-Control-Expose-Headers`.
    pub expose: Option<HeaderValue>,
    /// `Access-Control-Allow-Credentials`.
    pub credentials: bool,
    /// `Access-Control-Max-Age`.
    pub max_age: HeaderValue,
    origins: Box<[Box<str>]>,
}

impl CompiledPolicy {
    /// Compiles a policy. A value that no header can have is left out.
    pub fn new(policy: &Policy) -> Self {
        Self {
            policy: policy.clone(),
            hsts: policy.hsts.and_then(|seconds| HeaderValue::try_from(format!("max-age={seconds}")).ok()),
            host: policy.host.as_deref().and_then(value),
            rewrite: policy.rewrite.as_ref().map(|rewrite| Template::new(&rewrite.path)),
            cors: policy.cors.as_ref().map(CompiledCors::new),
        }
    }

    /// `Strict-Transport-Security`.
    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    /// The `Host` that the endpoint is told.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.host.as_ref()
    }

    /// The path that the endpoint is told.
    pub fn rewrite(&self) -> Option<&Template> {
        self.rewrite.as_ref()
    }

    /// Cross-origin resource sharing.
    pub fn cors(&self) -> Option<&CompiledCors> {
        self.cors.as_ref()
    }
}

impl std::ops::Deref for CompiledPolicy {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

impl CompiledCors {
    fn new(cors: &Cors) -> Self {
        Self {
            any: cors.origins.iter().any(|origin| **origin == *"*"),
            methods: some_value(&cors.methods),
            headers: some_value(&cors.headers),
            expose: some_value(&cors.expose),
            credentials: cors.credentials,
            max_age: HeaderValue::from(cors.max_age),
            origins: cors.origins.iter().map(|origin| origin.to_ascii_lowercase().into()).collect(),
        }
    }

    /// Whether an origin is allowed: listed, or with one label where a listed one has `*`.
    pub fn allows(&self, origin: &str) -> bool {
        self.any || self.origins.iter().any(|allowed| fits(allowed, origin))
    }
}

fn fits(allowed: &str, origin: &str) -> bool {
    let Some((before, after)) = allowed.split_once('*') else {
        return allowed.eq_ignore_ascii_case(origin);
    };
    let (Some(head), Some(tail)) =
        (origin.get(..before.len()), origin.len().checked_sub(after.len()).and_then(|at| origin.get(at..)))
    else {
        return false;
    };
    let label = origin.get(before.len()..origin.len() - after.len()).unwrap_or_default();
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    head.eq_ignore_ascii_case(before)
        && tail.eq_ignore_ascii_case(after)
        && !label.is_empty()
        && label.bytes().all(is_label)
}

fn value(text: &str) -> Option<HeaderValue> {
    let made = HeaderValue::from_str(text).ok();
    if made.is_none() {
        tracing::warn!(?text, "no header can have this value; left out");
    }
    made
}

fn some_value(text: &str) -> Option<HeaderValue> {
    Some(text).filter(|text| !text.is_empty()).and_then(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_fit_as_listed_or_with_one_label() {
        let cors = |origin: &str| {
            CompiledCors::new(&Cors {
                origins: vec![origin.into()],
                methods: "GET".into(),
                headers: "".into(),
                expose: "".into(),
                credentials: true,
                max_age: 1,
            })
        };
        assert!(
            cors("https://a.com").allows("https://a.com") && cors("https://a.com").allows("https://A.com")
        );
        assert!(
            !cors("https://a.com").allows("http://a.com")
                && !cors("https://a.com").allows("https://a.com:8443")
        );
        let wild = cors("https://*.a.com");
        assert!(wild.allows("https://x.a.com") && wild.allows("https://X-1.A.com"));
        for origin in [
            "https://a.com",
            "https://.a.com",
            "https://x.y.a.com",
            "http://x.a.com",
            "https://evil.com/.a.com",
            "https://x.a.com.evil.com",
            "https:/",
            "",
            "null",
            "https://evil.com#.a.com",
            "https://\u{e9}.a.com",
        ] {
            assert!(!wild.allows(origin), "{origin}");
        }
        assert!(cors("*").allows("null"));
        assert!(cors("*").headers.is_none());
    }
}
