//! Ingresses in a folder of manifests, as `sluice check` reads it.

use std::path::{Path, PathBuf};

use sluice_config::{Config, Source};
use sluice_sync::Level;

use crate::common::{secret, secret_of};

fn example() -> (Config, PathBuf) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/ingress/ingress.yaml");
    let config = Config::load(&path).unwrap();
    let Source::Manifests(folder) = config.source.clone() else { panic!() };
    (config, folder)
}

/// What `sluice check` says of this manifest.
fn checked(file: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), text).unwrap();
    let found = sluice_sync::check(&example().0, folder.path());
    found.problems.iter().map(|problem| format!("{:?} {problem}", problem.level)).collect()
}

#[test]
fn the_example_has_nothing_wrong() {
    let (config, folder) = example();
    let found = sluice_sync::check(&config, &folder);
    assert_eq!(found.problems, []);
    assert_eq!((found.services, found.ingresses), (1, 2));
}

#[test]
fn without_the_key_ingresses_are_of_no_use() {
    let (mut config, folder) = example();
    config.ingress = None;
    let found = sluice_sync::check(&config, &folder);
    assert_eq!(found.ingresses, 0);
    assert!(found.problems.iter().all(|problem| problem.level == Level::Note), "{:?}", found.problems);
    assert_eq!(found.problems.len(), 3);
}

const MANIFEST: &str = r#"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    kubernetes.io/ingress.class: sluice
    nginx.ingress.kubernetes.io/limit-rate: "5"
    nginx.ingress.kubernetes.io/proxy-read-timeout: 60s
    nginx.ingress.kubernetes.io/server-snippet: deny all;
spec:
  tls:
    - hosts: [a.test]
      secretName: tls
  rules:
    - host: a.test
      http:
        paths:
          - path: a
            pathType: Prefix
            backend: { service: { name: web, port: { number: 80 } } }
          - path: /
            pathType: Prefix
            backend: { service: { name: web, port: { number: 80 } } }
            weight: 3
"#;

#[test]
fn each_mistake_has_its_file_and_line_and_the_lint_is_printed() {
    let found = checked("web.yaml", MANIFEST);
    let at = |line: u64, level: &str, words: &str| {
        let start = format!("{level} web.yaml:{line}: Ingress default/web: ");
        let told = found.iter().any(|problem| problem.starts_with(&start) && problem.contains(words));
        assert!(told, "{line} {words}: {found:#?}");
    };
    at(7, "Warning", "limit-rate\"]: `5`: not known here");
    at(8, "Error", "proxy-read-timeout\"]: `60s`: no number");
    at(9, "Error", "server-snippet\"]: text for nginx's own configuration is refused");
    at(18, "Error", "spec.rules[0].http.paths[0].path: `a` does not begin");
    at(24, "Warning", "no field of a Ingress");
    // What is known only beside other objects has no line.
    assert!(found.iter().any(|it| it.contains("there is no Service default/web")), "{found:#?}");
    assert!(found.iter().any(|it| it.contains("there is no Secret default/tls")), "{found:#?}");
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn secrets_are_read_from_manifests_in_either_form() {
    let ingress = MANIFEST.split("  rules:").next().unwrap().replace("limit-rate", "upstream-vhost");
    let text = |secret: &serde_json::Value| format!("{ingress}---\n{}\n", with_version(secret));
    let of_secrets = |text: &str| {
        let found = checked("a.yaml", text);
        found.into_iter().filter(|it| it.contains("Secret")).collect::<Vec<_>>()
    };
    assert_eq!(of_secrets(&text(&secret("tls", "a.test"))), [""; 0]);
    let bad = of_secrets(&text(&secret_of("tls", "x", "y")));
    assert!(bad[0].contains("Secret default/tls: data[\"tls.crt\"]: "), "{bad:?}");
    // One that no Ingress names is nobody's business.
    assert_eq!(of_secrets(&text(&secret_of("other", "x", "y"))).len(), 1);
}

fn with_version(secret: &serde_json::Value) -> String {
    let mut secret = secret.clone();
    secret["apiVersion"] = "v1".into();
    secret.to_string()
}
