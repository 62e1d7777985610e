//! Whatever objects come and go in whatever order, what is told adds up to what is told of the same objects from scratch.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_sync::desired::{Shrink, Things};

use crate::common::*;

/// Hosts, Services and Secrets from small sets, so that they meet.
fn an_ingress() -> impl Strategy<Value = Value> {
    let host =
        prop::sample::select(vec!["a.test", "b.test", "www.a.test", "*.test", "x.a.test", "*.a.test", ""]);
    let paths = prop::collection::vec(
        (
            prop::sample::select(vec!["Exact", "Prefix", "ImplementationSpecific"]),
            prop::sample::select(vec!["/", "/a", "/a/", "/a(b"]),
            prop::sample::select(vec!["s0", "s1", "s2"]),
        ),
        0..3,
    );
    let rules = prop::collection::vec((host.clone(), paths), 0..3);
    let tls = prop::collection::vec((prop::collection::vec(host, 0..2), 0usize..3), 0..2);
    let annotation = prop::sample::select(vec![
        ("use-regex", "true"),
        ("rewrite-target", "/a"),
        ("server-alias", "b.test,y.test"),
        ("server-alias", "a.test"),
        ("from-to-www-redirect", "true"),
        ("canary", "true"),
        ("app-root", "/a"),
        ("ssl-passthrough", "true"),
        ("default-backend", "s2"),
        ("permanent-redirect", "/there"),
        ("auth-url", "x"),
        ("ssl-redirect", "false"),
    ]);
    let annotations = prop::collection::vec(annotation, 0..3);
    let class = prop::sample::select(vec!["sluice", "sluice", "sluice", "late", "nginx"]);
    (0usize..6, rules, tls, annotations, class, prop::option::of(0usize..3), 0u8..4).prop_map(
        |(name, rules, tls, annotations, class, default, age)| {
            let rules: Vec<Value> = rules
                .into_iter()
                .map(|(host, paths)| {
                    let paths: Vec<Value> =
                        paths.into_iter().map(|(kind, text, service)| path(kind, text, service)).collect();
                    rule(host, &paths)
                })
                .collect();
            let tls: Vec<Value> = tls
                .into_iter()
                .map(|(hosts, secret)| {
                    let hosts: Vec<&str> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
                    json!({ "hosts": hosts, "secretName": format!("t{secret}") })
                })
                .collect();
            let mut spec = json!({ "rules": rules, "tls": tls });
            if let Some(service) = default {
                spec["defaultBackend"] = backend(&format!("s{service}"), 80);
            }
            let mut object = annotated(&format!("i{name}"), &annotations, spec);
            object["spec"]["ingressClassName"] = class.into();
            if age > 0 { aged(object, age) } else { object }
        },
    )
}

fn another() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0usize..3).prop_map(|n| service(&format!("s{n}"))),
        (0usize..3).prop_map(|n| {
            let mut object = service(&format!("s{n}"));
            object["spec"]["clusterIP"] = "None".into();
            object
        }),
        (0usize..3, 0usize..3, prop::collection::btree_set(1u8..5, 0..4))
            .prop_map(|(name, of, hosts)| slice(&format!("e{name}"), &format!("s{of}"), hosts)),
        Just(class("late", "sluice.dev/ingress")),
        Just(class("late", "another/one")),
        (0usize..3).prop_map(|n| {
            static SECRETS: std::sync::LazyLock<Vec<Value>> =
                std::sync::LazyLock::new(|| (0..3).map(|n| secret(&format!("t{n}"), "a.test")).collect());
            SECRETS[n].clone()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn what_is_told_step_by_step_is_what_is_told_from_scratch(
        steps in prop::collection::vec((prop_oneof![2 => an_ingress(), 1 => another()], prop::bool::weighted(0.8)), 1..25),
    ) {
        let mut world = World::new();
        let mut left = BTreeMap::new();
        for (value, stays) in &steps {
            let (key, ..) = parsed(value);
            if *stays {
                world.apply(std::slice::from_ref(value));
                left.insert(key, value.clone());
            } else if left.remove(&key).is_some() {
                world.remove(value);
            }
        }
        let scratch = World::of(&left.into_values().collect::<Vec<_>>());
        prop_assert_eq!(&world.told, &scratch.told);
        prop_assert_eq!(world.desired.problems(), scratch.desired.problems());
    }
}

#[test]
fn a_loss_of_most_routes_at_once_is_held_back() {
    let objects: Vec<_> = (0..40)
        .map(|index| ingress(&format!("i{index}"), simple(&format!("h{index}.test"), "web")))
        .collect();
    let mut world = World::of(&[service("web")]);
    world.apply(&objects);
    let gone = |world: &mut World, range: std::ops::Range<usize>| {
        for object in &objects[range] {
            world.desired.remove(&parsed(object).0);
        }
    };
    gone(&mut world, 0..15);
    assert!(world.desired.take_guarded_changes().is_ok(), "fewer than half");
    gone(&mut world, 15..30);
    let held = Shrink { of: Things::Routes, before: 25, after: 10 };
    assert_eq!(world.desired.take_guarded_changes(), Err(held));
    assert!(held.to_string().starts_with("of 25 routes 10 would be left"));
    assert_eq!(world.desired.take_guarded_changes(), Err(held), "nothing is told meanwhile");
    // Some come back, or somebody lets it pass.
    for object in &objects[15..20] {
        world.desired.apply(parsed(object).1);
    }
    assert!(world.desired.take_guarded_changes().is_ok());
    gone(&mut world, 15..40);
    assert!(world.desired.take_guarded_changes().is_ok(), "a few routes are nothing to hold back");
}
