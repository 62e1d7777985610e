//! `ingress`: its keys, its defaults, and what is said about each mistake.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::path::Path;

use sluice_config::{Config, ConfigError, Ingress};
use sluice_model::http::{AccessLog, CertificateName, HttpSettings};

const GOOD: &str = "node: edge-1
dataplane:
  lcores: [1]
  ports:
    - { name: uplink, device: net_tap0, addresses: [192.0.2.1/24] }
source: { manifests: m/ }
ingress:
";

fn parse(keys: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("{GOOD}{keys}"), Path::new("/etc/sluice/sluice.yaml"))
}

fn ingress(keys: &str) -> Ingress {
    parse(keys).unwrap_or_else(|error| panic!("{error}")).ingress.unwrap()
}

#[test]
fn only_addresses_are_needed_and_the_defaults_are_ingress_nginx_s() {
    let ingress = ingress("  addresses: [192.0.2.10, \"2001:db8::10\"]\n");
    assert_eq!((&*ingress.controller, &*ingress.class), ("sluice.dev/ingress", "sluice"));
    assert!(!ingress.watch_without_class);
    assert_eq!((ingress.hsts, ingress.certificate), (Some(31_536_000), None));
    assert_eq!((ingress.clients.len(), ingress.syn_rate, ingress.secret_namespaces.len()), (0, 0, 0));
    let expected = HttpSettings {
        http: vec!["192.0.2.10:80".parse().unwrap(), "[2001:db8::10]:80".parse().unwrap()],
        https: vec!["192.0.2.10:443".parse().unwrap(), "[2001:db8::10]:443".parse().unwrap()],
        ..HttpSettings::default()
    };
    assert_eq!(ingress.settings, expected);
    let without = GOOD.replace("ingress:\n", "");
    assert_eq!(Config::parse(&without, Path::new("/x.yaml")).unwrap().ingress, None);
}

#[test]
fn all_keys_arrive() {
    let ingress = ingress(
        r#"  addresses: [192.0.2.10]
  http_port: 8080
  https_port: 8443
  class: edge
  controller: example.com/edge
  watch_without_class: true
  clients: [10.0.0.0/8]
  syn_rate: 5000
  default_certificate: { secret: certs/default }
  session_tickets: [new.key, /k/old.key]
  secret_namespaces: [shop, certs]
  tls_minimum: "1.3"
  hsts: 0
  http2: false
  trusted_proxies: [192.0.2.0/24, "2001:db8::/32"]
  external_names: [api.Example.com., "*.example.com"]
  external_networks: [10.0.0.0/8]
  proxy_protocol: [192.0.2.4/32]
  limits: { head: 8192, connections: 100, keep_alive: 5, head_timeout: 6, body_timeout: 7, drain: 0, passthrough: 8, upstream_idle: 9 }
  access_log: access.log
"#,
    );
    assert_eq!((&*ingress.controller, &*ingress.class), ("example.com/edge", "edge"));
    assert!(ingress.watch_without_class);
    assert_eq!((ingress.hsts, ingress.clients.len(), ingress.syn_rate), (None, 1, 5000));
    assert_eq!(ingress.external_names, ["api.example.com", "*.example.com"].map(Box::<str>::from));
    assert_eq!(ingress.external_networks.len(), 1);
    assert_eq!(ingress.session_tickets, ["/etc/sluice/new.key", "/k/old.key"].map(std::path::PathBuf::from));
    assert_eq!(ingress.secret_namespaces, ["shop", "certs"].map(Box::<str>::from));
    let settings = ingress.settings;
    assert_eq!((settings.http[0].port(), settings.https[0].port()), (8080, 8443));
    assert_eq!(settings.default_certificate, Some(CertificateName::new("certs", "default")));
    assert!(settings.tls13_only && !settings.http2);
    assert_eq!((settings.trusted.len(), settings.proxy_protocol.len()), (2, 1));
    assert_eq!((settings.max_head, settings.max_connections, settings.upstream_idle), (8192, 100, 9));
    let times = [settings.keep_alive_ms, settings.head_ms, settings.body_ms, settings.drain_ms];
    assert_eq!((times, settings.passthrough_ms), ([5000, 6000, 7000, 0], 8000));
    assert_eq!(settings.access_log, Some(AccessLog { file: Some("/etc/sluice/access.log".into()) }));
}

#[test]
fn a_certificate_may_be_in_files_and_the_log_on_standard_output() {
    let ingress = ingress(
        "  addresses: [192.0.2.10]\n  default_certificate: { certificate: tls.crt, key: /k/tls.key }\n  access_log: stdout\n  tls_minimum: \"1.2\"\n",
    );
    let files = ingress.certificate.unwrap();
    assert_eq!(files.certificate, Path::new("/etc/sluice/tls.crt"));
    assert_eq!(files.key, Path::new("/k/tls.key"));
    let name = CertificateName::new("", "/etc/sluice/tls.crt");
    assert_eq!(ingress.settings.default_certificate, Some(name));
    assert_eq!(ingress.settings.access_log, Some(AccessLog { file: None }));
    assert!(!ingress.settings.tls13_only);
}

#[test]
fn each_mistake_is_named() {
    for (keys, key) in [
        ("  http2: true\n", "ingress.addresses"),
        ("  addresses: [0.0.0.0]\n", "ingress.addresses[0]"),
        ("  addresses: [192.0.2.1, 192.0.2.1]\n", "ingress.addresses[1]"),
        ("  addresses: [192.0.2.1/32]\n", "ingress.addresses[0]"),
        ("  addresses: [192.0.2.1]\n  http_port: 0\n", "ingress.http_port"),
        ("  addresses: [192.0.2.1]\n  https_port: 65536\n", "ingress.https_port"),
        ("  addresses: [192.0.2.1]\n  https_port: 80\n", "ingress.https_port"),
        ("  addresses: [192.0.2.1]\n  http_port: 443\n", "ingress.https_port"),
        ("  addresses: [192.0.2.1]\n  class: 'a b'\n", "ingress.class"),
        ("  addresses: [192.0.2.1]\n  controller: sluice\n", "ingress.controller"),
        ("  addresses: [192.0.2.1]\n  controller: /x\n", "ingress.controller"),
        ("  addresses: [192.0.2.1]\n  clients: [10.0.0.1/8]\n", "ingress.clients[0]"),
        ("  addresses: [192.0.2.1]\n  syn_rate: 1000000001\n", "ingress.syn_rate"),
        ("  addresses: [192.0.2.1]\n  trusted_proxies: [all]\n", "ingress.trusted_proxies[0]"),
        ("  addresses: [192.0.2.1]\n  proxy_protocol: [::]\n", "ingress.proxy_protocol[0]"),
        ("  addresses: [192.0.2.1]\n  external_names: ['*']\n", "ingress.external_names[0]"),
        ("  addresses: [192.0.2.1]\n  external_names: ['a.*.test']\n", "ingress.external_names[0]"),
        ("  addresses: [192.0.2.1]\n  external_names: [192.0.2.1]\n", "ingress.external_names[0]"),
        ("  addresses: [192.0.2.1]\n  external_names: [a..test]\n", "ingress.external_names[0]"),
        ("  addresses: [192.0.2.1]\n  external_networks: [10.0.0.1/8]\n", "ingress.external_networks[0]"),
        ("  addresses: [192.0.2.1]\n  secret_namespaces: [Shop]\n", "ingress.secret_namespaces[0]"),
        ("  addresses: [192.0.2.1]\n  secret_namespaces: [-a]\n", "ingress.secret_namespaces[0]"),
        ("  addresses: [192.0.2.1]\n  secret_namespaces: [a, '']\n", "ingress.secret_namespaces[1]"),
        ("  addresses: [192.0.2.1]\n  secret_namespaces: [a, b, a]\n", "ingress.secret_namespaces[2]"),
        (
            "  addresses: [192.0.2.1]\n  default_certificate: { secret: a/b }\n  secret_namespaces: [c]\n",
            "ingress.default_certificate.secret",
        ),
        ("  addresses: [192.0.2.1]\n  tls_minimum: \"1.1\"\n", "ingress.tls_minimum"),
        ("  addresses: [192.0.2.1]\n  hsts: 63072001\n", "ingress.hsts"),
        ("  addresses: [192.0.2.1]\n  access_log: ''\n", "ingress.access_log"),
        ("  addresses: [192.0.2.1]\n  session_tickets: ['']\n", "ingress.session_tickets"),
        (
            "  addresses: [192.0.2.1]\n  session_tickets: [a, b, c, d, e, f, g, h, i]\n",
            "ingress.session_tickets",
        ),
        ("  addresses: [192.0.2.1]\n  limits: { head: 100 }\n", "ingress.limits.head"),
        ("  addresses: [192.0.2.1]\n  limits: { connections: 0 }\n", "ingress.limits.connections"),
        ("  addresses: [192.0.2.1]\n  limits: { keep_alive: 0 }\n", "ingress.limits.keep_alive"),
        ("  addresses: [192.0.2.1]\n  limits: { head_timeout: 0 }\n", "ingress.limits.head_timeout"),
        ("  addresses: [192.0.2.1]\n  limits: { body_timeout: 86401 }\n", "ingress.limits.body_timeout"),
        ("  addresses: [192.0.2.1]\n  limits: { drain: 86401 }\n", "ingress.limits.drain"),
        ("  addresses: [192.0.2.1]\n  limits: { passthrough: 0 }\n", "ingress.limits.passthrough"),
        ("  addresses: [192.0.2.1]\n  limits: { upstream_idle: 1000001 }\n", "ingress.limits.upstream_idle"),
        ("  addresses: [192.0.2.1]\n  default_certificate: {}\n", "ingress.default_certificate"),
        (
            "  addresses: [192.0.2.1]\n  default_certificate: { certificate: a }\n",
            "ingress.default_certificate",
        ),
        (
            "  addresses: [192.0.2.1]\n  default_certificate: { secret: a/b, key: c }\n",
            "ingress.default_certificate",
        ),
        (
            "  addresses: [192.0.2.1]\n  default_certificate: { secret: a }\n",
            "ingress.default_certificate.secret",
        ),
        (
            "  addresses: [192.0.2.1]\n  default_certificate: { secret: a/b/c }\n",
            "ingress.default_certificate.secret",
        ),
    ] {
        match parse(keys) {
            Err(ConfigError::Invalid { problems, .. }) => {
                let found: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
                assert_eq!(found, [key], "{keys}: {problems:?}");
            }
            other => panic!("{keys}: {other:?}"),
        }
    }
    let many: Vec<String> = (0..65).map(|number| format!("n{number}")).collect();
    let error = parse(&format!("  addresses: [192.0.2.1]\n  secret_namespaces: [{}]\n", many.join(", ")));
    assert!(error.unwrap_err().to_string().contains("at most 64 namespaces"));
    let error = parse("  addresses: [192.0.2.1]\n  adresses: []\n").unwrap_err().to_string();
    assert!(error.contains("did you mean `addresses`?"), "{error}");
}

#[test]
fn the_documentation_s_keys_are_all_there_with_their_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ingress.md");
    let text = std::fs::read_to_string(path).unwrap();
    let block = text.split("```yaml\ningress:\n").nth(1).unwrap().split("```").next().unwrap();
    let documented = ingress(block);
    let name = CertificateName::new("ingress", "default");
    let default = ingress("  addresses: [192.0.2.10, \"2001:db8::10\"]\n");
    let settings = HttpSettings { default_certificate: Some(name), ..default.settings };
    assert_eq!(documented, Ingress { settings, ..default });
    // As many keys as the schema has.
    let keys = block.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains(": "));
    assert_eq!(keys.count(), 27);
}

#[test]
fn the_packet_path_learns_of_listeners_clients_and_rates() {
    let parsed = |keys: &str| parse(keys).unwrap_or_else(|error| panic!("{error}")).settings;
    let keys = "  addresses: [192.0.2.10]\n  https_port: 8443\n  clients: [10.0.0.0/8]\n  syn_rate: 50\n";
    let packets = parsed(keys).ingress.unwrap();
    assert_eq!(packets.listen, ["192.0.2.10:80".parse().unwrap(), "192.0.2.10:8443".parse().unwrap()]);
    assert_eq!((packets.clients.len(), packets.syns_per_second), (1, Some(50)));
    // The proxy's own connections to endpoints have other ports than those of Services, unless somebody decides that.
    assert_eq!((parsed(keys).snat_ports.first(), parsed(keys).snat_ports.last()), (1024, 32_767));
    let given = parsed(&format!("{keys}services: {{ snat: {{ ports: 2000-60000 }} }}\n")).snat_ports;
    assert_eq!((given.first(), given.last()), (2000, 60_000));
    let without = Config::parse(&GOOD.replace("ingress:\n", ""), Path::new("/x.yaml")).unwrap().settings;
    assert_eq!((without.ingress, without.snat_ports.last()), (None, 65_535));
    assert_eq!(parsed("  addresses: [192.0.2.10]\n").ingress.unwrap().syns_per_second, None);
}
