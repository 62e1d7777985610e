//! What becomes of each plugin of CoreDNS.

/// What becomes of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is read with all its options.
    Honoured,
    /// It is accepted and has no effect, for a reason.
    NoEffect(&'static str),
    /// It is gone from CoreDNS: accepted with a warning, and a reason.
    Gone(&'static str),
    /// A Corefile that has it is refused, for a reason.
    Refused(&'static str),
}

/// What becomes of the plugin of that name; `None` for names that CoreDNS does not know either.
pub fn support(name: &str) -> Option<Support> {
    if let Some((_, support)) = SPECIAL.iter().find(|(known, _)| *known == name) {
        return Some(*support);
    }
    super::NAMES.contains(&name).then_some(Support::Honoured)
}

/// All names with something to say about them beside [`Support::Honoured`].
pub(crate) fn special() -> impl Iterator<Item = &'static str> {
    SPECIAL.iter().map(|(name, _)| *name)
}

use Support::{Gone, NoEffect, Refused};

const SPECIAL: [(&str, Support); 24] = [
    ("debug", NoEffect("crashes are always told in full")),
    ("grpc_server", NoEffect("DNS over gRPC is not served")),
    ("multisocket", NoEffect("every core has its own queues anyway")),
    ("pprof", NoEffect("there is no Go runtime to profile")),
    ("shed", NoEffect("overload is always shed before it queues")),
    ("federation", Gone("federation is gone from Kubernetes; the directive is ignored")),
    ("proxy", Gone("it is read as `forward`")),
    ("azure", Refused("zones of a cloud are not read; forward to its name servers")),
    ("clouddns", Refused("zones of a cloud are not read; forward to its name servers")),
    ("dnssec", Refused("answers are not signed on the fly")),
    ("erratic", Refused("it answers wrongly on purpose")),
    ("etcd", Refused("records in etcd are not read; only etcd behind a Kubernetes API is")),
    ("geoip", Refused("there is no database of places")),
    ("grpc", Refused("upstreams are asked by DNS, TLS or HTTPS; use `forward`")),
    ("nomad", Refused("Nomad's services are not read")),
    ("on", Refused("a Corefile may not start programs here")),
    ("proxyproto", Refused("clients are known by their packets' own addresses")),
    ("route53", Refused("zones of a cloud are not read; forward to its name servers")),
    ("sign", Refused("zone files are not signed here; serve signed ones with `file`")),
    ("trace", Refused("spans are not sent; `sluice trace` follows packets")),
    ("tsig", Refused("transactions are not signed")),
    ("reverse", Refused("it is gone from CoreDNS; `template` does what it did")),
    ("startup", Refused("a Corefile may not start programs here")),
    ("shutdown", Refused("a Corefile may not start programs here")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_not_refused_and_the_other_way_round() {
        for name in special() {
            let read = super::super::NAMES.contains(&name);
            assert_eq!(read, matches!(support(name), Some(NoEffect(_))), "{name}");
        }
        assert_eq!(support("forward"), Some(Support::Honoured));
        assert_eq!(support("fowrard"), None);
    }
}
