//! Zones beside the cluster's: of external addresses, of files, of other servers.

use super::*;

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
