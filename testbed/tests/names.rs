//! Kubernetes' own end-to-end cases of cluster DNS, and what goes beyond them, on a real API server with its controllers: asked
//! as pods ask, by the resolvers of glibc and musl and by dig, over UDP and TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::*;
use sluice_testbed::Testbed;
use sluice_testbed::client::eventually;
use sluice_testbed::cluster::{Cluster, Options, User};

/// How long anything may take on a machine that does a lot besides.
const SOON: Duration = Duration::from_secs(60);
const DNS: &str = "10.96.0.10";

struct World {
    // Dropped first: the gateway does not watch its API server go.
    lab: Lab,
    cluster: Cluster,
    _resolv_conf: ResolvConf,
    musl: PathBuf,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Glibc,
    GlibcTcp,
    Musl,
    Dig,
    DigTcp,
}

const ASKERS: [Asker; 5] = [Asker::Glibc, Asker::GlibcTcp, Asker::Musl, Asker::Dig, Asker::DigTcp];

impl World {
    /// A gateway whose DNS is the Service `kube-dns`, and a client that looks like a pod of the namespace `dns-1`.
    fn start(dns: &str) -> Self {
        let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
        let cluster = Options::default().in_namespace(&bed.gateway).start().unwrap();
        let kubeconfig = cluster.kubeconfig(User::Sluice);
        let source = format!("{{ shrink_hold: 5, kubernetes: {{ kubeconfig: {} }} }}", kubeconfig.display());
        let dns = format!(
            "dns:\n  service: kube-system/kube-dns\n  clients: [0.0.0.0/0]\n  upstreams: [198.51.100.1]\n{dns}"
        );
        let lab = Lab::over(bed, Ports::Tap, &source, &dns);
        upstream(&lab, "198.51.100.1");
        cluster
            .apply(&format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{ name: kube-dns, namespace: kube-system }}\nspec: {{ clusterIP: {DNS}, ports: [{{ name: dns, port: 53, protocol: UDP }}] }}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{ name: dns-1 }}\n---\napiVersion: v1\nkind: Node\nmetadata: {{ name: node-1 }}\n"
            ))
            .unwrap();
        let resolv_conf = ResolvConf::write(
            &lab.bed.client,
            &format!(
                "nameserver {DNS}\nsearch dns-1.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5 timeout:2 attempts:2\n"
            ),
        );
        let musl = lab.bed.folder().join("resolve");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/resolve.c");
        let built = Command::new("musl-gcc").args(["-static", "-O1", "-o"]).arg(&musl).arg(source).status();
        assert!(built.expect("musl-gcc, of Debian's musl-tools").success());
        Self { lab, cluster, _resolv_conf: resolv_conf, musl }
    }

    /// What this asker gets for a name, which may be relative: addresses and names, sorted.
    fn ask(&self, asker: Asker, kind: &str, name: &str) -> Vec<String> {
        let client = &self.lab.bed.client;
        let musl = self.musl.to_string_lossy();
        let by_library = |program: &str, options: &str| {
            let database = match kind {
                "A" => "ahostsv4",
                "AAAA" => "ahostsv6",
                _ => "hosts",
            };
            let mut command = client.command(program);
            let output = command.env("RES_OPTIONS", options).args([database, name]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            // getent prints an address and its name for `hosts`, and an address in three lines otherwise.
            let column = usize::from(kind == "PTR" && program == "getent");
            let fields = text.lines().filter_map(|line| line.split_whitespace().nth(column));
            fields.map(|field| field.trim_end_matches('.').to_owned()).collect::<Vec<_>>()
        };
        let by_dig = |transport: &str| {
            let mut command = client.command("dig");
            command.args(["+search", "+short", "+tries=2", "+time=2", transport]);
            match kind {
                "PTR" => command.args(["-x", name]),
                kind => command.args([name, kind]),
            };
            let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
            text.lines().map(|line| line.trim_end_matches('.').to_owned()).collect()
        };
        let mut found = match asker {
            Asker::Glibc => by_library("getent", ""),
            Asker::GlibcTcp => by_library("getent", "use-vc"),
            Asker::Musl => by_library(&musl, ""),
            Asker::Dig => by_dig("+notcp"),
            Asker::DigTcp => by_dig("+tcp"),
        };
        found.sort();
        found.dedup();
        found
    }

    /// Every asker gets this, soon.
    fn all_get(&self, kind: &str, name: &str, expected: &[&str]) {
        for asker in ASKERS {
            self.gets(asker, kind, name, expected);
        }
    }

    fn gets(&self, asker: Asker, kind: &str, name: &str, expected: &[&str]) {
        let told = eventually(SOON, || (self.ask(asker, kind, name) == expected).then_some(()));
        assert!(
            told.is_some(),
            "{asker:?} gets {:?} for {name} {kind}, and not {expected:?}\n{}\n{}",
            self.ask(asker, kind, name),
            self.lab.counters(),
            self.lab.gateway.log()
        );
    }

    fn apply(&self, text: &str) {
        self.cluster.apply(text).unwrap();
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// A pod that runs, is ready and has this address, as a kubelet would have it.
    fn pod(&self, name: &str, spec: &str, ip: &str) {
        self.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: dns-1, labels: {{ app: {name} }} }}\nspec: {{ {spec}nodeName: node-1, containers: [{{ name: c, image: none }}], serviceAccountName: default, automountServiceAccountToken: false }}\n"
        ));
        let status = format!(
            r#"{{"status":{{"phase":"Running","podIP":"{ip}","podIPs":[{{"ip":"{ip}"}}],"conditions":[{{"type":"Ready","status":"True"}}]}}}}"#
        );
        self.kubectl(&[
            "-n",
            "dns-1",
            "patch",
            "pod",
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ]);
    }
}

#[test]
fn cluster_services_partial_names_hostnames_and_subdomains() {
    let world = World::start("");
    // The cluster: the API server's own Service.
    for name in ["kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"] {
        world.all_get("A", name, &["10.96.0.1"]);
    }
    world.all_get("PTR", "10.96.0.1", &["kubernetes.default.svc.cluster.local"]);
    // Services, with addresses and headless, by whole and partly qualified names.
    world.pod("p", "hostname: querier, subdomain: headless, ", "10.244.7.7");
    world.apply(
        r#"apiVersion: v1
kind: Service
metadata: { name: plain, namespace: dns-1 }
spec: { clusterIP: 10.96.0.77, selector: { app: p }, ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: dns-1 }
spec: { clusterIP: None, selector: { app: p }, ports: [{ name: http, port: 80 }] }
"#,
    );
    for (service, address) in [("plain", "10.96.0.77"), ("headless", "10.244.7.7")] {
        for suffix in ["", ".dns-1", ".dns-1.svc", ".dns-1.svc.cluster.local"] {
            world.all_get("A", &format!("{service}{suffix}"), &[address]);
        }
    }
    for asker in [Asker::Dig, Asker::DigTcp] {
        let port = "_http._tcp.plain.dns-1.svc";
        world.gets(asker, "SRV", port, &["0 100 80 plain.dns-1.svc.cluster.local"]);
        let port = "_http._tcp.headless.dns-1.svc.cluster.local";
        world.gets(asker, "SRV", port, &["0 100 80 querier.headless.dns-1.svc.cluster.local"]);
    }
    world.all_get("PTR", "10.96.0.77", &["plain.dns-1.svc.cluster.local"]);
    // A pod's hostname within its subdomain, both ways.
    for name in ["querier.headless", "querier.headless.dns-1.svc.cluster.local"] {
        world.all_get("A", name, &["10.244.7.7"]);
    }
    // The controller names a pod's endpoint by its hostname only where the subdomain is the Service.
    for asker in ASKERS {
        let found = world.ask(asker, "PTR", "10.244.7.7");
        assert!(found.iter().any(|name| name.ends_with("dns-1.svc.cluster.local")), "{asker:?}: {found:?}");
    }
    // What there is not.
    for asker in ASKERS {
        assert_eq!(world.ask(asker, "A", "nope.dns-1.svc.cluster.local."), [""; 0], "{asker:?}");
    }
    // The pod is no longer ready: its headless name goes.
    let status = r#"{"status":{"conditions":[{"type":"Ready","status":"False"}]}}"#;
    world.kubectl(&[
        "-n",
        "dns-1",
        "patch",
        "pod",
        "p",
        "--subresource=status",
        "--type=merge",
        "-p",
        status,
    ]);
    world.all_get("A", "headless.dns-1.svc.cluster.local.", &[]);
    world.all_get("A", "plain", &["10.96.0.77"]);
    // How long that took, from the controller's word of what it came from, is measured.
    let mut scrape = world.lab.bed.gateway.command("curl");
    let page = scrape.args(["-s", "http://127.0.0.1:9472/metrics"]).output().unwrap().stdout;
    let page = String::from_utf8(page).unwrap();
    let name = "coredns_kubernetes_dns_programming_duration_seconds_count";
    let count = page.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix("{service_kind=\"headless_with_selector\"} ")?
            .parse::<u64>()
            .ok()
    });
    assert!(count.is_some_and(|count| count > 0), "{count:?}");
}

#[test]
fn an_external_name_changes_to_another_and_to_a_cluster_ip() {
    let world = World::start("");
    let aka = |spec: &str| {
        let of = "metadata: { name: aka, namespace: dns-1 }";
        world.apply(&format!("apiVersion: v1\nkind: Service\n{of}\nspec: {spec}\n"));
    };
    for target in ["foo.example.com", "bar.example.com"] {
        aka(&format!("{{ type: ExternalName, externalName: {target} }}"));
        for asker in [Asker::Dig, Asker::DigTcp] {
            world.gets(asker, "CNAME", "aka", &[target]);
            world.gets(asker, "A", "aka.dns-1.svc.cluster.local", &["192.0.2.77", target]);
        }
        for asker in [Asker::Glibc, Asker::GlibcTcp, Asker::Musl] {
            world.gets(asker, "A", "aka.dns-1.svc.cluster.local", &["192.0.2.77"]);
        }
    }
    let patch =
        r#"{"spec":{"type":"ClusterIP","externalName":null,"clusterIP":"10.96.0.99","ports":[{"port":80}]}}"#;
    world.kubectl(&["-n", "dns-1", "patch", "service", "aka", "--type=merge", "-p", patch]);
    world.all_get("A", "aka.dns-1.svc.cluster.local", &["10.96.0.99"]);
    for asker in [Asker::Dig, Asker::DigTcp] {
        world.gets(asker, "CNAME", "aka", &[]);
    }
}

const CRD: &str = r#"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: serviceimports.multicluster.x-k8s.io
  annotations: { api-approved.kubernetes.io: "https://github.com/kubernetes/enhancements/pull/1646" }
spec:
  group: multicluster.x-k8s.io
  scope: Namespaced
  names: { plural: serviceimports, singular: serviceimport, kind: ServiceImport }
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
"#;

const IMPORTS: &str = r#"apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: shop, namespace: dns-1 }
spec: { type: ClusterSetIP, ips: [10.96.0.88], ports: [{ name: http, port: 80, protocol: TCP }] }
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: { name: db, namespace: dns-1 }
spec: { type: Headless, ports: [{ name: sql, port: 5432, protocol: TCP }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: db-west
  namespace: dns-1
  labels: { multicluster.kubernetes.io/service-name: db, multicluster.kubernetes.io/source-cluster: west }
addressType: IPv4
ports: [{ name: sql, port: 5432, protocol: TCP }]
endpoints: [{ addresses: [10.244.8.8], hostname: db-0 }]
"#;

#[test]
fn imports_of_other_clusters_are_named_as_soon_as_their_kind_is_installed() {
    let world = World::start("  multicluster_zones: [clusterset.local]\n");
    // Without the kind everything else is served, and it is said.
    world.gets(Asker::Dig, "A", "kubernetes.default", &["10.96.0.1"]);
    let problems = world.lab.cli(&["show", "problems"]);
    assert!(problems.contains("ServiceImports") && problems.contains("no such kind"), "{problems}");
    world.apply(CRD);
    world.kubectl(&["wait", "--for=condition=Established", "crd/serviceimports.multicluster.x-k8s.io"]);
    let applied = eventually(SOON, || world.cluster.apply(IMPORTS).ok());
    assert!(applied.is_some());
    world.all_get("A", "shop.dns-1.svc.clusterset.local", &["10.96.0.88"]);
    world.all_get("A", "db.dns-1.svc.clusterset.local", &["10.244.8.8"]);
    world.all_get("A", "db-0.west.db.dns-1.svc.clusterset.local", &["10.244.8.8"]);
    for asker in ASKERS {
        assert_eq!(world.ask(asker, "A", "db-0.db.dns-1.svc.clusterset.local."), [""; 0], "{asker:?}");
        assert_eq!(world.ask(asker, "A", "shop.dns-1.svc.cluster.local."), [""; 0], "{asker:?}");
    }
    let target = "0 100 5432 db-0.west.db.dns-1.svc.clusterset.local";
    world.gets(Asker::DigTcp, "SRV", "_sql._tcp.db.dns-1.svc.clusterset.local", &[target]);
    assert!(!world.lab.cli(&["show", "problems"]).contains("no such kind"));
    // It moves to another cluster, and goes.
    let label = "multicluster.kubernetes.io/source-cluster=east";
    world.kubectl(&["-n", "dns-1", "label", "--overwrite", "endpointslice", "db-west", label]);
    world.gets(Asker::Dig, "A", "db-0.east.db.dns-1.svc.clusterset.local", &["10.244.8.8"]);
    world.kubectl(&["-n", "dns-1", "delete", "serviceimport", "shop"]);
    world.gets(Asker::Dig, "A", "shop.dns-1.svc.clusterset.local", &[]);
}

#[test]
fn labels_move_names_in_and_out() {
    let world = World::start("  namespace_labels: dns in (yes, on)\n  labels: \"!hidden\"\n");
    world.apply("apiVersion: v1\nkind: Service\nmetadata: { name: plain, namespace: dns-1 }\nspec: { clusterIP: 10.96.0.77, ports: [{ port: 80 }] }\n");
    let shown = |is: bool| {
        let (address, name): (&[&str], &[&str]) = match is {
            true => (&["10.96.0.77"], &["plain.dns-1.svc.cluster.local"]),
            false => (&[], &[]),
        };
        for asker in [Asker::Dig, Asker::DigTcp, Asker::Musl] {
            world.gets(asker, "A", "plain.dns-1.svc.cluster.local", address);
            world.gets(asker, "PTR", "10.96.0.77", name);
        }
    };
    world.kubectl(&["label", "namespace", "dns-1", "dns=yes"]);
    shown(true);
    world.kubectl(&["label", "--overwrite", "namespace", "dns-1", "dns=no"]);
    shown(false);
    world.kubectl(&["label", "--overwrite", "namespace", "dns-1", "dns=on"]);
    shown(true);
    world.kubectl(&["-n", "dns-1", "label", "service", "plain", "hidden="]);
    shown(false);
    world.kubectl(&["-n", "dns-1", "label", "service", "plain", "hidden-"]);
    shown(true);
}
