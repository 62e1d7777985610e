//! What may differ of zones beside the cluster's: those of files, and names of Services for the outside.
//!
//! Case is settled first, so that all that follows compares names in lower case.

use super::differences::*;
use super::files;
use super::message::*;
use super::names::ZONE;
use super::outside;

const HINFO: u16 = 13;

/// All of them.
pub const BESIDE: &[Difference] = &[
    SIZE_ECHOED,
    NO_REASON,
    Difference {
        name: "names of zones beside the cluster's are in lower case",
        settle: |q, o, t| {
            // Ours are as asked.
            let own = |r: &Record| r.owner.eq_ignore_ascii_case(&q.name) && r.owner != q.name;
            if o.answer.iter().any(own) {
                return false;
            }
            let before = (o.clone(), t.clone());
            for reply in [&mut *o, &mut *t] {
                let lists = [&mut reply.answer, &mut reply.authority, &mut reply.additional];
                for list in lists {
                    for record in list.iter_mut() {
                        record.owner.make_ascii_lowercase();
                        record.data.make_ascii_lowercase();
                    }
                    list.sort();
                }
            }
            before != (o.clone(), t.clone())
        },
    },
    Difference {
        name: "SRV records and aliases of external zones have the TTL of `kubernetes`",
        settle: |_, o, t| {
            let mut settled = false;
            let theirs = t.answer.iter_mut().filter(|r| [SRV, CNAME].contains(&r.kind) && r.ttl == 30);
            for theirs in theirs.filter(|r| r.owner.ends_with(outside::ZONE)) {
                if o.answer.iter().any(|r| r.owner == theirs.owner && r.data == theirs.data && r.ttl == 60) {
                    theirs.ttl = 60;
                    settled = true;
                }
            }
            t.answer.sort();
            settled
        },
    },
    Difference {
        name: "an alias of external zones is told once for each port",
        settle: |q, _, t| {
            let before = t.answer.len();
            if service(q).is_some_and(|name| outside::is_alias(&name)) {
                t.answer.dedup();
            }
            t.answer.len() != before
        },
    },
    Difference {
        name: "a zone's NS records are beside answers",
        settle: |_, o, t| {
            let of_top = |r: &Record| r.kind == NS && file_of(&r.owner).is_some_and(|zone| zone == r.owner);
            let before = t.authority.len();
            if !o.authority.iter().any(of_top) {
                t.authority.retain(|record| !of_top(record));
            }
            t.authority.len() != before
        },
    },
    Difference {
        name: "the SOA record of a zone's denial has its own TTL",
        settle: |_, o, t| {
            let ([ours], [theirs]) = (o.authority.as_slice(), t.authority.as_mut_slice()) else {
                return false;
            };
            let same = ours.kind == SOA && ours.owner == theirs.owner && ours.data == theirs.data;
            let own = file_of(&ours.owner).is_some() && ours.ttl < theirs.ttl;
            if same && own {
                theirs.ttl = ours.ttl;
            }
            same && own
        },
    },
    Difference {
        name: "a record that a file has twice is sent twice",
        settle: |q, _, t| {
            let before = t.answer.len();
            if q.lowered() == "twice.zone.test." {
                t.answer.dedup();
            }
            t.answer.len() != before
        },
    },
    Difference {
        name: "records of one name and type have several TTLs",
        settle: |_, o, t| {
            let mut settled = false;
            for (o, t) in [(&o.answer, &mut t.answer), (&o.additional, &mut t.additional)] {
                for theirs in t.iter_mut().filter(|r| r.owner == "mail.zone.test." && r.kind == A) {
                    let same =
                        |r: &&Record| r.owner == theirs.owner && r.data == theirs.data && r.ttl < theirs.ttl;
                    if let Some(ours) = o.iter().find(same) {
                        theirs.ttl = ours.ttl;
                        settled = true;
                    }
                }
                t.sort();
            }
            settled
        },
    },
    Difference {
        name: "name servers elsewhere in the zone have no addresses in referrals",
        settle: |_, o, t| {
            let referral = !t.authority.is_empty() && o.authority.iter().any(|r| r.kind == NS);
            let named = |r: &Record| o.authority.iter().any(|ns| ns.kind == NS && ns.data == r.owner);
            let more = o.additional.len() > t.additional.len()
                && t.additional.iter().all(|r| o.additional.contains(r))
                && o.additional.iter().all(named);
            if referral && more && !o.tc && !t.tc {
                o.additional.clone_from(&t.additional);
                return true;
            }
            false
        },
    },
    Difference {
        name: "referrals have DS records for who wants DNSSEC's",
        settle: |q, o, t| {
            let before = t.authority.len();
            let asks = q.edns.is_some_and(|(_, dnssec)| dnssec);
            if asks && !o.authority.iter().any(|r| r.kind == DS) {
                t.authority.retain(|r| r.kind != DS);
            }
            t.authority.len() != before
        },
    },
    Difference {
        name: "a circle of aliases, and more than nine, are told as far as they were followed",
        settle: |q, o, t| {
            let aliases = t.answer.len() >= 9 && t.answer.iter().all(|r| r.kind == CNAME);
            // Of NS records even nine are too many.
            let many = q.kind == NS && t.rcode == SERVFAIL && o.answer == t.answer;
            swap(file_of(&q.lowered()).is_some() && (failure(o) || many) && aliases, o, t)
        },
    },
    Difference {
        name: "ANY of a zone's name has no records",
        settle: |q, o, t| {
            let told = matches!(o.answer.as_slice(), [hinfo] if hinfo.kind == HINFO) && o.flags & AA != 0;
            let none = t.answer.iter().all(|r| r.kind == CNAME || r.kind == DNAME);
            swap(q.kind == ANY && told && none && file_of(&q.lowered()).is_some(), o, t)
        },
    },
    Difference {
        name: "others are asked without RD",
        settle: |q, o, t| {
            if q.flags[0] || o.rcode != NOERROR && o.rcode != REFUSED {
                return false;
            }
            let leads = o.answer.iter().any(|r| r.kind == CNAME && is_others(&r.data))
                || o.answer.iter().any(|r| r.kind == CNAME && r.data.ends_with(".other.test."));
            let alias = leads && o.authority.is_empty() && o.answer.iter().all(|r| t.answer.contains(r));
            let refused = o.rcode == REFUSED && o.answer.is_empty() && t.flags & RA != 0;
            swap(alias || refused, o, t)
        },
    },
    Difference {
        name: "SOA of a name that does not exist is NOERROR",
        settle: |q, o, t| {
            let led = q.kind == SOA && is_led(o) && o.answer == t.answer;
            let missing = led && o.rcode == NXDOMAIN && t.rcode == NOERROR;
            if missing {
                o.rcode = NOERROR;
            }
            missing
        },
    },
    Difference {
        name: "the SOA record is of the alias's zone, and not of its target's",
        settle: |_, o, t| {
            let one =
                matches!(t.authority.as_slice(), [soa] if soa.kind == SOA && file_of(&soa.owner).is_some());
            let other = o.authority.iter().all(|r| r.kind == SOA);
            let other =
                one && other && o.authority != t.authority && o.answer == t.answer && o.rcode == t.rcode;
            if other && is_led(o) {
                o.authority.clone_from(&t.authority);
            }
            other && is_led(o)
        },
    },
    Difference {
        name: "an alias to a name without such records has no SOA record",
        settle: |q, o, t| {
            let none = t.authority.is_empty() && matches!(o.authority.as_slice(), [soa] if soa.kind == SOA);
            let none = none && file_of(&q.lowered()).is_some() && o.answer == t.answer && is_led(o);
            if none {
                o.authority.clear();
            }
            none
        },
    },
    Difference {
        name: "names above others fall through",
        settle: |q, o, t| {
            let own = matches!(o.authority.as_slice(), [soa] if soa.owner == "other.test.");
            let through = q.within("other.test.") && own && o.rcode == NOERROR && o.answer.is_empty();
            swap(through && t.rcode == NXDOMAIN && t.flags & RA != 0, o, t)
        },
    },
    Difference {
        name: "an empty name below a wildcard has the wildcard's records",
        settle: |q, o, t| {
            let below = q.lowered() == "sub.wild.zone.test." && empty(o);
            swap(below && t.answer.iter().all(|r| r.owner == q.lowered()), o, t)
        },
    },
    Difference {
        name: "RA is not set where others were asked for an alias",
        settle: |_, o, t| {
            let set = is_led(o) && o.flags & RA != 0 && t.flags & RA == 0;
            if set {
                o.flags &= !RA;
            }
            set
        },
    },
    Difference {
        name: "any label before a Service with external addresses is left out of account",
        settle: |q, o, t| {
            let before = external(q).is_some_and(|labels| labels.len() == 3);
            swap(before && (missing(o) || empty(o)) && t.rcode == NOERROR, o, t)
        },
    },
    Difference {
        name: "a lone underscore is any port or protocol",
        settle: |q, o, t| {
            let lone =
                external(q).is_some_and(|l| l.len() == 4 && l.iter().take(2).any(|label| label == "_"));
            swap(lone && missing(o) && t.rcode == NOERROR, o, t)
        },
    },
    Difference {
        name: "an alias of external zones is one for A and AAAA alone",
        settle: |q, o, t| {
            let alias = service(q).is_some_and(|name| outside::is_alias(&name));
            let alias =
                alias && ![A, AAAA].contains(&q.kind) && o.answer.iter().any(|r| r.owner == q.lowered());
            let ports = q.kind == SRV && t.answer.iter().all(|r| r.kind == SRV);
            swap(alias && is_led(o) && (empty(t) || ports), o, t)
        },
    },
    Difference {
        name: "ports of an alias of external zones are aliases, too",
        settle: |q, o, t| {
            let port = service(q).is_some_and(|name| outside::is_alias(&name)) && [A, AAAA].contains(&q.kind);
            swap(port && empty(o) && is_led(t), o, t)
        },
    },
    Difference {
        name: "addresses of others' names go along with SRV records",
        settle: |q, o, t| {
            let asked =
                q.kind == SRV && external(q).is_some() && o.answer == t.answer && o.additional.is_empty();
            let asked = asked && !t.additional.is_empty();
            if asked {
                t.additional.clear();
            }
            asked
        },
    },
    Difference {
        name: "what came of asking others for an alias is hidden",
        settle: |q, o, t| {
            let hidden = external(q).is_some()
                && is_led(o)
                && o.answer == t.answer
                && t.rcode == NOERROR
                && t.authority.is_empty()
                && (o.rcode != NOERROR || !o.authority.is_empty());
            if hidden {
                (o.rcode, o.authority) = (t.rcode, Vec::new());
            }
            hidden
        },
    },
    Difference {
        name: "addresses of the name server are sent once for each of its families",
        settle: |q, _, t| {
            let before = t.answer.len() + t.additional.len();
            if external(q).is_some_and(|labels| labels.is_empty() || labels == ["ns1", "dns"]) {
                t.answer.dedup();
                t.additional.dedup();
            }
            t.answer.len() + t.additional.len() != before
        },
    },
    Difference {
        name: "names above others do not exist",
        settle: |q, o, t| {
            let above = external(q).is_some_and(|labels| match labels.as_slice() {
                [_, _] => true,
                [first, _, _] => ["_tcp", "_udp"].contains(&first.as_str()),
                _ => false,
            });
            swap(above && empty(o) && missing(t), o, t)
        },
    },
    Difference {
        name: "ports without a number have names",
        settle: |q, o, t| {
            let port = service(q).is_some_and(|name| name == "noport");
            swap(port && missing(o) && t.rcode == NOERROR, o, t)
        },
    },
    Difference {
        name: "addresses that go along with an alias's target elsewhere are left out",
        settle: |_, o, t| {
            let less = is_led(o) && o.answer == t.answer && !t.tc && !o.additional.is_empty();
            let less = less && t.additional.is_empty();
            if less {
                o.additional.clear();
            }
            less
        },
    },
    ANY_ASKED,
    NEEDLESS_TC,
    LONG_REPLIES,
    KEPT,
];

/// The zone of a file that a name in lower case is in.
fn file_of(name: &str) -> Option<String> {
    let zones = files::ZONES.iter().map(|zone| format!("{zone}."));
    zones.into_iter().find(|zone| {
        name.strip_suffix(zone.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Whether a name in lower case is of none of the zones, nor the cluster's.
fn is_others(name: &str) -> bool {
    file_of(name).is_none() && !name.ends_with(ZONE) && !name.ends_with(outside::ZONE)
}

/// The labels before the domain of external addresses.
fn external(query: &Query) -> Option<Vec<String>> {
    query.within(outside::ZONE).then(|| query.labels(outside::ZONE))
}

/// The Service that a name there is of.
fn service(query: &Query) -> Option<String> {
    let labels = external(query)?;
    labels.len().checked_sub(2).and_then(|at| labels.get(at)).cloned()
}

fn is_led(reply: &Reply) -> bool {
    reply.answer.iter().any(|record| record.kind == CNAME)
}

fn failure(reply: &Reply) -> bool {
    reply.rcode == SERVFAIL && reply.answer.is_empty() && reply.authority.is_empty()
}

/// NOERROR with nothing but the zone's SOA record.
fn empty(reply: &Reply) -> bool {
    reply.is_negative(NOERROR) && reply.flags & AA != 0
}

/// NXDOMAIN with the zone's SOA record.
fn missing(reply: &Reply) -> bool {
    reply.is_negative(NXDOMAIN) && reply.flags & AA != 0
}
