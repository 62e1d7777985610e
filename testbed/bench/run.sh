#!/usr/bin/env bash
# The report, all of it in one run: packets beside testpmd, two minutes for each of RUNS, 5 if that is not set; Linux with
# kube-proxy's rules and Sluice over veth pairs, a minute a run; DNS beside other servers, two minutes a run; HTTP beside nginx and
# HAProxy, two minutes a run; and the control plane on a real API server beside kube-proxy: 1,000 Services of 10 endpoints, some
# minutes, with FULL=1 10,000, half an hour. KERNEL=0, DNS=0, HTTP=0 and CLUSTER=0 leave a part out. The tables are printed at
# the end and kept in target/bench/report.md. Takes huge pages for its time where the machine gives them, and gives them back.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh valgrind nftables
cargo build --release -p sluice-bench -p sluice
programs=${CARGO_TARGET_DIR:-target}/release
export RUNS=${RUNS:-5}
rm -f target/bench/{packets,kernel,dns,http}.{md,json} target/bench/sync.json

. testbed/bench/huge.sh
# Whoever hangs is ended, with all that it started.
timeout $((180 + 400 * RUNS)) "$programs/bench"
[ "${KERNEL:-1}" != 1 ] || testbed/bench/kernel.sh
reports=(target/bench/packets.json)
[ ! -e target/bench/kernel.json ] || reports+=(target/bench/kernel.json)
"$programs/bench" plots target/bench/plots "${reports[@]}"
[ "${DNS:-1}" != 1 ] || testbed/bench/dns.sh
[ "${HTTP:-1}" != 1 ] || testbed/bench/http.sh
if [ "${CLUSTER:-1}" = 1 ]; then
  testbed/kubetest/build.sh
  services=1000
  [ "${FULL:-0}" != 1 ] || services=10000
  timeout 5400 "$programs/cluster" "$services" 10 | tee target/bench/cluster.txt
fi

part() { # heading, file
  [ ! -e "target/bench/$2" ] || { printf '\n## %s\n\n' "$1" && cat "target/bench/$2"; }
}
{
  echo "$(date +%F), $(nproc) CPUs,$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), DPDK $(pkg-config --modversion libdpdk)," \
    "medians of $RUNS runs; how each is measured: docs/performance.md"
  part 'Packets, beside testpmd on the same kind of ports' packets.md
  part 'Over veth pairs, beside Linux with the rules of kube-proxy' kernel.md
  part 'DNS, beside other servers' dns.md
  part 'HTTP, beside nginx and HAProxy' http.md
  part 'The control plane, beside kube-proxy' cluster.txt
} | tee target/bench/report.md
