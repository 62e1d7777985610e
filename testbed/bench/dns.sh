#!/usr/bin/env bash
# DNS end to end over a veth pair, Sluice beside Knot, NSD, unbound, dnsmasq, CoreDNS and dnsdist: three minutes a run.
# RUNS=n for more or fewer than 3; names of servers (sluice.af_xdp, knot.xdp, …) as arguments: those alone.
# Installs their Debian packages, without starting any of them, and builds CoreDNS if it can be.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh nftables knot nsd unbound dnsmasq-base dnsperf dnsdist
testbed/coredns/build.sh || echo "without CoreDNS" >&2
cargo build --release -p sluice-bench -p sluice
. testbed/bench/huge.sh
# Whoever hangs is ended, with all that it started.
timeout $((600 + 300 * ${RUNS:-3})) "${CARGO_TARGET_DIR:-target}/release/dns" "$@"
