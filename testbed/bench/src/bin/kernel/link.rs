//! The namespaces and the cables between them.
//!
//! ```text
//!  client: up1 192.0.2.100 ── up0 192.0.2.1: gateway: cl0 198.51.100.10 ── cl1 198.51.100.1: backends, all of 10.128.0.0/9
//! ```

use sluice_bench::program::command;
use sluice_testbed::run::run;
use sluice_testbed::{Netns, Testbed};
use sluice_wire::MacAddr;

/// The CPU of whoever forwards.
pub(crate) const GATEWAY_CPU: usize = 0;
/// That of generator, clients and servers.
pub(crate) const LOAD_CPU: usize = 1;
/// Of the gateway's end towards the client.
pub(crate) const GATEWAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
/// Of the client.
pub(crate) const CLIENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 0x64]);
/// Sources of the generator's packets.
pub(crate) const CLIENTS: &str = "198.18.0.0/15";
/// Endpoints of all Services.
pub(crate) const PODS: &str = "10.128.0.0/9";

/// Namespaces with two veth pairs.
pub(crate) struct Link {
    pub(crate) bed: Testbed,
}

impl Link {
    /// Makes them, with everything that does not depend on who forwards.
    pub(crate) fn new() -> Self {
        let bed = Testbed::new().expect("namespaces take root and iproute2");
        for namespace in [&bed.client, &bed.gateway, &bed.node] {
            namespace.sysctl("net/ipv6/conf/all/disable_ipv6", "1").unwrap();
            namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1").unwrap();
            namespace.sysctl("net/ipv4/conf/all/rp_filter", "0").unwrap();
            namespace.sysctl("net/ipv4/conf/default/rp_filter", "0").unwrap();
        }
        for (here, there, other) in [("up0", "up1", &bed.client), ("cl0", "cl1", &bed.node)] {
            // One queue each: an AF_XDP port has one.
            let queues = "numtxqueues 1 numrxqueues 1";
            let peer = other.name();
            bed.gateway
                .ip(&format!("link add {here} {queues} type veth peer name {there} {queues} netns {peer}"))
                .unwrap();
            bed.gateway.ip(&format!("link set {here} up")).unwrap();
            other.ip(&format!("link set {there} up")).unwrap();
        }
        bed.gateway.ip(&format!("link set up0 address {GATEWAY_MAC}")).unwrap();
        bed.client.ip(&format!("link set up1 address {CLIENT_MAC}")).unwrap();
        bed.client.ip("addr add 192.0.2.100/24 dev up1").unwrap();
        bed.node.ip("addr add 198.51.100.1/24 dev cl1").unwrap();
        bed.node.ip(&format!("route replace local {PODS} dev lo")).unwrap();
        for network in [CLIENTS, "192.0.2.0/24"] {
            bed.node.ip(&format!("route replace {network} via 198.51.100.10")).unwrap();
        }
        // Source NAT with ports at random meets those that a backend still remembers, and waits a second each time.
        bed.node.sysctl("net/ipv4/tcp_max_tw_buckets", "1").unwrap();
        // The generator's packets end here, uncounted by sockets.
        let chain = "type filter hook ingress device cl1 priority 0; ip protocol udp drop;";
        nft(&bed.node, &format!("table netdev sink {{ chain c {{ {chain} }}; }}"));
        let this = Self { bed };
        this.client_ready();
        this
    }

    /// Makes the gateway's ends those of Linux, with its addresses and routes, or free for a DPDK port.
    pub(crate) fn gateway_of_linux(&self, yes: bool) {
        let gateway = &self.bed.gateway;
        nft(gateway, "flush ruleset");
        let _ = gateway.ip(&format!("route del {}", crate::rules::VIP));
        for interface in ["up0", "cl0"] {
            // Whoever was killed has left its XDP program.
            gateway.ip(&format!("link set {interface} xdp off")).unwrap();
            gateway.ip(&format!("addr flush dev {interface}")).unwrap();
            gateway.ip(&format!("link set {interface} up")).unwrap();
            // A veth's sender does the receiver's work unless that is steered to another CPU.
            let cpus = if yes { 1 << GATEWAY_CPU } else { 0 };
            let write = format!("echo {cpus} > /sys/class/net/{interface}/queues/rx-0/rps_cpus");
            assert!(command(gateway, &["sh", "-c", &write]).status().unwrap().success());
        }
        for (namespace, interface) in
            [(gateway, "up0"), (&self.bed.client, "up1"), (gateway, "cl0"), (&self.bed.node, "cl1")]
        {
            // Segments of 64 KiB and checksums left to nobody: Linux at its best, and what no DPDK port here takes.
            let offload = if yes { "on" } else { "off" };
            let line = format!("ip netns exec {} ethtool -K {interface}", namespace.name());
            run(&format!("{line} tx {offload} tso {offload} gso {offload} gro off")).unwrap();
        }
        gateway.sysctl("net/ipv4/ip_forward", if yes { "1" } else { "0" }).unwrap();
        if yes {
            gateway.ip("addr add 192.0.2.1/24 dev up0").unwrap();
            gateway.ip("addr add 198.51.100.10/24 dev cl0").unwrap();
            gateway
                .ip(&format!("neigh replace 192.0.2.100 lladdr {CLIENT_MAC} dev up0 nud permanent"))
                .unwrap();
            gateway.ip(&format!("route replace {CLIENTS} via 192.0.2.100 dev up0")).unwrap();
            gateway.ip(&format!("route replace {PODS} via 198.51.100.1 dev cl0")).unwrap();
        } else {
            // What an AF_PACKET port has received Linux receives as well; it shall cost it no more than that.
            for interface in ["up0", "cl0"] {
                let chain = format!("type filter hook ingress device {interface} priority 0; policy drop;");
                nft(gateway, &format!("table netdev deaf_{interface} {{ chain c {{ {chain} }}; }}"));
            }
        }
        self.client_ready();
    }

    /// Gives the client's end back to Linux: a DPDK port that closes sets its interface down.
    pub(crate) fn client_ready(&self) {
        let client = &self.bed.client;
        client.ip("link set up1 xdp off").unwrap();
        client.ip("link set up1 up").unwrap();
        client.ip("route replace 10.96.0.0/12 via 192.0.2.1 dev up1 onlink").unwrap();
        // Even Sluice's port has the interface's address.
        client.ip(&format!("neigh replace 192.0.2.1 lladdr {GATEWAY_MAC} dev up1 nud permanent")).unwrap();
    }
}

fn nft(namespace: &Netns, rules: &str) {
    assert!(command(namespace, &["nft", rules]).status().unwrap().success(), "{rules}");
}
