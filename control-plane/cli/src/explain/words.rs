//! An explanation in words.

use std::fmt::Write;

use sluice_engine::explain::{
    Affinity, Client, Endpoint, Exclusion, Explanation, Frontend, Hop, Policy, Source, SourceRanges, Verdict,
};
use sluice_model::{Empty, Step, TrafficPolicy};

/// A line for each thing that came up, the verdict last.
pub(super) fn text(explanation: &Explanation) -> String {
    let query = &explanation.query;
    let mut out = String::new();
    let source = match query.source_port {
        Some(port) => std::net::SocketAddr::new(query.source, port).to_string(),
        None => query.source.to_string(),
    };
    line(&mut out, "packet", &format!("{} {source} > {}", query.protocol, query.destination));
    if let Some(frontend) = &explanation.frontend {
        line(&mut out, "frontend", &frontend_words(frontend));
    }
    if let Some(client) = explanation.client {
        line(&mut out, "client", client_words(client));
    }
    if let (Some(policy), client) = (&explanation.policy, explanation.client) {
        line(&mut out, "policy", &policy_words(policy, client));
    }
    if let Some(ranges) = &explanation.source_ranges {
        line(&mut out, "source ranges", &ranges_words(ranges));
    }
    if let Some(affinity) = explanation.affinity {
        line(&mut out, "affinity", &affinity_words(affinity));
    }
    for (number, endpoint) in explanation.endpoints.iter().enumerate() {
        line(&mut out, if number == 0 { "endpoints" } else { "" }, &endpoint_words(endpoint));
    }
    if let Some(source) = &explanation.source {
        line(&mut out, "source", &source_words(source));
    }
    if let Some(hop) = way(explanation) {
        line(&mut out, "way there", &hop_words(hop));
    }
    if let Some(hop) = &explanation.back {
        line(&mut out, "way back", &hop_words(hop));
    }
    line(&mut out, "verdict", &verdict_words(explanation));
    out
}

/// A line of a thing and the words about it.
pub(super) fn line(out: &mut String, what: &str, words: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{what:<14} {words}");
}

fn frontend_words(frontend: &Frontend) -> String {
    let Frontend { kind, service, port, port_name } = frontend;
    let name = if port_name.is_empty() { String::new() } else { format!(" ({port_name})") };
    format!("{kind} of Service {service}, port {port}{name}")
}

fn client_words(client: Client) -> &'static str {
    match client {
        Client::Outside => "outside the cluster's networks: externalTrafficPolicy holds",
        Client::Inside => "inside the cluster's networks: externalTrafficPolicy does not hold",
        Client::Any => "any: internalTrafficPolicy holds for a ClusterIP",
    }
}

fn policy_words(policy: &Policy, client: Option<Client>) -> String {
    let field = match (client, policy.policy) {
        (Some(Client::Any), Some(policy)) => format!("internalTrafficPolicy: {}; ", policy_name(policy)),
        (Some(Client::Outside), Some(policy)) => format!("externalTrafficPolicy: {}; ", policy_name(policy)),
        _ => String::new(),
    };
    let step = match policy.step {
        Step::Ready => "all ready endpoints",
        Step::HintNode => "ready endpoints that topology hints give to this node",
        Step::HintZone => "ready endpoints that topology hints give to this zone",
        Step::Local => "ready endpoints that are local to this gateway",
        Step::Terminating => "none is ready: those that terminate and still serve",
        Step::LocalTerminating => "none that is local is ready: local ones that terminate and still serve",
        Step::Nothing(Empty::Refuse) => "no endpoint anywhere",
        Step::Nothing(Empty::Drop) => "no endpoint that is local to this gateway",
    };
    field + step
}

fn policy_name(policy: TrafficPolicy) -> &'static str {
    match policy {
        TrafficPolicy::Cluster => "Cluster",
        TrafficPolicy::Local => "Local",
    }
}

fn ranges_words(ranges: &SourceRanges) -> String {
    let list = ranges.ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let verdict = match (ranges.apply, ranges.allowed) {
        (false, _) => "do not hold here",
        (true, true) => "the client is in them",
        (true, false) => "the client is in none of them",
    };
    format!("{list}: {verdict}")
}

fn affinity_words(affinity: Affinity) -> String {
    let scope = if affinity.across_ports { ", the same endpoint for all ports" } else { "" };
    format!(
        "ClientIP, {} s{scope}; a client that is remembered keeps its endpoint, a new one gets the one below",
        affinity.timeout_seconds
    )
}

fn endpoint_words(endpoint: &Endpoint) -> String {
    let mut words = endpoint.address.to_string();
    let named = [("pod", &endpoint.pod), ("node", &endpoint.node)];
    for (what, name) in named.into_iter().filter_map(|(what, name)| Some((what, name.as_ref()?))) {
        let _ = write!(words, ", {what} {name}");
    }
    if endpoint.weight != 1 {
        let _ = write!(words, ", weight {}", endpoint.weight);
    }
    match endpoint.excluded {
        None if endpoint.chosen => words.push_str("  <- this one, by the client's hash"),
        None => {}
        Some(why) => {
            let _ = write!(words, "  (not used: {})", exclusion_words(why));
        }
    }
    words
}

fn exclusion_words(why: Exclusion) -> &'static str {
    match why {
        Exclusion::NotReady => "not ready",
        Exclusion::Terminating => "terminating, and ready ones are left",
        Exclusion::NotLocal => "not local to this gateway",
        Exclusion::HintedElsewhere => "topology hints give this gateway others",
        Exclusion::TooMany => "beyond the endpoints that one Service port can have",
    }
}

fn source_words(source: &Source) -> String {
    match source {
        Source::Preserved => "preserved: the endpoint sees the client's own address".to_owned(),
        Source::Translated { addresses, first_port, last_port } => {
            let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            format!("translated to {list}, a port from {first_port} to {last_port}")
        }
    }
}

/// The way to the endpoint that was chosen, or the only one there is.
fn way(explanation: &Explanation) -> Option<&Hop> {
    let used = || explanation.endpoints.iter().filter(|endpoint| endpoint.excluded.is_none());
    let chosen = used().find(|endpoint| endpoint.chosen);
    chosen.or_else(|| used().next().filter(|_| used().all(|e| same_way(e, used().next()))))?.hop.as_ref()
}

fn same_way(endpoint: &Endpoint, first: Option<&Endpoint>) -> bool {
    first.is_some_and(|first| first.hop == endpoint.hop)
}

fn hop_words(hop: &Hop) -> String {
    let wait =
        if hop.resolved { "" } else { " (its hardware address is not known: packets wait until it answers)" };
    format!("{} on port {}, next hop {}{wait}", hop.route, hop.port, hop.next_hop)
}

fn verdict_words(explanation: &Explanation) -> String {
    let tcp = explanation.query.protocol == sluice_model::Protocol::Tcp;
    let refusal = if tcp { "a TCP reset" } else { "ICMP port unreachable" };
    match &explanation.verdict {
        Verdict::Forward { endpoint: Some(endpoint) } => format!("forwarded to {endpoint}"),
        Verdict::Forward { endpoint: None } => {
            "forwarded to one of these endpoints; which one depends on the source port (--sport)".to_owned()
        }
        Verdict::Refuse { served: true } => format!("refused with {refusal}: the Service has no endpoint"),
        Verdict::Refuse { served: false } => {
            format!("refused with {refusal}: a service address, but no Service has this port")
        }
        Verdict::Drop { reason, help } => format!("dropped, counted as {reason}: {help}"),
        Verdict::Linux { own: Some(port) } => {
            format!(
                "given to Linux: an address of the gateway itself, on port {port}, and no Service has this port"
            )
        }
        Verdict::Linux { own: None } => {
            "given to Linux: no Service has this address; Linux routes it, or does not".to_owned()
        }
        Verdict::Proxy => "given to the proxy, which serves HTTP there".to_owned(),
        Verdict::Impossible => "no such packet: its addresses are of different families".to_owned(),
    }
}
