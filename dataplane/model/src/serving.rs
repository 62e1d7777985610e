//! How DNS is served, beside what is answered: pages for orchestrators, its log and name, TLS, whole zones, search lists.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Generation;

/// The longest name told by NSID, in octets.
pub const MAX_NSID: usize = 128;
/// What stands for the generation in it.
const GENERATION: &str = "{generation}";

/// What comes to a proxy with the other settings, and is put into effect as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// Where `/health` is answered, as CoreDNS's `health` does.
    pub health: Option<SocketAddr>,
    /// Where `/ready` is answered, as CoreDNS's `ready` does.
    pub ready: Option<SocketAddr>,
    /// Where `/metrics` is answered, as CoreDNS's `prometheus` does, beside the proxy's own page.
    pub metrics: Option<SocketAddr>,
    /// Which queries are logged, on lcores too.
    pub log: Option<QueryLog>,
    /// The name told to who asks for one (RFC 5001), on lcores too; see [`nsid`].
    pub nsid: Option<String>,
    /// Addresses of DNS over TLS and over HTTPS.
    pub secure: Vec<Secure>,
    /// Networks whose clients may have whole zones (AXFR, IXFR over TCP); nobody without.
    pub transfer: Vec<IpNet>,
    /// Whether the search lists of pods are completed for them.
    pub autopath: bool,
}

/// The query log: a line for a query and its reply, in the form of CoreDNS's `log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLog {
    /// Names in these zones; all where there are none.
    pub zones: Vec<String>,
    /// Replies of these classes; all where there are none.
    pub classes: Vec<LogClass>,
    /// One query of so many; at least 1.
    pub sample: u32,
    /// Lines a second at most; at least 1. What is more is counted and lost.
    pub rate: u32,
    /// The file that lines are appended to, and that is opened anew where it has been moved away; standard output where there
    /// is none.
    pub file: Option<PathBuf>,
}

impl Default for QueryLog {
    fn default() -> Self {
        Self { zones: Vec::new(), classes: Vec::new(), sample: 1, rate: 1000, file: None }
    }
}

/// Replies, as CoreDNS classes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogClass {
    /// With records.
    #[default]
    Success,
    /// The name or type does not exist.
    Denial,
    /// Everything else.
    Error,
}

impl LogClass {
    /// What a reply is. Without records in the answer section it denies, as long as it is no referral.
    pub fn of(reply: &[u8]) -> Self {
        let count = |at: usize| reply.get(at..at + 2).is_some_and(|count| count != [0, 0]);
        match reply.get(3).map(|flags| flags & 15) {
            Some(0) if count(6) || !count(8) => Self::Success,
            Some(0 | 3) => Self::Denial,
            _ => Self::Error,
        }
    }
}

/// The name that is told by NSID: the text of the settings, with the generation that answers in the place of `{generation}`.
pub fn nsid(text: &str, generation: Generation) -> String {
    text.replace(GENERATION, &generation.0.to_string())
}

/// Whether a text can be told by NSID, whatever the generation.
pub fn can_be_nsid(text: &str) -> bool {
    (1..=MAX_NSID).contains(&nsid(text, Generation(u64::MAX)).len())
}

/// Addresses where queries come over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secure {
    /// The addresses.
    pub addresses: Vec<SocketAddr>,
    /// A PEM file: the certificate, then those that vouch for it. Absolute.
    pub certificate: PathBuf,
    /// A PEM file: the private key. Absolute.
    pub key: PathBuf,
    /// The path of requests over HTTPS; DNS over TLS without.
    pub path: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_is_told_where_it_stands_and_has_room() {
        assert_eq!(nsid("edge-1", Generation(7)), "edge-1");
        assert_eq!(nsid("{generation}/edge-1/{generation}", Generation(70)), "70/edge-1/70");
        assert_eq!(nsid("{ generation }", Generation(7)), "{ generation }");
        for (text, can) in [
            (String::new(), false),
            ("x".repeat(128), true),
            ("x".repeat(129), false),
            ("x".repeat(108) + "{generation}", true),
            ("x".repeat(109) + "{generation}", false),
        ] {
            assert_eq!(can_be_nsid(&text), can, "{text}");
        }
    }

    #[test]
    fn replies_have_the_classes_of_coredns() {
        let reply = |code: u8, answers: u8, authorities: u8| {
            LogClass::of(&[0, 0, 0x84, code, 0, 1, 0, answers, 0, authorities, 0, 0])
        };
        assert_eq!(reply(0, 1, 0), LogClass::Success);
        assert_eq!(reply(0, 0, 0), LogClass::Success);
        assert_eq!(reply(0, 0, 1), LogClass::Denial);
        assert_eq!(reply(3, 0, 1), LogClass::Denial);
        assert_eq!([reply(5, 0, 0), reply(2, 1, 0), LogClass::of(&[])], [LogClass::Error; 3]);
    }
}
