//! Whole files: the examples, defaults, and what is said about each mistake.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::path::Path;

use proptest::prelude::*;
use sluice_config::{Config, ConfigError, HugePages, Idle, LogLevel, Problem, Queues, Source};
use sluice_corefile::HostKind;
use sluice_model::{SnatAddresses, Timeouts};

const GOOD: &str = r#"node: edge-1
dataplane:
  lcores: [1, 2]
  ports:
    - name: uplink
      device: net_tap0
      addresses: [192.0.2.1/24, "2001:db8:1::1/64"]
    - name: cluster
      device: net_tap1
      addresses: [198.51.100.10/24]
  routes:
    - { to: 10.244.0.0/16, via: 198.51.100.1 }
source:
  manifests: manifests/
"#;

fn example(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
    Config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/sluice/sluice.yaml"))
}

fn problems(text: &str) -> Vec<Problem> {
    match parse(text) {
        Err(ConfigError::Invalid { problems, .. }) => problems,
        other => panic!("{other:?} from {text}"),
    }
}

/// The good file with `from` replaced by `to`.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn the_reference_file_parses_and_its_commented_defaults_are_the_real_ones() {
    let config = example("sluice.yaml");
    assert_eq!(config.dataplane.ports.len(), 2);
    assert_eq!(config.dataplane.routes[1].port, 1);
    // Every `# key: value` line, uncommented, must parse too and, but for those without a default, change nothing.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/sluice.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let without_default = ["zone", "group", "mss_clamp"];
    let mut uncommented = 0;
    let full: Vec<String> = text
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            let Some(rest) = line.trim_start().strip_prefix("# ") else {
                return line.to_owned();
            };
            let Some((key, _)) = rest.split_once(": ") else {
                return line.to_owned();
            };
            let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let prose = ["auto", "poll", "sleep"].contains(&key);
            if !is_key || prose || without_default.contains(&key) {
                return line.to_owned();
            }
            uncommented += 1;
            format!("{}{rest}", " ".repeat(indent))
        })
        .collect();
    assert!(uncommented >= 20, "{uncommented}");
    let full = Config::parse(&full.join("\n"), &path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(full, config);
}

#[test]
fn the_demo_file_parses_for_both_families() {
    let config = example("demo.yaml");
    let Source::Manifests(folder) = &config.source else { panic!("{:?}", config.source) };
    assert!(folder.is_absolute());
    assert!(folder.ends_with("configs/demo-manifests"), "{folder:?}");
    assert_eq!(config.dataplane.ports[0].device, "net_tap0");
    assert_eq!(config.settings.service_cidrs.len(), 2);
    assert!(config.dataplane.routes.iter().all(|r| r.port == 1));
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = parse(GOOD).unwrap();
    assert_eq!(&*config.node, "edge-1");
    assert_eq!(config.feed_socket(), Path::new("/run/sluice/feed.sock"));
    assert_eq!(config.admin_socket("control"), Path::new("/run/sluice/control.sock"));
    assert_eq!(config.state_dir, config.runtime_dir);
    assert_eq!(config.source, Source::Manifests("/etc/sluice/manifests/".into()));
    assert_eq!(config.dataplane.memory_mib, 256);
    assert_eq!(config.dataplane.huge_pages, HugePages::Auto);
    assert_eq!(config.dataplane.flows, 1_048_576);
    assert_eq!(config.dataplane.idle, Idle::Poll);
    assert_eq!(config.dataplane.ports[0].queues, Queues::Auto);
    assert_eq!(config.dataplane.ports[0].mtu, 1500);
    assert_eq!(config.settings.snat_addresses, SnatAddresses::Auto);
    assert_eq!(config.settings.snat_ports.first(), 1024);
    assert_eq!(config.settings.timeouts, Timeouts::default());
    assert_eq!(&*config.load_balancer_class, "sluice.dev/gateway");
    assert!(config.external_ips);
    config.settings.check().unwrap();
}

#[test]
fn values_that_differ_from_the_defaults_arrive() {
    let text = with(
        "node: edge-1",
        "node: edge-1\nzone: eu-1\nlocal_nodes: [n1, n2]\nruntime_dir: run\nlog: {level: debug}\ngroup: 7",
    ) + r#"services:
  node_port_addresses: [192.0.2.1]
  snat: { addresses: ["192.0.2.7"], ports: 2000-2999 }
  load_balancer_class: example.com/other
  external_ips: false
  mss_clamp: 1400
  timeouts: { udp: 240 }
"#;
    let config = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.settings.zone.as_deref(), Some("eu-1"));
    assert_eq!(config.settings.local_nodes.len(), 2);
    assert_eq!(config.runtime_dir, Path::new("/etc/sluice/run"));
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.group, Some(7));
    assert_eq!(config.settings.snat_addresses, SnatAddresses::List(vec!["192.0.2.7".parse().unwrap()]));
    assert_eq!(config.settings.snat_ports.count(), 1000);
    assert_eq!(&*config.load_balancer_class, "example.com/other");
    assert!(!config.external_ips);
    assert_eq!(config.settings.mss_clamp, Some(1400));
    assert_eq!(config.settings.timeouts.udp, 240);
}

#[test]
fn sections_left_empty_are_as_good_as_absent() {
    let text = GOOD.to_owned() + "services:\nlog:\n";
    assert_eq!(parse(&text).unwrap(), parse(GOOD).unwrap());
    let text = GOOD.to_owned() + "services:\n  snat:\n  timeouts:\n  cluster_cidrs:\n";
    assert_eq!(parse(&text).unwrap(), parse(GOOD).unwrap());
}

#[test]
fn an_error_names_file_line_column_key_and_what_was_meant() {
    let text = with("      device: net_tap0", "      devcie: net_tap0");
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.starts_with("/etc/sluice/sluice.yaml:6:7: dataplane.ports[0].devcie: unknown key `devcie`; did you mean `device`?"), "{error}");
    assert!(error.contains("     6 |       devcie: net_tap0\n       |       ^"), "{error}");
}

/// A change to the good file, and the line, key and words of what is said.
type Case = (&'static str, &'static str, u64, &'static str, &'static str);

const CASES: &[Case] = &[
    ("node: edge-1\n", "", 0, "", "`node` is missing"),
    ("node: edge-1", "node: edge 1", 1, "node", "a name has"),
    ("node: edge-1", "node: [a]", 1, "node", "expected string"),
    ("node: edge-1", "node: a\nnode: b", 2, "", "stands here twice"),
    ("node: edge-1", "node: a\ngroup: x", 2, "group", "invalid u32"),
    ("node: edge-1", "node: a\nservice: {}", 2, "service", "did you mean `services`?"),
    ("[1, 2]", "[]", 3, "dataplane.lcores", "at least one CPU"),
    ("[1, 2]", "[1, 1]", 3, "dataplane.lcores[1]", "CPU 1 stands here twice"),
    ("[1, 2]", "[500]", 3, "dataplane.lcores[0]", "beyond 127"),
    ("[1, 2]", "[-1]", 3, "dataplane.lcores[0]", "invalid u32"),
    ("[1, 2]", "[1, 2", 4, "", ""),
    ("  ports:", "  memory: 256\n  ports:", 4, "dataplane.memory", "did you mean 256MiB?"),
    ("  ports:", "  memory: 2GB\n  ports:", 4, "dataplane.memory", "did you mean 2GiB?"),
    ("  ports:", "  memory: 1MiB\n  ports:", 4, "dataplane.memory", "not within 32MiB"),
    ("  ports:", "  memory: 99999999999999GiB\n  ports:", 4, "dataplane.memory", "not within"),
    (
        "  ports:",
        "  huge_pages: alway\n  ports:",
        4,
        "dataplane.huge_pages",
        "not one of auto, required, never",
    ),
    ("  ports:", "  huge_pages: requird\n  ports:", 4, "dataplane.huge_pages", "did you mean `required`?"),
    ("  ports:", "  flows: 1\n  ports:", 4, "dataplane.flows", "not within 64 to 268435456"),
    ("  ports:", "  flows: many\n  ports:", 4, "dataplane.flows", "invalid u64"),
    ("name: uplink", "name: an-uplink-port", 5, "dataplane.ports[0].name", "1 to 12"),
    ("name: uplink", "name: up/link", 5, "dataplane.ports[0].name", "1 to 12"),
    ("name: uplink", "name: cluster", 8, "dataplane.ports[1].name", "line 5 has a port `cluster` already"),
    ("device: net_tap0", "device: eth0", 6, "dataplane.ports[0].device", "net_af_packet0,iface=eth0"),
    ("device: net_tap0", "device: 'net_tap0, iface=x'", 6, "dataplane.ports[0].device", "no spaces"),
    (
        "device: net_tap0",
        "device: \"net_tap0,\\u0007\"",
        6,
        "dataplane.ports[0].device",
        "control characters",
    ),
    ("device: net_tap0", "device: 0000:03:00.9", 6, "dataplane.ports[0].device", "neither a PCI address"),
    (
        "device: net_tap1",
        "device: net_tap0,iface=x",
        9,
        "dataplane.ports[1].device",
        "line 6 has the device net_tap0",
    ),
    (
        "device: net_tap0",
        "device: net_tap0\n      queues: some",
        7,
        "dataplane.ports[0].queues",
        "neither auto nor a number",
    ),
    (
        "device: net_tap0",
        "device: net_tap0\n      queues: 0",
        7,
        "dataplane.ports[0].queues",
        "from 1 to 1024",
    ),
    ("device: net_tap0", "device: net_tap0\n      mtu: 1000", 7, "dataplane.ports[0].mtu", "not within 1280"),
    ("192.0.2.1/24", "192.0.2.1", 7, "dataplane.ports[0].addresses[0]", "such as 192.0.2.1/24"),
    ("192.0.2.1/24", "192.0.2.0/24", 7, "dataplane.ports[0].addresses[0]", "not the address of a host"),
    ("192.0.2.1/24", "224.0.0.1/24", 7, "dataplane.ports[0].addresses[0]", "not the address of a host"),
    ("192.0.2.1/24", "192.0.2.1/33", 7, "dataplane.ports[0].addresses[0]", "not an address with a prefix"),
    (
        "198.51.100.10/24",
        "192.0.2.1/24",
        10,
        "dataplane.ports[1].addresses[0]",
        "line 7 has 192.0.2.1 already",
    ),
    ("to: 10.244.0.0/16", "to: 10.244.1.0/16", 12, "dataplane.routes[0].to", "did you mean 10.244.0.0/16?"),
    ("to: 10.244.0.0/16", "to: 10.244.0.0", 12, "dataplane.routes[0].to", "did you mean 10.244.0.0/32?"),
    ("via: 198.51.100.1", "via: 203.0.113.1", 12, "dataplane.routes[0].via", "on no port's subnet"),
    ("via: 198.51.100.1", "via: 198.51.100.10", 12, "dataplane.routes[0].via", "port cluster's own address"),
    ("via: 198.51.100.1", "via: 2001:db8:1::2", 12, "dataplane.routes[0].via", "not of the family"),
    (
        "via: 198.51.100.1",
        "via: 198.51.100.1/24",
        12,
        "dataplane.routes[0].via",
        "without a prefix length: 198.51.100.1",
    ),
    (
        "via: 198.51.100.1",
        "via: 203.0.113.1, port: clustr",
        12,
        "dataplane.routes[0].port",
        "did you mean `cluster`?",
    ),
    ("  manifests: manifests/", "  {}", 14, "source", "one key is needed"),
    ("  manifests: manifests/", "  manifest: manifests/", 14, "source.manifest", "did you mean `manifests`?"),
    (
        "source:",
        "services: { node_port_addresses: [192.0.2.1/24] }\nsource:",
        13,
        "services.node_port_addresses[0]",
        "without a prefix length",
    ),
    (
        "source:",
        "services: { node_port_addresses: [::1] }\nsource:",
        13,
        "services.node_port_addresses[0]",
        "address of a host",
    ),
    (
        "source:",
        "services: { cluster_cidrs: [10.0.0.0/8, 10.0.0.0/8] }\nsource:",
        13,
        "services.cluster_cidrs[1]",
        "stands here twice",
    ),
    (
        "source:",
        "services: { snat: { ports: 70000-80000 } }\nsource:",
        13,
        "services.snat.ports",
        "not a range of ports",
    ),
    (
        "source:",
        "services: { snat: { ports: 2000-1000 } }\nsource:",
        13,
        "services.snat.ports",
        "not a range of ports",
    ),
    (
        "source:",
        "services: { snat: { addresses: 192.0.2.1 } }\nsource:",
        13,
        "services.snat.addresses",
        "did you mean [192.0.2.1]?",
    ),
    (
        "source:",
        "services: { load_balancer_class: 'a b' }\nsource:",
        13,
        "services.load_balancer_class",
        "not a class",
    ),
    ("source:", "services: { timeouts: { udp: 0 } }\nsource:", 13, "services.timeouts.udp", "not within 1"),
    ("source:", "services: { mss_clamp: 20 }\nsource:", 13, "services.mss_clamp", "not within 88"),
    ("source:", "log: { level: verbose }\nsource:", 13, "log.level", "not one of error"),
    ("manifests/", "manifests/\n---\nx: 1", 16, "", "second document"),
    ("dataplane:", "dataplane:\n\tx: 1", 3, "", "tab"),
];

#[test]
fn each_mistake_is_told_with_its_line_and_key() {
    for (from, to, line, key, words) in CASES {
        let text = with(from, to);
        let found = problems(&text);
        let first = &found[0];
        let said = first.to_string();
        assert!(said.contains(words), "{to}: {said}");
        assert_eq!(first.line, *line, "{to}: {first:?}");
        if !key.is_empty() {
            assert_eq!(first.key, *key, "{to}: {first:?}");
        }
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_and_in_order() {
    let text = with("[1, 2]", "[500]")
        .replace("name: uplink", "name: up/link")
        .replace("via: 198.51.100.1", "via: 203.0.113.1");
    let lines: Vec<u64> = problems(&text).iter().map(|p| p.line).collect();
    assert_eq!(lines, [3, 5, 12]);
}

#[test]
fn a_bomb_is_defused() {
    let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (from, to) in ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"].iter().map(|pair| pair.split_at(1)) {
        text += &format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 10].join(", "));
    }
    let start = std::time::Instant::now();
    let bomb = with("node: edge-1", "node: *i");
    assert!(!problems(&(text.clone() + &bomb)).is_empty());
    let listed = text + &with("node: edge-1", "local_nodes: *i\nnode: a");
    assert!(!problems(&listed).is_empty());
    assert!(!problems(&"[".repeat(100_000)).is_empty());
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn files_that_are_absent_or_too_large_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.yaml");
    let error = Config::load(&path).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }));
    assert!(error.to_string().contains("none.yaml"));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::TooLarge { .. })));
    std::fs::write(&path, [0xff, 0xfe, 0xff]).unwrap();
    assert!(Config::load(&path).is_err());
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(at in 0usize..400, value: char, cut in 0usize..400) {
        let mut text: Vec<char> = GOOD.chars().collect();
        let length = text.len();
        text[at % length] = value;
        text.truncate(length - cut % length);
        let _ = parse(&text.into_iter().collect::<String>());
    }
}

#[test]
fn an_api_server_as_the_source() {
    let text = with(
        "manifests: manifests/",
        "shrink_hold: 30\n  kubernetes: { kubeconfig: admin.conf, context: prod, state_max_age: 3600 }",
    );
    let config = parse(&text).unwrap();
    assert_eq!(config.shrink_hold.as_secs(), 30);
    let Source::Kubernetes(api) = config.source else { panic!() };
    assert_eq!(api.kubeconfig.as_deref(), Some(Path::new("/etc/sluice/admin.conf")));
    assert_eq!((api.context.as_deref(), api.state_max_age.unwrap().as_secs()), (Some("prod"), 3600));
    let config = parse(&with("manifests: manifests/", "kubernetes: {}")).unwrap();
    assert_eq!(config.shrink_hold.as_secs(), 600);
    let Source::Kubernetes(api) = config.source else { panic!() };
    assert_eq!((api.kubeconfig, &*api.namespace, api.state_max_age), (None, "sluice-system", None));
    for (source, key) in [
        ("kubernetes: {}\n  manifests: m/", "source"),
        ("{}", "source"),
        ("kubernetes: { context: prod }", "source.kubernetes.context"),
        ("kubernetes: { state_max_age: 31536001 }", "source.kubernetes.state_max_age"),
        ("manifests: m/\n  shrink_hold: 86401", "source.shrink_hold"),
    ] {
        let text = if source == "{}" {
            GOOD.replace("source:\n  manifests: manifests/", "source: {}")
        } else {
            with("manifests: manifests/", source)
        };
        assert_eq!(problems(&text)[0].key, key, "{source}");
    }
}

#[test]
fn address_pools_in_all_forms_and_their_mistakes() {
    let pools = |text: &str| format!("{GOOD}services:\n  address_pools:\n{text}");
    let good = pools(
        "  - { name: a, addresses: [203.0.113.0/30, 203.0.113.10-203.0.113.20, 203.0.113.99, \"2001:db8::/126\"] }\n  - { name: b, addresses: [198.51.100.7/32], namespaces: [shop], labels: { tier: gold }, automatic: false }\n",
    );
    let config = parse(&good).unwrap();
    let texts: Vec<String> = config.address_pools[0].ranges.iter().map(|(a, b)| format!("{a}-{b}")).collect();
    assert_eq!(
        texts,
        [
            "203.0.113.1-203.0.113.2",
            "203.0.113.10-203.0.113.20",
            "203.0.113.99-203.0.113.99",
            "2001:db8::-2001:db8::3"
        ]
    );
    let b = &config.address_pools[1];
    assert!(!b.automatic && config.address_pools[0].automatic);
    assert_eq!((b.namespaces.len(), b.labels.len(), b.ranges.len()), (1, 1, 1));
    for (text, key) in [
        ("  - { name: a, addresses: [] }\n", "services.address_pools[0].addresses"),
        ("  - { name: a, addresses: [10.0.0.9-10.0.0.1] }\n", "services.address_pools[0].addresses[0]"),
        ("  - { name: a, addresses: [10.0.0.1-fd00::1] }\n", "services.address_pools[0].addresses[0]"),
        ("  - { name: a, addresses: [many] }\n", "services.address_pools[0].addresses[0]"),
        ("  - { name: a, addresses: [10.0.0.1, 10.0.0.0/24] }\n", "services.address_pools[0].addresses[1]"),
        (
            "  - { name: a, addresses: [10.0.0.1] }\n  - { name: a, addresses: [10.0.0.2] }\n",
            "services.address_pools[1].name",
        ),
        (
            "  - { name: a, addresses: [10.0.0.0/24] }\n  - { name: b, addresses: [10.0.0.9] }\n",
            "services.address_pools[1].addresses[0]",
        ),
    ] {
        assert_eq!(problems(&pools(text))[0].key, key, "{text}");
    }
}

#[test]
fn metrics_are_on_loopback_unless_said_otherwise() {
    let config = parse(GOOD).unwrap();
    assert!(
        config.metrics.dataplane.unwrap().ip().is_loopback()
            && config.metrics.control.unwrap().ip().is_loopback()
    );
    let config = parse(&format!("{GOOD}metrics: {{ dataplane: none, control: \"[::1]:9000\" }}\n")).unwrap();
    assert_eq!((config.metrics.dataplane, config.metrics.control.unwrap().port()), (None, 9000));
    assert_eq!(problems(&format!("{GOOD}metrics: {{ dataplane: 9000 }}\n"))[0].key, "metrics.dataplane");
}

/// The good file with `dns` and these keys of it.
fn with_dns(keys: &str) -> String {
    format!("{GOOD}dns:\n  addresses: [10.96.0.10]\n  clients: [10.244.0.0/16]\n{keys}")
}

#[test]
fn dns_is_served_as_its_keys_say() {
    assert_eq!(parse(&with_dns("")).unwrap().resolver.unwrap().serving, sluice_model::Serving::default());
    let keys = r#"  health: 0.0.0.0:8080
  ready: "[::]:8181"
  lameduck: 5
  log: { file: queries.log, sample: 10, rate: 50, zones: [example.org], classes: [denial, error] }
  nsid: gw-1
  tls: { addresses: [10.96.0.10, "[fd00::a]:8853"], certificate: tls.crt, key: /etc/tls.key }
  https: { addresses: [10.96.0.10], certificate: tls.crt, key: tls.key, path: /q }
  transfer: [192.0.2.0/24]
  autopath: true
  pods: verified
"#;
    let resolver = parse(&with_dns(keys)).unwrap().resolver.unwrap();
    let serving = resolver.serving;
    assert_eq!(serving.health, Some("0.0.0.0:8080".parse().unwrap()));
    assert_eq!(serving.ready, Some("[::]:8181".parse().unwrap()));
    assert_eq!((resolver.times.lameduck.unwrap().as_secs(), serving.nsid.as_deref()), (5, Some("gw-1")));
    let log = serving.log.unwrap();
    assert_eq!(log.file.as_deref(), Some(Path::new("/etc/sluice/queries.log")));
    assert_eq!((log.sample, log.rate, log.zones.len(), log.classes.len()), (10, 50, 1, 2));
    let [tls, https] = serving.secure.as_slice() else { panic!() };
    assert_eq!(tls.addresses, ["10.96.0.10:853".parse().unwrap(), "[fd00::a]:8853".parse().unwrap()]);
    assert_eq!(tls.certificate, Path::new("/etc/sluice/tls.crt"));
    assert!(serving.autopath);
    assert_eq!(serving.transfer, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!((https.addresses[0].port(), https.path.as_deref(), &tls.path), (443, Some("/q"), &None));
}

#[test]
fn each_mistake_in_how_dns_is_served_is_named() {
    let pem = "certificate: a, key: b";
    for (keys, key) in [
        ("  health: 8080\n", "dns.health"),
        ("  ready: 0.0.0.0:0\n", "dns.ready"),
        ("  lameduck: 301\n", "dns.lameduck"),
        ("  nsid: ''\n", "dns.nsid"),
        ("  autopath: true\n  pods: insecure\n", "dns.autopath"),
        ("  transfer: [192.0.2.1/24]\n", "dns.transfer[0]"),
        ("  log: { sample: 0 }\n", "dns.log.sample"),
        ("  log: { rate: 1000001 }\n", "dns.log.rate"),
        ("  log: { classes: [success, other] }\n", "dns.log.classes[1]"),
        ("  log: { zones: [a..b] }\n", "dns.log.zones[0]"),
        (&format!("  tls: {{ {pem} }}\n"), "dns.tls.addresses"),
        (&format!("  tls: {{ addresses: [0.0.0.0], {pem} }}\n"), "dns.tls.addresses[0]"),
        (&format!("  tls: {{ addresses: [10.0.0.1, 10.0.0.1], {pem} }}\n"), "dns.tls.addresses[1]"),
        (&format!("  tls: {{ addresses: [10.0.0.1], {pem}, path: /q }}\n"), "dns.tls.path"),
        (&format!("  https: {{ addresses: [10.0.0.1], {pem}, path: q }}\n"), "dns.https.path"),
        ("  https: { addresses: [10.0.0.1], key: b }\n", "dns.https.certificate"),
        ("  https: { addresses: [10.0.0.1], certificate: a }\n", "dns.https.key"),
    ] {
        let problems = problems(&with_dns(keys));
        assert_eq!(problems.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), [key], "{keys}");
    }
}

#[test]
fn how_long_nothing_is_believed_and_whether_namespaces_are_chosen() {
    let dns = |keys: &str| format!("{GOOD}dns:\n  addresses: [192.0.2.53]\n  clients: [10.0.0.0/8]\n{keys}");
    let settings = |keys: &str| parse(&dns(keys)).unwrap().settings.dns.unwrap();
    assert_eq!((settings("").negative_ttl, settings("").selected), (None, false));
    assert_eq!(settings("  negative_ttl: 2\n").negative_ttl, Some(2));
    assert!(settings("  namespaces: [shop]\n").selected);
    assert!(settings("  namespace_labels: team=red\n").selected);
    let problems = problems(&dns("  negative_ttl: 3601\n"));
    assert_eq!(problems.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["dns.negative_ttl"]);
    let config =
        parse(&format!("{GOOD}dns:\n  corefile: a\n  clients: [10.0.0.0/8]\n  negative_ttl: 0\n")).unwrap();
    assert_eq!(config.settings.dns.unwrap().negative_ttl, Some(0));
}

#[test]
fn label_selectors_of_dns_are_checked() {
    let dns = |keys: &str| format!("{GOOD}dns:\n  addresses: [192.0.2.53]\n  clients: [10.0.0.0/8]\n{keys}");
    let config = parse(&dns("  labels: app in (a, b),!old\n  namespace_labels: team=red\n")).unwrap();
    let names = config.names.unwrap();
    assert_eq!(names.labels.to_string(), "app in (a,b),!old");
    assert_eq!(names.namespace_labels.to_string(), "team=red");
    let config = parse(&dns("")).unwrap();
    assert!(config.names.unwrap().labels.is_empty());
    let config = parse(&dns("  multicluster_zones: [clusterset.local.]\n")).unwrap();
    assert_eq!(config.settings.dns.unwrap().multicluster_zones, ["clusterset.local".into()]);
    for (keys, key) in [
        ("  multicluster_zones: [Cluster.local]\n", "dns.multicluster_zones[0]"),
        ("  labels: app in a\n", "dns.labels"),
        ("  namespace_labels: a>1\n", "dns.namespace_labels"),
        ("  namespaces: [a]\n  namespace_labels: b=c\n", "dns.namespace_labels"),
    ] {
        let problems = problems(&dns(keys));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, key);
    }
}

#[test]
fn tenants_see_what_they_are_said_to() {
    let dns = |keys: &str| format!("{GOOD}dns:\n  addresses: [192.0.2.53]\n  clients: [10.0.0.0/8]\n{keys}");
    let two = "  visibility:\n    - { namespaces: [team-a, team-b], see: [shared, default] }\n    - { namespaces: [\"*\"], clients: [10.244.0.0/16], see: [] }\n";
    let settings = parse(&dns(two)).unwrap().settings.dns.unwrap();
    assert!(settings.knows_clients());
    let [teams, others] = &settings.visibility[..] else { panic!() };
    assert_eq!(teams.namespaces, ["team-a".into(), "team-b".into()]);
    assert_eq!((&teams.see[..], &teams.clients[..]), (&["shared".into(), "default".into()][..], &[][..]));
    assert_eq!((&others.namespaces[..], &others.see[..]), (&["*".into()][..], &[][..]));
    assert_eq!(others.clients, ["10.244.0.0/16".parse().unwrap()]);
    // A Corefile has no word for it.
    let text = format!("{GOOD}dns:\n  corefile: a\n  clients: [10.0.0.0/8]\n{two}");
    assert_eq!(parse(&text).unwrap().settings.dns.unwrap().visibility.len(), 2);
    for (keys, key) in [
        ("{ see: [a] }", "dns.visibility[0].namespaces"),
        ("{ namespaces: [a] }", "dns.visibility[0].see"),
        ("{ namespaces: [A], see: [] }", "dns.visibility[0].namespaces[0]"),
        ("{ namespaces: [a], see: [b, c.d] }", "dns.visibility[0].see[1]"),
        ("{ clients: [10.1.1.1/8], see: [] }", "dns.visibility[0].clients[0]"),
        ("{ namespaces: [a], see: [] }, { namespaces: [b, a], see: [] }", "dns.visibility[1].namespaces"),
        (
            "{ clients: [10.0.0.0/8], see: [] }, { clients: [10.0.0.0/8], see: [] }",
            "dns.visibility[1].clients",
        ),
        ("{ namespaces: [a], see: [], hide: [] }", "dns.visibility[0].hide"),
    ] {
        let problems = problems(&dns(&format!("  visibility: [{keys}]\n")));
        assert_eq!(problems.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), [key], "{keys}");
    }
}

#[test]
fn stub_zones_of_namespaces() {
    let dns = |keys: &str| {
        format!("{GOOD}dns:\n  addresses: [192.0.2.53]\n  clients: [10.0.0.0/8]\n  stub_zones: [{keys}]\n")
    };
    let upstreams = "upstreams: [192.0.2.1]";
    let config = parse(&dns(&format!(
        "{{ zone: Corp.example., {upstreams}, namespaces: [a, b] }}, {{ zone: corp.example, {upstreams}, namespaces: [c] }}, {{ zone: corp.example, {upstreams} }}, {{ zone: x.example, {upstreams} }}"
    )))
    .unwrap();
    let settings = config.settings.dns.unwrap();
    assert_eq!((&settings.tenant_zones[..], settings.knows_clients()), (&["corp.example".into()][..], true));
    let zones = config.resolver.unwrap().zones;
    let namespaces: Vec<Vec<&str>> =
        zones.iter().map(|zone| zone.namespaces.iter().map(|it| &**it).collect()).collect();
    assert_eq!(namespaces, [vec!["a", "b"], vec!["c"], vec![], vec![]]);
    for (keys, key) in [
        ("{ zone: a, UP, namespaces: [A] }", "dns.stub_zones[0].namespaces[0]"),
        ("{ zone: a, UP, namespaces: [\"*\"] }", "dns.stub_zones[0].namespaces[0]"),
        ("{ zone: a, UP, namespaces: [a, a] }", "dns.stub_zones[0].namespaces[1]"),
        (
            "{ zone: a, UP, namespaces: [a, b] }, { zone: A, UP, namespaces: [b] }",
            "dns.stub_zones[1].namespaces[0]",
        ),
        ("{ zone: a, UP }, { zone: A, UP }", "dns.stub_zones[1].zone"),
    ] {
        let problems = problems(&dns(&keys.replace("UP", upstreams)));
        assert_eq!(problems.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), [key], "{keys}");
    }
}

#[test]
fn who_has_no_ipv6() {
    let dns = |keys: &str| format!("{GOOD}dns:\n  addresses: [192.0.2.53]\n  clients: [10.0.0.0/8]\n{keys}");
    let settings = |keys: &str| parse(&dns(keys)).unwrap().settings.dns.unwrap();
    let (none, networks, pods) = (
        settings(""),
        settings("  suppress_aaaa: [10.244.0.0/16]\n"),
        settings("  suppress_aaaa: [10.9.0.0/16, pods]\n"),
    );
    let shown = |it: &sluice_model::DnsSettings| {
        (it.suppress_aaaa.len(), it.suppress_aaaa_of_pods, it.knows_clients())
    };
    assert_eq!([&none, &networks, &pods].map(shown), [(0, false, false), (1, false, false), (1, true, true)]);
    let corefile = format!("{GOOD}dns:\n  corefile: a\n  clients: [10.0.0.0/8]\n  suppress_aaaa: [pods]\n");
    assert!(parse(&corefile).unwrap().settings.dns.unwrap().suppress_aaaa_of_pods);
    let problems = problems(&dns("  suppress_aaaa: [10.0.0.0/8, nodes]\n"));
    assert_eq!(problems.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["dns.suppress_aaaa[1]"]);
}

#[test]
fn a_limit_for_clients_that_ask_too_much() {
    let dns = |keys: &str| format!("{GOOD}dns:\n  clients: [10.0.0.0/8]\n{keys}");
    let limit = |keys: &str| parse(&dns(keys)).unwrap().settings.dns.unwrap().rate_limit;
    assert_eq!(limit("  addresses: [192.0.2.53]\n"), None);
    for keys in ["  addresses: [192.0.2.53]\n", "  corefile: dns/Corefile\n"] {
        let defaults = limit(&format!("{keys}  rate_limit: {{}}\n")).unwrap();
        assert_eq!((defaults.per_second, defaults.slip, defaults.exempt), (50, 2, vec![]));
        let all = "  rate_limit: { per_second: 7, slip: 0, exempt: [10.1.0.0/16, \"fd00::/8\"] }\n";
        let all = limit(&format!("{keys}{all}")).unwrap();
        let exempt = vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()];
        assert_eq!((all.per_second, all.slip, all.exempt), (7, 0, exempt));
    }
    for (keys, key) in [
        ("{ per_second: 0 }", "dns.rate_limit.per_second"),
        ("{ per_second: 1000001 }", "dns.rate_limit.per_second"),
        ("{ slip: 101 }", "dns.rate_limit.slip"),
        ("{ exempt: [10.0.0.1/8] }", "dns.rate_limit.exempt[0]"),
    ] {
        let text = dns(&format!("  addresses: [192.0.2.53]\n  rate_limit: {keys}\n"));
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(key), "{keys}: {error}");
    }
}

#[test]
fn a_corefile_in_place_of_keys() {
    use sluice_config::CorefileSource;
    let dns = |keys: &str| format!("{GOOD}dns:\n  clients: [10.0.0.0/8]\n{keys}");
    let config = parse(&dns(
        "  corefile: dns/Corefile\n  mode: compat\n  refuse_private: true\n  pillars: { LOCAL__DNS: 169.254.20.10 }\n",
    ))
    .unwrap();
    let corefile = config.corefile.unwrap();
    assert_eq!(corefile.source, CorefileSource::File("/etc/sluice/dns/Corefile".into()));
    assert!(corefile.refuse_private);
    assert_eq!(corefile.pillars, [("LOCAL__DNS".into(), "169.254.20.10".into())]);
    let settings = config.settings.dns.unwrap();
    assert!(settings.zones.is_empty() && settings.mode == sluice_model::DnsMode::Compat);
    let api = |text: &str| text.replace("manifests: manifests/", "kubernetes: {}");
    let config = parse(&api(&dns("  config_map: kube-system/coredns\n  addresses: [192.0.2.53]\n"))).unwrap();
    let source = CorefileSource::ConfigMap { namespace: "kube-system".into(), name: "coredns".into() };
    assert_eq!(config.corefile.unwrap().source, source);
    for (keys, key) in [
        ("  corefile: a\n  config_map: a/b\n", "dns.config_map"),
        ("  config_map: coredns\n", "dns.config_map"),
        ("  corefile: a\n  pillars: { X: y }\n", "dns.pillars.X"),
        ("  addresses: [192.0.2.1]\n  pillars: { LOCAL__DNS: y }\n", "dns.pillars"),
        ("  corefile: a\n  zones: [cluster.local]\n", "dns.zones"),
        ("  corefile: a\n  reverse_zones: []\n", "dns.reverse_zones"),
        ("  corefile: a\n  namespaces: [a]\n", "dns.namespaces"),
        ("  corefile: a\n  ttl: 5\n", "dns.ttl"),
        ("  corefile: a\n  pods: insecure\n", "dns.pods"),
        ("  corefile: a\n  endpoint_pod_names: true\n", "dns.endpoint_pod_names"),
        ("  corefile: a\n  hide_empty_services: true\n", "dns.hide_empty_services"),
        ("  corefile: a\n  endpoints: false\n", "dns.endpoints"),
        ("  corefile: a\n  zonal: true\n", "dns.zonal"),
        ("  corefile: a\n  max_udp_size: 1400\n", "dns.max_udp_size"),
        ("  corefile: a\n  fallthrough: [a]\n", "dns.fallthrough"),
        ("  corefile: a\n  upstreams: [192.0.2.1]\n", "dns.upstreams"),
        ("  corefile: a\n  stub_zones: [{ zone: a, upstreams: [192.0.2.1] }]\n", "dns.stub_zones"),
        ("  corefile: a\n  cache: false\n", "dns.cache"),
    ] {
        let text = dns(keys);
        let text = if keys.contains("config_map") { api(&text) } else { text };
        let found = problems(&text);
        assert!(found.iter().any(|problem| problem.key == key), "{keys}: {found:?}");
    }
    // A ConfigMap needs an API server.
    assert_eq!(problems(&dns("  config_map: kube-system/coredns\n"))[0].key, "dns.config_map");
}

#[test]
fn names_by_zone_need_endpoints() {
    let zonal = |keys: &str| parse(&with_dns(keys)).unwrap().settings.dns.unwrap().zonal;
    assert_eq!(
        (zonal(""), zonal("  zonal: true\n"), zonal("  zonal: false\n  endpoints: false\n")),
        (false, true, false)
    );
    let found = problems(&with_dns("  zonal: true\n  endpoints: false\n"));
    assert_eq!((found.len(), found[0].key.as_str()), (1, "dns.zonal"), "{found:?}");
}

#[test]
fn domains_of_external_addresses() {
    let dns = |keys: &str| format!("{GOOD}dns:\n  addresses: [192.0.2.53]\n  clients: [10.0.0.0/8]\n{keys}");
    let config = parse(&dns(
        "  external_zones: [{ zone: example.org. }, { zone: b.example, ttl: 60, apex: names.b, headless: true }]\n",
    ))
    .unwrap();
    let zones = config.settings.dns.unwrap().external_zones;
    let shown: Vec<_> = zones.iter().map(|it| (&*it.zone, it.ttl, &*it.apex, it.headless)).collect();
    assert_eq!(shown, [("example.org", 5, "dns", false), ("b.example", 60, "names.b", true)]);
    let config = parse(&dns(
        "  external_zones: [{ zone: Example.org., hosts: [service, ingress], secondary: ns2, ingress_classes: [nginx], service_labels: [dns=yes, \"!x\"] }]\n",
    ))
    .unwrap();
    let zone = &config.settings.dns.as_ref().unwrap().external_zones[0];
    assert_eq!((zone.hosts, zone.secondary.as_deref()), (true, Some("ns2")));
    let hosts = &config.names.as_ref().unwrap().hosts[0];
    assert_eq!(
        (&*hosts.zone, hosts.kinds.as_slice()),
        ("example.org", &[HostKind::Service, HostKind::Ingress][..])
    );
    assert_eq!((hosts.ingress_classes.len(), hosts.service_labels.len()), (1, 2));
    for (lines, key) in [
        ("{ ttl: 5 }", "dns.external_zones[0].zone"),
        ("{ zone: x.Cluster.local }", "dns.external_zones[0].zone"),
        ("{ zone: local }", "dns.external_zones[0].zone"),
        ("{ zone: a.example }, { zone: b.a.example }", "dns.external_zones[1].zone"),
        ("{ zone: example.org, ttl: 3601 }", "dns.external_zones[0].ttl"),
        ("{ zone: example.org, apex: a..b }", "dns.external_zones[0].apex"),
        ("{ zone: example.org, hosts: [ingress, route] }", "dns.external_zones[0].hosts[1]"),
        ("{ zone: example.org, hosts: [ingress, ingress] }", "dns.external_zones[0].hosts[1]"),
        ("{ zone: example.org, hosts: [ingress], headless: true }", "dns.external_zones[0].headless"),
        ("{ zone: example.org, hosts: [ingress], secondary: a..b }", "dns.external_zones[0].secondary"),
        ("{ zone: example.org, secondary: b }", "dns.external_zones[0].secondary"),
        ("{ zone: example.org, ingress_classes: [a] }", "dns.external_zones[0].ingress_classes"),
        (
            "{ zone: example.org, hosts: [service], service_labels: [\"a>1\"] }",
            "dns.external_zones[0].service_labels[0]",
        ),
    ] {
        let problems = problems(&dns(&format!("  external_zones: [{lines}]\n")));
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert_eq!(problems[0].key, key);
    }
}
