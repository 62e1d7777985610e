//! Hosts as requests name them.

use std::borrow::Cow;

/// What `Host` or `:authority` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host in lower case, without a final dot; an IPv6 address in brackets.
    pub host: Cow<'a, str>,
    /// The port, where it is given.
    pub port: Option<u16>,
}

/// Why a host is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// A character that no host has, such as `@` or `,`, or none at all.
    #[error("the host is malformed")]
    Host,
    /// Not a number up to 65535.
    #[error("the port is malformed")]
    Port,
}

impl<'a> Authority<'a> {
    /// Reads `uri-host [ ":" port ]` (RFC 9110 section 7.2).
    ///
    /// # Errors
    /// The part that is malformed.
    pub fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        let (host, port) = if text.starts_with('[') {
            let end = text.find(']').ok_or(AuthorityError::Host)?;
            let (host, rest) = text.split_at(end + 1);
            let inside = host.get(1..end).unwrap_or_default();
            if inside.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(AuthorityError::Host);
            }
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(AuthorityError::Host),
            };
            (host, port)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        let port = port.filter(|port| !port.is_empty()).map(parse_port).transpose()?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_empty() || host.ends_with('.') || (!host.starts_with('[') && !host.bytes().all(is_name)) {
            return Err(AuthorityError::Host);
        }
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        Ok(Self { host, port })
    }
}

fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    // `parse` alone would take a sign.
    let digits = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(AuthorityError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_stripped_of_port_case_and_final_dot() {
        for (text, host, port) in [
            ("foo.com", "foo.com", None),
            ("FOO.Com:8080", "foo.com", Some(8080)),
            ("foo.com.", "foo.com", None),
            ("foo.com.:80", "foo.com", Some(80)),
            ("foo.com:", "foo.com", None),
            ("10.0.0.1:1", "10.0.0.1", Some(1)),
            ("[2001:DB8::1]:443", "[2001:db8::1]", Some(443)),
            ("[::1]", "[::1]", None),
            ("a_b.com", "a_b.com", None),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((&*authority.host, authority.port), (host, port), "{text}");
        }
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for text in [
            "",
            ".",
            "..",
            "a..",
            ":80",
            "user@a.com",
            "a.com:+80",
            "a.com:65536",
            "a.com:80:80",
            "a.com,b.com",
            "a b",
            "a/b",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[x]",
            "a%2ecom",
            "a.com:000080",
            "a\u{e9}.com",
            "*.a.com",
            "[]",
            "[fe80::1%25eth0]",
        ] {
            assert!(Authority::parse(text).is_err(), "{text:?}");
        }
    }
}
