//! What may go wrong around control, on a real API server: it dies amid changes, two of them disagree on who writes, the
//! disk is full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::*;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sluice_feed::{Kinds, Subscriber};
use sluice_model::Change;
use sluice_testbed::client::{eventually, get_here};
use sluice_testbed::cluster::{Cluster, Options, User};
use sluice_testbed::gateway::binary;
use sluice_testbed::{Gateway, Testbed};

/// How long anything may take on a machine that does a lot besides.
const SOON: Duration = Duration::from_secs(60);

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn client(kubeconfig: PathBuf) -> kube::Client {
    let config = sluice_config::Kubernetes {
        kubeconfig: Some(kubeconfig),
        context: None,
        namespace: "sluice-system".into(),
        streaming_lists: false,
        state_max_age: None,
    };
    sluice_sync::kube::client(&config).await.unwrap()
}

fn service(name: &str, kind: &str) -> Service {
    let value = json!({ "metadata": { "name": name, "namespace": "default" },
        "spec": { "type": kind, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] } });
    serde_json::from_value(value).unwrap()
}

fn slice(service: &str, hosts: &[u64]) -> EndpointSlice {
    let endpoints: Vec<_> = hosts
        .iter()
        .map(|host| json!({ "addresses": [format!("10.244.{}.{}", host / 200, host % 200 + 1)] }))
        .collect();
    let value = json!({ "metadata": { "name": service, "namespace": "default",
            "labels": { "kubernetes.io/service-name": service } },
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{ "name": "http", "port": 8080 }] });
    serde_json::from_value(value).unwrap()
}

/// Writes at random for as long as it is told to, whether the server answers or not; how many writes it took, and how
/// many failed.
async fn churn(kubeconfig: PathBuf, seed: u64, stop: &AtomicBool) -> (usize, usize) {
    let client = client(kubeconfig).await;
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    let slices: Api<EndpointSlice> = Api::namespaced(client, "default");
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = |below: u64| {
        // xorshift64.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (mut done, mut failed) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let name = format!("c{}", next(20));
        let hosts: Vec<u64> = (0..next(6)).map(|_| next(2000)).collect();
        let (post, delete) = (PostParams::default(), DeleteParams::default());
        let apply = PatchParams::apply("churn").force();
        let result = match next(6) {
            0 => services.create(&post, &service(&name, "ClusterIP")).await.map(drop),
            1 => services.delete(&name, &delete).await.map(drop),
            2 => slices.delete(&name, &delete).await.map(drop),
            _ => slices.patch(&name, &apply, &Patch::Apply(&slice(&name, &hosts))).await.map(drop),
        };
        match result {
            Ok(()) => done += 1,
            // It is there already, or not any more.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => done += 1,
            Err(_) => {
                failed += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    (done, failed)
}

/// Endpoints by Service, as clients are sent to them.
type Picture = BTreeMap<String, Vec<String>>;

/// What the API server has.
async fn wanted(kubeconfig: PathBuf) -> Picture {
    let client = client(kubeconfig).await;
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    let slices: Api<EndpointSlice> = Api::namespaced(client, "default");
    let all = ListParams::default();
    let mut picture: Picture = services
        .list(&all)
        .await
        .unwrap()
        .into_iter()
        .map(|service| (service.metadata.name.unwrap(), Vec::new()))
        .collect();
    for slice in slices.list(&all).await.unwrap() {
        let of = slice.metadata.labels.unwrap_or_default().remove("kubernetes.io/service-name");
        let Some(endpoints) = of.and_then(|name| picture.get_mut(&name)) else { continue };
        for endpoint in slice.endpoints {
            let ip: std::net::IpAddr = endpoint.addresses[0].parse().unwrap();
            endpoints.push(std::net::SocketAddr::new(ip, 8080).to_string());
        }
        endpoints.sort();
        endpoints.dedup();
    }
    picture
}

/// What a subscriber has, and how often each Service was told.
struct Told {
    picture: Picture,
    times: BTreeMap<String, usize>,
}

fn follow(socket: PathBuf, stop: Arc<AtomicBool>, told: Arc<Mutex<Told>>) {
    let mut subscriber = Subscriber::new(&socket, "test", Kinds::SERVICES.and(Kinds::SETTINGS));
    while !stop.load(Ordering::Relaxed) {
        let Some(transaction) = subscriber.next(Duration::from_millis(50)) else { continue };
        let mut told = told.lock().unwrap();
        for change in &transaction.changes {
            let name = match change {
                Change::Service(service) => {
                    let endpoints = service.ports.iter().flat_map(|port| &port.endpoints);
                    let mut addresses: Vec<String> = endpoints.map(|e| e.address.to_string()).collect();
                    addresses.sort();
                    // `web` has them under two ports.
                    addresses.dedup();
                    told.picture.insert(service.name.name.to_string(), addresses);
                    &service.name
                }
                Change::ServiceGone(name) => {
                    told.picture.remove(&*name.name);
                    name
                }
                _ => continue,
            };
            *told.times.entry(name.name.to_string()).or_default() += 1;
        }
        subscriber.ack(transaction.generation);
    }
}

#[test]
fn api_server_dies_and_comes_back_amid_changes_and_the_gateway_ends_up_with_what_it_has() {
    let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
    let mut cluster = Options::default().in_namespace(&bed.gateway).controllers(&[]).start().unwrap();
    let source = format!("kubernetes: {{ kubeconfig: {} }}", cluster.kubeconfig(User::Sluice).display());
    cluster.apply(&web().endpoint(POD_A).endpoint(POD_A6).yaml()).unwrap();
    let lab = Lab::over(bed, Ports::Tap, &source, "");
    assert!(eventually(SOON, || lab.get(CLUSTER_IP).ok()).is_some(), "{}", lab.gateway.log());

    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::new(Mutex::new(Told { picture: Picture::new(), times: BTreeMap::new() }));
    let (socket, of, with) = (lab.bed.folder().join("run/feed.sock"), Arc::clone(&stop), Arc::clone(&told));
    let follower = std::thread::spawn(move || follow(socket, of, with));
    let writers: Vec<_> = (1..=2)
        .map(|seed| {
            let (kubeconfig, stop) = (cluster.kubeconfig(User::Admin), Arc::clone(&stop));
            lab.bed.gateway.spawn(move || in_runtime(churn(kubeconfig, seed, &stop)))
        })
        .collect();
    let of = Arc::clone(&stop);
    let requests = lab.bed.client.spawn(move || {
        let (mut done, mut failed) = (0, Vec::new());
        while !of.load(Ordering::Relaxed) {
            match get_here(at(CLUSTER_IP), Duration::from_secs(5)) {
                Ok(_) => done += 1,
                Err(error) => failed.push(error),
            }
        }
        (done, failed)
    });
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(1500));
        cluster.kill_api();
        std::thread::sleep(Duration::from_millis(500));
        cluster.start_api().unwrap();
    }
    std::thread::sleep(Duration::from_millis(1500));
    stop.store(true, Ordering::Relaxed);
    let (answered, unanswered) = requests.join().unwrap();
    let writes: Vec<(usize, usize)> = writers.into_iter().map(|w| w.join().unwrap()).collect();
    follower.join().unwrap();
    eprintln!("writes and failures: {writes:?}; {answered} requests");
    assert!(writes.iter().all(|(done, failed)| *done > 50 && *failed > 0), "{writes:?}");
    assert!(unanswered.is_empty() && answered > 100, "of {answered}: {unanswered:?}");

    // Somebody who comes now is told what the API server has.
    let kubeconfig = cluster.kubeconfig(User::Admin);
    let wanted = lab.bed.gateway.enter(move || in_runtime(wanted(kubeconfig)));
    assert!(wanted.len() > 5 && wanted.values().any(|endpoints| !endpoints.is_empty()), "{wanted:?}");
    let wanted = without_the_servers_own(&wanted);
    let mut seen = Picture::new();
    let is_there = eventually(SOON, || {
        let all = Arc::new(Mutex::new(Told { picture: Picture::new(), times: BTreeMap::new() }));
        let (stop, with) = (Arc::new(AtomicBool::new(false)), Arc::clone(&all));
        let (of, socket) = (Arc::clone(&stop), lab.bed.folder().join("run/feed.sock"));
        let follower = std::thread::spawn(move || follow(socket, of, with));
        std::thread::sleep(Duration::from_millis(200));
        stop.store(true, Ordering::Relaxed);
        follower.join().unwrap();
        seen = without_the_servers_own(&all.lock().unwrap().picture);
        (seen == wanted).then_some(())
    });
    assert!(is_there.is_some(), "wanted {wanted:#?}\nseen {seen:#?}\n{}", lab.gateway.log());
    // Nobody has touched it.
    assert_eq!(told.lock().unwrap().times.get("web"), Some(&1), "told again though it did not change");
}

/// `kubernetes` has no slice here, and changes with the server's own address.
fn without_the_servers_own(picture: &Picture) -> Picture {
    picture.iter().filter(|(name, _)| *name != "kubernetes").map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// A `sluice control` with a pool of its own, and a subscriber that acknowledges all it tells.
struct Writer {
    child: Child,
    log: PathBuf,
    folder: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Writer {
    fn start(folder: &Path, cluster: &Cluster, node: &str, pool: &str) -> Self {
        let folder = folder.join(node);
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("gateway.yaml");
        let text = format!(
            "node: {node}
runtime_dir: {folder}
metrics: {{ dataplane: none, control: none }}
dataplane:
  lcores: [1]
  ports: [{{ name: uplink, device: net_null0, addresses: [192.0.2.1/24] }}]
source:
  kubernetes: {{ kubeconfig: {kubeconfig} }}
services:
  address_pools: [{{ name: p, addresses: [{pool}] }}]
",
            folder = folder.display(),
            kubeconfig = cluster.kubeconfig(User::Sluice).display()
        );
        std::fs::write(&config, text).unwrap();
        let log = folder.join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(binary());
        command.args(["control", "-c"]).arg(&config).stdin(Stdio::null());
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (of, socket) = (Arc::clone(&stop), folder.join("feed.sock"));
        std::thread::spawn(move || {
            let told = Told { picture: Picture::new(), times: BTreeMap::new() };
            follow(socket, of, Arc::new(Mutex::new(told)));
        });
        Self { child, log, folder, stop }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), signal).unwrap();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn leads(&self) -> bool {
        self.show("sync").contains("\"leader\": true")
    }

    fn show(&self, what: &str) -> String {
        let mut command = Command::new(binary());
        command.args(["show", what, "-o", "json", "-c"]).arg(self.folder.join("gateway.yaml"));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Statuses in the order in which the API server took them: version, Service, address.
async fn statuses(kubeconfig: PathBuf, stop: &AtomicBool) -> Vec<(u64, String, String)> {
    let services: Api<Service> = Api::namespaced(client(kubeconfig).await, "default");
    let watch = WatchParams::default().timeout(120);
    let mut events = Box::pin(services.watch(&watch, "0").await.unwrap());
    let (mut last, mut all) = (BTreeMap::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let next = tokio::time::timeout(Duration::from_millis(50), events.next()).await;
        let Ok(Some(event)) = next else { continue };
        let service = match event.unwrap() {
            WatchEvent::Added(service) | WatchEvent::Modified(service) => service,
            WatchEvent::Deleted(service) => {
                last.remove(&service.metadata.name.unwrap());
                continue;
            }
            _ => continue,
        };
        let name = service.metadata.name.unwrap();
        let ingress = service.status.and_then(|s| s.load_balancer?.ingress).unwrap_or_default();
        let Some(ip) = ingress.into_iter().next().and_then(|ingress| ingress.ip) else { continue };
        if last.insert(name.clone(), ip.clone()).as_ref() != Some(&ip) {
            all.push((service.metadata.resource_version.unwrap().parse().unwrap(), name, ip));
        }
    }
    all
}

#[test]
fn a_writer_that_was_stopped_past_its_lease_writes_nothing_more() {
    let cluster = Options::default().controllers(&[]).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // By its address one can tell who has written a status.
    let first = Writer::start(folder.path(), &cluster, "edge-1", "203.0.113.0/25");
    assert!(eventually(SOON, || first.leads().then_some(())).is_some(), "{}", first.log());
    let second = Writer::start(folder.path(), &cluster, "edge-2", "203.0.113.128/25");

    let stop = Arc::new(AtomicBool::new(false));
    let (kubeconfig, of) = (cluster.kubeconfig(User::Admin), Arc::clone(&stop));
    let watcher = std::thread::spawn(move || in_runtime(statuses(kubeconfig, &of)));
    let (kubeconfig, of) = (cluster.kubeconfig(User::Admin), Arc::clone(&stop));
    // Work for whoever leads, all the time.
    let maker = std::thread::spawn(move || {
        in_runtime(async {
            let services: Api<Service> = Api::namespaced(client(kubeconfig).await, "default");
            let mut made = 0;
            while !of.load(Ordering::Relaxed) {
                let name = format!("lb-{}", made % 50);
                // Made anew each time round, so that there is a status to be written.
                let _ = services.delete(&name, &DeleteParams::default()).await;
                let new = service(&name, "LoadBalancer");
                made += usize::from(services.create(&PostParams::default(), &new).await.is_ok());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            made
        })
    });
    std::thread::sleep(Duration::from_secs(2));
    first.signal(Signal::STOP);
    let stopped = Instant::now();
    let taken = eventually(Duration::from_secs(40), || second.leads().then_some(()));
    assert!(taken.is_some(), "{}", second.log());
    eprintln!("taken over {:?} after the first was stopped", stopped.elapsed());
    std::thread::sleep(Duration::from_secs(1));
    first.signal(Signal::CONT);
    std::thread::sleep(Duration::from_secs(4));
    stop.store(true, Ordering::Relaxed);
    let made = maker.join().unwrap();
    let statuses = watcher.join().unwrap();

    let by_second = |ip: &str| ip.rsplit('.').next().unwrap().parse::<u8>().unwrap() >= 128;
    let takeover = statuses.iter().position(|(_, _, ip)| by_second(ip)).expect("the second has written");
    eprintln!("{made} Services made; {takeover} statuses by the first, {} after", statuses.len() - takeover);
    assert!(takeover > 10 && statuses.len() - takeover > 50, "{takeover} of {}", statuses.len());
    let late: Vec<_> = statuses[takeover..].iter().filter(|(_, _, ip)| !by_second(ip)).collect();
    assert!(late.is_empty(), "written by the first when the second led: {late:?}");
    assert!(!first.leads() && second.leads());
    // What was under way when it was stopped is no trouble of a gateway that does not lead.
    let quiet =
        eventually(SOON, || (!first.show("problems").contains("status cannot be written")).then_some(()));
    assert!(quiet.is_some(), "{}", first.show("problems"));
}

#[test]
fn a_full_disk_costs_the_saved_state_only_and_is_told_until_there_is_room() {
    let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
    let cluster = Options::default().in_namespace(&bed.gateway).controllers(&[]).start().unwrap();
    let source = format!("kubernetes: {{ kubeconfig: {} }}", cluster.kubeconfig(User::Sluice).display());
    let state = bed.folder().join("state");
    std::fs::create_dir(&state).unwrap();
    let mounted = state.to_string_lossy().into_owned();
    let more = format!("state_dir: {mounted}\n");
    cluster.apply(&web().endpoint(POD_A).endpoint(POD_A6).yaml()).unwrap();
    // `ip netns exec` gives the gateway mounts of its own: this one goes with it.
    let control = |bed: &Testbed, config: &Path| {
        let script = "mount -t tmpfs -o size=16k,mode=700 none \"$0\" && exec \"$@\"";
        Gateway::start_by(bed, &["sh", "-c", script, &mounted], "control", config).unwrap()
    };
    let mut control_role = None;
    let lab = Lab::started(bed, Ports::Tap, &source, &more, |bed, config| {
        control_role = Some(control(bed, config));
        Gateway::start(bed, "dataplane", config).unwrap()
    });
    let control = control_role.unwrap();
    assert!(eventually(SOON, || lab.get(CLUSTER_IP).ok()).is_some(), "{}", control.log());
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("nsenter");
        command.args(["-m", "-t", &control.pid().to_string(), "--"]).args(arguments);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let file = format!("{mounted}/state-v1");
    let size = || inside(&["stat", "-c", "%s", &file]).1.trim().parse::<u64>().unwrap_or(0);
    assert!(eventually(SOON, || (size() > 0).then_some(())).is_some(), "nothing saved: {}", control.log());
    let small = size();

    let many = |pod: &str| {
        let endpoint = |n: usize| format!("10.244.{}.{}", 100 + n / 200, n % 200 + 1);
        (0..500).fold(web().endpoint(pod), |many, n| many.endpoint(&endpoint(n))).yaml()
    };
    cluster.apply(&many(POD_B6)).unwrap();
    let told = |yes: bool| {
        let is = eventually(SOON, || {
            let problems = lab.cli(&["show", "problems"]);
            (problems.contains("No space left on device") == yes).then_some(())
        });
        assert!(is.is_some(), "{}\n{}", lab.cli(&["show", "problems"]), control.log());
    };
    told(true);
    let metrics = lab.bed.gateway.command("curl").args(["-sS", "http://127.0.0.1:9472/metrics"]).output();
    let metrics = String::from_utf8(metrics.unwrap().stdout).unwrap();
    assert!(metrics.contains("sluice_problems{level=\"error\"} 1"), "{metrics}");
    assert_eq!(size(), small, "what was saved before stays");
    // Changes go through, traffic too.
    let served_by = |pod: &str| {
        let is = eventually(SOON, || lab.get(CLUSTER_IP6).is_ok_and(|(name, _)| name == pod).then_some(()));
        assert!(is.is_some(), "not by {pod}\n{}", control.log());
    };
    served_by("b");
    cluster.apply(&many(POD_A6)).unwrap();
    served_by("a");
    told(true);
    assert!(inside(&["mount", "-o", "remount,size=1m", &mounted]).0);
    told(false);
    assert!(eventually(SOON, || (size() > 4 * small).then_some(())).is_some(), "{} bytes", size());
}
