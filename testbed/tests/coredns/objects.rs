//! A cluster with one of everything that decides about a name.

use std::fmt::Write;

/// A label of the greatest length.
pub const LONG: &str = "a23456789-123456789-123456789-123456789-123456789-123456789-123";

/// Addresses of the DNS Service, which the gateway answers on.
pub const DNS: [&str; 2] = ["10.96.0.2", "fd00:10:96::2"];

/// Services in the order they are made: namespace, name.
pub struct Objects {
    pub yaml: String,
    pub services: Vec<(String, String)>,
    /// Names of endpoints, of which there need not be any: `host.service.namespace`.
    pub hosts: Vec<String>,
    /// Addresses that something has.
    pub addresses: Vec<String>,
}

impl Objects {
    pub fn document(&mut self, text: &str) {
        self.yaml += "---\n";
        self.yaml += text;
        self.yaml.push('\n');
    }

    pub fn service(&mut self, namespace: &str, name: &str, spec: &str) {
        self.document(&format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name}, namespace: {namespace} }}\nspec: {{ {spec} }}"
        ));
        self.services.push((namespace.to_owned(), name.to_owned()));
    }

    fn external(&mut self, name: &str, target: &str) {
        self.service("shop", name, &format!("type: ExternalName, externalName: \"{target}\""));
    }

    /// `endpoints` are addresses, each with more fields behind a blank.
    fn slice(&mut self, namespace: &str, service: &str, number: u8, ports: &str, endpoints: &[&str]) {
        let family = if endpoints
            .iter()
            .any(|e| e.contains(':') && e.split(' ').next().is_some_and(|a| a.contains(':')))
        {
            "IPv6"
        } else {
            "IPv4"
        };
        let mut list = String::new();
        for endpoint in endpoints {
            let (address, more) = endpoint.split_once(' ').unwrap_or((endpoint, ""));
            let comma = if more.is_empty() { "" } else { ", " };
            let _ = writeln!(list, "- {{ addresses: [\"{address}\"]{comma}{more} }}");
            self.addresses.push(address.to_owned());
            let dashed = address.replace(['.', ':'], "-");
            let dashed = if dashed.ends_with('-') { dashed + "0" } else { dashed };
            self.hosts.push(format!("{dashed}.{service}.{namespace}"));
            if let Some((_, host)) = more.split_once("hostname: ") {
                let host = host.split([',', ' ']).next().unwrap_or_default();
                self.hosts.push(format!("{host}.{service}.{namespace}"));
            }
        }
        let short = &service[..service.len().min(40)];
        self.document(&format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{ name: {short}-{number}, namespace: {namespace}, \
             labels: {{ kubernetes.io/service-name: {service} }} }}\naddressType: {family}\nports: [{ports}]\nendpoints:\n{list}"
        ));
    }
}

/// Everything.
pub fn objects() -> Objects {
    const HTTP: &str = "{ name: http, port: 80 }";
    let mut o = Objects {
        yaml: String::new(),
        services: vec![("default".into(), "kubernetes".into())],
        hosts: Vec::new(),
        addresses: vec!["10.96.0.1".into()],
    };
    for namespace in ["shop", "lonely", "svc", LONG] {
        o.document(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {namespace} }}"));
    }
    clusters(&mut o, HTTP);
    headless(&mut o, HTTP);
    externals(&mut o);
    o
}

/// Services with cluster IPs.
fn clusters(o: &mut Objects, http: &str) {
    let dns = "{ name: dns, port: 53, protocol: UDP }, { name: dns-tcp, port: 53 }";
    o.service(
        "kube-system",
        "kube-dns",
        &format!(
            "clusterIP: {}, clusterIPs: [\"{}\", \"{}\"], ipFamilyPolicy: RequireDualStack, ports: [{dns}]",
            DNS[0], DNS[0], DNS[1]
        ),
    );
    o.slice("kube-system", "kube-dns", 1, dns, &["198.51.100.10"]);
    o.slice("kube-system", "kube-dns", 2, dns, &["2001:db8:2::10"]);
    o.addresses.extend(DNS.map(str::to_owned));
    let mut cluster = |namespace: &str, name: &str, ips: &[&str], ports: &str, more: &str| {
        let list = ips.iter().map(|ip| format!("\"{ip}\"")).collect::<Vec<_>>().join(", ");
        let policy = if ips.len() > 1 { "RequireDualStack" } else { "SingleStack" };
        let families: Vec<_> = ips.iter().map(|ip| if ip.contains(':') { "IPv6" } else { "IPv4" }).collect();
        let spec = format!(
            "clusterIP: \"{}\", clusterIPs: [{list}], ipFamilies: [{}], ipFamilyPolicy: {policy}, ports: [{ports}]{more}",
            ips[0],
            families.join(", ")
        );
        o.service(namespace, name, &spec);
        o.addresses.extend(ips.iter().map(|ip| (*ip).to_owned()));
    };
    cluster("default", "web", &["10.96.0.20"], &format!("{http}, {dns}"), "");
    cluster("default", "plain", &["10.96.0.21"], "{ port: 80 }", "");
    cluster("default", "six", &["fd00:10:96::22"], http, "");
    cluster(
        "default",
        "dual",
        &["10.96.0.23", "fd00:10:96::23"],
        &format!("{http}, {{ name: sql, port: 5432 }}"),
        "",
    );
    cluster("default", "sixfour", &["fd00:10:96::24", "10.96.0.24"], http, "");
    cluster("default", "idle", &["10.96.0.25"], http, "");
    cluster(
        "default",
        "node",
        &["10.96.0.26"],
        "{ name: http, port: 80, nodePort: 30081 }",
        ", type: NodePort",
    );
    cluster("default", "balanced", &["10.96.0.27"], http, ", type: LoadBalancer");
    cluster("default", "sctp", &["10.96.0.28"], "{ name: http, port: 80, protocol: SCTP }", "");
    cluster(
        "default",
        "same",
        &["10.96.0.29"],
        "{ name: dns, port: 53, protocol: UDP }, { name: http, port: 53 }",
        "",
    );
    cluster("default", "early", &["10.96.0.30"], http, ", publishNotReadyAddresses: true");
    cluster("shop", "web", &["10.96.1.20"], "{ name: very-long-name1, port: 65535 }", "");
    cluster("svc", "pod", &["10.96.0.31"], http, "");
    cluster(LONG, LONG, &["10.96.0.32"], http, "");
    o.slice(
        "default",
        "web",
        1,
        "{ name: http, port: 8080 }",
        &["10.244.1.5 targetRef: { kind: Pod, name: web-0 }", "10.244.1.6 zone: us-a"],
    );
    o.slice(
        "default",
        "web",
        2,
        "{ name: http, port: 8081 }",
        &["10.244.1.7 hostname: named", "10.244.1.8 conditions: { ready: false }"],
    );
    o.slice("default", "plain", 1, "{ port: 8080 }", &["10.244.1.5"]);
    o.slice("default", "dual", 1, "{ name: http, port: 8080 }, { name: sql, port: 5432 }", &["10.244.2.5"]);
    o.slice("default", "dual", 2, "{ name: http, port: 8080 }", &["fd00:10:244:2::5"]);
    o.slice(
        "default",
        "early",
        1,
        "{ name: http, port: 8080 }",
        &["10.244.2.6 conditions: { ready: true, serving: false }"],
    );
    o.slice(LONG, LONG, 1, "{ name: http, port: 8080 }", &["10.244.2.7"]);
}

/// Services without.
fn headless(o: &mut Objects, http: &str) {
    let none = |ports: &str| format!("clusterIP: None, ports: [{ports}]");
    let sql = "{ name: sql, port: 5432 }";
    o.service(
        "default",
        "db",
        "clusterIP: None, ipFamilyPolicy: RequireDualStack, ports: [{ name: sql, port: 5432 }]",
    );
    let nodes = [
        "10.244.3.1 hostname: db-0",
        "10.244.3.2 hostname: db-1",
        "10.244.3.3 targetRef: { kind: Pod, name: db-2 }",
    ];
    o.slice("default", "db", 1, sql, &nodes);
    o.slice("default", "db", 2, sql, &["fd00:10:244:3::1 hostname: db-0", "fd00:10:244:3::"]);
    o.service("default", "bare", "clusterIP: None");
    o.slice("default", "bare", 1, "", &["10.244.4.1", "10.244.4.2 hostname: one"]);
    o.service("default", "noport", "clusterIP: None");
    o.slice("default", "noport", 1, "{ name: http }", &["10.244.4.3"]);
    o.service("default", "empty", &none(http));
    o.service("default", "unready", &none(http));
    o.slice("default", "unready", 1, http, &["10.244.4.4 zone: us-a, conditions: { ready: false }"]);
    o.service("default", "unsaid", &none(http));
    o.slice(
        "default",
        "unsaid",
        1,
        http,
        &[
            "10.244.4.5 conditions: {}",
            "10.244.4.6 conditions: { ready: false, terminating: true, serving: true }",
        ],
    );
    o.service(
        "default",
        "onlysix",
        "clusterIP: None, ipFamilies: [IPv6], ipFamilyPolicy: SingleStack, ports: [{ name: http, port: 80 }]",
    );
    o.slice("default", "onlysix", 1, http, &["fd00:10:244:5::1", "fd00:10:244:5::2"]);
    o.service(
        "default",
        "mixed",
        &none("{ name: dns, port: 53, protocol: UDP }, { name: dns-tcp, port: 53 }"),
    );
    o.slice(
        "default",
        "mixed",
        1,
        "{ name: dns, port: 53, protocol: UDP }, { name: dns-tcp, port: 53 }",
        &["10.244.5.1", "10.244.5.2"],
    );
    o.service("default", "twins", &none(http));
    o.slice("default", "twins", 1, http, &["10.244.6.1 hostname: twin", "10.244.6.2 hostname: twin"]);
    o.slice("default", "twins", 2, "{ name: http, port: 81 }", &["10.244.6.1 hostname: twin", "10.244.6.3"]);
    o.service("default", "unnamed", &none("{ port: 80 }"));
    o.slice("default", "unnamed", 1, "{ port: 80 }", &["10.244.6.4"]);
    // The same addresses under a third name.
    o.service("shop", "shared", &none(http));
    o.slice("shop", "shared", 1, http, &["10.244.6.1 hostname: other", "10.244.1.5"]);
    // More than 512 and than 1232 bytes: all answers but not all addresses, not all answers.
    for (name, count) in [("few", 7), ("some", 14), ("many", 90)] {
        o.service("default", name, &none(http));
        let zone = |n| if n % 3 == 0 { " zone: us-a" } else { "" };
        let endpoints: Vec<String> =
            (1..=count).map(|n| format!("10.244.{}.{n}{}", 6 + count, zone(n))).collect();
        let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
        o.slice("default", name, 1, http, &endpoints);
    }
    zonal(o);
    // Endpoints of a Service that is not.
    o.slice("default", "orphan", 1, http, &["10.244.7.1"]);
}

/// One with endpoints in zones, in several, and in none; some of one family alone, and one that is in two.
fn zonal(o: &mut Objects) {
    let http = "{ name: http, port: 80 }";
    o.service(
        "default",
        "zoned",
        "clusterIP: None, ipFamilyPolicy: RequireDualStack, ports: [{ name: http, port: 80 }]",
    );
    let four = [
        "10.244.11.1 zone: us-a",
        "10.244.11.2 zone: us-a, hostname: named",
        "10.244.11.3 zone: US-B",
        "10.244.11.4",
        "10.244.11.5 zone: us-c, conditions: { ready: false }",
    ];
    o.slice("default", "zoned", 1, http, &four);
    o.slice("default", "zoned", 2, http, &["fd00:10:244:b::1 zone: us-b", "fd00:10:244:b::2 zone: us-six"]);
    let more = ["10.244.11.1 zone: us-d", "10.244.11.6 zone: corp.example.com"];
    o.slice("default", "zoned", 3, "{ name: http, port: 81 }, { name: sql, port: 5432 }", &more);
    o.service("default", "zonedbare", "clusterIP: None");
    o.slice("default", "zonedbare", 1, "", &["10.244.12.1 zone: us-a", "10.244.12.2 zone: us-b"]);
}

/// Aliases.
fn externals(o: &mut Objects) {
    for (name, target) in [
        ("out", "www.example.com"),
        ("absent", "nx.example.com"),
        ("failing", "fail.example.com"),
        ("elsewhere-alias", "alias.example.com"),
        ("inside", "web.default.svc.cluster.local"),
        ("twice", "inside.shop.svc.cluster.local"),
        ("outtwice", "out.shop.svc.cluster.local"),
        ("nowhere", "nope.default.svc.cluster.local"),
        ("emptied", "empty.default.svc.cluster.local"),
        ("clusterless", "db.default.svc.cluster.local"),
        ("port", "_http._tcp.web.default.svc.cluster.local"),
        ("top", "cluster.local"),
        ("server", "ns.dns.cluster.local"),
        ("version", "dns-version.cluster.local"),
        ("pods", "10-244-1-5.default.pod.cluster.local"),
        ("backwards", "20.0.96.10.in-addr.arpa"),
        ("circle", "circle2.shop.svc.cluster.local"),
        ("circle2", "circle.shop.svc.cluster.local"),
        ("itself", "itself.shop.svc.cluster.local"),
        ("address", "192.0.2.1"),
    ] {
        if name != "port" {
            o.external(name, target);
        }
    }
    for n in 0..13 {
        let target = if n == 12 {
            "web.default.svc.cluster.local".into()
        } else {
            format!("chain{}.shop.svc.cluster.local", n + 1)
        };
        o.external(&format!("chain{n}"), &target);
    }
}
