//! The Corefiles of the examples that must work as they stand, each by its name.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

mod common;

use common::*;
use sluice_corefile::plugins::{PodMode, Upstream};
use sluice_corefile::{Rcode, Zone};

fn zone(text: &str) -> Zone {
    Zone::parse(text).unwrap()
}

#[test]
fn example_org_and_everything_else_go_to_different_upstreams_and_are_logged() {
    let corefile = clean(
        "example.org {\n    forward . 8.8.8.8\n    log\n}\n\n. {\n    forward . /etc/resolv.conf\n    log\n}\n",
    );
    let [org, rest] = corefile.servers.as_slice() else { panic!("{corefile}") };
    assert_eq!((org.zones(), rest.zones()), (vec![zone("example.org")], vec![Zone::root()]));
    assert_eq!(org.listeners[0].port, 53);
    assert_eq!((names(org), names(rest)), (vec!["log", "forward"], vec!["log", "forward"]));
    assert_eq!(plugin!(org, Forward).to, [Upstream::parse("8.8.8.8").unwrap()]);
    assert_eq!(plugin!(rest, Forward).to, [Upstream::File("/etc/resolv.conf".to_owned())]);
}

#[test]
fn the_old_form_with_upstream_and_proxy_imports_with_notes() {
    let (corefile, warnings) = right(
        ".:53 {
    errors
    health
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        upstream
        fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    proxy . /etc/resolv.conf
    cache 30
    reload
}
",
    );
    let server = server(&corefile);
    assert_eq!(
        names(server),
        ["reload", "health", "prometheus", "errors", "cache", "kubernetes", "forward"],
        "in the order of plugin.cfg"
    );
    assert_eq!(plugin!(server, Kubernetes).pods, PodMode::Insecure);
    assert_eq!(plugin!(server, Forward).to, [Upstream::File("/etc/resolv.conf".to_owned())]);
    assert_eq!(
        warnings,
        [
            "Corefile:6: warning: `upstream` is gone from CoreDNS and ignored: names outside of the cluster are always \
             looked up by this server itself",
            "Corefile:10: warning: `proxy` is gone from CoreDNS; it is read as `forward`",
        ]
    );
}

#[test]
fn a_misspelt_fallthrough_zone_is_accepted_with_a_warning() {
    let (corefile, warnings) = right(
        ".:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-add.arpa ip6.arpa
        ttl 30
    }
    forward . /etc/resolv.conf
}
",
    );
    let kubernetes = plugin!(server(&corefile), Kubernetes);
    assert_eq!(kubernetes.fallthrough, [zone("in-add.arpa"), zone("ip6.arpa")]);
    assert_eq!(kubernetes.ttl, 30);
    assert_eq!(
        warnings,
        [
            "Corefile:4: warning: `in-add.arpa` is outside of the zones of `kubernetes`; did you mean `in-addr.arpa`?"
        ]
    );
}

#[test]
fn the_trick_that_hides_aaaa_answers_nodata() {
    let corefile = clean(".:53 {\n template ANY AAAA {\n  rcode NOERROR\n }\n forward . 192.0.2.1\n}\n");
    let template = plugin!(server(&corefile), Template);
    assert_eq!((template.rcode, template.answer.len()), (Rcode::NOERROR, 0));
    assert!(template.matching.is_empty() && template.fallthrough.is_empty());
}
