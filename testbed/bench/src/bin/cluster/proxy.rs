//! kube-proxy in nftables mode, in the gateway's namespace as on a node of its own.

use std::time::Instant;

use sluice_bench::kubeproxy::{self, Mode, Proxy};
use sluice_bench::objects::Objects;
use sluice_testbed::Testbed;
use sluice_testbed::cluster::Cluster;

use crate::Rows;
use crate::control::resident_mib;
use crate::probe::Probe;

/// Changes, which take it longer: at 10,000 Services it reads its whole table before each.
const PATCHES: usize = 30;

/// From its start until connections to Services come through, its memory, and changes: with the pause between two writes
/// of its rules that it has by default, and with as good as none.
pub(crate) fn measure(bed: &Testbed, cluster: &Cluster, objects: &Objects, runs: usize, rows: &mut Rows) {
    kubeproxy::node(&bed.gateway, cluster);
    let probe = Probe::start(&bed.gateway, &bed.gateway);
    let (mut initial, mut resident) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let start = Instant::now();
        let proxy = Proxy::start(bed.folder(), cluster, Mode::Nftables, "1ms");
        let mut last = start;
        for service in [0, objects.count() / 2, objects.count() - 1] {
            probe.aim(Some(objects.address(service)));
            last = last.max(probe.until(|_| true));
        }
        initial.push(last.duration_since(start).as_secs_f64());
        resident.push(resident_mib(proxy.pid()));
        if run + 1 == runs {
            rows.add_times("kube-proxy.patch.packet", probe.patches(objects, PATCHES, 2000));
            resident.push(resident_mib(proxy.pid()));
        }
    }
    rows.add("kube-proxy.initial", "s", &initial);
    rows.add("kube-proxy.memory", "MiB", &resident);
    let _proxy = Proxy::start(bed.folder(), cluster, Mode::Nftables, "1s");
    probe.aim(Some(objects.address(0)));
    probe.until(|_| true);
    rows.add_times("kube-proxy.patch.packet.default", probe.patches(objects, PATCHES, 3000));
}
