//! Which endpoints of a service port take new flows: readiness, traffic policy, topology, termination.
//!
//! The rules are those of kube-proxy's endpoint categorisation (kubernetes/kubernetes `pkg/proxy/topology.go`) with the
//! differences that `docs/services.md` lists.

use serde::{Deserialize, Serialize};

use crate::{Endpoint, Service, Settings, TrafficPolicy};

/// Whose traffic is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// To a ClusterIP: `internalTrafficPolicy` decides.
    Internal,
    /// From outside the cluster to a NodePort, LoadBalancer or external address: `externalTrafficPolicy` decides.
    External,
    /// From inside the cluster to one of those: all endpoints, whatever the external policy.
    ExternalFromCluster,
}

/// What decided the selection; `sluice explain` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// All ready endpoints.
    Ready,
    /// Ready endpoints hinted for this node.
    HintNode,
    /// Ready endpoints hinted for this zone.
    HintZone,
    /// Ready endpoints that are local, by policy.
    Local,
    /// No ready endpoint: those that terminate and still serve.
    Terminating,
    /// No ready endpoint here: local ones that terminate and still serve.
    LocalTerminating,
    /// None.
    Nothing(Empty),
}

/// What happens to traffic for which no endpoint is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Empty {
    /// No endpoint anywhere: refused at once (TCP reset, ICMP port unreachable).
    Refuse,
    /// Endpoints elsewhere, but policy Local wants one here: dropped.
    Drop,
}

/// The outcome of [`select`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection<'a> {
    /// The endpoints, in the order of [`crate::ServicePort::endpoints`].
    pub endpoints: Vec<&'a Endpoint>,
    /// What decided.
    pub step: Step,
}

/// The endpoints of port `port_index` that take new flows of one family in `scope`.
pub fn select<'a>(
    service: &'a Service,
    port_index: usize,
    v6: bool,
    scope: Scope,
    settings: &Settings,
) -> Selection<'a> {
    let all: Vec<&Endpoint> = service
        .ports
        .get(port_index)
        .map(|port| port.endpoints.iter().filter(|e| e.address.is_ipv6() == v6).collect())
        .unwrap_or_default();
    let policy = match scope {
        Scope::Internal => service.internal_policy,
        Scope::External => service.external_policy,
        Scope::ExternalFromCluster => TrafficPolicy::Cluster,
    };
    let usable = |e: &&Endpoint| e.ready || (e.serving && e.terminating);
    if !all.iter().any(usable) {
        return Selection { endpoints: Vec::new(), step: Step::Nothing(Empty::Refuse) };
    }
    match policy {
        TrafficPolicy::Cluster => cluster(&all, settings),
        TrafficPolicy::Local => local(&all, settings),
    }
}

fn cluster<'a>(all: &[&'a Endpoint], settings: &Settings) -> Selection<'a> {
    let ready = pick(all, |e| e.ready);
    if ready.is_empty() {
        return Selection { endpoints: pick(all, draining), step: Step::Terminating };
    }
    // Hints count only where every ready endpoint carries one and at least one names us: half a set of hints means
    // that the slice controller is still at work.
    if settings.is_node && ready.iter().all(|e| !e.hint_nodes.is_empty()) {
        let here = pick(&ready, |e| e.hint_nodes.contains(&settings.node));
        if !here.is_empty() {
            return Selection { endpoints: here, step: Step::HintNode };
        }
    }
    if let Some(zone) = &settings.zone
        && ready.iter().all(|e| !e.hint_zones.is_empty())
    {
        let here = pick(&ready, |e| e.hint_zones.contains(zone));
        if !here.is_empty() {
            return Selection { endpoints: here, step: Step::HintZone };
        }
    }
    Selection { endpoints: ready, step: Step::Ready }
}

fn local<'a>(all: &[&'a Endpoint], settings: &Settings) -> Selection<'a> {
    let Some(is_local) = locality(settings) else {
        // A gateway that is no node and has no set configured: every endpoint is as near as any other.
        return cluster(all, settings);
    };
    let ready = pick(all, |e| e.ready && is_local(e));
    if !ready.is_empty() {
        return Selection { endpoints: ready, step: Step::Local };
    }
    let terminating = pick(all, |e| draining(e) && is_local(e));
    if !terminating.is_empty() {
        return Selection { endpoints: terminating, step: Step::LocalTerminating };
    }
    Selection { endpoints: Vec::new(), step: Step::Nothing(Empty::Drop) }
}

/// What counts as local, `None` where everything does.
pub fn locality(settings: &Settings) -> Option<impl Fn(&Endpoint) -> bool + '_> {
    let by_zone = settings.local_nodes.is_empty();
    if !settings.is_node && by_zone && settings.zone.is_none() {
        return None;
    }
    Some(move |e: &Endpoint| {
        if settings.is_node {
            return e.node.as_deref() == Some(&*settings.node);
        }
        if by_zone {
            return e.zone == settings.zone;
        }
        e.node.as_ref().is_some_and(|node| settings.local_nodes.contains(node))
    })
}

fn draining(e: &Endpoint) -> bool {
    !e.ready && e.serving && e.terminating
}

fn pick<'a>(all: &[&'a Endpoint], keep: impl Fn(&Endpoint) -> bool) -> Vec<&'a Endpoint> {
    all.iter().copied().filter(|e| keep(e)).collect()
}
