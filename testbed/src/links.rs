//! Links between the gateway's ports and its neighbours.
//!
//! * **TAP**: the port's kernel end appears in the gateway's namespace when the dataplane starts, and is moved to the
//!   neighbour's. It goes with the dataplane's process.
//! * **veth**: a pair that outlives the dataplane, which opens its end with `net_af_packet`; for tests of restarts.

use std::time::Duration;

use crate::client::eventually;
use crate::run::{RunError, run};
use crate::topology::Testbed;

/// Waits for the TAPs of a starting gateway and attaches client and node to them.
///
/// # Errors
/// Those of `ip`; a TAP that does not come within ten seconds is one that `ip` cannot find.
pub fn attach_taps(bed: &Testbed, uplink: &str, cluster: &str) -> Result<(), RunError> {
    // The kernel interfaces come when the ports are open: a TAP that moves before fails its driver.
    for tap in [uplink, cluster, "sl-uplink", "sl-cluster"] {
        eventually(Duration::from_secs(20), || bed.gateway.ip(&format!("link show {tap}")).ok());
    }
    bed.gateway.ip(&format!("link set {uplink} netns {}", bed.client.name()))?;
    bed.gateway.ip(&format!("link set {cluster} netns {}", bed.node.name()))?;
    bed.attach_client(uplink)?;
    bed.attach_node(cluster)
}

/// Makes two veth pairs, `up0` and `cl0` in the gateway's namespace, and attaches client and node to their peers.
///
/// # Errors
/// Those of `ip` and `ethtool`.
pub fn attach_veths(bed: &Testbed) -> Result<(), RunError> {
    for (here, there, other) in [("up0", "up1", &bed.client), ("cl0", "cl1", &bed.node)] {
        bed.gateway.ip(&format!("link add {here} type veth peer name {there} netns {}", other.name()))?;
        bed.gateway.ip(&format!("link set {here} up"))?;
        // A veth hands over packets whose checksum is left for hardware to fill in; the gateway has none there.
        run(&format!("ip netns exec {} ethtool -K {there} tx off", other.name()))?;
        run(&format!("ip netns exec {} ethtool -K {here} tx off gro off", bed.gateway.name()))?;
    }
    bed.attach_client("up1")?;
    bed.attach_node("cl1")
}
