//! What the status of a Service or an Ingress should say, and the patch that makes it say so.

use std::net::IpAddr;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;
use serde_json::{Value, json};
use sluice_model::ServiceName;

/// Whose fields they are (`metadata.managedFields[].manager`). Patches are applied with force: nobody else has a say in
/// the addresses of a Service of our class.
pub const FIELD_MANAGER: &str = "sluice";

/// What a Service's `status.loadBalancer` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// `metadata.uid`: a Service made anew under the same name is another.
    pub uid: Option<Box<str>>,
    /// `ingress[].ip` that are entered as [`patch`] enters them, in their order.
    pub addresses: Vec<IpAddr>,
    /// Whether there are other entries: names, other modes, what is no address, ports.
    pub others: bool,
}

impl Shown {
    /// What this object says.
    pub fn of(object: &core::Service) -> Self {
        let mut shown = Self { uid: object.metadata.uid.as_deref().map(Into::into), ..Self::default() };
        let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        for entry in status.and_then(|status| status.ingress.as_deref()).unwrap_or_default() {
            let ip = entry.ip.as_deref().and_then(|ip| ip.parse().ok());
            let plain = entry.hostname.as_deref().is_none_or(str::is_empty)
                && entry.ports.as_deref().is_none_or(<[_]>::is_empty)
                && matches!(entry.ip_mode.as_deref(), None | Some("VIP"));
            match ip {
                Some(ip) if plain && !shown.addresses.contains(&ip) => shown.addresses.push(ip),
                _ => shown.others = true,
            }
        }
        shown
    }

    /// What this Ingress says.
    pub fn of_ingress(object: &networking::Ingress) -> Self {
        let mut shown = Self { uid: object.metadata.uid.as_deref().map(Into::into), ..Self::default() };
        let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        for entry in status.and_then(|status| status.ingress.as_deref()).unwrap_or_default() {
            let ip = entry.ip.as_deref().and_then(|ip| ip.parse().ok());
            let plain = entry.hostname.as_deref().is_none_or(str::is_empty)
                && entry.ports.as_deref().is_none_or(<[_]>::is_empty);
            match ip {
                Some(ip) if plain && !shown.addresses.contains(&ip) => shown.addresses.push(ip),
                _ => shown.others = true,
            }
        }
        shown
    }

    /// Whether it says exactly this, in whatever order.
    pub fn says(&self, addresses: &[IpAddr]) -> bool {
        !self.others
            && self.addresses.len() == addresses.len()
            && self.addresses.iter().all(|ip| addresses.contains(ip))
    }
}

/// The body of a server-side apply to the `status` of a Service that makes it say `addresses`, each once; none where it
/// says so already. A Service that was deleted and made anew in between is not patched: the server answers 422, for
/// `metadata.uid` is immutable. Without addresses it says so explicitly, for entries that others have made would stay
/// otherwise.
pub fn patch(name: &ServiceName, shown: &Shown, addresses: &[IpAddr]) -> Option<Value> {
    if shown.says(addresses) {
        return None;
    }
    let ingress: Vec<Value> =
        addresses.iter().map(|ip| json!({ "ip": ip.to_string(), "ipMode": "VIP" })).collect();
    let mut metadata = json!({ "namespace": name.namespace, "name": name.name });
    if let (Some(uid), Some(fields)) = (&shown.uid, metadata.as_object_mut()) {
        fields.insert("uid".to_owned(), json!(uid));
    }
    Some(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "status": { "loadBalancer": { "ingress": ingress } },
    }))
}

/// The same for an Ingress, whose entries have no mode.
pub fn ingress_patch(name: &ServiceName, shown: &Shown, addresses: &[IpAddr]) -> Option<Value> {
    if shown.says(addresses) {
        return None;
    }
    let ingress: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip.to_string() })).collect();
    let mut metadata = json!({ "namespace": name.namespace, "name": name.name });
    if let (Some(uid), Some(fields)) = (&shown.uid, metadata.as_object_mut()) {
        fields.insert("uid".to_owned(), json!(uid));
    }
    Some(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "status": { "loadBalancer": { "ingress": ingress } },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: &str) -> Shown {
        let object = format!(r#"{{"metadata":{{"uid":"u"}},"status":{{"loadBalancer":{status}}}}}"#);
        Shown::of(&serde_json::from_str(&object).unwrap())
    }

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn web() -> ServiceName {
        ServiceName::new("shop", "web")
    }

    #[test]
    fn nothing_is_written_that_stands_there_already() {
        for (status, addresses) in [
            ("{}", &[][..]),
            (r#"{"ingress":[{"ip":"192.0.2.1"}]}"#, &["192.0.2.1"][..]),
            (r#"{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"}]}"#, &["192.0.2.1"]),
            (
                r#"{"ingress":[{"ip":"2001:DB8:0::1","ipMode":"VIP"},{"ip":"192.0.2.1"}]}"#,
                &["192.0.2.1", "2001:db8::1"],
            ),
        ] {
            assert_eq!(patch(&web(), &shown(status), &ips(addresses)), None, "{status}");
        }
    }

    #[test]
    fn whatever_else_stands_there_is_replaced() {
        for status in [
            "{}",
            r#"{"ingress":[{"ip":"192.0.2.2"}]}"#,
            r#"{"ingress":[{"ip":"192.0.2.1","ipMode":"Proxy"}]}"#,
            r#"{"ingress":[{"ip":"192.0.2.1","hostname":"a"}]}"#,
            r#"{"ingress":[{"ip":"192.0.2.1","ports":[{"port":80,"protocol":"TCP"}]}]}"#,
            r#"{"ingress":[{"ip":"192.0.2.1"},{"hostname":"a"}]}"#,
            r#"{"ingress":[{"ip":"192.0.2.1"},{"ip":"192.0.2.1"}]}"#,
            r#"{"ingress":[{"ip":"192.0.2.1"},{"ip":"192.0.2.3"}]}"#,
        ] {
            let expected = json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": { "namespace": "shop", "name": "web", "uid": "u" },
                "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1", "ipMode": "VIP" }] } },
            });
            assert_eq!(patch(&web(), &shown(status), &ips(&["192.0.2.1"])), Some(expected), "{status}");
        }
    }

    #[test]
    fn addresses_that_are_taken_away_are_taken_away_explicitly() {
        let patch = patch(&web(), &shown(r#"{"ingress":[{"ip":"192.0.2.1"}]}"#), &[]).unwrap();
        assert_eq!(patch["status"], json!({ "loadBalancer": { "ingress": [] } }));
    }
}
