//! A Corefile with names for the outside, where the public may ask.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::path::Path;
use std::time::Instant;

use sluice_config::Config;
use sluice_sync::corefile::{Names, Reader};

fn reader(folder: &Path, corefile: &str, dns: &str) -> Reader {
    let path = folder.join("Corefile");
    std::fs::write(&path, corefile).unwrap();
    let text = format!(
        "node: edge-1
dataplane:
  lcores: [1]
  ports:
    - {{ name: uplink, device: net_tap0, addresses: [192.0.2.1/24] }}
source: {{ manifests: m/ }}
services: {{ cluster_cidrs: [198.51.100.0/24] }}
dns:
  corefile: {}
{dns}",
        path.display()
    );
    Reader::new(&Config::parse(&text, &folder.join("sluice.yaml")).unwrap()).unwrap()
}

fn read(reader: &mut Reader) -> Names {
    let (names, _) = reader.look(Instant::now());
    names.unwrap_or_else(|| panic!("{:?}", reader.problems()))
}

#[test]
fn what_holds_for_the_public_is_known_once_the_corefile_is() {
    let folder = tempfile::tempdir().unwrap();
    let inside = ". {\nkubernetes cluster.local\nforward . 192.0.2.99\n}\n";
    let outside = inside.replacen("forward", "k8s_external example.org\nforward", 1);
    let open = "  addresses: [10.96.0.10, { address: 203.0.113.53, clients: [0.0.0.0/0] }]\n";
    let (outer, inner) = ([203, 0, 113, 53].into(), [10, 96, 0, 10].into());

    let everybody = "  addresses: [10.96.0.10]\n  clients: [0.0.0.0/0]\n";
    let names = read(&mut reader(folder.path(), inside, everybody));
    assert_eq!((names.dns.rate_limit, names.dns.recursion, names.dns.cluster_zones), (None, None, None));
    let names = read(&mut reader(folder.path(), &outside, everybody));
    let trusted = names.dns.rate_limit.unwrap().exempt;
    assert!(trusted.contains(&"198.51.100.0/24".parse().unwrap()));
    assert_eq!(names.dns.recursion.as_ref(), Some(&trusted));
    assert_eq!(names.dns.cluster_zones.as_ref(), Some(&trusted));

    let mut other = reader(folder.path(), inside, open);
    let names = read(&mut other);
    assert_eq!(names.dns.rate_limit.as_ref().unwrap().exempt, trusted);
    assert_eq!((names.dns.recursion_at(outer), names.dns.recursion_at(inner)), (Some(&[][..]), None));
    assert_eq!(names.dns.cluster_zones_at(outer), None, "there is nothing else to ask for");
    let names = read(&mut reader(folder.path(), &outside, open));
    assert_eq!((names.dns.cluster_zones_at(outer), names.dns.cluster_zones_at(inner)), (Some(&[][..]), None));
    let told = "  clients: [0.0.0.0/0]\n  addresses: [203.0.113.53]\n  cluster_zones: true\n";
    let told = read(&mut reader(folder.path(), &outside, told)).dns;
    assert!(!told.is_outer(outer) && !told.is_for_outside(outer) && told.recursion == Some(trusted.clone()));
    // What was saved is taken up by what the configuration says now.
    let mut other = reader(folder.path(), &outside, open);
    read(&mut other);
    let again = other.restored(names.clone());
    assert_eq!(again.dns, names.dns);
    let said = "  addresses: [10.96.0.10]\n  recursion: true\n  rate_limit: { per_second: 9 }\n";
    let again = reader(folder.path(), &outside, said).restored(names);
    assert_eq!((again.dns.addresses.len(), again.dns.rate_limit.unwrap().per_second), (0, 9));
}
