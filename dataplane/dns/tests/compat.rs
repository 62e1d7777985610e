//! CoreDNS's answers, where they are others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::rr::RecordType as T;
use sluice_model::{DnsMode, DnsSettings, PodNames};

#[test]
fn compat_is_what_coredns_answers() {
    let name = |n: &str| format!("{n}.shop.svc.cluster.local.");
    let web = "web.default.svc.cluster.local.";
    let pod = "10-244-2-5.default.pod.cluster.local.";
    let compat = || DnsSettings { mode: DnsMode::Compat, pods: PodNames::Insecure, ..settings() };
    let backwards = "10.0.96.10.in-addr.arpa.";
    let reverse = |code: &str| format!("{code} | auth SOA(in-addr.arpa.)");
    table(
        compat(),
        &[
            ("dns.cluster.local.", T::A, NXDOMAIN),
            ("_tcp.web.default.svc.cluster.local.", T::A, NXDOMAIN),
            ("dns-version.cluster.local.", T::A, NXDOMAIN),
            ("0.96.10.in-addr.arpa.", T::PTR, &reverse("NXDOMAIN")),
            (backwards, T::PTR, &format!("NOERROR | {backwards} 30 PTR {web}")),
            (backwards, T::A, &reverse("NXDOMAIN")),
            (backwards, T::SOA, &reverse("NOERROR")),
            ("nope.default.svc.cluster.local.", T::SOA, NODATA),
            (
                "cluster.local.",
                T::SOA,
                "NOERROR | cluster.local. 30 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30",
            ),
            ("cluster.local.", T::TXT, NXDOMAIN),
            ("default.svc.cluster.local.", T::TXT, NXDOMAIN),
            (web, T::TXT, NODATA),
            (&name("in"), T::A, &format!("NOERROR | {} 30 CNAME {web}, {web} 30 A 10.96.0.10", name("in"))),
            (&name("in"), T::TXT, NODATA),
            (&name("in"), T::SRV, NODATA),
            (&name("nowhere"), T::A, NODATA),
            (&name("circle"), T::A, NODATA),
            (&name("out"), T::A, &format!("NOERROR | {} 30 CNAME www.Example.com.", name("out"))),
            ("ns.dns.cluster.local.", T::A, "NOERROR | ns.dns.cluster.local. 30 A 10.96.0.2"),
            ("NS.dns.cluster.local.", T::A, "NOERROR | NS.dns.cluster.local. 30 A 10.96.0.2"),
            ("ns.dns.Cluster.local.", T::A, "NXDOMAIN | auth SOA(Cluster.local.)"),
            ("Cluster.local.", T::NS, "NOERROR | auth SOA(Cluster.local.)"),
            (
                "cluster.local.",
                T::NS,
                "NOERROR | cluster.local. 30 NS ns.dns.cluster.local. | add ns.dns.cluster.local. 30 A 10.96.0.2",
            ),
            (&format!("foo.{pod}"), T::A, &format!("NOERROR | foo.{pod} 30 A 10.244.2.5")),
            (&format!("a.b.c.{pod}"), T::A, NXDOMAIN),
            (pod, T::SRV, &format!("NOERROR | {pod} 30 SRV 0 100 0 {pod} | add {pod} 30 A 10.244.2.5")),
            (
                "_._udp.web.default.svc.cluster.local.",
                T::A,
                &format!("NOERROR | _._udp.{web} 30 A 10.96.0.10"),
            ),
            (
                "_http._.web.default.svc.cluster.local.",
                T::A,
                &format!("NOERROR | _http._.{web} 30 A 10.96.0.10"),
            ),
            ("_sql._.web.default.svc.cluster.local.", T::A, NXDOMAIN),
        ],
    );
    let zones = zones_of(compat(), &cluster(), &[]);
    let full = sluice_dns::name::text(sluice_dns::name::reverse(ip("fd00:96::a")).wire());
    let mapped = sluice_dns::name::text(sluice_dns::name::reverse(ip("::ffff:10.96.0.10")).wire());
    for name in [format!("x.y.{full}"), mapped] {
        assert_eq!(ask(&zones, &name, T::PTR), format!("NOERROR | {name} 30 PTR {web}"));
    }
}
