//! Who sends most DNS queries, over all lcores.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use sluice_engine::clients::{SAMPLE, TopClients};
use sluice_observe::metrics::{Exposition, Kind, Label};

use super::Show;
use crate::admin::Failure;
use crate::admin::protocol::{DnsClientRow, DnsClients, DnsNamespaceRow};
use crate::lcore::Request;

/// How long an lcore may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Clients that are told.
const MOST: usize = 64;
/// Clients that metrics name.
const MOST_METRICS: usize = 10;

impl Show {
    /// Asks all lcores.
    pub(super) fn dns_clients(&self) -> Result<DnsClients, Failure> {
        let mut tops = Vec::new();
        for (number, lcore) in self.lcores.iter().enumerate() {
            let (answer, answers) = sync_channel(1);
            if !lcore.mailbox.post(Request::Clients { answer }) {
                return Err(Failure::Refused(format!("lcore {number} has too many requests")));
            }
            match answers.recv_timeout(PATIENCE) {
                Ok(top) => tops.push(top),
                Err(_) => return Err(Failure::Refused(format!("lcore {number} does not answer"))),
            }
        }
        // Only those few are looked up, whatever the number of pods.
        let mut pods: HashMap<IpAddr, Option<String>> =
            tops.iter().flat_map(|top| &top.clients).map(|client| (client.client, None)).collect();
        for (name, addresses) in &self.view().pods {
            for address in addresses {
                if let Some(pod) = pods.get_mut(address) {
                    *pod = Some(name.to_string());
                }
            }
        }
        Ok(merge(&tops, &pods))
    }

    /// The first of them as metrics; none where an lcore does not answer.
    pub(super) fn clients(&self, out: &mut Exposition) {
        let Ok(top) = self.dns_clients() else { return };
        let name = "sluice_dns_client_queries_per_second";
        let help =
            "DNS queries of the clients that ask most, estimated from a sample, of the last ten seconds.";
        let mut family = out.family(name, Kind::Gauge, help);
        for row in top.clients.iter().take(MOST_METRICS) {
            let (namespace, pod) = row.pod.as_deref().and_then(|pod| pod.split_once('/')).unwrap_or_default();
            let labels: [Label<'_>; 3] = [("client", &row.client), ("namespace", &namespace), ("pod", &pod)];
            family.sample(&labels, row.per_second);
        }
    }
}

fn merge(tops: &[TopClients], pods: &HashMap<IpAddr, Option<String>>) -> DnsClients {
    let mut all = 0.0;
    let mut clients: HashMap<IpAddr, [f64; 2]> = HashMap::new();
    for top in tops.iter().filter(|top| top.milliseconds > 0) {
        // Queries a second that one in the sample stands for.
        let each = SAMPLE as f64 * 1000.0 / top.milliseconds as f64;
        all += top.counted as f64 * each;
        for client in &top.clients {
            let [rate, error] = clients.entry(client.client).or_default();
            *rate += f64::from(client.counted) * each;
            *error += f64::from(client.error) * each;
        }
    }
    let share = |rate: f64| if all > 0.0 { rate / all } else { 0.0 };
    let row = |(client, [per_second, error]): (IpAddr, [f64; 2])| DnsClientRow {
        client,
        pod: pods.get(&client).cloned().flatten(),
        per_second,
        error,
        share: share(per_second),
    };
    let mut clients: Vec<DnsClientRow> = clients.into_iter().map(row).collect();
    clients.sort_by(|a, b| b.per_second.total_cmp(&a.per_second).then(a.client.cmp(&b.client)));
    let mut sums: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
    for row in &clients {
        if let Some((namespace, _)) = row.pod.as_deref().and_then(|pod| pod.split_once('/')) {
            let (clients, rate) = sums.entry(namespace).or_default();
            (*clients, *rate) = (*clients + 1, *rate + row.per_second);
        }
    }
    let sum = |(namespace, (clients, per_second)): (&str, (u64, f64))| DnsNamespaceRow {
        namespace: namespace.to_owned(),
        clients,
        per_second,
        share: share(per_second),
    };
    let mut namespaces: Vec<DnsNamespaceRow> = sums.into_iter().map(sum).collect();
    namespaces.sort_by(|a, b| b.per_second.total_cmp(&a.per_second));
    clients.truncate(MOST);
    DnsClients { per_second: all, clients, namespaces }
}

#[cfg(test)]
mod tests {
    use sluice_engine::clients::ClientCount;

    use super::*;

    #[test]
    fn lcores_are_summed_and_pods_named() {
        let [a, b, c] = ["10.0.0.1", "10.0.0.2", "fd00::3"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let count = |client, counted, error| ClientCount { client, counted, error };
        let tops = [
            TopClients {
                clients: vec![count(a, 100, 0), count(b, 50, 10)],
                counted: 150,
                milliseconds: 10_000,
            },
            // In its first window still.
            TopClients { clients: vec![count(b, 100, 5), count(c, 10, 0)], counted: 150, milliseconds: 5000 },
            TopClients::default(),
        ];
        let pods =
            HashMap::from([(a, Some("shop/web".to_owned())), (b, None), (c, Some("shop/db".to_owned()))]);
        let merged = merge(&tops, &pods);
        assert_eq!(merged.per_second, 2880.0);
        let rows: Vec<_> = merged
            .clients
            .iter()
            .map(|row| (row.client, row.per_second, row.error, row.pod.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [(b, 1600.0, 128.0, None), (a, 640.0, 0.0, Some("shop/web")), (c, 128.0, 0.0, Some("shop/db"))]
        );
        assert_eq!(merged.clients[0].share, 1600.0 / 2880.0);
        let [shop] = &merged.namespaces[..] else { panic!("{merged:?}") };
        assert_eq!((&*shop.namespace, shop.clients, shop.per_second), ("shop", 2, 768.0));
        assert_eq!(merge(&[], &HashMap::new()), DnsClients::default());
    }
}
