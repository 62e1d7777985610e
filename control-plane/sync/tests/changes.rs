//! Whatever comes in whatever order: told change by change it is the same as read at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::*;
use proptest::prelude::*;

/// One of a few files with one of a few contents, or none.
#[derive(Clone, Debug)]
struct Step {
    file: usize,
    text: Option<String>,
}

fn object() -> impl Strategy<Value = String> {
    let service = (0_u8..3, 0_u8..3, 80_u16..82, prop::sample::select(vec!["ClusterIP", "NodePort", "Bad"]))
        .prop_map(|(n, ip, port, kind)| {
            web(kind, &[])
                .replace("name: web,", &format!("name: web{n},"))
                .replace("0.20", &format!("0.2{ip}"))
                .replace("port: 80,", &format!("port: {port},"))
        });
    let slice = (0_u8..4, 0_u8..3, prop::collection::vec(0_u8..4, 0..4)).prop_map(|(n, of, hosts)| {
        let hosts: Vec<String> = hosts.iter().map(|h| format!("10.244.0.{}", h + 1)).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        slice_of(&format!("s{n}"), "IPv4", &format!("web{of}"), "[{ name: http, port: 8080 }]", &hosts)
    });
    let node = (0_u8..2).prop_map(|zone| {
        format!("apiVersion: v1\nkind: Node\nmetadata: {{ name: edge-1, labels: {{ topology.kubernetes.io/zone: z{zone} }} }}\n")
    });
    prop_oneof![4 => service, 4 => slice, 1 => node]
}

fn step() -> impl Strategy<Value = Step> {
    (0_usize..4, prop::option::weighted(0.8, prop::collection::vec(object(), 0..4)))
        .prop_map(|(file, objects)| Step { file, text: objects.map(|objects| all(&objects)) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn told_change_by_change_is_the_same_as_read_at_once(steps in prop::collection::vec(step(), 1..20)) {
        let mut world = World::new();
        let mut files = BTreeMap::new();
        for Step { file, text } in steps {
            let file = format!("f{file}.yaml");
            match text {
                Some(text) => {
                    world.write(&file, &text);
                    files.insert(file, text);
                }
                None if files.remove(&file).is_some() => world.remove(&file),
                None => {}
            }
        }
        // What was rejected keeps its last good version, which who reads it all at once never saw.
        prop_assume!(!files.values().any(|text| text.contains("Bad")));
        let mut fresh = World::new();
        for (file, text) in &files {
            std::fs::write(fresh.path(file), text).unwrap();
        }
        fresh.look();
        prop_assert_eq!(&world.services, &fresh.services);
        prop_assert_eq!(&world.settings, &fresh.settings);
        prop_assert_eq!(world.desired.conflicts(), fresh.desired.conflicts());
        prop_assert_eq!(world.problems(), fresh.problems());
        let published: BTreeMap<String, _> =
            world.desired.services().map(|s| (s.name.to_string(), s.clone())).collect();
        prop_assert_eq!(&published, &world.services);
    }
}
