//! Ingresses on a real API server, with the gateway's own roles: what control tells of them on the feed, and what it writes
//! into their statuses and Events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_config::Config;
use sluice_feed::{Kinds, Subscriber};
use sluice_model::http::{HttpChange, HttpKey};
use sluice_model::{Change, ServiceName};
use sluice_testbed::cluster::{self, Cluster, Options, User};

/// How long anything may take on a machine that does a lot besides; a term of the Lease included.
const SOON: Duration = Duration::from_secs(40);

/// Control by itself, and who follows its feed as `sluice proxy` does.
struct Control {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    feed: Subscriber,
    told: BTreeMap<HttpKey, HttpChange>,
}

fn config(cluster: &Cluster, folder: &Path, state: &Path) -> Config {
    config_with(cluster, folder, state, "")
}

/// With more lines of `ingress`.
fn config_with(cluster: &Cluster, folder: &Path, state: &Path, more: &str) -> Config {
    let text = format!(
        r#"node: edge-1
runtime_dir: {}
state_dir: {}
dataplane:
  lcores: [1]
  ports:
    - {{ name: uplink, device: net_tap0, addresses: [192.0.2.1/24] }}
source: {{ kubernetes: {{ kubeconfig: {} }} }}
metrics: {{ control: none }}
ingress:
  addresses: [192.0.2.10, "2001:db8::10"]
{more}"#,
        folder.display(),
        state.display(),
        cluster.kubeconfig(User::Sluice).display()
    );
    Config::parse(&text, Path::new("/sluice.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

impl Control {
    fn start(config: Config) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let socket: PathBuf = config.feed_socket();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || sluice_sync::run(&config, &stopped).unwrap());
        let kinds = Kinds::HTTP.and(Kinds::CERTIFICATES);
        let feed = Subscriber::new(&socket, "proxy", kinds);
        Self { stop, thread: Some(thread), feed, told: BTreeMap::new() }
    }

    /// Takes in what is told, and acknowledges it.
    fn listen(&mut self) {
        while let Some(transaction) = self.feed.next(Duration::from_millis(50)) {
            for change in transaction.changes {
                let Change::Http(change) = change else { continue };
                if change.is_gone() {
                    self.told.remove(&change.key());
                } else {
                    self.told.insert(change.key(), change);
                }
            }
            self.feed.ack(transaction.generation);
        }
    }

    /// Waits until this holds.
    fn until(&mut self, what: &str, mut done: impl FnMut(&BTreeMap<HttpKey, HttpChange>) -> bool) {
        let start = Instant::now();
        loop {
            self.listen();
            if done(&self.told) {
                return;
            }
            let keys: Vec<String> = self.told.keys().map(ToString::to_string).collect();
            assert!(start.elapsed() < SOON, "{what} did not come: {keys:?}");
        }
    }

    fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn host(name: &str) -> HttpKey {
    HttpKey::Host(sluice_model::http::HostPattern::Exact(name.into()))
}

fn certificate() -> HttpKey {
    certificate_of("default")
}

fn certificate_of(namespace: &str) -> HttpKey {
    HttpKey::Certificate(ServiceName::new(namespace, "tls"))
}

/// Endpoints of all upstreams.
fn endpoints(told: &BTreeMap<HttpKey, HttpChange>) -> Vec<String> {
    let upstreams = told.values().filter_map(|change| match change {
        HttpChange::Upstream(upstream) => Some(upstream),
        _ => None,
    });
    upstreams.flat_map(|upstream| &upstream.endpoints).map(|it| it.address.to_string()).collect()
}

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { clusterIP: None, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: default
  labels: { kubernetes.io/service-name: web, service.kubernetes.io/headless: '' }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [10.244.1.5] }]
";

fn ingress(name: &str, class: &str, more: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: {name}, namespace: default{more} }}
spec:
  ingressClassName: {class}
  tls: [{{ hosts: [a.test], secretName: tls }}]
  rules:
    - host: a.test
      http: {{ paths: [{{ path: /, pathType: Prefix, backend: {{ service: {{ name: web, port: {{ number: 80 }} }} }} }}] }}
"
    )
}

fn secret(cluster: &Cluster) -> String {
    let made = |name: &str| cluster.folder().join(name).to_string_lossy().into_owned();
    let (key, chain) = (made("ingress.key"), made("ingress.crt"));
    let arguments =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let output = std::process::Command::new("openssl")
        .args(arguments)
        .args([
            "-keyout",
            &key,
            "-out",
            &chain,
            "-subj",
            "/CN=a.test",
            "-addext",
            "subjectAltName=DNS:a.test",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let arguments =
        ["create", "secret", "tls", "tls", "--cert", &chain, "--key", &key, "--dry-run=client", "-o", "yaml"];
    cluster.kubectl(&arguments).unwrap()
}

/// The addresses in an Ingress's status.
fn status(cluster: &Cluster, name: &str) -> String {
    let path = "jsonpath={.status.loadBalancer.ingress[*].ip}";
    cluster.kubectl(&["get", "ingress", name, "-o", path]).unwrap()
}

#[test]
fn an_ingress_becomes_routes_and_gets_its_status_and_its_loser_an_event() {
    let cluster = Options::default().controllers(&[]).start().unwrap();
    let apply_file = |name: &str| {
        let path = cluster::manifests().join(name).to_string_lossy().into_owned();
        cluster.kubectl(&["apply", "-f", &path]).unwrap();
    };
    apply_file("ingress-class.yaml");
    apply_file("tls-secrets.yaml");
    cluster.apply(WEB).unwrap();
    cluster.apply(&secret(&cluster)).unwrap();
    cluster.apply(&ingress("web", "sluice", "")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut control = Control::start(config(&cluster, folder.path(), state.path()));

    // Objects.
    control.until("the host", |told| told.contains_key(&host("a.test")));
    assert!(control.told.contains_key(&HttpKey::Settings));
    control.until("the certificate", |told| told.contains_key(&certificate()));
    assert_eq!(endpoints(&control.told), ["10.244.1.5:8080"]);
    cluster.apply(&WEB.replace("10.244.1.5", "10.244.1.6")).unwrap();
    control.until("another endpoint", |told| endpoints(told) == ["10.244.1.6:8080"]);

    // The status, once the proxy has said that it serves.
    control.until("the status", |_| status(&cluster, "web") == "192.0.2.10 2001:db8::10");
    let managers = [
        "get",
        "ingress",
        "web",
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    ];
    assert!(cluster.kubectl(&managers).unwrap().split(' ').any(|manager| manager == "sluice"));

    // A second one for the same path, with an annotation that makes no sense, is told so.
    let annotation = ", annotations: { nginx.ingress.kubernetes.io/proxy-read-timeout: soon }";
    cluster.apply(&ingress("younger", "sluice", annotation)).unwrap();
    control.until("the loser's Event", |_| {
        let events = cluster.kubectl(&["events", "--for=ingress/younger"]).unwrap();
        events.contains("NotServedAsWritten")
            && events.contains("a.test/ is Ingress default/web's")
            && events.contains("proxy-read-timeout")
    });
    control.until("the loser's status", |_| status(&cluster, "younger") == "192.0.2.10 2001:db8::10");

    // A Secret that goes bad leaves the certificate, and its Ingresses are told.
    let before = control.told[&certificate()].clone();
    let patch = r#"{"data":{"tls.key":"bm8ga2V5"}}"#;
    cluster.kubectl(&["patch", "secret", "tls", "--type=merge", "-p", patch]).unwrap();
    control.until("the Event of the Secret", |_| {
        let events = cluster.kubectl(&["events", "--for=ingress/web"]).unwrap();
        events.contains("Secret default/tls") && events.contains("last good certificate")
    });
    assert_eq!(control.told[&certificate()], before);

    // The class goes, and with it the routes and the status.
    let patch = r#"{"spec":{"ingressClassName":"nginx"}}"#;
    cluster.kubectl(&["patch", "ingress", "younger", "--type=merge", "-p", patch]).unwrap();
    control.until("the status to be cleared", |_| status(&cluster, "younger").is_empty());
    assert_eq!(status(&cluster, "web"), "192.0.2.10 2001:db8::10");
    cluster.kubectl(&["delete", "ingressclass", "sluice"]).unwrap();
    control.until("the routes to go", |told| !told.contains_key(&host("a.test")));
    control.until("the status to be cleared", |_| status(&cluster, "web").is_empty());
    apply_file("ingress-class.yaml");
    control.until("the host once more", |told| {
        !told.contains_key(&certificate()) && told.contains_key(&host("a.test"))
    });
    control.end();
}

#[test]
fn without_leave_to_read_secrets_everything_else_is_served_and_the_state_outlives_the_api_server() {
    let mut cluster = Options::default().controllers(&[]).start().unwrap();
    let class = cluster::manifests().join("ingress-class.yaml").to_string_lossy().into_owned();
    cluster.kubectl(&["apply", "-f", &class]).unwrap();
    cluster.apply(WEB).unwrap();
    cluster.apply(&ingress("web", "sluice", "")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut control = Control::start(config(&cluster, folder.path(), state.path()));
    control.until("the host", |told| told.contains_key(&host("a.test")));
    assert!(!control.told.contains_key(&certificate()));
    // Leave is given, and the certificate comes.
    let secrets = cluster::manifests().join("tls-secrets.yaml").to_string_lossy().into_owned();
    cluster.kubectl(&["apply", "-f", &secrets]).unwrap();
    cluster.apply(&secret(&cluster)).unwrap();
    control.until("the certificate", |told| told.contains_key(&certificate()));
    let told = control.told.clone();
    control.end();
    // The next one begins without an API server.
    cluster.stop_api();
    let folder = tempfile::tempdir().unwrap();
    let mut control = Control::start(config(&cluster, folder.path(), state.path()));
    control.until("what was saved", |now| *now == told);
    let file = state.path().join("state-v1");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "it has private keys");
    control.end();
}

#[test]
fn namespaces_that_may_be_read_have_their_certificates_and_others_hold_nothing_up() {
    let cluster = Options::default().controllers(&[]).start().unwrap();
    let manifest = |name: &str| cluster::manifests().join(name).to_string_lossy().into_owned();
    cluster.kubectl(&["apply", "-f", &manifest("ingress-class.yaml")]).unwrap();
    let allow = |namespace: &str| {
        let role = manifest("tls-secrets-namespace.yaml");
        cluster.kubectl(&["-n", namespace, "apply", "-f", &role]).unwrap();
    };
    allow("default");
    let secret = secret(&cluster);
    for (namespace, name) in [("default", "a.test"), ("late", "late.test"), ("other", "other.test")] {
        if namespace != "default" {
            cluster.kubectl(&["create", "namespace", namespace]).unwrap();
        }
        let objects = format!("{WEB}{}", ingress("web", "sluice", ""));
        let objects = objects.replace("namespace: default", &format!("namespace: {namespace}"));
        cluster.apply(&objects.replace("a.test", name)).unwrap();
        let place = format!("metadata:\n  namespace: {namespace}\n");
        cluster.apply(&secret.replace("metadata:\n", &place)).unwrap();
    }
    let state = tempfile::tempdir().unwrap();
    let keys = "  secret_namespaces: [default, late]\n";
    let folder = tempfile::tempdir().unwrap();
    let mut control = Control::start(config_with(&cluster, folder.path(), state.path(), keys));
    control.until("the hosts", |told| {
        ["a.test", "late.test", "other.test"].iter().all(|name| told.contains_key(&host(name)))
    });
    control.until("the certificate", |told| told.contains_key(&certificate()));
    // One namespace has no Role yet, one is not named.
    let event = |namespace: &str, words: &str| {
        cluster.kubectl(&["-n", namespace, "events", "--for=ingress/web"]).unwrap().contains(words)
    };
    let refused = "Secret late/tls may not be read; the default certificate is shown";
    control.until("an Event of what is refused", |_| event("late", refused));
    let left_out = "namespace other is none of ingress.secret_namespaces; the default certificate is shown";
    control.until("an Event of what is left out", |_| event("other", left_out));
    assert!(!control.told.contains_key(&certificate_of("late")));
    // Asked for again, it comes.
    allow("late");
    control.until("the late certificate", |told| told.contains_key(&certificate_of("late")));
    assert!(!control.told.contains_key(&certificate_of("other")));
    control.end();

    // Refused once more, while nobody was there: what was served stays, and what changes elsewhere is told.
    cluster.kubectl(&["-n", "late", "delete", "rolebinding", "sluice-tls-secrets"]).unwrap();
    let start = Instant::now();
    while cluster.kubectl_as(User::Sluice, &["-n", "late", "get", "secrets"]).is_ok() {
        assert!(start.elapsed() < SOON, "it may still be read");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut control = Control::start(config_with(&cluster, folder.path(), state.path(), keys));
    cluster.apply(&WEB.replace("10.244.1.5", "10.244.1.7")).unwrap();
    control.until("another endpoint", |told| endpoints(told).iter().any(|it| it == "10.244.1.7:8080"));
    let kept = "Secret late/tls may not be read; the last good certificate is shown";
    control.until("an Event of what is kept", |_| event("late", kept));
    assert!(control.told.contains_key(&certificate_of("late")) && control.told.contains_key(&certificate()));
    control.end();
}
