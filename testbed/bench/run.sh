#!/usr/bin/env bash
# The report: cycles and instructions per packet beside testpmd, in the same run. RUNS=n for more or fewer than 5.
# Then the control plane on a real API server, beside kube-proxy: 1,000 Services of 10 endpoints, some minutes; with FULL=1
# 10,000, half an hour. CLUSTER=0 leaves it out. DNS beside other servers is a script of its own: dns.sh.
# Takes huge pages for its time where the machine gives them, and gives them back.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh valgrind nftables
cargo build --release -p sluice-bench -p sluice

. testbed/bench/huge.sh
target/release/bench

if [ "${CLUSTER:-1}" = 1 ]; then
  testbed/kubetest/build.sh
  services=1000
  [ "${FULL:-0}" != 1 ] || services=10000
  target/release/cluster "$services" 10
fi
