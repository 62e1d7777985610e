//! Where servers and the generator are: a namespace each, and a veth pair between them.
//!
//! ```text
//!  client: up1 192.0.2.100 ── up0: server 192.0.2.1, DNS on 192.0.2.53 ── cl0 198.51.100.10 … cl1 198.51.100.1: upstream
//! ```

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use sluice_bench::program::command;
use sluice_testbed::client::eventually;
use sluice_testbed::run::run;
use sluice_testbed::{Netns, Testbed};
use sluice_wire::MacAddr;

use crate::queries::{self, Names};

/// Where everybody answers.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// Where names of others are known.
pub(crate) const UPSTREAM: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Where nobody answers, and nobody says so.
pub(crate) const DEAD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Of the server's end.
pub(crate) const SERVER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
/// Of the generator's end.
pub(crate) const CLIENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 0x64]);
/// Sources of queries that count: a network, and the bits of its hosts.
pub(crate) const CLIENTS: (u32, u32) = (0xC612_0000, 0x1_FFFF);
/// Sources of queries that nobody sent, by their headers.
pub(crate) const STRANGERS: (u32, u32) = (0x6440_0000, 0x3F_FFFF);
/// Both: routes to them lead to the generator.
pub(crate) const NETWORKS: [&str; 2] = ["198.18.0.0/15", "100.64.0.0/10"];
/// The CPU that the server has to itself: Knot takes the first whatever it is told.
pub(crate) const SERVER_CPU: usize = 0;
/// That of the generator.
pub(crate) const CLIENT_CPU: usize = 1;

/// The namespaces and the pair.
pub(crate) struct Link {
    pub(crate) bed: Testbed,
}

impl Link {
    /// Makes them.
    pub(crate) fn new() -> Self {
        let bed = Testbed::new().expect("namespaces take root and iproute2");
        for namespace in [&bed.client, &bed.gateway, &bed.node] {
            // Nothing but queries and answers on the wires.
            namespace.sysctl("net/ipv6/conf/all/disable_ipv6", "1").unwrap();
            namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1").unwrap();
        }
        for (here, there, other) in [("up0", "up1", &bed.client), ("cl0", "cl1", &bed.node)] {
            // One queue each: an AF_XDP port has one.
            let queues = "numtxqueues 1 numrxqueues 1";
            bed.gateway
                .ip(&format!(
                    "link add {here} {queues} type veth peer name {there} {queues} netns {}",
                    other.name()
                ))
                .unwrap();
            for (namespace, interface) in [(&bed.gateway, here), (other, there)] {
                // A veth hands over packets whose checksum is left for hardware to fill in.
                run(&format!("ip netns exec {} ethtool -K {interface} tx off gro off", namespace.name()))
                    .unwrap();
                namespace.ip(&format!("link set {interface} up")).unwrap();
            }
        }
        bed.gateway.ip(&format!("link set up0 address {SERVER_MAC}")).unwrap();
        bed.client.ip(&format!("link set up1 address {CLIENT_MAC}")).unwrap();
        bed.client.ip("addr add 192.0.2.100/24 dev up1").unwrap();
        bed.gateway.ip("addr add 198.51.100.10/24 dev cl0").unwrap();
        bed.node.ip(&format!("addr add {UPSTREAM}/24 dev cl1")).unwrap();
        // Silence, not the error that somebody who is not there would be told by.
        bed.node.ip("link set cl1 address 02:00:00:00:02:01").unwrap();
        bed.gateway
            .ip(&format!("neigh replace {DEAD} lladdr 02:00:00:00:02:01 dev cl0 nud permanent"))
            .unwrap();
        bed.node.ip(&format!("route add blackhole {DEAD}")).unwrap();
        Self { bed }
    }

    /// Makes the server's end one with Linux's addresses, or one for a DPDK port.
    pub(crate) fn server_of_linux(&self, yes: bool) {
        let gateway = &self.bed.gateway;
        // Whoever was killed has left its XDP program.
        gateway.ip("link set up0 xdp off").unwrap();
        gateway.ip("addr flush dev up0").unwrap();
        gateway.ip("link set up0 up").unwrap();
        self.client_of_linux(true);
        if yes {
            gateway.ip("addr add 192.0.2.1/24 dev up0").unwrap();
            gateway.ip(&format!("addr add {SERVER}/32 dev up0")).unwrap();
            assert!(self.knows_the_way_back("up0"));
            for network in NETWORKS {
                gateway.ip(&format!("route replace {network} via 192.0.2.100 dev up0")).unwrap();
            }
        }
    }

    /// The generator answers no ARP. Whether the interface is there.
    pub(crate) fn knows_the_way_back(&self, interface: &str) -> bool {
        let line = format!("neigh replace 192.0.2.100 lladdr {CLIENT_MAC} dev {interface} nud permanent");
        self.bed.gateway.ip(&line).is_ok()
    }

    /// Gives the client's end to Linux, or leaves it to the generator alone.
    pub(crate) fn client_of_linux(&self, yes: bool) {
        let client = &self.bed.client;
        // A DPDK port that closes sets its interface down.
        client.ip("link set up1 up").unwrap();
        let _ = command(client, &["nft", "delete", "table", "netdev", "deaf"]).output();
        if !yes {
            let chain = "type filter hook ingress device up1 priority 0; policy drop;";
            let rules = format!("table netdev deaf {{ chain c {{ {chain} }}; }}");
            assert!(command(client, &["nft", &rules]).status().unwrap().success());
        }
    }

    /// Packets that the ends of the pair between generator and server dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        let here = |namespace: &Netns, interface: &'static str| {
            let text =
                namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default());
            let line = text.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'));
            let fields: Vec<u64> =
                line.unwrap_or_default().split_whitespace().filter_map(|field| field.parse().ok()).collect();
            // Of eight figures each of what was received and sent the fourth.
            fields.get(3).unwrap_or(&0) + fields.get(11).unwrap_or(&0)
        };
        here(&self.bed.client, "up1") + here(&self.bed.gateway, "up0")
    }

    /// Waits until the server answers the first name of a list.
    pub(crate) fn until_answered(&self, names: Names, patience: Duration) -> bool {
        self.bed.client.enter(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let query = &queries::all(names)[0];
            let mut frame = vec![0; query.len()];
            query.write(&mut frame, queries::Asker { source: 0, port: 0, id: 7 }, 0);
            let mut answer = [0; 2048];
            eventually(patience, || {
                while socket.send_to(&frame[42..], SocketAddr::from((SERVER, 53))).is_err() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                let (length, _) = socket.recv_from(&mut answer).ok()?;
                query.is_answered_by(&answer[..length], false).then_some(())
            })
            .is_some()
        })
    }
}
