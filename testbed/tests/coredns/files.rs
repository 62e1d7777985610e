//! Zone files with what is difficult about them, and the questions for their names.

use std::path::Path;

use super::message::*;
use super::names::{KINDS, asked};
use super::{COREDNS, UPSTREAM, outside};

/// The zones' names. Those that the second has not are asked of others.
pub const ZONES: [&str; 2] = ["zone.test", "other.test"];

/// Their texts, in this order.
pub fn texts() -> [String; 2] {
    let mut first = ZONE.to_owned();
    // More than 512 and than 1232 octets: of addresses, and of what goes along.
    for (name, many) in [("some", 40), ("many", 120)] {
        first.extend((0..many).map(|n| format!("{name}.zone.test. A 10.0.0.{n}\n")));
    }
    for n in 0..8 {
        first += &format!(
            "glued.zone.test. MX {n} m{n}.zone.test.\nm{n}.zone.test. A 10.0.1.{n}\n AAAA 2001:db8:1::{n}\n"
        );
    }
    [first, OTHER.to_owned()]
}

const ZONE: &str = r#"
$TTL 1h
@          IN SOA Ns1 Hostmaster.zone.test. ( 7 ; serial
               2h 30m 1d 60 )
           NS   ns1
           NS   NS2.zone.test.
           NS   ns.elsewhere.example.com.
           MX   10 mail
           MX   20 Mail.Elsewhere.example.com.
           TXT  "v=spf1 -all"
           A    192.0.2.10
           CAA  0 issue "ca.example.net"
ns1        A    192.0.2.1
           AAAA 2001:db8::1
NS2        A    192.0.2.2
mail   600 IN A 192.0.2.25
mail   300 IN A 192.0.2.26
       IN 900 MX 5 mail
MiXeD.CaSe A    192.0.2.30
web        A    192.0.2.80
           A    192.0.2.81
           AAAA 2001:db8::80
           HINFO "a PC" Linux
           TXT  one "two; three" "four\"five" "\065\200\\" "" ( six
                "seven (8)" )
twice      A    192.0.2.90
           A    192.0.2.90
www    120 CNAME Web
out        CNAME www.example.com.
outnx      CNAME nx.example.com.
outfail    CNAME fail.example.com.
outalias   CNAME alias.example.com.
outnowhere CNAME somewhere.else.test.
cluster    CNAME web.default.svc.cluster.local.
clusternx  CNAME nope.default.svc.cluster.local.
external   CNAME lb.default.outside.test.
across     CNAME www.other.test.
back       CNAME back.other.test.
acrossnx   CNAME nope.other.test.
missing    CNAME nothere
toent      CNAME deep
towild     CNAME q.wild
tosub      CNAME www.sub
toalias    CNAME x.alias
c1         CNAME c2
c2         CNAME c1
self       CNAME self
l0         CNAME l1
l1         CNAME l2
l2         CNAME l3
l3         CNAME l4
l4         CNAME l5
l5         CNAME l6
l6         CNAME l7
l7         CNAME l8
l8         CNAME l9
l9         CNAME l10
l10        CNAME l11
l11        CNAME web
a.b.deep   A    192.0.2.40
*.wild     TXT  "*"
           MX   5 mail
           A    192.0.2.41
host.sub.wild A 192.0.2.42
own.wild   TXT  own
*.alias    CNAME web
real.alias A    192.0.2.43
x.*.under  A    192.0.2.44
*.srv      SRV  0 5 5060 web
sub        NS   ns.sub
           NS   ns1
           NS   ns.elsewhere.example.com.
ns.sub     A    192.0.2.53
           AAAA 2001:db8::53
hidden.sub A    192.0.2.54
*.sub      A    192.0.2.55
sub2       NS   ns.sub
signed     NS   ns.signed
           DS   12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.signed  A    192.0.2.56
tree       DNAME other.test.
           A    192.0.2.57
below.tree A    192.0.2.58
here       DNAME deep.zone.test.
far        DNAME example.com.
_sip._tcp  SRV  0 5 5060 Web
           SRV  1 5 5061 www
           SRV  1 5 5062 sip.example.com.
svc        HTTPS 1 web alpn=h2
           HTTPS 2 mail
           SVCB  0 web
naptr      NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .
ssh        SSHFP 1 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
_443._tcp.web TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
odd        TYPE65280 \# 3 0102 03
ptr        PTR  web
$ORIGIN inner.zone.test.
@          A    192.0.2.60
rel        A    192.0.2.61
"#;

const OTHER: &str = "\
$ORIGIN test.
other 300 SOA a.other h.other 1 3600 600 86400 30
other 300 NS a.other
$ORIGIN other.test.
$TTL 300
a A 192.0.2.70
www A 192.0.2.71
back CNAME mail.zone.test.
gone CNAME nope
x.ent A 192.0.2.72
q TXT q
";

/// What both run from.
pub fn corefile(kubeconfig: &str, folder: &Path) -> String {
    let port = COREDNS.rsplit(':').next().unwrap();
    let folder = folder.display();
    format!(
        ".:{port} {{
    errors
    k8s_external {outside} {{
       ttl 60
       headless
    }}
    kubernetes cluster.local {{
       kubeconfig {kubeconfig} test
       ttl 30
       zonal
    }}
    file {folder}/db.zone.test zone.test
    file {folder}/db.other.test other.test {{
       fallthrough other.test
    }}
    forward . {UPSTREAM}
    loadbalance
}}
",
        outside = outside::ZONE.trim_end_matches('.')
    )
}

/// Types beside the usual ones: DNAME, HINFO, NAPTR, CAA, a private one.
const MORE: [u16; 5] = [DNAME, 13, 35, 257, 65280];

/// Labels before a zone. Those that a name has in the file are all here.
const NAMES: &[&str] = &[
    "",
    "ns1",
    "ns2",
    "mail",
    "mixed.case",
    "case",
    "web",
    "twice",
    "www",
    "out",
    "outnx",
    "outfail",
    "outalias",
    "outnowhere",
    "cluster",
    "clusternx",
    "external",
    "across",
    "back",
    "acrossnx",
    "missing",
    "toent",
    "towild",
    "tosub",
    "toalias",
    "c1",
    "self",
    "l0",
    "l1",
    "l2",
    "l3",
    "l4",
    "l11",
    "a.b.deep",
    "b.deep",
    "deep",
    "x.a.b.deep",
    "x.b.deep",
    "*.wild",
    "wild",
    "q.wild",
    "a.b.wild",
    "own.wild",
    "x.own.wild",
    "sub.wild",
    "x.sub.wild",
    "host.sub.wild",
    "x.*.wild",
    "alias",
    "x.alias",
    "real.alias",
    "x.real.alias",
    "*.alias",
    "under",
    "*.under",
    "x.*.under",
    "y.*.under",
    "z.under",
    "x.z.under",
    "srv",
    "a.srv",
    "sub",
    "ns.sub",
    "www.sub",
    "hidden.sub",
    "x.y.sub",
    "sub2",
    "x.sub2",
    "signed",
    "x.signed",
    "tree",
    "www.tree",
    "below.tree",
    "back.tree",
    "nope.tree",
    "here",
    "a.b.here",
    "b.here",
    "x.here",
    "www.far",
    "nx.far",
    "_sip._tcp",
    "_tcp",
    "svc",
    "naptr",
    "ssh",
    "_443._tcp.web",
    "odd",
    "ptr",
    "inner",
    "rel.inner",
    "nope",
    "some",
    "many",
    "glued",
];

/// The same of the other zone.
const OTHERS: &[&str] = &["", "a", "www", "back", "gone", "x.ent", "ent", "y.ent", "nope"];

/// Every name, in every type, case and manner.
pub fn queries() -> Vec<Query> {
    let of = |labels: &[&str], zone: &str| {
        let one =
            |label: &&str| if label.is_empty() { format!("{zone}.") } else { format!("{label}.{zone}.") };
        labels.iter().map(one).collect::<Vec<_>>()
    };
    let names = [of(NAMES, "zone.test"), of(OTHERS, "other.test")].concat();
    asked(&names, &[&KINDS[..], &MORE].concat())
}
