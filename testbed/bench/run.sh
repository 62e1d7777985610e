#!/usr/bin/env bash
# The report: cycles and instructions per packet beside testpmd, in the same run. RUNS=n for more or fewer than 5.
# Takes huge pages for its time where the machine gives them, and gives them back.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh valgrind
cargo build --release -p sluice-bench

pages=/proc/sys/vm/nr_hugepages
before=$(cat "$pages")
trap 'echo "$before" >"$pages" 2>/dev/null || true' EXIT
export BENCH_HUGE=0
if echo $((before + 320)) >"$pages" 2>/dev/null && [ "$(cat "$pages")" -ge $((before + 320)) ]; then
  BENCH_HUGE=1
fi
echo "$(nproc) CPUs, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), load $(cut -d' ' -f1 /proc/loadavg)," \
  "DPDK $(pkg-config --modversion libdpdk), huge pages: $BENCH_HUGE"
target/release/bench
