//! Who asks, seen through proxies that are trusted, and how endpoints are told.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::fields;
use crate::Client;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client as routes see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Its address.
    pub address: IpAddr,
    /// It came by TLS, here or at a trusted proxy.
    pub secure: bool,
}

impl Viewer {
    /// The connection's peer; where that is trusted, the last address of `X-Forwarded-For` that is not, and what
    /// `X-Forwarded-Proto` says.
    pub fn new(client: &Client, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let mut viewer = Self { address: client.peer.ip().to_canonical(), secure: client.tls.is_some() };
        if !client.trusted {
            return viewer;
        }
        let values = headers.get_all(X_FORWARDED_FOR).iter().rev().map_while(|value| value.to_str().ok());
        for entry in values.flat_map(|value| value.rsplit(',')) {
            let Some(address) = address(entry.trim()) else { break };
            viewer.address = address;
            if !trusted.iter().any(|network| network.contains(&address)) {
                break;
            }
        }
        if let Some(scheme) = scheme(headers) {
            viewer.secure = scheme == "https";
        }
        viewer
    }

    /// Tells the endpoint of the client. What an untrusted client says of itself is replaced; to what a trusted one says the
    /// peer is added. Gives the request's id.
    pub fn tell(
        self,
        client: &Client,
        headers: &mut HeaderMap,
        authority: Option<&HeaderValue>,
    ) -> HeaderValue {
        let is_forwarded = headers.contains_key(FORWARDED);
        fields::take_reserved(headers, client.trusted);
        // What is added here and afterwards, in one go.
        let _ = headers.try_reserve(10);
        let own = if client.tls.is_some() { "https" } else { "http" };
        let peer = client.peer.ip().to_canonical();
        let address = text(self.address);
        // Of an untrusted client nothing is left to be looked for.
        let said = |headers: &HeaderMap, name: &HeaderName| client.trusted && headers.contains_key(name);
        let chain = match said(headers, &X_FORWARDED_FOR) {
            true => appended(headers, &X_FORWARDED_FOR, || peer.to_string()),
            false => None,
        };
        headers.insert(X_FORWARDED_FOR, chain.unwrap_or_else(|| address.clone()));
        headers.insert(X_REAL_IP, address);
        let known = if client.trusted { scheme(headers).unwrap_or(own) } else { own };
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(known));
        if let Some(authority) = authority.filter(|_| !said(headers, &X_FORWARDED_HOST)) {
            headers.insert(X_FORWARDED_HOST, authority.clone());
        }
        if !said(headers, &X_FORWARDED_PORT) {
            headers.insert(X_FORWARDED_PORT, port(client.local.port()));
        }
        // Only where somebody before spoke of it: most endpoints go by the fields above, and two accounts could differ.
        if is_forwarded {
            let host = authority.and_then(|authority| authority.to_str().ok()).unwrap_or_default();
            let node = match peer {
                IpAddr::V4(peer) => peer.to_string(),
                IpAddr::V6(peer) => format!("\"[{peer}]\""),
            };
            let element = format!("for={node};host=\"{host}\";proto={own}");
            let element =
                appended(headers, &FORWARDED, || element.clone()).unwrap_or_else(|| value(&element));
            headers.insert(FORWARDED, element);
        }
        if client.trusted
            && let Some(id) = headers.get(X_REQUEST_ID).filter(|id| !id.is_empty() && id.len() <= 128)
        {
            return id.clone();
        }
        let id = random_id();
        headers.insert(X_REQUEST_ID, id.clone());
        id
    }
}

/// Nobody guesses what comes next, and nobody else has had it.
fn random_id() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(rand::random::<u128>().to_ne_bytes()) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    HeaderValue::from_bytes(&text).unwrap_or(const { HeaderValue::from_static("") })
}

/// What is said already, and one more.
fn appended(headers: &HeaderMap, name: &HeaderName, more: impl FnOnce() -> String) -> Option<HeaderValue> {
    let mut all: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if all.is_empty() {
        return None;
    }
    let more = more();
    all.push(more.as_bytes());
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok()
}

fn scheme(headers: &HeaderMap) -> Option<&'static str> {
    let value = headers.get(X_FORWARDED_PROTO)?.as_bytes();
    let known = ["http", "https"];
    known.into_iter().find(|scheme| value.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// An address of `X-Forwarded-For`, which some proxies write with a port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    let address =
        plain.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::SocketAddr| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

fn port(port: u16) -> HeaderValue {
    match port {
        80 => HeaderValue::from_static("80"),
        443 => HeaderValue::from_static("443"),
        port => HeaderValue::from(port),
    }
}

/// An address as text. IPv4's way is spelt out: it is written with every request, and `fmt` takes ten times as long.
fn text(address: IpAddr) -> HeaderValue {
    let IpAddr::V4(address) = address else { return value(&address.to_string()) };
    let mut text = Vec::with_capacity(15);
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            text.push(b'.');
        }
        for (least, unit) in [(100, 100), (10, 10), (0, 1)] {
            if octet >= least {
                text.push(b'0' + octet / unit % 10);
            }
        }
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(const { HeaderValue::from_static("") })
}

/// Of text that the gateway wrote.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(const { HeaderValue::from_static("") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        let sample = ["0.0.0.0", "255.255.255.255", "10.0.100.9", "192.0.2.1", "203.0.113.99", "2001:db8::1"];
        for address in sample.map(|address| address.parse::<IpAddr>().unwrap()) {
            assert_eq!(text(address), address.to_string().as_str());
        }
        for octet in 0..=255 {
            let address = std::net::Ipv4Addr::new(octet, 1, octet, octet);
            assert_eq!(text(address.into()), address.to_string().as_str());
        }
    }

    fn client(peer: &str, trusted: bool) -> Client {
        let peer = std::net::SocketAddr::new(peer.parse().unwrap(), 1234);
        Client { peer, local: "10.0.0.9:8080".parse().unwrap(), tls: None, trusted }
    }

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(pair).collect()
    }

    const SAID: [(&str, &str); 6] = [
        ("x-forwarded-for", "203.0.113.9, 192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "said.com"),
        ("x-forwarded-port", "443"),
        ("forwarded", "for=1.1.1.1"),
        ("x-request-id", "said"),
    ];

    fn told(peer: &str, trusted: bool) -> (Viewer, HeaderMap) {
        let mut headers = map(&SAID);
        let client = client(peer, trusted);
        let viewer = Viewer::new(&client, &headers, &["192.0.2.0/24".parse().unwrap()]);
        let authority = HeaderValue::from_static("a.com");
        viewer.tell(&client, &mut headers, Some(&authority));
        (viewer, headers)
    }

    #[test]
    fn what_untrusted_clients_say_is_replaced_never_appended_to() {
        let (viewer, mut headers) = told("198.51.100.7", false);
        assert_eq!(viewer, Viewer { address: "198.51.100.7".parse().unwrap(), secure: false });
        assert_eq!(headers.remove("x-request-id").unwrap().len(), 32);
        let wanted = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-real-ip", "198.51.100.7"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "a.com"),
            ("x-forwarded-port", "8080"),
            ("forwarded", "for=198.51.100.7;host=\"a.com\";proto=http"),
        ];
        assert_eq!(headers, map(&wanted));
    }

    #[test]
    fn what_trusted_peers_say_is_kept_and_added_to() {
        let (viewer, headers) = told("::ffff:192.0.2.200", true);
        assert_eq!(viewer, Viewer { address: "203.0.113.9".parse().unwrap(), secure: true });
        let wanted = [
            ("x-forwarded-for", "203.0.113.9, 192.0.2.1, 192.0.2.200"),
            ("x-real-ip", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "said.com"),
            ("x-forwarded-port", "443"),
            ("forwarded", "for=1.1.1.1, for=192.0.2.200;host=\"a.com\";proto=http"),
            ("x-request-id", "said"),
        ];
        assert_eq!(headers, map(&wanted));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_trusted() {
        let trusted = ["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        for (said, wanted) in [
            ("1.1.1.1, 203.0.113.9, 192.0.2.1", "203.0.113.9"),
            ("192.0.2.5, 192.0.2.1", "192.0.2.5"),
            ("evil, 192.0.2.1", "192.0.2.1"),
            ("evil", "192.0.2.200"),
            ("203.0.113.9:4711, [2001:db8::1]:80, 2001:db8::2", "203.0.113.9"),
            ("", "192.0.2.200"),
        ] {
            let headers = map(&[("x-forwarded-for", said)]);
            let viewer = Viewer::new(&client("192.0.2.200", true), &headers, &trusted);
            assert_eq!(viewer.address.to_string(), wanted, "{said}");
        }
    }
}
