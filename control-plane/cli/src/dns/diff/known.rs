//! Differences that CoreDNS is known for, by their names in `docs/dns.md`.

use sluice_dns::explain::{Explanation, Rule, Subject};

use super::super::message::Said;

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// The name of what explains how two replies differ.
pub(super) fn defect(
    name: &str,
    kind: u16,
    explanation: &Explanation,
    here: &Said,
    there: &Said,
) -> Option<&'static str> {
    let subject = &explanation.subject;
    let reverse = explanation.zone.as_deref().is_some_and(|zone| zone.ends_with(".arpa."));
    let absent = there.code == "NXDOMAIN";
    if kind == SOA && here.code == "NXDOMAIN" && there.is_nodata() {
        return Some("SOA of a name that does not exist is NOERROR");
    }
    let by_zone = name.split('.').any(|label| label.eq_ignore_ascii_case("_zone"));
    if explanation.rule == Rule::Unready && by_zone && there.is_nodata() {
        return Some("names by zone of a headless Service without ready endpoints exist");
    }
    // Of a reverse zone, whoever asks first in capitals has the denial cached for all.
    let capitals = reverse || name.bytes().any(|byte| byte.is_ascii_uppercase());
    if matches!(subject, Subject::Server)
        && here.code == "NOERROR"
        && absent
        && capitals
        && ![TXT, PTR].contains(&kind)
    {
        return Some("a zone in capitals has no name server");
    }
    if here.is_nodata() && absent {
        return match subject {
            Subject::Address { .. } if kind != PTR => Some("reverse names exist for PTR alone"),
            Subject::Zone | Subject::Inner | Subject::Namespace { .. } | Subject::Server if kind == TXT => {
                Some("TXT of a zone, svc, pod or a namespace is NXDOMAIN, and TXT and PTR of the name server")
            }
            Subject::Server if kind == PTR => {
                Some("TXT of a zone, svc, pod or a namespace is NXDOMAIN, and TXT and PTR of the name server")
            }
            Subject::Version => Some("names above others do not exist"),
            _ if explanation.rule == Rule::Empty => Some("names above others do not exist"),
            _ => None,
        };
    }
    let alias = here.section("answer").any(|row| row.kind == "CNAME");
    if alias && there.is_nodata() {
        return Some(match kind {
            A | AAAA => "an alias that leads to no record is left out",
            CNAME => return None,
            _ => "an alias is none for types other than A, AAAA and CNAME",
        });
    }
    let answers = |said: &Said| said.section("answer").map(|row| row.data.clone()).collect::<Vec<_>>();
    if alias
        && there.code == "NOERROR"
        && there.section("authority").next().is_none()
        && answers(here) == answers(there)
    {
        return Some("what came of asking others for an alias is hidden");
    }
    let given = there.section("answer").next().is_some();
    if kind == SRV && matches!(subject, Subject::Pod { .. }) && here.is_nodata() && given {
        return Some("names of pods have SRV records, of port 0");
    }
    let lone = name.split('.').any(|label| label == "_");
    if lone && here.code == "NXDOMAIN" && there.code == "NOERROR" {
        return Some("a lone underscore is any port or protocol");
    }
    if kind == PTR && here.code == "NXDOMAIN" && given {
        return Some("an endpoint of a Service that is not there has a reverse name");
    }
    if here.code != there.code {
        return None;
    }
    let strip = |said: &Said| {
        let mut rows: Vec<_> =
            said.records.iter().map(|row| (row.section, row.lasting().to_ascii_lowercase())).collect();
        rows.sort();
        rows
    };
    let (ours, mut theirs) = (strip(here), strip(there));
    if kind == NS && matches!(subject, Subject::Zone) {
        if reverse {
            return Some("NS records name a Service in the reverse zone");
        }
        theirs.dedup();
        return (ours == theirs)
            .then_some("addresses of the name server are sent once for each of its families");
    }
    if ours == theirs {
        return match subject {
            Subject::Version => Some("the TTL of dns-version is what `cache` allows"),
            _ if reverse => Some("TTLs of reverse zones count down in a cache"),
            _ => None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::message::Row;

    #[test]
    fn names_are_those_of_the_documentation() {
        let rows = include_str!("../../../../../docs/dns.md");
        let code = include_str!("known.rs");
        let names: Vec<&str> = code
            .split('"')
            .skip(1)
            .step_by(2)
            .take_while(|text| !text.contains("docs/dns.md"))
            .filter(|text| text.contains(' '))
            .collect();
        assert!(names.len() > 10);
        for name in names {
            assert!(rows.contains(&format!("\n| {name} | ")), "{name}");
        }
    }

    #[test]
    fn a_cache_of_reverse_zones_is_known_whenever_either_side_began() {
        let said = |serial: &str, ttl: u32| Said {
            code: "NOERROR".to_owned(),
            records: vec![Row {
                section: "authority",
                owner: "in-addr.arpa.".to_owned(),
                kind: "SOA".to_owned(),
                data: format!("ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. {serial} 7200 1800 86400 30"),
                ttl,
            }],
            truncated: false,
        };
        let explanation = Explanation {
            enabled: true,
            allowed: true,
            pod_of: None,
            zone: Some("in-addr.arpa.".to_owned()),
            subject: Subject::Inner,
            rule: Rule::Empty,
            reply: None,
            forwarded: None,
        };
        for (serial, ttl) in [("7", 27), ("8", 27), ("8", 29)] {
            let known = defect("10.in-addr.arpa.", SOA, &explanation, &said("7", 30), &said(serial, ttl));
            assert_eq!(known, Some("TTLs of reverse zones count down in a cache"), "{serial} {ttl}");
        }
    }
}
