//! Zones beside the cluster's: of external addresses, of files, of other servers.

use super::*;
use crate::HostKind;

#[test]
fn domains_of_external_addresses() {
    let made = beside(
        "k8s_external Ext.example other.example {\n apex names.here\n ttl 60\n headless\n fallthrough ext.example\n}\n\
         hosts {\n 192.0.2.7 fixed.ext.example\n fallthrough\n}\nforward . 192.0.2.1",
    );
    let zone = |name: &str| sluice_model::ExternalZone {
        zone: name.into(),
        ttl: 60,
        apex: "names.here".into(),
        headless: true,
        hosts: false,
        secondary: None,
    };
    assert_eq!(made.dns.external_zones, [zone("ext.example"), zone("other.example")]);
    assert_eq!(made.dns.fallthrough, ["ext.example".into()]);
    assert_eq!(elsewhere(&made), [("7.2.0.192.in-addr.arpa", Some(12)), ("fixed.ext.example", None)]);
    // What upstreams say of names that are not known here counts; of the rest it does not.
    assert!(!made.resolver.protected.contains(&"ext.example.".to_owned()));
    assert!(made.resolver.protected.contains(&"other.example.".to_owned()));
    let plain = beside("k8s_external ext.example");
    let [own] = plain.dns.external_zones.as_slice() else { panic!() };
    assert_eq!((own.ttl, &*own.apex, own.headless), (5, "dns", false));
    // A `fallthrough` of all is of each plugin's own zones.
    let made = running(
        ". {\nkubernetes cluster.local {\n fallthrough\n}\nk8s_external ext.example\nforward . 192.0.2.1\n}\n",
    );
    assert_eq!(made.dns.fallthrough, ["cluster.local".into()]);
}

#[test]
fn domains_of_hosts() {
    let made = beside(
        "k8s_gateway Ext.example other.example {\n apex exdns-1.kube-system\n secondary exdns-2.Kube-system.\n ttl 30\n \
         resources Service Ingress\n ingressClasses nginx internal\n serviceLabelSelectors dns=yes tier=a\n \
         fallthrough ext.example\n}\nhosts {\n 192.0.2.7 fixed.ext.example\n fallthrough\n}\nforward . 192.0.2.1",
    );
    let zone = |name: &str| sluice_model::ExternalZone {
        zone: name.into(),
        ttl: 30,
        apex: "exdns-1.kube-system".into(),
        headless: false,
        hosts: true,
        secondary: Some("exdns-2.kube-system".into()),
    };
    assert_eq!(made.dns.external_zones, [zone("ext.example"), zone("other.example")]);
    let [own, _] = made.hosts.as_slice() else { panic!("{:?}", made.hosts) };
    assert_eq!(
        (&*own.zone, own.kinds.as_slice()),
        ("ext.example", &[HostKind::Service, HostKind::Ingress][..])
    );
    assert_eq!(own.ingress_classes, ["nginx".into(), "internal".into()]);
    let labels: Vec<String> = own.service_labels.iter().map(ToString::to_string).collect();
    assert_eq!(labels, ["dns=yes", "tier=a"]);
    assert_eq!(made.dns.fallthrough, ["ext.example".into()]);
    assert_eq!(elsewhere(&made), [("7.2.0.192.in-addr.arpa", Some(12)), ("fixed.ext.example", None)]);
    assert!(made.resolver.protected.contains(&"other.example.".to_owned()));
    let plain = beside("k8s_gateway ext.example");
    let [own] = plain.dns.external_zones.as_slice() else { panic!() };
    assert_eq!((own.ttl, &*own.apex, &own.secondary), (60, "dns1.kube-system", &None));
    assert_eq!(plain.hosts[0].kinds, [HostKind::Ingress, HostKind::Service]);
    for line in ["kubeconfig /x ctx", "gatewayClasses a", "nodeAddressType ExternalIP"] {
        let made = beside(&format!("k8s_gateway ext.example {{\n {line}\n}}"));
        assert_eq!(told(&made, Level::Warning).len(), 1, "{line}: {}", made.told);
    }
}

#[test]
fn domains_of_hosts_may_be_all_that_a_corefile_has_or_a_servers_own() {
    let alone = running("ext.example:53 {\nk8s_gateway {\n resources Ingress\n}\n}\n");
    assert_eq!(alone.dns.zones, [""; 0].map(Box::<str>::from));
    assert_eq!(&*alone.dns.external_zones[0].zone, "ext.example");
    assert!(!alone.dns.forward && elsewhere(&alone).is_empty());
    // What is in front of the one is in front of nobody else.
    let two = running(
        ". {\nhosts {\n 192.0.2.7 a.ext.example b.cluster.local\n no_reverse\n fallthrough\n}\nkubernetes cluster.local\n}\n\
         ext.example {\nhosts {\n 192.0.2.7 c.ext.example d.cluster.local\n no_reverse\n fallthrough\n}\nk8s_gateway\n}\n",
    );
    assert_eq!(elsewhere(&two), [("b.cluster.local", None), ("c.ext.example", None)]);
    assert!(two.resolver.zones.iter().all(|zone| !zone.foreign));
}

#[test]
fn zones_of_files() {
    let zone = "@ SOA a b 1 1 1 1 1\n@ NS a\n";
    let disk = [
        ("/etc/coredns/db.x", zone),
        ("/zones/db.a.example", zone),
        ("/zones/more/db.b.example", "no zone, as whoever serves it will say"),
        ("/zones/db.a.example.bak", zone),
        ("/zones/readme", zone),
        ("/zones/db.a..b", zone),
        ("/zones/..data/db.old", zone),
    ];
    let of = |lines: &str| attempt(&format!(". {{\nroot /etc/coredns\n{lines}\n}}\n"), &disk);
    let made = of(
        "file db.x x.example y.example {\n fallthrough y.example\n}\nauto example {\n directory /zones\n}\n\
         file /zones/readme x.example",
    )
    .unwrap();
    let files: Vec<_> = made.resolver.zones[0]
        .files
        .iter()
        .map(|file| (file.zone.as_str(), file.path.as_str(), file.fallthrough.len()))
        .collect();
    assert_eq!(
        files,
        [
            ("x.example.", "/etc/coredns/db.x", 1),
            ("y.example.", "/etc/coredns/db.x", 1),
            ("a.example.", "/zones/db.a.example", 0),
            ("b.example.", "/zones/more/db.b.example", 0),
        ]
    );
    assert!(made.dns.forward);
    let warnings = told(&made, Level::Warning);
    for expected in ["is there already", "`a.example.bak` is in none of the zones", "is no zone; the file"] {
        assert!(warnings.iter().any(|text| text.contains(expected)), "{expected}: {warnings:#?}");
    }
    let made = of("auto {\n directory /zones db\\.(.+)\\.bak in.{1}\n}").unwrap();
    assert_eq!(made.resolver.zones[0].files[0].zone, "in.a.example.");
    let made = of("file db.none x.example").unwrap();
    assert!(made.resolver.zones[0].files.is_empty());
    assert!(told(&made, Level::Warning)[0].contains("there is no such file"));
}

#[test]
fn zones_that_are_copied() {
    let made = running(
        ". {\nsecondary a.example b.example {\n transfer from 192.0.2.1 192.0.2.2:5353\n fallthrough a.example\n}\n}\n",
    );
    let zones: Vec<_> = made.resolver.zones[0]
        .secondary
        .iter()
        .map(|it| (it.zone.as_str(), it.from.len(), it.fallthrough.len()))
        .collect();
    assert_eq!(zones, [("a.example.", 2, 1), ("b.example.", 2, 1)]);
    assert!(made.dns.forward);
}

/// A folder that has itself in it, under ten names.
struct Endless(MemoryFiles);

impl crate::Files for Endless {
    fn read(&self, path: &str) -> Result<Vec<u8>, crate::FileError> {
        if path.starts_with("/loop") { Err(crate::FileError::NoFile) } else { self.0.read(path) }
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, crate::FileError> {
        Ok(if folder.starts_with("/loop") { (0..10).map(|n| format!("l{n}")).collect() } else { Vec::new() })
    }
}

#[test]
fn a_folder_within_itself_is_not_looked_at_for_ever() {
    let files = Endless(files(&[]));
    let text = "example.org {\n auto {\n directory /loop\n }\n}\n";
    let imported = parse("/etc/coredns/Corefile", text.as_bytes(), &files, &Options::default())
        .unwrap_or_else(|it| panic!("{it}"));
    let problems = run(&imported.corefile, &files, &base()).unwrap_err().to_string();
    assert!(problems.contains("more than 10000 files and folders"), "{problems}");
}

#[test]
fn a_folder_is_no_zone_file() {
    let files = Endless(files(&[]));
    let text = "example.org {\n file /loop\n}\n";
    let imported = parse("/etc/coredns/Corefile", text.as_bytes(), &files, &Options::default())
        .unwrap_or_else(|it| panic!("{it}"));
    let problems = run(&imported.corefile, &files, &base()).unwrap_err().to_string();
    assert!(problems.contains("`/loop`: it is no regular file"), "{problems}");
}
