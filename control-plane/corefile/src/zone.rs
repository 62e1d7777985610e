//! Zones: names of the DNS in one spelling, and the reverse zones that stand for networks.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// A zone: lower case, absolute, ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(String);

/// Why a text is no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// A part between two dots has nothing or more than 63 octets (RFC 1035, 2.3.4), or all have more than 255.
    #[error("`{0}` is no domain name: its labels have 1 to 63 octets, all together 255")]
    Length(String),
    /// A character that no zone of a Corefile has; names in other scripts are written in their `xn--` form.
    #[error("`{0}` is no domain name: {1:?} cannot be in it")]
    Character(String, char),
    /// Behind the last colon there is something that is no port.
    #[error("`{0}` is no zone: behind the colon there must be a port from 0 to 65535")]
    Port(String),
    /// A network whose reverse zone CoreDNS refuses to make.
    #[error("`{0}` is no network that a reverse zone can be made of")]
    Network(String),
}

impl Zone {
    /// The root, `.`, to which every name belongs.
    pub fn root() -> Self {
        Self(".".to_owned())
    }

    /// The zone that `text` names; not a network, and without a port.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        if let Some(char) = text.chars().find(|char| !char.is_ascii_graphic() || matches!(char, '"' | ':')) {
            return Err(ZoneError::Character(text.to_owned(), char));
        }
        let name = absolute(text);
        if name != "." && !has_valid_labels(&name) {
            return Err(ZoneError::Length(text.to_owned()));
        }
        Ok(Self(name))
    }

    /// As it is written with its final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether addresses are turned into names in it.
    pub fn is_reverse(&self) -> bool {
        ["in-addr.arpa.", "ip6.arpa."].iter().any(|suffix| self.0.ends_with(suffix))
    }

    /// Whether `other` is this zone or below it.
    pub fn contains(&self, other: &Self) -> bool {
        self.0 == "."
            || other.0.strip_suffix(&self.0).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}

/// As a Corefile has it: without the final dot where that changes nothing.
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simple = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.' | '*');
        let short = self.0.strip_suffix('.').filter(|name| {
            // A number alone would be a TTL where `cache` reads it.
            name.chars().all(simple) && name.parse::<i64>().is_err() && !name.is_empty()
        });
        f.write_str(short.unwrap_or(&self.0))
    }
}

/// Lower case, with a final dot; a dot behind an odd number of backslashes is no final one.
pub(crate) fn absolute(text: &str) -> String {
    let mut name = text.to_ascii_lowercase();
    let escaped = name.strip_suffix('.').map(|name| name.len() - name.trim_end_matches('\\').len());
    if escaped.is_none_or(|backslashes| backslashes % 2 == 1) {
        name.push('.');
    }
    name
}

fn has_valid_labels(name: &str) -> bool {
    let (mut label, mut total) = (0usize, 1usize);
    let mut bytes = name.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => {
                if label == 0 || label > 63 {
                    return false;
                }
                total += label + 1;
                label = 0;
                continue;
            }
            b'\\' => {
                // `\DDD` or `\X`: one octet.
                let rest = bytes.as_slice();
                let skip =
                    if rest.iter().take(3).filter(|byte| byte.is_ascii_digit()).count() == 3 { 3 } else { 1 };
                if bytes.nth(skip - 1).is_none() {
                    return false;
                }
            }
            _ => {}
        }
        label += 1;
    }
    label == 0 && total <= 255
}

/// Splits `zone[:port]`; a network becomes its reverse zones, several where its prefix is within an octet (IPv4) or a
/// nibble (IPv6).
pub(crate) fn with_port(text: &str) -> Result<(Vec<Zone>, Option<u16>), ZoneError> {
    let port_error = || ZoneError::Port(text.to_owned());
    let (name, port) = match text.rsplit_once(':') {
        Some((_, "")) => return Err(port_error()),
        Some((name, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, Some(digits.parse().map_err(|_| port_error())?))
        }
        _ => (text, None),
    };
    if let Some((address, bits)) = name.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>())
    {
        let network = IpNet::new(address, bits).map_err(|_| ZoneError::Network(name.to_owned()))?;
        // What CoreDNS refuses, too.
        if name.starts_with(':') || name.starts_with('0') && name.contains(':') {
            return Err(ZoneError::Network(name.to_owned()));
        }
        return Ok((reverse(&network), port));
    }
    Zone::parse(name).map(|zone| (vec![zone], port)).map_err(|error| match error {
        ZoneError::Character(_, ':') => port_error(),
        error => error,
    })
}

fn reverse(network: &IpNet) -> Vec<Zone> {
    let step = if network.addr().is_ipv4() { 8 } else { 4 };
    let bits = network.prefix_len().div_ceil(step) * step;
    // At most 2^7 subnets.
    let Ok(subnets) = network.subnets(bits) else { return Vec::new() };
    subnets.map(|subnet| reverse_of(&subnet)).collect()
}

fn reverse_of(subnet: &IpNet) -> Zone {
    let mut labels: Vec<String> = match subnet.network() {
        IpAddr::V4(address) => {
            let octets = address.octets().into_iter().take(usize::from(subnet.prefix_len() / 8));
            octets.map(|octet| octet.to_string()).collect()
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.take(usize::from(subnet.prefix_len() / 4)).map(|nibble| format!("{nibble:x}")).collect()
        }
    };
    labels.reverse();
    labels.push(if subnet.addr().is_ipv4() { "in-addr.arpa." } else { "ip6.arpa." }.to_owned());
    Zone(labels.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(text: &str) -> Vec<String> {
        with_port(text).unwrap().0.iter().map(|zone| zone.as_str().to_owned()).collect()
    }

    #[test]
    fn zones_have_one_spelling() {
        for (text, expected) in [
            ("Cluster.LOCAL", "cluster.local."),
            (".", "."),
            ("", "."),
            ("a.", "a."),
            (r"a\.", r"a\.."),
            (r"a\\.", r"a\\."),
            ("*.example", "*.example."),
        ] {
            assert_eq!(Zone::parse(text).unwrap().as_str(), expected);
        }
        let long = "a".repeat(64);
        for bad in ["a..b", ".a", &long, "ü", "a b", "a\"b", &"abcdefg.".repeat(32)] {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_and_networks() {
        assert_eq!(with_port(".:5353").unwrap(), (vec![Zone::root()], Some(5353)));
        assert_eq!(zones("10.0.0.0/8"), ["10.in-addr.arpa."]);
        assert_eq!(zones("10.1.2.3/24"), ["2.1.10.in-addr.arpa."]);
        assert_eq!(zones("0.0.0.0/0"), ["in-addr.arpa."]);
        assert_eq!(zones("10.0.0.0/23"), ["0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa."]);
        assert_eq!(zones("192.168.1.0/31:53"), ["0.1.168.192.in-addr.arpa.", "1.1.168.192.in-addr.arpa."]);
        assert_eq!(zones("2001:db8::/32"), ["8.b.d.0.1.0.0.2.ip6.arpa."]);
        assert_eq!(zones("fd00::/7"), ["c.f.ip6.arpa.", "d.f.ip6.arpa."]);
        assert_eq!(zones("10.128.0.0/9").len(), 128);
        assert!(matches!(with_port("example.org:"), Err(ZoneError::Port(_))));
        assert!(matches!(with_port("example.org:domain"), Err(ZoneError::Port(_))));
        assert!(matches!(with_port("example.org:65536"), Err(ZoneError::Port(_))));
        assert!(matches!(with_port("::/0"), Err(ZoneError::Network(_))));
        assert!(matches!(with_port("10.0.0.0/33"), Err(ZoneError::Network(_))));
    }

    #[test]
    fn what_is_displayed_is_read_as_the_same_zone() {
        for text in ["cluster.local", ".", "53", "10.0.0.0/24.", r"a\.b", "a#b", "(x)"] {
            let zone = Zone::parse(text).unwrap();
            assert_eq!(with_port(&format!("{zone}:53")).unwrap(), (vec![zone.clone()], Some(53)));
            assert_eq!(with_port(&zone.to_string()).unwrap().0, [zone]);
        }
    }

    #[test]
    fn a_zone_contains_what_is_below_it() {
        let zone = |text| Zone::parse(text).unwrap();
        assert!(zone("a.b").contains(&zone("x.a.b")) && zone(".").contains(&zone("b")));
        assert!(!zone("a.b").contains(&zone("xa.b")) && !zone("a.b").contains(&zone("b")));
        assert!(zone("10.in-addr.arpa").is_reverse() && !zone("arpa").is_reverse());
    }
}
