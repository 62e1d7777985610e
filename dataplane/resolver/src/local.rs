//! Names of a host's own: `localhost` (RFC 6761, 6.3) and the reverse names of what no host is asked about (RFC 6303).

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, NS, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::config::Local;
use crate::message::Answer;

/// A week: nothing of this changes.
const TTL: u32 = 604_800;
/// Zones that are answered whole.
const ZONES: [&str; 4] = ["localhost.", "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa."];
/// The reverse name of 127.0.0.1.
const LOOPBACK: &str = "1.0.0.127.in-addr.arpa.";

/// The answer, if the name is one of them.
pub(crate) fn answer(local: Local, name: &Name, rtype: RecordType) -> Option<Answer> {
    let text = name.to_lowercase().to_ascii();
    let (first, rest) = text.split_once('.')?;
    let host = first == "localhost" && (rest.is_empty() || local.prefix);
    let apex = ZONES.iter().find(|zone| {
        text.strip_suffix(*zone).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    });
    let zone = match apex {
        Some(zone) => name.trim_to(zone.split_terminator('.').count()),
        // Of a name that a search list has made, the name itself.
        None if host => name.clone(),
        None => return None,
    };
    let record = |data| Record::from_rdata(name.clone(), TTL, data);
    let top = apex.is_some_and(|apex| *apex == text);
    let found = match rtype {
        RecordType::A if host => Some(RData::A(A(Ipv4Addr::LOCALHOST))),
        RecordType::AAAA if host => Some(RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
        RecordType::SOA if top => Some(soa()),
        RecordType::NS if top => Some(RData::NS(NS(localhost()))),
        RecordType::PTR if text == LOOPBACK => Some(RData::PTR(PTR(localhost()))),
        _ => None,
    };
    let answers: Vec<Record> = found.map(record).into_iter().collect();
    // Names above the one that exists do (RFC 8020).
    let exists = host || top || LOOPBACK.ends_with(&format!(".{text}")) || text == LOOPBACK;
    let code = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
    let authority = if answers.is_empty() { vec![Record::from_rdata(zone, TTL, soa())] } else { Vec::new() };
    Some(Answer { code, authoritative: true, answers, authority, ..Answer::default() })
}

fn localhost() -> Name {
    Name::from_labels([b"localhost".as_slice()]).unwrap_or_default()
}

fn soa() -> RData {
    let mailbox = Name::from_labels([b"root".as_slice(), b"localhost"]).unwrap_or_default();
    RData::SOA(SOA::new(localhost(), mailbox, 1, 0, 0, 0, TTL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(prefix: bool, name: &str, rtype: RecordType) -> Option<(ResponseCode, String)> {
        let answer = answer(Local { prefix }, &Name::from_ascii(name).unwrap(), rtype)?;
        assert_ne!(answer.answers.is_empty(), answer.authority.is_empty(), "{name}");
        let data: Vec<String> = answer.answers.iter().map(|record| record.data.to_string()).collect();
        Some((answer.code, data.join(" ")))
    }

    #[test]
    fn names_of_the_host_are_answered_and_others_are_not() {
        use RecordType as T;
        let found = |text: &str| Some((ResponseCode::NoError, text.to_owned()));
        let none = Some((ResponseCode::NXDomain, String::new()));
        for (name, rtype, expected) in [
            ("localhost.", T::A, found("127.0.0.1")),
            ("LOCALHOST.", T::AAAA, found("::1")),
            ("localhost.", T::MX, found("")),
            ("localhost.", T::NS, found("localhost.")),
            ("127.in-addr.arpa.", T::NS, found("localhost.")),
            ("127.in-addr.arpa.", T::A, found("")),
            ("1.0.0.127.in-addr.arpa.", T::PTR, found("localhost.")),
            ("1.0.0.127.in-addr.arpa.", T::A, found("")),
            ("0.127.in-addr.arpa.", T::PTR, found("")),
            ("2.0.0.127.in-addr.arpa.", T::PTR, none.clone()),
            ("x.localhost.", T::A, none.clone()),
            ("1.0.in-addr.arpa.", T::PTR, none),
            ("localhost.svc.cluster.local.", T::A, found("127.0.0.1")),
            ("localhost.svc.cluster.local.", T::TXT, found("")),
            ("xlocalhost.", T::A, None),
            ("1.10.in-addr.arpa.", T::PTR, None),
        ] {
            assert_eq!(ask(true, name, rtype), expected, "{name} {rtype}");
        }
        assert_eq!(ask(false, "localhost.svc.cluster.local.", T::A), None);
        assert_eq!(ask(false, "localhost.", T::A), found("127.0.0.1"));
    }
}
