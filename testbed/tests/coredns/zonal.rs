//! Names of headless Services' endpoints by their topology zones, and names that look like them.

use super::message::{A, AAAA, Query, SRV};
use super::names::{ZONE, asked};
use super::objects::Objects;

/// Zones that some endpoints are in, and that none is.
const ZONES: [&str; 9] =
    ["us-a", "us-b", "us-c", "us-d", "us-six", "us-x", "corp.example.com", "example.com", "x.us-a"];
/// Services of all kinds that have reason to differ.
const SERVICES: [&str; 12] = [
    "zoned.default",
    "zonedbare.default",
    "db.default",
    "noport.default",
    "empty.default",
    "unready.default",
    "few.default",
    "some.default",
    "many.default",
    "web.default",
    "nope.default",
    "zoned.nope",
];

/// All of them.
pub fn names(objects: &Objects) -> Vec<String> {
    let mut names = Vec::new();
    for service in SERVICES {
        for directive in ["pin", "prefer"] {
            names.extend(ZONES.map(|zone| format!("{zone}.{directive}._zone.{service}.svc.{ZONE}")));
            names.push(format!("{directive}._zone.{service}.svc.{ZONE}"));
        }
        for before in
            ["_zone.", "us-a._zone.", "us-a.any._zone.", "us-a.pin.zone.", "us-a.pin.", "us-a.pin._zone.x."]
        {
            names.push(format!("{before}{service}.svc.{ZONE}"));
        }
        names.push(format!("us-a.pin._zone.{service}.pod.{ZONE}"));
    }
    for (namespace, service) in &objects.services {
        names.push(format!("us-a.pin._zone.{service}.{namespace}.svc.{ZONE}"));
    }
    names.push(format!("us-a.pin._zone.default.svc.{ZONE}"));
    names.push("us-a.pin._zone.zoned.default.svc.in-addr.arpa.".to_owned());
    names
}

/// Questions for some of them.
pub fn few() -> Vec<Query> {
    let name = |zone: &str| format!("{zone}._zone.zoned.default.svc.{ZONE}");
    asked(&["us-a.pin", "us-x.pin", "us-x.prefer"].map(name), &[A, AAAA, SRV])
}

/// Whether a query is for a name of that form.
pub fn is_one(query: &Query) -> bool {
    let labels = query.labels(ZONE);
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    matches!(labels.as_slice(), [_, .., "pin" | "prefer", "_zone", _, _, "svc"])
}
