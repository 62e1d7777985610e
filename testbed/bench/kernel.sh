#!/usr/bin/env bash
# Sluice over veth pairs beside Linux with kube-proxy's rules for 5,000 Services, and testpmd on the same ports: two minutes
# to begin with and one a run. RUNS=n for more or fewer than 5; names (veth.sluice.af_xdp, kernel.kubeproxy.nftables.5k, …) as
# arguments: those alone. Leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh nftables iptables
testbed/kubetest/build.sh
cargo build --release -p sluice-bench -p sluice
. testbed/bench/huge.sh
timeout --signal=TERM $((300 + 120 * ${RUNS:-5})) "${CARGO_TARGET_DIR:-target}/release/kernel" "$@"
