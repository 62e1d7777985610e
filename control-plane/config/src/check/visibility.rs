//! `dns.visibility`: which of the cluster's names some clients see.

use std::collections::HashSet;

use ipnet::IpNet;
use serde_saphyr::Spanned;
use sluice_model::Visibility;

use super::Report;
use super::values::network;
use crate::raw::{self, Text};

/// All namespaces.
const ALL: &str = "*";

pub(super) fn check(list: &[Spanned<raw::Visibility>], out: &mut Report) -> Vec<Visibility> {
    let (mut namespaces, mut clients) = (HashSet::new(), HashSet::new());
    let mut all = Vec::new();
    for (i, given) in list.iter().enumerate() {
        let key = |name: &str| format!("dns.visibility[{i}].{name}");
        let raw = &given.value;
        if raw.namespaces.is_empty() && raw.clients.is_empty() {
            let message = "whose: pods of some `namespaces` (`\"*\"` for all others), or `clients` that are no known pods";
            out.add(given.referenced, &key("namespaces"), message);
        }
        // Who sees nothing but its own says so: nothing is hidden for want of a word.
        if raw.see.is_none() {
            let message =
                "is missing: namespaces that they see besides their own, `[]` for none, or `\"*\"` for all";
            out.add(given.referenced, &key("see"), message);
        }
        let entry = Visibility {
            namespaces: names(&raw.namespaces, &key("namespaces"), out),
            clients: networks(&raw.clients, &key("clients"), out),
            see: names(raw.see.as_deref().unwrap_or_default(), &key("see"), out),
        };
        for (name, text) in entry.namespaces.iter().zip(&raw.namespaces) {
            if !namespaces.insert(name.clone()) {
                let message = format!("`{name}` stands here twice");
                out.add(text.referenced, &key("namespaces"), message);
            }
        }
        for (network, text) in entry.clients.iter().zip(&raw.clients) {
            if !clients.insert(*network) {
                out.add(text.referenced, &key("clients"), format!("{network} stands here twice"));
            }
        }
        all.push(entry);
    }
    all
}

fn networks(list: &[Text], key: &str, out: &mut Report) -> Vec<IpNet> {
    let list = list.iter().enumerate();
    list.filter_map(|(i, text)| network(text, &format!("{key}[{i}]"), out)).collect()
}

/// Names of namespaces, or the star.
fn names(list: &[Text], key: &str, out: &mut Report) -> Vec<Box<str>> {
    let names = list.iter().enumerate().map(|(i, text)| match text.value.as_str() {
        ALL => ALL.into(),
        _ => namespace(text, &format!("{key}[{i}]"), out),
    });
    names.collect()
}

/// The name of a namespace, a label (RFC 1123).
pub(super) fn namespace(text: &Text, key: &str, out: &mut Report) -> Box<str> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let name = text.value.as_str();
    let ends = name.bytes().next().is_some_and(letter) && name.bytes().last().is_some_and(letter);
    if !ends || name.len() > 63 || !name.bytes().all(|b| letter(b) || b == b'-') {
        out.add(text.referenced, key, format!("`{name}` is no name of a namespace"));
    }
    name.into()
}
