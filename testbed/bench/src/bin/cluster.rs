//! `cluster SERVICES ENDPOINTS`: a real API server with so many Services of so many endpoints each, `sluice control` on
//! it, and a subscriber that does with its feed what the data plane does. Rows `sync.*`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use sluice_bench::report::{Row, table, write};
use sluice_engine::snapshot::Publisher;
use sluice_feed::{Kinds, Subscriber};
use sluice_model::Change;
use sluice_testbed::cluster::{Cluster, Options, User};

/// Requests under way at once while objects are made.
const AT_ONCE: usize = 32;
/// Slices changed one after the other.
const PATCHES: usize = 300;

fn main() {
    let number = |n: usize, default| std::env::args().nth(n).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (services, endpoints) = (number(1, 10_000), number(2, 10));
    let cluster = Options::default().controllers(&[]).start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(client(&cluster));
    let start = Instant::now();
    runtime.block_on(create(&client, services, endpoints));
    eprintln!("{services} Services and slices made in {:.1} s", start.elapsed().as_secs_f64());

    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), &cluster);
    let name = format!("{services}x{endpoints}");
    let (mut initial, mut resident) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    for run in 0..3 {
        // Each from nothing: a saved state would be there at once.
        let _ = std::fs::remove_file(folder.path().join("state-v1"));
        let start = Instant::now();
        let control = Control::start(&config);
        let mut plane = Plane::new(folder.path());
        plane.until(Duration::from_secs(60), |plane| plane.services == services);
        initial.push(start.elapsed().as_secs_f64());
        resident.push(control.resident_mib());
        if run == 2 {
            rows.extend(patches(&runtime, &client, &mut plane, services, endpoints, &name));
            resident.push(control.resident_mib());
        }
    }
    rows.push(Row::new(&format!("sync.initial.{name}"), "s", &initial));
    rows.push(Row::new(&format!("sync.memory.{name}"), "MiB", &resident));
    // Once more, with what was saved and no API server.
    let mut cluster = cluster;
    cluster.stop_api();
    let start = Instant::now();
    let control = Control::start(&config);
    let mut plane = Plane::new(folder.path());
    plane.until(Duration::from_secs(60), |plane| plane.services == services);
    rows.push(Row::new(&format!("sync.saved.{name}"), "s", &[start.elapsed().as_secs_f64()]));
    drop(control);
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    println!("{}", table(&rows));
    write(Path::new("target/bench/sync.json"), &rows).unwrap();
}

/// Changes endpoints one by one: from the API server's answer until a snapshot has it.
fn patches(
    runtime: &tokio::runtime::Runtime,
    client: &Client,
    plane: &mut Plane,
    services: usize,
    endpoints: usize,
    name: &str,
) -> Vec<Row> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let mut took = Vec::new();
    for n in 0..PATCHES {
        let service = n * 7919 % services;
        let mut list = endpoints_of(service, endpoints);
        list[0]["addresses"] = json!([format!("10.250.{}.{}", n / 250, n % 250 + 1)]);
        let patch = Patch::Merge(json!({ "endpoints": list }));
        let seen = plane.changes;
        runtime.block_on(slices.patch(&format!("s{service}"), &PatchParams::default(), &patch)).unwrap();
        let answered = Instant::now();
        plane.until(Duration::from_secs(10), |plane| plane.changes > seen);
        took.push(answered.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    vec![
        Row::new(&format!("sync.patch.p50.{name}"), "ms", &[at(0.5)]),
        Row::new(&format!("sync.patch.p99.{name}"), "ms", &[at(0.99)]),
    ]
}

/// What the data plane does with the feed, but for the packets.
struct Plane {
    subscriber: Subscriber,
    publisher: Publisher,
    services: usize,
    changes: usize,
}

impl Plane {
    fn new(folder: &Path) -> Self {
        let subscriber =
            Subscriber::new(&folder.join("feed.sock"), "bench", Kinds::SERVICES.and(Kinds::SETTINGS));
        Self { subscriber, publisher: Publisher::new(), services: 0, changes: 0 }
    }

    fn until(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + patience;
        while !done(self) {
            assert!(Instant::now() < end, "not within {patience:?}: {} Services", self.services);
            let Some(transaction) = self.subscriber.next(Duration::from_millis(100)) else { continue };
            for change in &transaction.changes {
                match change {
                    Change::Service(service) if &*service.name.namespace == "default" => {
                        self.services += usize::from(service.name.name.starts_with('s'));
                        self.changes += 1;
                    }
                    _ => {}
                }
                self.publisher.apply(change);
            }
            self.publisher.publish(transaction.generation);
            self.subscriber.ack(transaction.generation);
        }
    }
}

struct Control(Child);

impl Control {
    fn start(config: &Path) -> Self {
        let binary = std::env::current_exe().unwrap().with_file_name("sluice");
        Self(Command::new(binary).args(["control", "-c"]).arg(config).spawn().expect("target/release/sluice"))
    }

    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // It ends by SIGTERM as it does in life: the last state is saved.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn configuration(folder: &Path, cluster: &Cluster) -> PathBuf {
    let path = folder.join("bench.yaml");
    let text = format!(
        "node: edge-1\nruntime_dir: {folder}\nlog: {{ level: warn }}\ndataplane:\n  lcores: [1]\n  ports:\n    - {{ name: uplink, device: net_null0, addresses: [192.0.2.1/24] }}\nsource:\n  kubernetes: {{ kubeconfig: {config} }}\n",
        folder = folder.display(),
        config = cluster.kubeconfig(User::Sluice).display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

async fn client(cluster: &Cluster) -> Client {
    let file = kube::config::Kubeconfig::read_from(cluster.kubeconfig(User::Admin)).unwrap();
    let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn endpoints_of(service: usize, endpoints: usize) -> Vec<serde_json::Value> {
    let one = |n: usize| {
        let address = format!("10.{}.{}.{}", 128 + service % 100, (service / 100) % 250, n + 1);
        json!({
            "addresses": [address], "conditions": { "ready": true, "serving": true, "terminating": false },
            "nodeName": format!("node-{}", n % 10), "zone": "z1",
            "targetRef": { "kind": "Pod", "namespace": "default", "name": format!("s{service}-5d8f7c9b6d-{n:05}") },
        })
    };
    (0..endpoints).map(one).collect()
}

async fn create(client: &Client, services: usize, endpoints: usize) {
    let all: Api<Service> = Api::namespaced(client.clone(), "default");
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let made = futures_util::stream::iter(0..services).map(|n| {
        let (all, slices) = (all.clone(), slices.clone());
        async move {
            let service = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": { "name": format!("s{n}") },
                "spec": { "selector": { "app": format!("s{n}") }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
            });
            let slice = json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": { "name": format!("s{n}"), "labels": { "kubernetes.io/service-name": format!("s{n}") } },
                "addressType": "IPv4", "ports": [{ "name": "http", "protocol": "TCP", "port": 8080 }],
                "endpoints": endpoints_of(n, endpoints),
            });
            all.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
            slices.create(&PostParams::default(), &serde_json::from_value(slice).unwrap()).await.unwrap();
        }
    });
    made.buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
}
