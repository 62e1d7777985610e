//! What may differ, each by name. Nothing else may.

use super::message::*;
use super::names::{REVERSE, ZONE};
use super::zonal;

/// A way in which CoreDNS differs.
pub struct Difference {
    /// As `docs/dns.md` has it.
    pub name: &'static str,
    /// Whether it explains something of what differs; then that is taken out of the replies (ours, CoreDNS's).
    pub settle: fn(&Query, &mut Reply, &mut Reply) -> bool,
}

/// Those of the mode that follows the RFCs.
pub const STRICT: [Difference; 34] = [
    SIZE_ECHOED,
    NO_REASON,
    CACHED_TTL,
    CACHED_CASE,
    Difference {
        name: "the TTL of dns-version is what `cache` allows",
        settle: |q, o, t| {
            let ttl = |r: &Reply| r.answer.last().map(|record| record.ttl);
            let capped = q.kind == TXT
                && q.labels(ZONE) == ["dns-version"]
                && ttl(o) == Some(28_800)
                && ttl(t) <= Some(30);
            if capped {
                o.answer = t.answer.clone()
            }
            capped
        },
    },
    OTHER_CLASSES,
    Difference {
        name: "svc, pod and dns-version exist in reverse zones too",
        settle: |q, o, t| {
            let word = |zone| matches!(words(q, zone).as_slice(), ["svc" | "pod" | "dns-version"]);
            swap(REVERSE.into_iter().any(word) && t.rcode == NOERROR && t.flags & AA != 0, o, t)
        },
    },
    Difference {
        name: "names above others do not exist",
        settle: |q, o, t| swap(is_above_others(q) && nodata(q, o) && absent(q, t), o, t),
    },
    Difference {
        name: "reverse names exist for PTR alone",
        settle: |q, o, t| {
            swap(address_of(q).is_some() && q.kind != PTR && nodata(q, o) && absent(q, t), o, t)
        },
    },
    Difference {
        name: "SOA of a name that does not exist is NOERROR",
        settle: |q, o, t| swap(q.kind == SOA && absent(q, o) && nodata(q, t), o, t),
    },
    Difference {
        name: "TXT of a zone, svc, pod or a namespace is NXDOMAIN, and TXT and PTR of the name server",
        settle: |q, o, t| {
            let above = matches!(
                words(q, ZONE).as_slice(),
                [] | ["svc" | "pod"] | [_, "svc" | "pod"] | ["ns", "dns"]
            );
            let above = above
                || REVERSE
                    .iter()
                    .any(|zone| q.within(zone) && matches!(words(q, zone).as_slice(), [] | ["ns", "dns"]));
            let server = q.kind == PTR && words(q, ZONE) == ["ns", "dns"];
            swap((q.kind == TXT && above || server) && nodata(q, o) && absent(q, t), o, t)
        },
    },
    Difference {
        name: "names by zone of a headless Service without ready endpoints exist",
        settle: |q, o, t| swap(zonal::is_one(q) && absent(q, o) && nodata(q, t), o, t),
    },
    Difference {
        name: "an alias is none for types other than A, AAAA and CNAME",
        settle: |q, o, t| swap(![A, AAAA, CNAME].contains(&q.kind) && is_alias(q, o) && nodata(q, t), o, t),
    },
    Difference {
        name: "all records of a reply have the least of their TTLs",
        settle: |q, o, t| {
            let mut settled = false;
            for alias in t.answer.iter_mut().filter(|record| record.kind == CNAME && q.within(ZONE)) {
                let same = |r: &&Record| r.owner == alias.owner && r.data == alias.data && alias.ttl < r.ttl;
                if let Some(ttl) = o.answer.iter().find(same).map(|record| record.ttl) {
                    alias.ttl = ttl;
                    settled = true;
                }
            }
            settled
        },
    },
    Difference {
        name: "an alias that leads to no record is left out",
        settle: |q, o, t| {
            let ends = o.answer.iter().all(|record| record.kind == CNAME);
            swap([A, AAAA].contains(&q.kind) && is_alias(q, o) && ends && nodata(q, t), o, t)
        },
    },
    Difference {
        name: "an alias to the zone or its name server leads nowhere",
        settle: |q, o, t| {
            let target = o
                .answer
                .iter()
                .any(|record| ["ns.dns.cluster.local.", "cluster.local."].contains(&record.data.as_str()));
            swap([A, AAAA].contains(&q.kind) && is_alias(q, o) && target && nodata(q, t), o, t)
        },
    },
    Difference {
        name: "what came of asking others for an alias is hidden",
        settle: |q, o, t| {
            let hidden = is_alias(q, o)
                && o.answer == t.answer
                && t.rcode == NOERROR
                && t.authority.is_empty()
                && (o.rcode != NOERROR || !o.authority.is_empty());
            if hidden {
                (o.rcode, o.authority) = (t.rcode, t.authority.clone())
            }
            hidden
        },
    },
    Difference {
        name: "RA is not set where others were asked for an alias",
        settle: |q, o, t| {
            let set = is_alias(q, o) && o.flags & RA != 0 && t.flags & RA == 0 && o.answer == t.answer;
            if set {
                o.flags &= !RA
            }
            set
        },
    },
    Difference {
        name: "a zone in capitals has no NS record",
        settle: |q, o, t| {
            let top = q.kind == NS
                && (words(q, ZONE).is_empty() && q.within(ZONE) || REVERSE.contains(&q.lowered().as_str()));
            swap(top && q.name != q.lowered() && o.answer.len() == 1 && (nodata(q, t) || absent(q, t)), o, t)
        },
    },
    Difference {
        name: "a zone in capitals has no name server",
        settle: |q, o, t| {
            swap(
                is_server(q)
                    && (q.name != q.lowered() || !q.within(ZONE))
                    && o.rcode == NOERROR
                    && absent(q, t),
                o,
                t,
            )
        },
    },
    Difference {
        name: "NS records name a Service in the reverse zone",
        settle: |q, o, t| {
            let invented =
                |record: &Record| record.data.to_ascii_lowercase().starts_with("kube-dns.kube-system.svc.");
            swap(
                q.kind == NS
                    && REVERSE.contains(&q.lowered().as_str())
                    && t.answer.iter().all(invented)
                    && o.rcode == t.rcode,
                o,
                t,
            )
        },
    },
    REPEATED_SERVERS,
    Difference {
        name: "labels before a pod's address are ignored",
        settle: |q, o, t| {
            let deep = matches!(words(q, ZONE).as_slice(), [.., _, _, _, "pod"]);
            swap(deep && absent(q, o) && t.rcode == NOERROR, o, t)
        },
    },
    Difference {
        name: "a lone underscore is any port or protocol",
        settle: |q, o, t| {
            let lone = matches!(words(q, ZONE).as_slice(), [port, protocol, _, _, "svc"] if *port == "_" || *protocol == "_");
            swap(lone && absent(q, o) && t.rcode == NOERROR, o, t)
        },
    },
    Difference {
        name: "labels before a reverse name are ignored, and mapped addresses are IPv4's",
        settle: |q, o, t| {
            let long = words(q, "ip6.arpa.").len() > 32 || q.lowered().contains("f.f.f.f.0.0.0.0.0.0");
            swap(q.kind == PTR && long && absent(q, o) && t.rcode == NOERROR, o, t)
        },
    },
    ORPHANS,
    NEEDLESS_TC,
    LONG_REPLIES,
    SHORTER,
    PORTS_WITHOUT_NUMBER,
    Difference {
        name: "names of pods have SRV records, of port 0",
        settle: |q, o, t| {
            let pod = matches!(words(q, ZONE).as_slice(), [_, _, "pod"]);
            swap(
                pod && q.kind == SRV
                    && nodata(q, o)
                    && t.answer.iter().all(|r| r.data.starts_with("000000640000 ")),
                o,
                t,
            )
        },
    },
    ANY_ASKED,
    ASKED_WITHOUT_RD,
    KEPT,
];

/// Those that remain where CoreDNS's answers are wanted: how messages are written, who is asked for what, and objects that
/// the gateway does not serve at all.
pub const COMPAT: [Difference; 11] = [
    SIZE_ECHOED,
    NO_REASON,
    LONG_REPLIES,
    SHORTER,
    OTHER_CLASSES,
    ANY_ASKED,
    ASKED_WITHOUT_RD,
    REPEATED_SERVERS,
    PORTS_WITHOUT_NUMBER,
    ORPHANS,
    KEPT,
];

pub const NEEDLESS_TC: Difference = Difference {
    name: "TC where only additional records were left out",
    settle: |_, o, t| {
        let glue = !o.tc && t.tc && o.answer == t.answer;
        if glue {
            (o.tc, o.additional) = (true, t.additional.clone())
        }
        glue
    },
};

const OTHER_CLASSES: Difference = Difference {
    name: "classes other than IN are answered",
    settle: |q, o, t| {
        swap(q.class != IN && o.rcode == REFUSED && o.answer.is_empty() && t.rcode == NOERROR, o, t)
    },
};

const REPEATED_SERVERS: Difference = Difference {
    name: "addresses of the name server are sent once for each of its families",
    settle: |q, _, t| {
        let before = t.additional.len();
        if q.kind == NS {
            t.additional.dedup()
        }
        t.additional.len() != before
    },
};

const ORPHANS: Difference = Difference {
    name: "an endpoint of a Service that is not there has a reverse name",
    settle: |q, o, t| {
        let orphan = |record: &Record| record.data.contains(".orphan.");
        swap(q.kind == PTR && absent(q, o) && t.answer.iter().any(orphan), o, t)
    },
};

pub const LONG_REPLIES: Difference = Difference {
    name: "replies over UDP are as long as the client takes",
    settle: |q, o, t| {
        let long = !q.tcp && q.edns.is_some_and(|(size, _)| size > 1232) && o.tc && !t.tc;
        let long = long && o.answer.iter().all(|record| t.answer.contains(record));
        swap(long, o, t)
    },
};

const SHORTER: Difference = Difference {
    name: "aliases are written shorter where that makes a reply fit",
    settle: |q, o, t| {
        let short = !q.tcp
            && o.tc
            && !t.tc
            && is_alias(q, o)
            && o.answer.iter().all(|record| t.answer.contains(record));
        swap(short, o, t)
    },
};

const PORTS_WITHOUT_NUMBER: Difference = Difference {
    name: "ports without a number have names",
    settle: |q, o, t| {
        let port = matches!(words(q, ZONE).as_slice(), [_, _, service, _, "svc"] if service.eq_ignore_ascii_case("noport"));
        swap(port && absent(q, o) && t.rcode == NOERROR, o, t)
    },
};

pub const ANY_ASKED: Difference = Difference {
    name: "others are asked for ANY",
    settle: |q, o, t| {
        swap(
            q.kind == ANY && matches!(o.answer.as_slice(), [hinfo] if hinfo.kind == 13) && t.flags & RA != 0,
            o,
            t,
        )
    },
};

pub const ASKED_WITHOUT_RD: Difference = Difference {
    name: "others are asked without RD",
    settle: |q, o, t| {
        let refused = o.rcode == REFUSED && o.answer.is_empty() && t.flags & RA != 0;
        let alias = is_alias(q, o)
            && o.rcode == NOERROR
            && is_alias(q, t)
            && o.answer.iter().all(|r| t.answer.contains(r));
        swap(!q.flags[0] && (refused || alias), o, t)
    },
};

/// The size of EDNS.
pub const SIZE_ECHOED: Difference = Difference {
    name: "the size in OPT is the client's",
    settle: |q, o, t| {
        let asked = q.edns.map(|(size, _)| size);
        match (o.opt.as_mut_slice(), t.opt.as_slice()) {
            ([o], [t]) if o.size == 1232 && t.size != 1232 && Some(t.size) == asked => {
                o.size = t.size;
                true
            }
            _ => false,
        }
    },
};

/// Extended errors (RFC 8914).
pub const NO_REASON: Difference = Difference {
    name: "no reason is told",
    settle: |_, o, _| {
        let told = |opt: &Opt| {
            opt.options.starts_with(&[0, 15]) && opt.options.len() == 4 + usize::from(opt.options[3])
        };
        let told = o.opt.iter().any(told);
        if told {
            o.opt.iter_mut().for_each(|opt| opt.options.clear())
        }
        told
    },
};

/// CoreDNS caches replies of its reverse zones under kubeadm's Corefile.
const CACHED_TTL: Difference = Difference {
    name: "TTLs of reverse zones count down in a cache",
    settle: |q, o, t| {
        let reverse = REVERSE.iter().any(|zone| q.within(zone));
        let mut settled = false;
        for (o, t) in
            [(&o.answer, &mut t.answer), (&o.authority, &mut t.authority), (&o.additional, &mut t.additional)]
        {
            for t in t.iter_mut().filter(|_| reverse) {
                if let Some(o) = o.iter().find(|o| o.data.eq_ignore_ascii_case(&t.data) && o.ttl > t.ttl) {
                    t.ttl = o.ttl;
                    settled = true;
                }
            }
        }
        settled
    },
};

const CACHED_CASE: Difference = Difference {
    name: "replies of reverse zones have the case of who asked first",
    settle: |q, o, t| {
        let reverse = REVERSE.iter().any(|zone| q.within(zone));
        let lowered = |reply: &Reply| {
            let mut reply = reply.clone();
            for record in reply.answer.iter_mut().chain(&mut reply.authority).chain(&mut reply.additional) {
                record.owner.make_ascii_lowercase();
                record.data.make_ascii_lowercase();
            }
            reply
        };
        swap(reverse && o != t && lowered(o) == lowered(t), o, t)
    },
};

/// Some records are left out of both, each is one that the whole answer has, and both say that there are more.
pub const KEPT: Difference = Difference {
    name: "which records are left where not all fit",
    settle: |_, o, t| {
        let tc = o.tc && t.tc && !o.answer.is_empty() && !t.answer.is_empty();
        if tc {
            (o.answer, o.additional) = (t.answer.clone(), t.additional.clone())
        }
        tc
    },
};

/// The names of what explains how two replies differ.
///
/// # Errors
/// Both replies, where something is not explained.
pub fn explain(
    query: &Query,
    ours: &Reply,
    theirs: &Reply,
    allowed: &[Difference],
) -> Result<Vec<&'static str>, String> {
    let (mut o, mut t) = (ours.clone(), theirs.clone());
    for reply in [&mut o, &mut t] {
        // TTLs of names of others count down on both sides.
        for record in reply.answer.iter_mut().chain(&mut reply.authority) {
            let owner = record.owner.to_ascii_lowercase();
            if owner.ends_with("example.com.") || owner == "arpa." {
                record.ttl = 0;
            }
        }
        // How long a message is says how it is written, not what.
        reply.length = 0;
    }
    let mut names = Vec::new();
    for difference in allowed {
        if o == t {
            break;
        }
        if (difference.settle)(query, &mut o, &mut t) {
            names.push(difference.name);
        }
    }
    if o == t { Ok(names) } else { Err(format!("{query:?}\n  ours   {ours:?}\n  theirs {theirs:?}")) }
}

pub fn swap(explained: bool, ours: &mut Reply, theirs: &Reply) -> bool {
    if explained {
        // Whatever else one reply has must be settled by itself.
        let opt = ours.opt.clone();
        *ours = Reply { opt, ..theirs.clone() };
    }
    explained
}

/// Labels before the zone; a label that no name has where the name is not in it.
fn words<'q>(query: &'q Query, zone: &str) -> Vec<&'q str> {
    if !query.within(zone) {
        return vec!["\\"];
    }
    let labels = query.labels(zone).len();
    // In lower case only where it was asked so; callers compare labels of any case below.
    let mut words: Vec<&str> = query.name.split('.').take(labels).collect();
    for word in &mut words {
        if let Some(known) = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(word)) {
            *word = known;
        }
    }
    words
}

const KNOWN: [&str; 12] =
    ["svc", "pod", "ns", "dns", "dns-version", "_tcp", "_udp", "_sctp", "_", "_zone", "pin", "prefer"];

/// The zone a name is in.
fn zone_of(query: &Query) -> Option<String> {
    let zone = [ZONE, REVERSE[0], REVERSE[1]].into_iter().find(|zone| query.within(zone))?;
    query.name.get(query.name.len() - zone.len()..).map(str::to_owned)
}

/// NOERROR with nothing but the zone's SOA record.
fn nodata(query: &Query, reply: &Reply) -> bool {
    let zone = zone_of(query).unwrap_or_default();
    reply.is_negative(NOERROR)
        && reply.flags & AA != 0
        && reply.authority[0].owner.eq_ignore_ascii_case(&zone)
}

/// NXDOMAIN: with the zone's SOA record or, where unknown names fall through, as others say it, who are asked with RD only.
fn absent(query: &Query, reply: &Reply) -> bool {
    let zone = zone_of(query).unwrap_or_default();
    let own = reply.flags & AA != 0
        && reply.authority.first().is_some_and(|soa| soa.owner.eq_ignore_ascii_case(&zone));
    let fallen = REVERSE.contains(&zone.to_ascii_lowercase().as_str())
        && reply.flags & RA != 0
        && reply.authority.first().is_some_and(|soa| soa.owner == "arpa.");
    let unasked =
        REVERSE.contains(&zone.to_ascii_lowercase().as_str()) && !query.flags[0] && reply.rcode == REFUSED;
    reply.is_negative(NXDOMAIN) && (own || fallen) || unasked
}

fn is_above_others(query: &Query) -> bool {
    let forward = match words(query, ZONE).as_slice() {
        ["dns"] | ["_tcp" | "_udp" | "_sctp" | "_zone", _, _, "svc"] => true,
        ["pin" | "prefer", "_zone", _, _, "svc"] => true,
        ["dns-version"] => query.kind != TXT,
        _ => false,
    };
    let labels = |zone: &str| words(query, zone).len();
    forward
        || query.within(REVERSE[0]) && labels(REVERSE[0]) < 4
        || query.within(REVERSE[1]) && labels(REVERSE[1]) < 32
}

/// A whole reverse name.
fn address_of(query: &Query) -> Option<()> {
    let whole = [(REVERSE[0], 4), (REVERSE[1], 32)];
    whole.iter().any(|(zone, labels)| query.within(zone) && query.labels(zone).len() == *labels).then_some(())
}

fn is_server(query: &Query) -> bool {
    [ZONE, REVERSE[0], REVERSE[1]]
        .iter()
        .any(|zone| query.within(zone) && words(query, zone) == ["ns", "dns"])
}

/// Whether the reply says that the name is an alias.
fn is_alias(query: &Query, reply: &Reply) -> bool {
    reply.answer.iter().any(|record| record.kind == CNAME && record.owner == query.name)
}
