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

    /// Sets a value by its placeholder's name, `LOCAL__DNS`; `false` where there is none of that name.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let place = match name {
            "DNS__DOMAIN" => &mut self.dns_domain,
            "LOCAL__DNS" => &mut self.local_dns,
            "DNS__SERVER" => &mut self.dns_server,
            "CLUSTER__DNS" => &mut self.cluster_dns,
            "UPSTREAM__SERVERS" => &mut self.upstream_servers,
            _ => return false,
        };
        *place = Some(value.to_owned());
        true
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
                // Names have two underscores in them, too, but end in two before anything that is no capital.
                let end =
                    after.find(|char: char| !char.is_ascii_uppercase() && char != '_').unwrap_or(after.len());
                let (name, behind) = after.split_at_checked(end).unwrap_or((after, ""));
                let (name, behind) = match name.split_once(PREFIX) {
                    Some((name, _)) => (name, after.strip_prefix(name).unwrap_or(behind)),
                    None => (name, behind),
                };
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
        // Anything that makes no further errors: nobody uses the result of a text with one.
        if name == "DNS__DOMAIN" { "cluster.local" } else { "192.0.2.1" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, pillars: &Pillars) -> (String, Vec<String>) {
        let mut problems = Problems::default();
        let text = pillars.resolve(&"x".into(), text, &mut problems).into_owned();
        (text, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn placeholders_are_replaced_and_those_without_a_value_are_errors() {
        let pillars = Pillars::of_cluster("cluster.local", "169.254.20.10", "10.96.0.10");
        let text = "__PILLAR__DNS__DOMAIN__:53 {\n bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__\n}";
        let expected = "cluster.local:53 {\n bind 169.254.20.10 10.96.0.10\n}";
        assert_eq!(resolved(text, &pillars), (expected.to_owned(), Vec::new()));
        let both = "__PILLAR__LOCAL__DNS____PILLAR__LOCAL__DNS__";
        assert_eq!(resolved(both, &pillars).0, "169.254.20.10169.254.20.10");
        let (_, problems) = resolved("a\nb __PILLAR__LOCAL__DNS__ __PILLAR__FOO__", &Pillars::default());
        assert_eq!(
            problems,
            [
                "x:2: no value is given for `__PILLAR__LOCAL__DNS__`",
                "x:2: `__PILLAR__FOO__` is no placeholder that is known"
            ]
        );
        let broken = Pillars { local_dns: Some("a {".to_owned()), ..Pillars::default() };
        assert_eq!(resolved("__PILLAR__LOCAL__DNS__", &broken).1.len(), 1);
    }
}
