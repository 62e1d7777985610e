//! The same, as metrics and health.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sluice_engine::punt::PuntClass;
use sluice_engine::{DropReason, Event, QueryType};
use sluice_observe::Observed;
use sluice_observe::metrics::{self, Exposition, Kind};

use super::{LcoreHandle, Show};
use crate::admin::protocol::DeviceCounters;

/// Service ports whose scarce source ports are told, those that are worst off.
const WORST: usize = 100;
/// An lcore that has not turned for so long stands still; one turn takes microseconds.
const STILL: Duration = Duration::from_secs(5);

/// What `/metrics`, `/healthz` and `/readyz` say.
pub struct Metrics {
    show: Arc<Show>,
    /// By lcore: turns when they were seen to have changed, and when that was.
    turned: Mutex<Vec<(u64, Instant)>>,
}

impl Metrics {
    /// From what the admin socket answers from.
    pub fn new(show: Arc<Show>) -> Self {
        let now = Instant::now();
        let turned = Mutex::new(vec![(0, now); show.lcores.len()]);
        Self { show, turned }
    }
}

impl Observed for Metrics {
    fn metrics(&self) -> String {
        let mut out = Exposition::new();
        let dpdk = sluice_dpdk::version().trim_start_matches("DPDK ");
        metrics::build(&mut out, "dataplane", env!("CARGO_PKG_VERSION"), &[("dpdk", &dpdk)]);
        metrics::process(&mut out);
        let ready = self.ready().is_ok();
        out.single("sluice_ready", Kind::Gauge, "Whether packets are forwarded by a generation.", ready);
        self.show.state(&mut out);
        self.show.packets(&mut out);
        self.show.loops(&mut out);
        self.show.devices(&mut out);
        self.show.scarcity(&mut out);
        self.show.clients(&mut out);
        out.finish()
    }

    fn healthy(&self) -> Result<(), String> {
        let now = Instant::now();
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, (lcore, (seen, at))) in self.show.lcores.iter().zip(turned.iter_mut()).enumerate() {
            let [turns, _] = lcore.shared.turns();
            if turns != *seen {
                (*seen, *at) = (turns, now);
            } else if now.duration_since(*at) > STILL {
                return Err(format!("lcore {number} stands still"));
            }
        }
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        if !self.show.tables.is_open() {
            return Err("packets are not taken yet".to_owned());
        }
        if self.show.view().generation.0 == 0 {
            return Err("no Services from control yet".to_owned());
        }
        Ok(())
    }
}

impl Show {
    fn state(&self, out: &mut Exposition) {
        let status = self.status();
        let gauge = |out: &mut Exposition, name, help, value: u64| out.single(name, Kind::Gauge, help, value);
        gauge(out, "sluice_generation", "The generation in effect; 0 before the first.", status.generation.0);
        let help = "Whether control is connected.";
        gauge(out, "sluice_feed_connected", help, status.feed_connected.into());
        gauge(out, "sluice_services", "Services in effect.", status.services);
        gauge(out, "sluice_routes", "Routes taken over from Linux.", status.routes);
        gauge(out, "sluice_neighbors", "Neighbours taken over from Linux.", status.neighbors);
        let help = "Frontends that two Services claim.";
        gauge(out, "sluice_frontend_conflicts", help, status.conflicts.len() as u64);
        let [all, free] = status.buffers;
        gauge(out, "sluice_packet_buffers", "Packet buffers.", all);
        gauge(out, "sluice_packet_buffers_free", "Packet buffers that are free.", free);
        let help = "Whether packets lie in huge pages.";
        gauge(out, "sluice_huge_pages", help, status.huge_pages.into());
    }

    /// DNS under CoreDNS's names, for the dashboards there are. Queries that the resolver answers are on its page.
    fn queries(&self, out: &mut Exposition) {
        let sum = |event| self.numbered().map(|(_, lcore)| lcore.shared.events(event)).sum::<u64>();
        let server: (&str, &dyn std::fmt::Display) = ("server", &"dns://:53");
        let view: (&str, &dyn std::fmt::Display) = ("view", &"");
        let place = [server, ("zone", &"."), view];
        let help = "DNS queries answered on lcores.";
        let mut requests = out.family("coredns_dns_requests_total", Kind::Counter, help);
        for (v6, family) in [(false, "1"), (true, "2")] {
            for kind in QueryType::ALL {
                let count: u64 = self.numbered().map(|(_, lcore)| lcore.shared.queries(v6, kind)).sum();
                // All of a family's that there are, and those that nobody asks for not at all.
                if count > 0 || kind == QueryType::A {
                    let labels: [(&str, &dyn std::fmt::Display); 3] =
                        [("proto", &"udp"), ("family", &family), ("type", &kind)];
                    requests.sample(&[place, labels].concat(), count);
                }
            }
        }
        let (kept, absent) = (sum(Event::DnsKept), sum(Event::DnsKeptNxDomain));
        let found = kept.saturating_sub(absent);
        let help = "Replies to DNS queries of lcores by code.";
        let mut responses = out.family("coredns_dns_responses_total", Kind::Counter, help);
        for (code, plugin, count) in [
            ("NOERROR", "kubernetes", sum(Event::DnsNoError)),
            ("NXDOMAIN", "kubernetes", sum(Event::DnsNxDomain)),
            ("REFUSED", "kubernetes", sum(Event::DnsRefused)),
            ("other", "kubernetes", sum(Event::DnsFailed)),
            ("NOERROR", "cache", found),
            ("NXDOMAIN", "cache", absent),
        ] {
            let labels: [(&str, &dyn std::fmt::Display); 2] = [("rcode", &code), ("plugin", &plugin)];
            responses.sample(&[&place[..], &labels].concat(), count);
        }
        let help = "DNS queries answered on lcores with what the resolver had answered before.";
        let mut hits = out.family("coredns_cache_hits_total", Kind::Counter, help);
        for (kind, count) in [("success", found), ("denial", absent)] {
            hits.sample(&[server, ("type", &kind), ("zones", &"."), view], count);
        }
        let lost = sum(Event::DnsLogLost) + self.log_lost.load(Ordering::Relaxed);
        let help = "Lines of the query log that were lost.";
        out.single("sluice_dns_log_lost_total", Kind::Counter, help, lost);
    }

    fn packets(&self, out: &mut Exposition) {
        let help = "Packets dropped, by the reasons that `sluice show counters` explains.";
        let mut dropped = out.family("sluice_dropped_packets_total", Kind::Counter, help);
        let ports = self.ports.len();
        for (number, lcore) in self.numbered() {
            let shared = &lcore.shared;
            for reason in DropReason::ALL {
                dropped.sample(&[("reason", &reason.name()), ("lcore", &number)], shared.drops(reason));
            }
            let own = [
                ("tx_full", (0..ports).map(|device| shared.full(device)).sum()),
                ("punt_full", (ports..2 * ports).map(|device| shared.full(device)).sum()),
                ("hand_over_full", shared.hand_over_full()),
            ];
            for (reason, count) in own {
                dropped.sample(&[("reason", &reason), ("lcore", &number)], count);
            }
        }
        let help = "How often something happened, by the names that `sluice show counters` explains.";
        let mut events = out.family("sluice_events_total", Kind::Counter, help);
        for (number, lcore) in self.numbered() {
            for event in Event::ALL {
                events.sample(&[("event", &event.name()), ("lcore", &number)], lcore.shared.events(event));
            }
        }
        self.queries(out);
        let families = [
            ("sluice_punted_packets_total", "Packets given to Linux, by class."),
            ("sluice_punt_limited_packets_total", "Packets kept from Linux by their class's limit."),
        ];
        for (which, (name, help)) in families.into_iter().enumerate() {
            let mut punts = out.family(name, Kind::Counter, help);
            for (number, lcore) in self.numbered() {
                for class in PuntClass::ALL {
                    let counts = lcore.shared.punts(class);
                    let count = counts.get(which).copied().unwrap_or(0);
                    punts.sample(&[("class", &class.name()), ("lcore", &number)], count);
                }
            }
        }
    }

    fn loops(&self, out: &mut Exposition) {
        type Read = fn(&LcoreHandle) -> u64;
        let families: [(_, _, _, Read); 4] = [
            ("sluice_lcore_turns_total", Kind::Counter, "Turns of the lcore's loop.", |l| {
                l.shared.turns()[0]
            }),
            (
                "sluice_lcore_busy_turns_total",
                Kind::Counter,
                "Turns of the lcore's loop that found packets; their rate over that of all turns is its load.",
                |l| l.shared.turns()[1],
            ),
            ("sluice_lcore_generation", Kind::Gauge, "The generation that the lcore works by.", |l| {
                l.shared.generation().0
            }),
            ("sluice_flow_capacity", Kind::Gauge, "Flows that the lcore can own.", |l| {
                l.shared.flows().capacity.into()
            }),
        ];
        for (name, kind, help, read) in families {
            let mut family = out.family(name, kind, help);
            for (number, lcore) in self.numbered() {
                family.sample(&[("lcore", &number)], read(lcore));
            }
        }
        let help = "Flows that the lcore owns: with packets in one direction only, short-lived, established.";
        let mut flows = out.family("sluice_flows", Kind::Gauge, help);
        for (number, lcore) in self.numbered() {
            let stats = lcore.shared.flows();
            let classes = [
                ("embryonic", stats.embryonic),
                ("transient", stats.transient),
                ("established", stats.established),
            ];
            for (class, count) in classes {
                flows.sample(&[("class", &class), ("lcore", &number)], count);
            }
        }
        let mut cpus = out.family("sluice_lcore_info", Kind::Gauge, "The CPU of each lcore; the value is 1.");
        for (number, lcore) in self.numbered() {
            cpus.sample(&[("lcore", &number), ("cpu", &lcore.cpu)], 1_u64);
        }
    }

    /// What the ports and their kernel interfaces counted; a driver without counters shows zeros.
    fn devices(&self, out: &mut Exposition) {
        let rows = self.ports();
        type Read = fn(&DeviceCounters) -> u64;
        let families: [(_, _, Read); 8] = [
            ("sluice_port_received_packets_total", "Packets that the device received.", |c| c.rx_packets),
            ("sluice_port_sent_packets_total", "Packets that the device sent.", |c| c.tx_packets),
            ("sluice_port_received_bytes_total", "Bytes that the device received.", |c| c.rx_bytes),
            ("sluice_port_sent_bytes_total", "Bytes that the device sent.", |c| c.tx_bytes),
            ("sluice_port_missed_packets_total", "Packets lost because queues were full.", |c| c.rx_missed),
            ("sluice_port_receive_errors_total", "Packets received with errors.", |c| c.rx_errors),
            ("sluice_port_send_errors_total", "Packets that could not be sent.", |c| c.tx_errors),
            ("sluice_port_no_buffer_total", "Receptions for which no buffer was free.", |c| c.rx_no_buffer),
        ];
        for (name, help, read) in families {
            let mut family = out.family(name, Kind::Counter, help);
            for row in &rows {
                family.sample(&[("port", &row.name), ("device", &"port")], read(&row.device_counters));
                family.sample(&[("port", &row.name), ("device", &"kernel")], read(&row.punt_counters));
            }
        }
        let mut up = out.family("sluice_port_up", Kind::Gauge, "Whether the port's link is up.");
        for row in &rows {
            up.sample(&[("port", &row.name)], row.link_up);
        }
    }

    fn scarcity(&self, out: &mut Exposition) {
        let mut worst: Vec<_> = {
            let view = self.view();
            view.scarcity
                .iter()
                .map(|((name, port), scarcity)| (name.clone(), port.clone(), *scarcity))
                .collect()
        };
        worst.sort_by_key(|(_, _, scarcity)| std::cmp::Reverse(scarcity.hard + scarcity.failed));
        worst.truncate(WORST);
        let families = [
            ("sluice_snat_hard_total", "New flows that needed over 16 tries for a source port."),
            ("sluice_snat_failed_total", "New flows dropped for want of a source port."),
        ];
        for (which, (name, help)) in families.into_iter().enumerate() {
            let mut family = out.family(name, Kind::Counter, help);
            for (service, port, scarcity) in &worst {
                let labels: [metrics::Label<'_>; 3] =
                    [("namespace", &service.namespace), ("service", &service.name), ("port", port)];
                family.sample(&labels, if which == 0 { scarcity.hard } else { scarcity.failed });
            }
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &LcoreHandle)> {
        self.lcores.iter().enumerate()
    }
}
