//! What a request asks for: the host and the path, each in one reading that all parts share.

use std::borrow::Cow;

use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Uri, Version};

use super::Refusal;
use crate::routes::{Authority, normalise};

/// Host and path of a request.
#[derive(Debug)]
pub struct Asked {
    /// The authority as it came; none in HTTP/1.0 without `Host`.
    pub authority: Option<HeaderValue>,
    uri: Uri,
    host: Option<Box<str>>,
    host_span: (usize, usize),
    /// The port that the client named.
    pub port: Option<u16>,
    /// The path without dot segments, where it had any.
    path: Option<Box<str>>,
}

impl Asked {
    /// Takes host and path out of a request's head. `Host` and the target's authority must be the same where both are there.
    ///
    /// # Errors
    /// One of them is missing, doubled or malformed.
    pub fn take(uri: &mut Uri, headers: &mut HeaderMap, version: Version) -> Result<Self, Refusal> {
        let uri = std::mem::take(uri);
        if headers.get_all(HOST).iter().nth(1).is_some() {
            return Err(Refusal::MalformedHost);
        }
        let field = headers.remove(HOST);
        let text =
            |value: &HeaderValue| value.to_str().map(str::to_owned).map_err(|_| Refusal::MalformedHost);
        let authority = match (uri.authority(), field) {
            (None, None) if version <= Version::HTTP_10 => None,
            (None, None) => return Err(Refusal::MalformedHost),
            (None, Some(field)) => Some(field),
            (Some(authority), field) => {
                if let Some(field) = field {
                    let field = text(&field)?;
                    let same = parse(&field)? == parse(authority.as_str())?;
                    if !same {
                        return Err(Refusal::MalformedHost);
                    }
                }
                let value = HeaderValue::from_str(authority.as_str());
                Some(value.map_err(|_| Refusal::MalformedHost)?)
            }
        };
        let mut asked = Self { authority, uri, host: None, host_span: (0, 0), port: None, path: None };
        if let Some(authority) = &asked.authority {
            let text = authority.to_str().map_err(|_| Refusal::MalformedHost)?;
            let parsed = parse(text)?;
            asked.port = parsed.port;
            match parsed.host {
                // It stands at the beginning.
                Cow::Borrowed(host) => asked.host_span = (0, host.len()),
                Cow::Owned(host) => asked.host = Some(host.into()),
            }
        }
        if let Cow::Owned(path) = normalise(asked.uri.path()).map_err(|_| Refusal::MalformedPath)? {
            asked.path = Some(path.into());
        }
        Ok(asked)
    }

    /// The host in lower case, without port and final dot; empty where there is none.
    pub fn host(&self) -> &str {
        let text = || self.authority.as_ref()?.to_str().ok()?.get(self.host_span.0..self.host_span.1);
        self.host.as_deref().or_else(text).unwrap_or_default()
    }

    /// The path without dot segments.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_else(|| self.uri.path())
    }

    /// What stands behind `?`.
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// Path and query, the path replaced where there is another one.
    ///
    /// # Errors
    /// What comes of it is no target.
    pub fn target(&self, path: Option<String>) -> Result<PathAndQuery, Refusal> {
        let path = match (path, &self.path) {
            (Some(path), _) => path,
            (None, Some(path)) => path.to_string(),
            (None, None) => match self.uri.path_and_query() {
                Some(target) if target.as_str().starts_with('/') => return Ok(target.clone()),
                _ => "/".to_owned(),
            },
        };
        let target = match self.query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).map_err(|_| Refusal::MalformedPath)
    }
}

fn parse(text: &str) -> Result<Authority<'_>, Refusal> {
    Authority::parse(text).map_err(|_| Refusal::MalformedHost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(uri: &str, hosts: &[&str], version: Version) -> Result<Asked, Refusal> {
        let mut uri: Uri = uri.parse().unwrap();
        let mut headers: HeaderMap =
            hosts.iter().map(|host| (HOST, HeaderValue::from_str(host).unwrap())).collect();
        let asked = Asked::take(&mut uri, &mut headers, version);
        assert!(asked.is_err() || headers.is_empty());
        asked
    }

    #[test]
    fn host_comes_from_the_target_or_from_host() {
        for (uri, hosts, wanted) in [
            ("/a", &["A.com:80"][..], ("a.com", Some(80))),
            ("http://a.com/a", &[], ("a.com", None)),
            ("http://a.com/a", &["A.com."], ("a.com", None)),
            ("https://[2001:db8::1]:8443/", &[], ("[2001:db8::1]", Some(8443))),
        ] {
            let asked = take(uri, hosts, Version::HTTP_2).unwrap();
            assert_eq!((asked.host(), asked.port), wanted, "{uri}");
        }
        assert_eq!(take("/", &[], Version::HTTP_10).unwrap().host(), "");
    }

    #[test]
    fn missing_doubled_and_differing_hosts_are_refused() {
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a.com", "a.com"]),
            ("/", &["a.com,b.com"]),
            ("http://a.com/", &["b.com"]),
            ("http://a.com:80/", &["a.com:81"]),
            ("http://user@a.com/", &[]),
        ] {
            assert!(
                matches!(take(uri, hosts, Version::HTTP_11), Err(Refusal::MalformedHost)),
                "{uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn the_path_that_is_matched_is_the_path_that_is_sent() {
        for (uri, path, target) in [
            ("/a/../b?c=/../d", "/b", "/b?c=/../d"),
            ("/a%2fb", "/a%2fb", "/a%2fb"),
            ("http://a.com", "/", "/"),
            ("http://a.com?x", "/", "/?x"),
            ("http://a.com/x?", "/x", "/x?"),
        ] {
            let asked = take(uri, &["a.com"], Version::HTTP_11).unwrap();
            assert_eq!(asked.path(), path, "{uri}");
            assert_eq!(asked.target(None).unwrap().as_str(), target, "{uri}");
        }
        let asked = take("/a?q", &["a.com"], Version::HTTP_11).unwrap();
        assert_eq!(asked.target(Some("/z".into())).unwrap().as_str(), "/z?q");
        for uri in ["*", "/../a", "/%2e%2e/", "/a%0"] {
            assert!(matches!(take(uri, &["a.com"], Version::HTTP_11), Err(Refusal::MalformedPath)), "{uri}");
        }
    }
}
