//! The templates of NodeLocal DNSCache: placeholders that its deployment replaces (kubernetes, `nodelocaldns.yaml`).

use std::borrow::Cow;
use std::sync::Arc;

use crate::problem::{Place, Problems};

/// What stands for each placeholder; addresses are separated by white space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pillars {
    /// `__PILLAR__DNS__DOMAIN__`: the cluster's zone, `cluster.local`.
    pub dns_domain: Option<String>,
    /// `__PILLAR__LOCAL__DNS__`: the address on every node, `169.254.20.10`.
    pub local_dns: Option<String>,
    /// `__PILLAR__DNS__SERVER__`: the address of the Service `kube-dns`.
    pub dns_server: Option<String>,
    /// `__PILLAR__CLUSTER__DNS__`: who answers for the cluster.
    pub cluster_dns: Option<String>,
    /// `__PILLAR__UPSTREAM__SERVERS__`: who answers for all other names.
    pub upstream_servers: Option<String>,
}

const PREFIX: &str = "__PILLAR__";

impl Pillars {
    /// The values of a node that asks Sluice for everything.
    ///
    /// `server` is the DNS Service's address; upstreams are those of `/etc/resolv.conf`.
    pub fn of_cluster(domain: &str, local: &str, server: &str) -> Self {
        Self {
            dns_domain: Some(domain.to_owned()),
            local_dns: Some(local.to_owned()),
            dns_server: Some(server.to_owned()),
            cluster_dns: Some(server.to_owned()),
            upstream_servers: Some("/etc/resolv.conf".to_owned()),
        }
    }

    fn value(&self, name: &str) -> Option<&Option<String>> {
        Some(match name {
            "DNS__DOMAIN" => &self.dns_domain,
            "LOCAL__DNS" => &self.local_dns,
            "DNS__SERVER" => &self.dns_server,
            "CLUSTER__DNS" => &self.cluster_dns,
            "UPSTREAM__SERVERS" => &self.upstream_servers,
            _ => return None,
        })
    }

    /// Replaces the placeholders of a text; those without a value are errors.
    pub(crate) fn resolve<'t>(
        &self,
        file: &Arc<str>,
        text: &'t str,
        problems: &mut Problems,
    ) -> Cow<'t, str> {
        if !text.contains(PREFIX) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let line_number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
            let place = Place { file: file.clone(), line: line_number };
            let mut rest = line;
            while let Some((before, after)) = rest.split_once(PREFIX) {
                out.push_str(before);
                let end =
                    after.find(|char: char| !char.is_ascii_uppercase() && char != '_').unwrap_or(after.len());
                let (name, behind) = after.split_at_checked(end).unwrap_or((after, ""));
                // Names may stand next to each other; each ends in two underscores.
                let name = name.split_once("__").map_or(name, |_| known(name).unwrap_or(name));
                let behind =
                    after.strip_prefix(name).and_then(|rest| rest.strip_prefix("__")).unwrap_or(behind);
                out.push_str(self.text_of(name.trim_end_matches('_'), &place, problems));
                rest = behind;
            }
            out.push_str(rest);
        }
        Cow::Owned(out)
    }

    fn text_of(&self, name: &str, place: &Place, problems: &mut Problems) -> &str {
        match self.value(name) {
            Some(Some(value)) if value.contains(['\n', '"', '{', '}', '#']) => {
                problems.error(
                    place,
                    format!("the value of `{PREFIX}{name}__` is no list of addresses or zones"),
                );
            }
            Some(Some(value)) => return value,
            Some(None) => problems.error(place, format!("no value is given for `{PREFIX}{name}__`")),
            None => problems.error(place, format!("`{PREFIX}{name}__` is no placeholder that is known")),
        }
        ""
    }
}

/// The placeholder that the text begins with.
fn known(text: &str) -> Option<&'static str> {
    let names = ["DNS__DOMAIN", "LOCAL__DNS", "DNS__SERVER", "CLUSTER__DNS", "UPSTREAM__SERVERS"];
    names.into_iter().find(|name| text.starts_with(name))
}
