# Sourced: takes huge pages until the script ends where the machine gives them, and says what was measured on.
# shellcheck shell=bash
pages=/proc/sys/vm/nr_hugepages
before=$(cat "$pages")
trap 'echo "$before" >"$pages" 2>/dev/null || true' EXIT
export BENCH_HUGE=0
if echo $((before + 320)) >"$pages" 2>/dev/null && [ "$(cat "$pages")" -ge $((before + 320)) ]; then
  BENCH_HUGE=1
fi
echo "$(nproc) CPUs, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), load $(cut -d' ' -f1 /proc/loadavg)," \
  "DPDK $(pkg-config --modversion libdpdk), huge pages: $BENCH_HUGE"
