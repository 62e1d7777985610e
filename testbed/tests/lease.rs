//! Elections and statuses on a real API server, with the gateway's own roles and no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use sluice_model::ServiceName;
use sluice_sync::lease::{ApiLeases, Durations, Elector, Leadership, identity};
use sluice_sync::status::{FIELD_MANAGER, Shown, patch};
use sluice_testbed::cluster::{Cluster, Options, User};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// As the shipped Role names it.
const LEASE: &str = "sluice-status";
const NAMESPACE: &str = "sluice-system";
/// A term, and the pause between two looks at the Lease by whoever waits.
const TAKE_OVER: Duration = Duration::from_millis(15_000 + 2_400);
/// For requests on a machine that does a lot besides.
const SLACK: Duration = Duration::from_secs(3);

/// One cluster at a time: each takes half a gigabyte and, starting, all of a small machine.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start() -> Cluster {
    Options::default().controllers(&[]).start().unwrap_or_else(|error| panic!("{error}"))
}

async fn client(cluster: &Cluster) -> kube::Client {
    let config = sluice_config::Kubernetes {
        kubeconfig: Some(cluster.kubeconfig(User::Sluice)),
        context: None,
        namespace: NAMESPACE.into(),
        streaming_lists: false,
        state_max_age: None,
    };
    sluice_sync::kube::client(&config).await.unwrap()
}

/// A gateway that takes part in the election, over connections of its own.
struct Gateway {
    identity: String,
    leadership: Leadership,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Gateway {
    async fn start(cluster: &Cluster, node: &str) -> Self {
        let identity = identity(node);
        let leases = ApiLeases::new(client(cluster).await, NAMESPACE, LEASE);
        let (elector, leadership) = Elector::new(leases, identity.clone(), Durations::default());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(elector.run(async move {
            stopped.await.ok();
        }));
        Self { identity, leadership, stop, task }
    }

    async fn leads_within(&self, time: Duration) -> Duration {
        let start = Instant::now();
        let mut leadership = self.leadership.clone();
        let led = timeout(time, leadership.acquired()).await;
        assert!(led.is_ok(), "does not lead after {time:?}: {:?}", self.leadership.view());
        start.elapsed()
    }
}

/// Lets time pass, and sees to it that there is never more than one.
async fn pass(gateways: &[&Gateway], time: Duration) -> usize {
    let start = Instant::now();
    let mut leaders = 0;
    while start.elapsed() < time {
        sleep(Duration::from_millis(5)).await;
        leaders = gateways.iter().filter(|gateway| gateway.leadership.is_leader()).count();
        assert!(leaders <= 1, "{leaders} lead");
    }
    leaders
}

fn in_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

fn lease(cluster: &Cluster, field: &str) -> String {
    let path = format!("jsonpath={{{field}}}");
    cluster.kubectl(&["-n", NAMESPACE, "get", "lease", LEASE, "-o", &path]).unwrap()
}

#[test]
fn one_of_those_who_race_leads_and_another_follows_it() {
    let _turn = turn();
    let cluster = start();
    in_runtime(async {
        let a = Gateway::start(&cluster, "edge-1").await;
        let b = Gateway::start(&cluster, "edge-2").await;
        assert_eq!(pass(&[&a, &b], Duration::from_secs(8)).await, 1, "{:?}", a.leadership.view());
        let (first, second) = if a.leadership.is_leader() { (a, b) } else { (b, a) };
        assert_eq!(&*second.leadership.view().holder, first.identity);
        assert_eq!(lease(&cluster, ".spec.holderIdentity"), first.identity);
        assert_eq!(lease(&cluster, ".spec.leaseDurationSeconds"), "15");

        // Killed: what it has stays until its term has run out.
        first.task.abort();
        let took = second.leads_within(TAKE_OVER + SLACK).await;
        eprintln!("taken over {took:?} after the leader was killed");
        assert!(took > Duration::from_secs(12), "{took:?}");
        assert_eq!(lease(&cluster, ".spec.leaseTransitions"), "1");

        // Ended in order: the next one to look has it.
        let third = Gateway::start(&cluster, "edge-3").await;
        assert_eq!(pass(&[&second, &third], Duration::from_secs(3)).await, 1);
        drop(second.stop);
        let took = third.leads_within(Duration::from_millis(2_400) + SLACK).await;
        eprintln!("taken over {took:?} after the leader has ended");
        assert_eq!(lease(&cluster, ".spec.holderIdentity"), third.identity);
    });
}

#[test]
fn without_an_api_server_nobody_leads_and_with_it_one_does_again() {
    let _turn = turn();
    let mut cluster = start();
    in_runtime(async {
        let a = Gateway::start(&cluster, "edge-1").await;
        a.leads_within(Duration::from_secs(8)).await;
        let b = Gateway::start(&cluster, "edge-2").await;
        pass(&[&a, &b], Duration::from_secs(3)).await;
        cluster.kill_api();
        let away = Instant::now();
        let mut lost = a.leadership.clone();
        timeout(Duration::from_secs(11), lost.lost()).await.expect("leads on without an API server");
        eprintln!("ceased to lead {:?} after the API server was killed", away.elapsed());
        assert!(away.elapsed() > Duration::from_secs(7), "gave up before its time");
        assert_eq!(pass(&[&a, &b], Duration::from_secs(8)).await, 0);
        assert!(a.leadership.view().error.is_some());
        cluster.start_api().unwrap();
        assert_eq!(pass(&[&a, &b], Duration::from_secs(8)).await, 1);
    });
}

#[test]
fn a_missing_role_is_named() {
    let _turn = turn();
    let cluster = start();
    cluster.kubectl(&["-n", NAMESPACE, "delete", "rolebinding", "sluice"]).unwrap();
    in_runtime(async {
        let a = Gateway::start(&cluster, "edge-1").await;
        pass(&[&a], Duration::from_secs(3)).await;
        let error = a.leadership.view().error.unwrap();
        assert!(error.contains(r#"cannot get resource "leases""#), "{error}");
    });
}

#[test]
fn a_status_shows_addresses_whoever_wrote_it_before() {
    let _turn = turn();
    let cluster = start();
    cluster
        .apply(
            "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  type: LoadBalancer
  ports: [{port: 80}]
",
        )
        .unwrap();
    let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
    let by_hand = |ingress: &str| {
        let patch = format!(r#"{{"status":{{"loadBalancer":{{"ingress":[{ingress}]}}}}}}"#);
        let of = ["patch", "service", "web", "--subresource=status", "--type=merge", "-p", &patch];
        cluster.kubectl(&of).unwrap();
    };
    in_runtime(async {
        let services: Api<Service> = Api::namespaced(client(&cluster).await, "default");
        let name = ServiceName::new("default", "web");
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let show = async |addresses: &[&str]| {
            let shown = Shown::of(&services.get("web").await.unwrap());
            let body = patch(&name, &shown, &ips(addresses)).expect("is to be written");
            let stored = services.patch_status("web", &parameters, &Patch::Apply(&body)).await.unwrap();
            let shown = Shown::of(&stored);
            assert!(shown.says(&ips(addresses)), "{shown:?}");
            assert_eq!(patch(&name, &shown, &ips(addresses)), None);
            shown
        };
        show(&["203.0.113.1"]).await;
        show(&["203.0.113.1", "2001:db8::1"]).await;
        show(&[]).await;
        by_hand(r#"{"hostname":"a.example"},{"ip":"203.0.113.9"}"#);
        show(&[]).await;
        by_hand(r#"{"ip":"203.0.113.9"}"#);
        let shown = show(&["203.0.113.2"]).await;
        // A Service made anew is another.
        cluster.kubectl(&["delete", "service", "web"]).unwrap();
        cluster.kubectl(&["create", "service", "loadbalancer", "web", "--tcp=80"]).unwrap();
        let body = patch(&name, &shown, &ips(&["203.0.113.3"])).unwrap();
        let refused = services.patch_status("web", &parameters, &Patch::Apply(&body)).await;
        assert!(matches!(&refused, Err(kube::Error::Api(status)) if status.code == 422), "{refused:?}");
    });
}
