//! ServiceImports: names of Services of several clusters (KEP-1645), in zones of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use hickory_proto::rr::RecordType as T;
use sluice_dns::{Catalog, Zones};
use sluice_model::{Change, DnsSettings, EndpointGroup, NameKind, NamedImport, PodNames, Protocol};

fn catalog() -> Catalog {
    let settings = DnsSettings {
        multicluster_zones: vec!["clusterset.local".into()],
        pods: PodNames::Insecure,
        ..settings()
    };
    catalog_of(settings, &cluster(), &["default"])
}

fn group(address: &str, hostname: Option<&str>) -> EndpointGroup {
    EndpointGroup {
        ports: vec![port("sql", Protocol::Tcp, 5432)],
        endpoints: vec![endpoint(address, hostname, None)],
    }
}

/// A headless import of two clusters, and endpoints of which nobody says where they are.
fn headless() -> NamedImport {
    let mut service = service("default", "db", NameKind::Headless);
    service.ports = vec![port("sql", Protocol::Tcp, 5432)];
    service.endpoints = vec![
        group("10.1.0.7", Some("db-0")),
        group("10.2.0.7", Some("db-0")),
        group("10.3.0.7", Some("db-0")),
    ];
    NamedImport { service, clusters: vec![Some("west".into()), Some("East".into()), None] }
}

fn addressed() -> NamedImport {
    let mut service = service("shop", "web", NameKind::Cluster(vec![ip("10.96.9.9"), ip("fd00:96::99")]));
    service.ports = vec![port("http", Protocol::Tcp, 80)];
    NamedImport { service, clusters: vec![] }
}

fn zones(imports: &[NamedImport]) -> Zones {
    let mut catalog = catalog();
    imports.iter().for_each(|import| catalog.apply(&Change::Imported(import.clone())));
    catalog.zones()
}

#[test]
fn an_import_with_addresses_has_a_services_names_in_its_own_zone_only() {
    let zones = zones(&[addressed()]);
    let name = "web.shop.svc.clusterset.local.";
    assert_eq!(ask(&zones, name, T::A), format!("NOERROR | {name} 30 A 10.96.9.9"));
    assert_eq!(ask(&zones, name, T::AAAA), format!("NOERROR | {name} 30 AAAA fd00:96::99"));
    let srv = ask(&zones, "_http._tcp.web.shop.svc.clusterset.local.", T::SRV);
    assert!(srv.contains("SRV 0 50 80 web.shop.svc.clusterset.local."), "{srv}");
    assert!(ask(&zones, "web.shop.svc.cluster.local.", T::A).starts_with("NXDOMAIN"));
    // A Service that was not imported has no name there, nor have pods.
    assert!(ask(&zones, "web.default.svc.clusterset.local.", T::A).starts_with("NXDOMAIN"));
    assert!(ask(&zones, "10-1-1-1.default.pod.clusterset.local.", T::A).starts_with("NXDOMAIN"));
    assert!(ask(&zones, "10-1-1-1.default.pod.cluster.local.", T::A).starts_with("NOERROR"));
    // Its addresses have names of the first zone, or none.
    assert!(ask(&zones, "9.9.96.10.in-addr.arpa.", T::PTR).starts_with("NXDOMAIN"));
    assert!(ask(&zones, "clusterset.local.", T::SOA).contains("SOA"));
    assert!(ask(&zones, "dns-version.clusterset.local.", T::TXT).contains("1.1.0"));
}

#[test]
fn endpoints_of_imports_have_their_clusters_label() {
    let zones = zones(&[headless()]);
    let all = ask(&zones, "db.default.svc.clusterset.local.", T::A);
    for address in ["10.1.0.7", "10.2.0.7", "10.3.0.7"] {
        assert!(all.contains(address), "{all}");
    }
    for (name, address) in [
        ("db-0.west.db.default.svc.clusterset.local.", "10.1.0.7"),
        ("db-0.EAST.db.default.svc.clusterset.local.", "10.2.0.7"),
    ] {
        assert_eq!(ask(&zones, name, T::A), format!("NOERROR | {name} 30 A {address}"));
    }
    // Without the cluster there is no such name.
    assert!(ask(&zones, "db-0.db.default.svc.clusterset.local.", T::A).starts_with("NXDOMAIN"));
    assert!(ask(&zones, "db-0.north.db.default.svc.clusterset.local.", T::A).starts_with("NXDOMAIN"));
    // The cluster's own name has names below it.
    assert!(ask(&zones, "west.db.default.svc.clusterset.local.", T::A).starts_with("NOERROR"));
    let srv = ask(&zones, "_sql._tcp.db.default.svc.clusterset.local.", T::SRV);
    for target in ["db-0.west.db.default.svc.clusterset.local.", "db-0.east.db.default.svc.clusterset.local."]
    {
        assert!(srv.contains(target), "{srv}");
    }
    // The Service of the same name in this cluster is another one.
    assert!(!ask(&zones, "db.default.svc.cluster.local.", T::A).contains("10.1.0.7"));
}

#[test]
fn imports_change_and_go_without_a_trace() {
    let mut catalog = catalog();
    let before = catalog.zones().len();
    let mut import = headless();
    catalog.apply(&Change::Imported(import.clone()));
    catalog.apply(&Change::Imported(addressed()));
    // A namespace is there as long as something is in it.
    assert!(ask(&catalog.zones(), "shop.svc.clusterset.local.", T::A).starts_with("NOERROR"));
    import.service.endpoints.remove(0);
    import.clusters.remove(0);
    catalog.apply(&Change::Imported(import.clone()));
    let name = "db-0.west.db.default.svc.clusterset.local.";
    assert!(ask(&catalog.zones(), name, T::A).starts_with("NXDOMAIN"));
    assert!(ask(&catalog.zones(), "west.db.default.svc.clusterset.local.", T::A).starts_with("NXDOMAIN"));
    // A headless one without endpoints has no name.
    import.service.endpoints.clear();
    import.clusters.clear();
    catalog.apply(&Change::Imported(import.clone()));
    assert!(ask(&catalog.zones(), "db.default.svc.clusterset.local.", T::A).starts_with("NXDOMAIN"));
    catalog.apply(&Change::ImportedGone(import.service.name));
    catalog.apply(&Change::ImportedGone(addressed().service.name));
    assert!(ask(&catalog.zones(), "shop.svc.clusterset.local.", T::A).starts_with("NXDOMAIN"));
    assert_eq!(catalog.zones().len(), before);
}

#[test]
fn an_imports_groups_each_have_a_place_for_their_cluster() {
    headless().check().unwrap();
    addressed().check().unwrap();
    assert!(NamedImport { clusters: vec![], ..headless() }.check().is_err());
    let alias = service("a", "b", NameKind::External("c.example".into()));
    assert!(NamedImport { service: alias, clusters: vec![] }.check().is_err());
}

#[test]
fn thousands_of_imports_have_names_and_change_one_by_one() {
    let mut catalog = catalog();
    let before = catalog.zones().len();
    let import = |n: u32, last: u8| {
        let mut import = headless();
        import.service.name.name = format!("db-{n}").into();
        for (group, cluster) in import.service.endpoints.iter_mut().zip(0_u8..) {
            let [a, b] = (n as u16).to_be_bytes();
            group.endpoints[0].address = [10 + cluster, a, b, last].into();
        }
        import
    };
    for n in 0..5_000 {
        catalog.apply(&Change::Imported(import(n, 1)));
    }
    let name = |n: u32| format!("db-0.west.db-{n}.default.svc.clusterset.local.");
    let zones = catalog.zones();
    for n in (0..5_000).step_by(97) {
        let [a, b] = (n as u16).to_be_bytes();
        assert_eq!(ask(&zones, &name(n), T::A), format!("NOERROR | {} 30 A 10.{a}.{b}.1", name(n)));
        assert!(
            ask(&zones, &format!("_sql._tcp.db-{n}.default.svc.clusterset.local."), T::SRV).contains("5432")
        );
    }
    // One that changes is compiled alone: all others' nodes stay where they are.
    let began = std::time::Instant::now();
    for n in 0..500 {
        catalog.apply(&Change::Imported(import(n * 7, 2)));
        let zones = catalog.zones();
        assert!(ask(&zones, &name(n * 7), T::A).ends_with(".2"));
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(ask(&catalog.zones(), &name(8), T::A).ends_with(".1"));
    for n in 0..5_000 {
        catalog.apply(&Change::ImportedGone(import(n, 1).service.name));
    }
    assert_eq!(catalog.zones().len(), before);
}
