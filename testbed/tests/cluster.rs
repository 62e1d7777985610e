//! The API server of the tests: real, restartable, and closed to whoever has only the gateway's roles.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgid, kill_process};
use sluice_testbed::client::eventually;
use sluice_testbed::cluster::{self, Options, User};
use sluice_testbed::run::RunError;
use sluice_testbed::{Cluster, Testbed};

const PATIENCE: Duration = Duration::from_secs(15);
/// In the environment of this program run by itself: what to do.
const ROLE: &str = "SLUICE_CLUSTER_TEST";

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: default
  labels: {kubernetes.io/service-name: web}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.244.1.5], conditions: {ready: true}}]
";

/// One cluster at a time: each takes half a gigabyte and, starting, all of a small machine.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(options: Options) -> Cluster {
    options.start().unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `kubectl` as the gateway.
fn sluice(cluster: &Cluster, arguments: &[&str]) -> Result<String, RunError> {
    cluster.kubectl_as(User::Sluice, arguments)
}

/// That the gateway may not do this, and that the server is who says so.
fn forbidden(cluster: &Cluster, arguments: &[&str]) {
    match sluice(cluster, arguments) {
        Ok(output) => panic!("kubectl {arguments:?} was allowed: {output}"),
        Err(error) => {
            assert!(error.to_string().contains("is forbidden: User"), "kubectl {arguments:?}: {error}")
        }
    }
}

fn file(cluster: &Cluster, name: &str, text: &str) -> String {
    let path = cluster.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn version(cluster: &Cluster, object: &str) -> u64 {
    let path = "jsonpath={.metadata.resourceVersion}";
    cluster.kubectl(&["get", object, "-o", path]).unwrap().parse().unwrap()
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn gone(pids: &[u32], folder: &Path) {
    let ended =
        eventually(PATIENCE, || (!pids.iter().any(|&pid| is_alive(pid)) && !folder.exists()).then_some(()));
    assert!(ended.is_some(), "left behind: {pids:?} or {}", folder.display());
}

const READ: [&str; 7] = [
    "/api/v1/services",
    "/api/v1/namespaces",
    "/api/v1/nodes",
    "/api/v1/pods",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/networking.k8s.io/v1/ingresses",
    "/apis/networking.k8s.io/v1/ingressclasses",
];

#[test]
fn the_gateways_account_lists_and_watches_what_it_forwards_and_reads_nothing_else() {
    let _turn = turn();
    let cluster = start(Options::default());
    eprintln!("serving {:?} after its start", cluster.ready_after());
    for (name, pid) in cluster.processes() {
        eprintln!("{name}: {} MiB resident", resident_mib(pid));
    }
    cluster.apply(WEB).unwrap();
    for path in READ {
        let list = sluice(&cluster, &["get", "--raw", path]).unwrap();
        assert!(list.contains("\"items\""), "{path}: {list}");
        // From the beginning and for a second: what exists comes as an event.
        let watch = format!("{path}?watch=1&timeoutSeconds=1");
        let events = sluice(&cluster, &["get", "--raw", &watch]).unwrap();
        let expected = ["services", "namespaces", "endpointslices"].iter().any(|kind| path.ends_with(kind));
        assert_eq!(events.contains("ADDED"), expected, "{path}: {events}");
    }
    for path in
        ["/api/v1/secrets", "/api/v1/configmaps", "/api/v1/serviceaccounts", "/apis/apps/v1/deployments"]
    {
        forbidden(&cluster, &["get", "--raw", path]);
        forbidden(&cluster, &["get", "--raw", &format!("{path}?watch=1&timeoutSeconds=1")]);
    }
    forbidden(&cluster, &["get", "--raw", "/apis/rbac.authorization.k8s.io/v1/clusterroles"]);

    // A change is seen by a watch that was there before it.
    let mut watch = cluster.kubectl_command(User::Sluice);
    watch.args([
        "get",
        "endpointslices",
        "--watch-only",
        "-o",
        "jsonpath={.endpoints[*].addresses[*]}{'\\n'}",
    ]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let (sender, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            let _ = sender.send(line);
        }
    });
    let mut last = 0;
    let change = eventually(PATIENCE, || {
        // Until the watch is open nothing of it can be seen from outside, so there is more than one change.
        last += 1;
        cluster.apply(&WEB.replace("10.244.1.5", &format!("10.244.1.{last}"))).unwrap();
        seen.recv_timeout(Duration::from_millis(200)).ok()
    });
    assert!(change.is_some_and(|line| line.starts_with("10.244.1.")));
    watch.kill().unwrap();
    watch.wait().unwrap();

    // The administrator opens Secrets to it, to read.
    let secrets = cluster::manifests().join("tls-secrets.yaml").to_string_lossy().into_owned();
    cluster.kubectl(&["apply", "-f", &secrets]).unwrap();
    let read = eventually(PATIENCE, || {
        sluice(&cluster, &["get", "--raw", "/api/v1/secrets?fieldSelector=type%3Dkubernetes.io%2Ftls"]).ok()
    });
    assert!(read.is_some());
    forbidden(&cluster, &["create", "secret", "generic", "planted", "--from-literal=a=b"]);
}

#[test]
fn the_gateways_account_writes_statuses_events_and_its_lease_and_nothing_else() {
    let _turn = turn();
    let cluster = start(Options::default().controllers(&[]));
    assert_eq!(cluster.processes().len(), 2, "no controllers were asked for");
    cluster.apply(WEB).unwrap();
    cluster
        .apply(
            "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: default},
        spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}",
        )
        .unwrap();

    for (kind, version) in [("Service", "v1"), ("Ingress", "networking.k8s.io/v1")] {
        let status = format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: web, namespace: default}},
            status: {{loadBalancer: {{ingress: [{{ip: 203.0.113.10}}]}}}}}}"
        );
        let status = file(&cluster, "status.yaml", &status);
        sluice(
            &cluster,
            &["apply", "--server-side", "--subresource=status", "--field-manager=sluice", "-f", &status],
        )
        .unwrap();
        let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
        assert_eq!(cluster.kubectl(&["get", kind, "web", "-o", path]).unwrap(), "203.0.113.10");
        let spec = r#"{"metadata":{"labels":{"mine":"now"}}}"#;
        forbidden(&cluster, &["patch", kind, "web", "--type=merge", "-p", spec]);
        forbidden(&cluster, &["delete", kind, "web"]);
    }
    forbidden(&cluster, &["create", "service", "clusterip", "planted", "--tcp=80"]);
    forbidden(&cluster, &["delete", "endpointslice", "web-1"]);
    forbidden(&cluster, &["delete", "namespace", "default"]);
    forbidden(&cluster, &["create", "configmap", "planted"]);
    forbidden(
        &cluster,
        &["create", "clusterrolebinding", "planted", "--clusterrole=cluster-admin", "--user=x"],
    );

    let event = file(
        &cluster,
        "event.yaml",
        "{apiVersion: events.k8s.io/v1, kind: Event,
        metadata: {name: web.1, namespace: default}, eventTime: '2026-01-01T00:00:00.000000Z', type: Warning,
        action: Allocate, reason: PoolExhausted, note: no address is left, reportingController: sluice,
        reportingInstance: gw-1, regarding: {apiVersion: v1, kind: Service, name: web, namespace: default}}",
    );
    sluice(&cluster, &["create", "-f", &event]).unwrap();
    let series = r#"{"series":{"count":2,"lastObservedTime":"2026-01-01T00:00:01.000000Z"}}"#;
    sluice(&cluster, &["patch", "-f", &event, "--type=merge", "-p", series]).unwrap();
    assert!(cluster.kubectl(&["events", "--for=service/web"]).unwrap().contains("PoolExhausted"));

    let lease = |name: &str, namespace: &str, holder: &str| {
        let text = format!(
            "{{apiVersion: coordination.k8s.io/v1, kind: Lease,
            metadata: {{name: {name}, namespace: {namespace}}}, spec: {{holderIdentity: {holder}}}}}"
        );
        file(&cluster, "lease.yaml", &text)
    };
    sluice(&cluster, &["create", "-f", &lease("sluice-status", "sluice-system", "a")]).unwrap();
    sluice(&cluster, &["replace", "-f", &lease("sluice-status", "sluice-system", "b")]).unwrap();
    let holder =
        ["-n", "sluice-system", "get", "lease", "sluice-status", "-o", "jsonpath={.spec.holderIdentity}"];
    assert_eq!(sluice(&cluster, &holder).unwrap(), "b");
    forbidden(&cluster, &["create", "-f", &lease("sluice-status", "kube-system", "a")]);
    cluster.kubectl(&["create", "-f", &lease("other", "sluice-system", "a")]).unwrap();
    forbidden(&cluster, &["replace", "-f", &lease("other", "sluice-system", "b")]);
    forbidden(&cluster, &["-n", "sluice-system", "delete", "lease", "sluice-status"]);
}

#[test]
fn objects_survive_restarts_and_kills_and_a_restored_backup_runs_versions_backwards() {
    let _turn = turn();
    let mut cluster = start(Options::default());
    cluster.apply(WEB).unwrap();
    let ips = ["get", "service", "web", "-o", "jsonpath={.spec.clusterIPs}"];
    let before = cluster.kubectl(&ips).unwrap();
    assert!(before.starts_with("[\"10.") && before.contains("fd00:10:96::"), "{before}");
    let token = cluster.token(User::Sluice).to_owned();
    let ca = std::fs::read(cluster.ca_file()).unwrap();

    cluster.restart().unwrap();
    eprintln!("serving {:?} after a restart", cluster.ready_after());
    assert_eq!(sluice(&cluster, &ips).unwrap(), before);
    cluster.kill_api();
    assert!(cluster.kubectl(&["get", "services"]).is_err(), "a killed server answers");
    cluster.start_api().unwrap();
    assert_eq!(sluice(&cluster, &ips).unwrap(), before);
    assert!(sluice(&cluster, &["get", "endpointslice", "web-1"]).is_ok());
    assert_eq!(cluster.token(User::Sluice), token);
    assert_eq!(std::fs::read(cluster.ca_file()).unwrap(), ca);

    // Controllers outlive the server they follow, and work: a ready pod gets into a slice, a deleted namespace goes.
    cluster
        .apply(
            "
apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart-0, namespace: shop, labels: {app: cart}}
spec: {nodeName: node-1, containers: [{name: c, image: example.com/none}]}
",
        )
        .unwrap();
    let status = r#"{"status":{"phase":"Running","podIP":"10.244.1.7","podIPs":[{"ip":"10.244.1.7"}],
        "conditions":[{"type":"Ready","status":"True"}]}}"#;
    cluster
        .kubectl(&[
            "-n",
            "shop",
            "patch",
            "pod",
            "cart-0",
            "--subresource=status",
            "--type=merge",
            "-p",
            status,
        ])
        .unwrap();
    let path = "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}";
    let slices = ["-n", "shop", "get", "endpointslices", "-l", "kubernetes.io/service-name=cart", "-o", path];
    let found = eventually(PATIENCE, || cluster.kubectl(&slices).ok().filter(|text| text == "10.244.1.7"));
    assert!(found.is_some(), "{}", cluster.log("kube-controller-manager"));
    // There is no kubelet to confirm that the pod has ended.
    cluster.kubectl(&["-n", "shop", "delete", "pod", "cart-0", "--force", "--grace-period=0"]).unwrap();
    cluster.kubectl(&["delete", "namespace", "shop", "--timeout=15s"]).unwrap();

    let checkpoint = cluster.checkpoint().unwrap();
    let old = version(&cluster, "service/web");
    for number in 0..5 {
        cluster.kubectl(&["annotate", "service", "web", "--overwrite", &format!("n={number}")]).unwrap();
    }
    cluster.kubectl(&["create", "configmap", "later"]).unwrap();
    assert!(version(&cluster, "service/web") > old);
    cluster.roll_back(&checkpoint).unwrap();
    assert_eq!(version(&cluster, "service/web"), old);
    assert!(cluster.kubectl(&["get", "configmap", "later"]).is_err(), "rolled back");

    let (pids, folder): (Vec<u32>, PathBuf) =
        (cluster.processes().iter().map(|p| p.1).collect(), cluster.folder().to_owned());
    assert_eq!(pids.len(), 3);
    let start = Instant::now();
    cluster.stop();
    gone(&pids, &folder);
    eprintln!("stopped in {:?}", start.elapsed());
}

#[test]
fn runs_in_a_namespace_that_has_nothing_but_its_loopback() {
    let _turn = turn();
    let bed = Testbed::new().expect("namespaces take root and iproute2");
    let cluster = start(Options::default().in_namespace(&bed.gateway).controllers(&[]).api_flag("--v=1"));
    cluster.apply(WEB).unwrap();
    assert!(sluice(&cluster, &["get", "service", "web"]).is_ok());
    let port = cluster.server().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let outside = std::net::TcpStream::connect(("127.0.0.1", port));
    assert!(outside.is_err(), "reached from outside the namespace");
}

/// This program again, running one test alone in this role.
fn myself(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(ROLE, role).stdin(Stdio::null());
    command
}

/// A process that holds a cluster, and what it says of it: the folder, and the process ids of its programs.
fn holder(test: &str) -> (Child, PathBuf, Vec<u32>) {
    let mut maker = myself(test, "hold").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    let running =
        BufReader::new(maker.stderr.take().unwrap()).lines().map_while(Result::ok).find_map(|line| {
            text += &line;
            line.strip_prefix("running ").map(str::to_owned)
        });
    let running = running.unwrap_or_else(|| panic!("{text}"));
    let mut words = running.split(' ');
    let folder = PathBuf::from(words.next().unwrap());
    let pids: Vec<u32> = words.map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 3 && pids.iter().all(|&pid| is_alive(pid)) && folder.exists());
    (maker, folder, pids)
}

/// The part of the holder.
fn hold() {
    let cluster = start(Options::default());
    let pids: Vec<String> = cluster.processes().iter().map(|p| p.1.to_string()).collect();
    eprintln!("running {} {}", cluster.folder().display(), pids.join(" "));
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_maker_leaves_neither_process_nor_folder() {
    if std::env::var_os(ROLE).is_some() {
        return hold();
    }
    let _turn = turn();
    let (mut maker, folder, pids) = holder("a_killed_maker_leaves_neither_process_nor_folder");
    maker.kill().unwrap();
    maker.wait().unwrap();
    gone(&pids, &folder);
}

#[test]
fn what_a_killed_maker_and_its_killed_guardian_left_goes_with_the_next_start() {
    if std::env::var_os(ROLE).is_some() {
        return hold();
    }
    let _turn = turn();
    let (mut maker, folder, pids) =
        holder("what_a_killed_maker_and_its_killed_guardian_left_goes_with_the_next_start");
    let leader = getpgid(Pid::from_raw(i32::try_from(pids[0]).unwrap())).unwrap();
    kill_process(leader, Signal::KILL).unwrap();
    maker.kill().unwrap();
    maker.wait().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(pids.iter().all(|&pid| is_alive(pid)), "nobody was there to end them");
    let _next = start(Options::default().controllers(&[]));
    gone(&pids, &folder);
}

#[test]
fn without_the_programs_the_error_says_what_builds_them() {
    if std::env::var_os(ROLE).is_some() {
        eprintln!("{}", Cluster::start().unwrap_err());
        return;
    }
    let mut lost = myself("without_the_programs_the_error_says_what_builds_them", "lost");
    let output = lost.env("SLUICE_KUBETEST", "/nonexistent").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("run testbed/kubetest/build.sh"), "{text}");
}
