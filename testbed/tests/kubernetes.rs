//! The gateway on a real API server: everything is written as kubectl writes it, and shows in what clients get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::*;
use sluice_testbed::Testbed;
use sluice_testbed::client::{eventually, get_here};
use sluice_testbed::cluster::{Cluster, Options, User};
use sluice_testbed::manifests::ServiceManifest;

/// How long anything may take on a machine that does a lot besides.
const SOON: Duration = Duration::from_secs(60);

struct KubeLab {
    // Dropped first: the gateway does not watch its API server go.
    lab: Lab,
    cluster: Cluster,
}

impl KubeLab {
    /// A gateway that has the shipped roles and nothing else.
    fn start() -> Self {
        Self::with("")
    }

    fn with(services: &str) -> Self {
        let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
        let cluster = Options::default().in_namespace(&bed.gateway).controllers(&[]).start().unwrap();
        let kubeconfig = cluster.kubeconfig(User::Sluice);
        let source = format!("{{ shrink_hold: 5, kubernetes: {{ kubeconfig: {} }} }}", kubeconfig.display());
        let lab = Lab::over(bed, Ports::Tap, &source, services);
        Self { lab, cluster }
    }

    fn apply(&self, manifest: &ServiceManifest) {
        self.cluster.apply(&manifest.yaml()).unwrap();
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// Gives `web` its load-balancer address, as whoever has allocated it would.
    fn give_address(&self, ip: &str) {
        let patch = format!(r#"{{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{ip}"}}]}}}}}}"#);
        self.kubectl(&["patch", "service", "web", "--subresource=status", "--type=merge", "-p", &patch]);
    }

    /// Waits until a request is answered by this pod.
    fn answered_by(&self, to: &str, pod: &str) -> Duration {
        let start = Instant::now();
        let done = eventually(SOON, || self.lab.get(to).is_ok_and(|(name, _)| name == pod).then_some(()));
        assert!(
            done.is_some(),
            "{to} is not served by {pod}: {:?}\n{}",
            self.lab.get(to),
            self.lab.gateway.log()
        );
        start.elapsed()
    }

    fn refused(&self, to: &str) {
        let refused = eventually(SOON, || {
            self.lab.get(to).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused).then_some(())
        });
        assert!(refused.is_some(), "{to} is not refused: {:?}\n{}", self.lab.get(to), self.lab.gateway.log());
    }

    fn unanswered(&self, to: &str) {
        let gone = eventually(SOON, || self.lab.get(to).is_err().then_some(()));
        assert!(gone.is_some(), "{to} is still answered");
    }

    fn logged(&self, text: &str) {
        let seen =
            eventually(Duration::from_secs(60), || self.lab.gateway.log().contains(text).then_some(()));
        assert!(seen.is_some(), "not logged: {text}\n{}", self.lab.gateway.log());
    }
}

/// `web` without load-balancer addresses, which are not written with the object.
fn web_a() -> ServiceManifest {
    web().endpoint(POD_A).endpoint(POD_A6)
}

fn web_b() -> ServiceManifest {
    web().endpoint(POD_B).endpoint(POD_B6)
}

#[test]
fn services_come_change_and_go_as_kubectl_writes_them() {
    let lab = KubeLab::start();
    lab.apply(&web_a());
    for to in [CLUSTER_IP, CLUSTER_IP6, NODE_PORT, NODE_PORT6] {
        lab.answered_by(to, "a");
    }
    // Endpoints.
    lab.apply(&web_b());
    lab.answered_by(CLUSTER_IP, "b");
    // Addresses.
    lab.give_address("203.0.113.10");
    lab.answered_by(VIP, "b");
    // Types.
    lab.kubectl(&["patch", "service", "web", "--type=json", "-p", r#"[{"op":"replace","path":"/spec/type","value":"ClusterIP"},{"op":"remove","path":"/spec/ports/0/nodePort"},{"op":"remove","path":"/spec/ports/1/nodePort"}]"#]);
    lab.unanswered(VIP);
    lab.unanswered(NODE_PORT);
    lab.answered_by(CLUSTER_IP, "b");
    // Ports.
    lab.kubectl(&[
        "patch",
        "service",
        "web",
        "--type=json",
        "-p",
        r#"[{"op":"replace","path":"/spec/ports/0/port","value":81}]"#,
    ]);
    lab.answered_by("10.96.0.20:81", "b");
    lab.refused(CLUSTER_IP);
    // No endpoints.
    lab.kubectl(&["delete", "endpointslices", "--all"]);
    lab.refused("10.96.0.20:81");
    // Deleted and made again.
    lab.kubectl(&["delete", "service", "web"]);
    lab.unanswered("10.96.0.20:81");
    lab.apply(&web_a());
    lab.answered_by(CLUSTER_IP, "a");
}

#[test]
fn api_server_may_restart_be_away_and_be_killed_and_traffic_goes_on() {
    let mut lab = KubeLab::start();
    lab.apply(&web_a());
    lab.answered_by(CLUSTER_IP, "a");
    let mut kept =
        lab.lab.bed.client.enter(|| TcpStream::connect_timeout(&at(CLUSTER_IP), PATIENCE).unwrap());
    let mut talk = |text: &[u8]| {
        kept.write_all(text).unwrap();
        let mut back = vec![0; text.len()];
        kept.read_exact(&mut back).unwrap();
        assert_eq!(back, text);
    };
    lab.cluster.kill_api();
    let requests = lab.lab.bed.client.spawn(|| {
        (0..1000).filter_map(|_| get_here(at(CLUSTER_IP), Duration::from_secs(5)).err()).collect::<Vec<_>>()
    });
    let failed = requests.join().unwrap();
    assert!(
        failed.is_empty(),
        "{} of 1,000 requests failed without the API server: {:?}",
        failed.len(),
        failed[0]
    );
    talk(b"while it is away");
    lab.cluster.start_api().unwrap();
    lab.apply(&web_b());
    lab.answered_by(CLUSTER_IP, "b");
    talk(b"after");
}

#[test]
fn saved_state_is_served_without_an_api_server_and_corrected_when_it_is_back() {
    let mut lab = KubeLab::start();
    lab.apply(&web_a());
    lab.answered_by(CLUSTER_IP, "a");
    let state = lab.lab.bed.folder().join("run/state-v1");
    assert!(eventually(SOON, || state.exists().then_some(())).is_some(), "the state was not saved");
    std::thread::sleep(Duration::from_secs(3));
    lab.cluster.stop_api();
    let control = lab.lab.gateway.child_of_role("control").unwrap();
    let kill = |pid: u32| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    kill(control);
    kill(lab.lab.gateway.child_of_role("dataplane").unwrap());
    // Both start anew, and nobody tells them anything: TAPs went with the data plane, so they are attached again.
    let again = eventually(SOON, || {
        sluice_testbed::links::attach_taps(&lab.lab.bed, "dtap0", "dtap1").ok()?;
        Some(())
    });
    assert!(again.is_some(), "{}", lab.lab.gateway.log());
    lab.answered_by(CLUSTER_IP, "a");
    lab.logged("serving the saved state");
    lab.cluster.start_api().unwrap();
    lab.apply(&web_b());
    lab.answered_by(CLUSTER_IP, "b");
    lab.kubectl(&["delete", "service", "web"]);
    lab.unanswered(CLUSTER_IP);
}

#[test]
fn api_server_restored_from_a_backup_is_followed_to_the_older_state() {
    let mut lab = KubeLab::start();
    lab.apply(&web_a());
    lab.answered_by(CLUSTER_IP, "a");
    let backup = lab.cluster.checkpoint().unwrap();
    lab.apply(&web_b());
    lab.answered_by(CLUSTER_IP, "b");
    lab.cluster.roll_back(&backup).unwrap();
    let took = lab.answered_by(CLUSTER_IP, "a");
    eprintln!("followed a rollback after {took:?}");
    lab.apply(&web_b());
    lab.answered_by(CLUSTER_IP, "b");
}

#[test]
fn a_missing_verb_is_named_with_its_kind() {
    let lab = KubeLab::start();
    lab.kubectl(&[
        "patch",
        "clusterrole",
        "sluice",
        "--type=json",
        "-p",
        r#"[{"op":"replace","path":"/rules/1/verbs","value":["get","list"]}]"#,
    ]);
    let control = lab.lab.gateway.child_of_role("control").unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(control).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    lab.logged(r#"cannot watch resource "endpointslices""#);
}

#[test]
fn losing_most_endpoints_at_once_is_held_back_for_a_while() {
    let lab = KubeLab::start();
    let many = (1..=30).fold(web(), |web, n| web.endpoint(&format!("10.244.9.{n}")));
    lab.apply(&many.endpoint(POD_A).endpoint(POD_A6));
    lab.answered_by(CLUSTER_IP6, "a");
    lab.kubectl(&["delete", "endpointslices", "--all"]);
    lab.logged("would be left at once");
    let start = Instant::now();
    assert_eq!(lab.lab.must_get(CLUSTER_IP6).0, "a", "the former state is still served");
    lab.refused(CLUSTER_IP6);
    eprintln!("released {:?} after it was held", start.elapsed());
    assert!(start.elapsed() > Duration::from_secs(2));
}

#[test]
fn load_balancer_services_get_addresses_of_a_pool_and_their_status_once_they_are_forwarded() {
    let pools = "  address_pools:\n    - { name: public, addresses: [203.0.113.10-203.0.113.11] }\n";
    let lab = KubeLab::with(pools);
    lab.apply(&web_a());
    lab.answered_by(VIP, "a");
    let status = |name: &str| {
        lab.kubectl(&["get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"])
    };
    let written = eventually(SOON, || (status("web") == "203.0.113.10").then_some(()));
    assert!(written.is_some(), "the status says {:?}\n{}", status("web"), lab.lab.gateway.log());
    // One more fits, a third does not, and is told so; it gets the address of the first when that goes.
    for name in ["second", "third"] {
        lab.kubectl(&["create", "service", "loadbalancer", name, "--tcp=80:8080"]);
    }
    let second = eventually(SOON, || (status("second") == "203.0.113.11").then_some(()));
    assert!(second.is_some(), "{:?}", status("second"));
    let told = eventually(SOON, || {
        let events = lab.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"]);
        events.contains("AddressPoolExhausted").then_some(())
    });
    assert!(told.is_some(), "no Event\n{}", lab.lab.gateway.log());
    lab.kubectl(&["delete", "service", "second"]);
    assert!(eventually(SOON, || (status("third") == "203.0.113.11").then_some(())).is_some());
    // Another type gives the address back.
    lab.kubectl(&["patch", "service", "third", "-p", r#"{"spec":{"type":"ClusterIP"}}"#]);
    assert!(eventually(SOON, || status("third").is_empty().then_some(())).is_some(), "{:?}", status("third"));
    // A new control keeps what was given.
    let control = lab.lab.gateway.child_of_role("control").unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(control).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(status("web"), "203.0.113.10");
    lab.answered_by(VIP, "a");
}

/// What dig prints with `+short`, asked in the client's namespace.
fn dig(lab: &Lab, server: &str, arguments: &[&str]) -> String {
    let mut command = lab.bed.client.command("dig");
    command.args(["+short", "+tries=1", "+time=2", &format!("@{server}")]).args(arguments);
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn names_follow_the_api_server() {
    const DNS: &str = "10.96.0.53";
    let kube = KubeLab::with(
        "dns:\n  service: kube-system/kube-dns\n  addresses: [203.0.113.53]\n  clients: [0.0.0.0/0]\n  pods: verified\n",
    );
    kube.cluster
        .apply(&format!(
            r#"apiVersion: v1
kind: Service
metadata: {{ name: kube-dns, namespace: kube-system }}
spec: {{ clusterIP: {DNS}, ports: [{{ name: dns, port: 53, protocol: UDP }}] }}
---
apiVersion: v1
kind: Namespace
metadata: {{ name: lonely }}
---
apiVersion: v1
kind: Pod
metadata: {{ name: p, namespace: default }}
spec: {{ containers: [{{ name: c, image: none }}], serviceAccountName: default, automountServiceAccountToken: false }}
"#
        ))
        .unwrap();
    let names = |name: &str, kind: &str, expected: &str| {
        let told = eventually(SOON, || (dig(&kube.lab, DNS, &[name, kind]) == expected).then_some(()));
        let seen = dig(&kube.lab, DNS, &[name, kind]);
        assert!(told.is_some(), "{name} {kind}: `{seen}` and not `{expected}`\n{}", kube.lab.gateway.log());
    };
    // The DNS Service's cluster IP is where queries are answered, beside the configured address.
    names("cluster.local", "NS", "kube-dns.kube-system.svc.cluster.local.");
    assert_eq!(dig(&kube.lab, "203.0.113.53", &["dns-version.cluster.local", "TXT"]), "\"1.1.0\"");
    kube.apply(&web_a());
    names("web.default.svc.cluster.local", "A", "10.96.0.20");
    names("10-244-1-5.web.default.svc.cluster.local", "A", POD_A);
    // An alias that is changed while it is served: to another name, then to a Service of its own.
    let aka = |spec: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{ name: aka, namespace: default }}\nspec: {spec}\n"
        );
        kube.cluster.apply(&text).unwrap();
    };
    aka("{ type: ExternalName, externalName: foo.example.com }");
    names("aka.default.svc.cluster.local", "CNAME", "foo.example.com.");
    aka("{ type: ExternalName, externalName: bar.example.com }");
    names("aka.default.svc.cluster.local", "CNAME", "bar.example.com.");
    kube.kubectl(&["delete", "service", "aka"]);
    names("aka.default.svc.cluster.local", "CNAME", "");
    aka("{ clusterIP: 10.96.0.99, ports: [{ port: 80 }] }");
    names("aka.default.svc.cluster.local", "A", "10.96.0.99");
    names("99.0.96.10.in-addr.arpa", "PTR", "aka.default.svc.cluster.local.");
    // Pods that have an address, in their namespace.
    let pod = "10-244-7-7.default.pod.cluster.local";
    names(pod, "A", "");
    let status = r#"{"status":{"phase":"Running","podIP":"10.244.7.7","podIPs":[{"ip":"10.244.7.7"}]}}"#;
    kube.kubectl(&["patch", "pod", "p", "--subresource=status", "--type=merge", "-p", status]);
    names(pod, "A", "10.244.7.7");
    // A namespace without Services exists, one that is gone does not.
    let whole = |name: &str| {
        let mut command = kube.lab.bed.client.command("dig");
        command.args(["+tries=1", "+time=2", &format!("@{DNS}"), name]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(whole("lonely.svc.cluster.local").contains("status: NOERROR"));
    assert!(whole("nowhere.svc.cluster.local").contains("status: NXDOMAIN"));
    // Without an API server names are told on.
    kube.kubectl(&["delete", "pod", "p", "--force", "--grace-period=0"]);
    names(pod, "A", "");
}

#[test]
fn names_follow_a_corefile_in_a_config_map() {
    const DNS: &str = "203.0.113.53";
    let kube = KubeLab::with(&format!(
        "dns:\n  config_map: kube-system/coredns\n  addresses: [{DNS}]\n  clients: [0.0.0.0/0]\n"
    ));
    let role = sluice_testbed::cluster::manifests().join("dns-config-map.yaml");
    kube.kubectl(&["apply", "-f", &role.to_string_lossy()]);
    kube.apply(&web_a());
    let map = |name: &str, keys: &[(&str, &str)]| {
        let data: String = keys
            .iter()
            .map(|(key, text)| format!("  {key}: |\n    {}\n", text.trim().replace('\n', "\n    ")))
            .collect();
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: {name}, namespace: kube-system }}\ndata:\n{data}"
        );
        kube.cluster.apply(&text).unwrap();
    };
    let names = |name: &str, kind: &str, expected: &str| {
        let told = eventually(SOON, || (dig(&kube.lab, DNS, &[name, kind]) == expected).then_some(()));
        let seen = dig(&kube.lab, DNS, &[name, kind]);
        assert!(told.is_some(), "{name} {kind}: `{seen}` and not `{expected}`\n{}", kube.lab.gateway.log());
    };
    let corefile = ".:53 {\n  kubernetes cluster.local {\n    ttl 7\n  }\n  hosts NodeHosts {\n    fallthrough\n  }\n  import custom/*.override\n}\n";
    map(
        "coredns",
        &[
            ("Corefile", &corefile.replace("NodeHosts", "/etc/coredns/NodeHosts")),
            ("NodeHosts", "192.0.2.9 node-1"),
        ],
    );
    names("web.default.svc.cluster.local", "A", "10.96.0.20");
    names("node-1", "A", "192.0.2.9");
    names("10-244-7-7.default.pod.cluster.local", "A", "");
    // What users add, and another Corefile: `pods` needs other objects to be read.
    map(
        "coredns-custom",
        &[("a.override", "template IN A t.example {\n  answer \"{{ .Name }} 60 IN A 192.0.2.8\"\n}")],
    );
    names("x.t.example", "A", "192.0.2.8");
    let verified = corefile.replace("ttl 7", "pods verified").replace("NodeHosts", "\"\"");
    map("coredns", &[("Corefile", &verified)]);
    names("node-1", "A", "");
    names("web.default.svc.cluster.local", "A", "10.96.0.20");
    // One that cannot be used changes nothing and is named; so does none.
    map("coredns", &[("Corefile", &verified.replace("kubernetes", "kubernettes"))]);
    kube.logged("there is no plugin `kubernettes`");
    names("x.t.example", "A", "192.0.2.8");
    kube.kubectl(&["delete", "configmap", "coredns", "-n", "kube-system"]);
    kube.logged("there is no such ConfigMap");
    assert_eq!(dig(&kube.lab, DNS, &["web.default.svc.cluster.local"]), "10.96.0.20");
    let good = corefile.replace("hosts NodeHosts {", "hosts \"\" {\n    192.0.2.7 node-2");
    map("coredns", &[("Corefile", &good)]);
    names("node-2", "A", "192.0.2.7");
}

#[test]
fn hosts_are_told_as_ingresses_and_services_name_them() {
    const DNS: &str = "203.0.113.53";
    // Without `ingress`: Ingresses are another's to serve, and followed for their hosts alone.
    let kube = KubeLab::with(&format!(
        "dns:\n  addresses: [{{ address: {DNS}, clients: [0.0.0.0/0] }}]\n  external_zones:\n  \
         - {{ zone: example.org, ttl: 0, hosts: [ingress, service], ingress_classes: [public] }}\n  \
         rate_limit: {{ per_second: 10000 }}\n"
    ));
    let names = |name: &str, expected: &str| {
        let told = eventually(SOON, || (dig(&kube.lab, DNS, &[name]) == expected).then_some(()));
        let seen = dig(&kube.lab, DNS, &[name]);
        assert!(told.is_some(), "{name}: `{seen}` and not `{expected}`\n{}", kube.lab.gateway.log());
    };
    let ingress = |name: &str, class: &str, host: &str| {
        let text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}, namespace: default }}\nspec:\n  \
             ingressClassName: {class}\n  rules:\n  - host: \"{host}\"\n    http: {{ paths: [{{ path: /, pathType: Prefix, \
             backend: {{ service: {{ name: web, port: {{ number: 80 }} }} }} }}] }}\n"
        );
        kube.cluster.apply(&text).unwrap();
    };
    let patch = |kind: &str, name: &str, ip: &str| {
        let patch = format!(r#"{{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{ip}"}}]}}}}}}"#);
        kube.kubectl(&["patch", kind, name, "--subresource=status", "--type=merge", "-p", &patch]);
    };
    kube.apply(&web_a());
    // An Ingress has a name when it has an address, and others have none.
    ingress("shop", "public", "shop.example.org");
    ingress("hidden", "internal", "hidden.example.org");
    patch("ingress", "hidden", "192.0.2.66");
    patch("ingress", "shop", "192.0.2.7");
    names("shop.example.org", "192.0.2.7");
    assert_eq!(dig(&kube.lab, DNS, &["hidden.example.org"]), "");
    patch("ingress", "shop", "192.0.2.8");
    names("shop.example.org", "192.0.2.8");
    // Another host, and a star.
    ingress("shop", "public", "*.store.example.org");
    names("any.store.example.org", "192.0.2.8");
    names("shop.example.org", "");
    // A class that counts from now on, and no more.
    ingress("hidden", "public", "hidden.example.org");
    names("hidden.example.org", "192.0.2.66");
    ingress("hidden", "internal", "hidden.example.org");
    names("hidden.example.org", "");
    // Services, by their own names and by those they are annotated with.
    kube.give_address("203.0.113.10");
    names("web.default.example.org", "203.0.113.10");
    let annotate = |value: &str| {
        kube.kubectl(&["annotate", "--overwrite", "service", "web", &format!("coredns.io/hostname{value}")]);
    };
    annotate("=www.example.org,a.store.example.org");
    names("www.example.org", "203.0.113.10");
    names("web.default.example.org", "");
    // The star is for names that nobody has.
    names("a.store.example.org", "203.0.113.10");
    names("b.store.example.org", "192.0.2.8");
    annotate("=api.example.org");
    names("api.example.org", "203.0.113.10");
    names("www.example.org", "");
    names("a.store.example.org", "192.0.2.8");
    annotate("-");
    names("web.default.example.org", "203.0.113.10");
    names("api.example.org", "");
    // With the objects their names go, and nothing was wrong with any of it.
    kube.kubectl(&["delete", "ingress", "shop"]);
    names("b.store.example.org", "");
    kube.kubectl(&["delete", "service", "web"]);
    names("web.default.example.org", "");
    assert_eq!(dig(&kube.lab, DNS, &["example.org", "NS"]), "dns.example.org.");
    let log = kube.lab.gateway.log();
    assert!(!log.contains("may not read") && !log.contains("forbidden"), "{log}");
}
