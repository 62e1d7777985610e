#!/usr/bin/env bash
# DNS end to end over a veth pair, Sluice beside Knot, NSD, unbound, dnsmasq, CoreDNS and dnsdist: three minutes a run.
# RUNS=n for more or fewer than 3; names of servers (sluice.af_xdp, knot.xdp, …) as arguments: those alone.
# Installs their Debian packages, without starting any of them, and builds CoreDNS if it can be.
set -euo pipefail
cd "$(dirname "$0")/../.."
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  # Else Debian starts each of them on port 53 at once.
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  testbed/install.sh nftables knot nsd unbound dnsmasq-base dnsperf dnsdist
  rm -f "$policy"
else
  testbed/install.sh nftables knot nsd unbound dnsmasq-base dnsperf dnsdist
fi
if [ -x testbed/coredns/build.sh ]; then testbed/coredns/build.sh || echo "without CoreDNS" >&2; fi
cargo build --release -p sluice-bench -p sluice
. testbed/bench/huge.sh
"${CARGO_TARGET_DIR:-target}/release/dns" "$@"
