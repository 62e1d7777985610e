//! Counters, lcores and ports.

use sluice_dpdk::Port;
use sluice_engine::punt::PuntClass;
use sluice_engine::{DropReason, Event};

use super::{LcoreHandle, PortHandle, Show, mac_text};
use crate::admin::protocol::{CounterRow, DeviceCounters, LcoreRow, PortRow};

impl Show {
    pub(super) fn counters(&self) -> Vec<CounterRow> {
        let drops = DropReason::ALL.iter().map(|&reason| {
            self.counter(reason.name(), "drop", reason.help(), |lcore| lcore.shared.drops(reason))
        });
        let events = Event::ALL.iter().map(|&event| {
            self.counter(event.name(), "event", event.help(), |lcore| lcore.shared.events(event))
        });
        let ports = self.ports.len();
        let own = [
            self.counter("tx_full", "drop", "The transmit queue of a port had no room.", |lcore| {
                (0..ports).map(|device| lcore.shared.full(device)).sum()
            }),
            self.counter("punt_full", "drop", "The way to Linux had no room.", |lcore| {
                (ports..2 * ports).map(|device| lcore.shared.full(device)).sum()
            }),
            self.counter("hand_over_full", "drop", "The way to another lcore had no room.", |lcore| {
                lcore.shared.hand_over_full()
            }),
        ];
        let punts = PuntClass::ALL.iter().flat_map(|&class| {
            let name = class.name();
            [
                self.counter(&format!("punted.{name}"), "punt", "Given to Linux.", |lcore| {
                    lcore.shared.punts(class)[0]
                }),
                self.counter(
                    &format!("punt_limited.{name}"),
                    "punt",
                    "Kept from Linux by the class's limit.",
                    |lcore| lcore.shared.punts(class)[1],
                ),
            ]
        });
        let view = self.view();
        let scarce = view.scarcity.iter().flat_map(|((service, port), scarcity)| {
            let row = |what: &str, help: &str, total| CounterRow {
                name: format!("{what}.{service}.{port}"),
                kind: "service".to_owned(),
                help: help.to_owned(),
                total,
                lcores: Vec::new(),
            };
            [
                row("snat_hard", "New flows that needed over 16 tries for a source port.", scarcity.hard),
                row("snat_failed", "New flows dropped for want of a source port.", scarcity.failed),
            ]
        });
        drops.chain(own).chain(events).chain(punts).chain(scarce).collect()
    }

    fn counter(&self, name: &str, kind: &str, help: &str, read: impl Fn(&LcoreHandle) -> u64) -> CounterRow {
        let lcores: Vec<u64> = self.lcores.iter().map(read).collect();
        CounterRow {
            name: name.to_owned(),
            kind: kind.to_owned(),
            help: help.trim().to_owned(),
            total: lcores.iter().sum(),
            lcores,
        }
    }

    pub(super) fn lcores(&self) -> Vec<LcoreRow> {
        let row = |(number, lcore): (u16, &LcoreHandle)| {
            let flows = lcore.shared.flows();
            let [turns, busy_turns] = lcore.shared.turns();
            LcoreRow {
                lcore: number,
                cpu: lcore.cpu,
                turns,
                busy_turns,
                received: lcore.shared.events(Event::Received),
                flows: flows.used(),
                flow_capacity: flows.capacity,
                generation: lcore.shared.generation(),
            }
        };
        (0..).zip(&self.lcores).map(row).collect()
    }

    pub(super) fn ports(&self) -> Vec<PortRow> {
        (0..).zip(&self.ports).map(|(id, port)| self.port(id, port)).collect()
    }

    fn port(&self, id: u8, handle: &PortHandle) -> PortRow {
        let PortHandle { config, port, punt, mac, queues } = handle;
        let device = usize::from(id);
        let full = |device| self.lcores.iter().map(|lcore| lcore.shared.full(device)).sum();
        let link = port.link().ok();
        let told = self.view().ports.get(&id).cloned();
        PortRow {
            id,
            name: config.name.clone(),
            device: config.device.clone(),
            driver: port.info().driver.clone(),
            interface: config.interface(),
            mac: mac_text(*mac),
            mtu: told.as_ref().map_or(config.mtu, |info| info.mtu),
            // The TAP driver asks for its interface in this network namespace; in another it would be called down.
            link_up: port.info().driver == "net_tap" || link.is_some_and(|link| link.up),
            speed_mbps: link.and_then(|link| link.mbps),
            queues: *queues,
            addresses: told.map_or_else(Vec::new, |info| info.addresses),
            device_counters: counters_of(port),
            punt_counters: counters_of(punt),
            tx_full: full(device),
            punt_full: full(self.ports.len() + device),
        }
    }
}

fn counters_of(port: &Port) -> DeviceCounters {
    // A driver without counters shows zeros.
    let stats = port.stats().unwrap_or_default();
    DeviceCounters {
        rx_packets: stats.rx_packets,
        tx_packets: stats.tx_packets,
        rx_bytes: stats.rx_bytes,
        tx_bytes: stats.tx_bytes,
        rx_missed: stats.rx_missed,
        rx_errors: stats.rx_errors,
        tx_errors: stats.tx_errors,
        rx_no_buffer: stats.rx_no_buffer,
    }
}
