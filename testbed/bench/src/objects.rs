//! The Services and their slices, made and changed as a controller does.

use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::runtime::Runtime;

/// Requests under way at once while objects are made.
const AT_ONCE: usize = 32;

/// What the API server has.
pub struct Objects {
    runtime: Runtime,
    client: Client,
    /// By the Service's number.
    addresses: Vec<IpAddr>,
    endpoints: usize,
}

impl Objects {
    /// Makes so many Services `s0`, `s1` … with a slice each.
    pub fn create(kubeconfig: &Path, services: usize, endpoints: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, addresses) = runtime.block_on(async {
            let client = client(kubeconfig).await;
            let addresses = create(&client, services, endpoints).await;
            (client, addresses)
        });
        Self { runtime, client, addresses, endpoints }
    }

    /// How many Services there are.
    pub fn count(&self) -> usize {
        self.addresses.len()
    }

    /// The cluster address of a Service.
    pub fn address(&self, service: usize) -> IpAddr {
        self.addresses[service]
    }

    /// The Service that the `n`th change is of: all over the place.
    pub fn service_of(&self, n: usize) -> usize {
        n * 7919 % self.count()
    }

    /// Gives the slice of the `n`th change endpoints that nothing had before, all of it `round`'s; when the API server's
    /// answer came.
    pub fn replace(&self, n: usize, round: usize) -> Instant {
        let service = self.service_of(n);
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), "default");
        let endpoints: Vec<_> =
            (0..self.endpoints).map(|e| endpoint(&replaced(round, e), service, e)).collect();
        let patch = Patch::Merge(json!({ "endpoints": endpoints }));
        self.runtime.block_on(async {
            slices.patch(&format!("s{service}"), &PatchParams::default(), &patch).await.unwrap();
            Instant::now()
        })
    }

    /// Makes one more Service; when it was asked for, when the API server's answer came, and the address it has.
    pub fn make(&self, name: &str) -> (Instant, Instant, IpAddr) {
        let all: Api<Service> = Api::namespaced(self.client.clone(), "default");
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
            "spec": { "ports": [{ "name": "http", "port": 80 }] },
        });
        let service = serde_json::from_value(service).unwrap();
        self.runtime.block_on(async {
            let asked = Instant::now();
            let made = all.create(&PostParams::default(), &service).await.unwrap();
            let answered = Instant::now();
            (asked, answered, made.spec.unwrap().cluster_ip.unwrap().parse().unwrap())
        })
    }

    /// Whether an endpoint is one of that round.
    pub fn is_of(&self, round: usize, address: IpAddr) -> bool {
        (0..self.endpoints).any(|n| replaced(round, n) == address.to_string())
    }
}

/// Rounds have 64 addresses each, all in 10.240.0.0/12.
fn replaced(round: usize, n: usize) -> String {
    let number = round * 64 + n % 64;
    format!("10.{}.{}.{}", 240 + number / 62_500, number / 250 % 250, number % 250 + 1)
}

async fn client(kubeconfig: &Path) -> Client {
    let file = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn endpoint(address: &str, service: usize, n: usize) -> serde_json::Value {
    json!({
        "addresses": [address], "conditions": { "ready": true, "serving": true, "terminating": false },
        "nodeName": format!("node-{}", n % 10), "zone": "z1",
        "targetRef": { "kind": "Pod", "namespace": "default", "name": format!("s{service}-5d8f7c9b6d-{n:05}") },
    })
}

async fn create(client: &Client, services: usize, endpoints: usize) -> Vec<IpAddr> {
    let all: Api<Service> = Api::namespaced(client.clone(), "default");
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let made = futures_util::stream::iter(0..services).map(|n| {
        let (all, slices) = (all.clone(), slices.clone());
        async move {
            let service = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": { "name": format!("s{n}") },
                "spec": { "selector": { "app": format!("s{n}") }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
            });
            let address = |e: usize| format!("10.{}.{}.{}", 128 + n % 100, (n / 100) % 250, e + 1);
            let slice = json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": { "name": format!("s{n}"), "labels": { "kubernetes.io/service-name": format!("s{n}") } },
                "addressType": "IPv4", "ports": [{ "name": "http", "protocol": "TCP", "port": 8080 }],
                "endpoints": (0..endpoints).map(|e| endpoint(&address(e), n, e)).collect::<Vec<_>>(),
            });
            let parameters = PostParams::default();
            let made = all.create(&parameters, &serde_json::from_value(service).unwrap()).await.unwrap();
            slices.create(&parameters, &serde_json::from_value(slice).unwrap()).await.unwrap();
            made.spec.unwrap().cluster_ip.unwrap().parse::<IpAddr>().unwrap()
        }
    });
    made.buffered(AT_ONCE).collect().await
}
