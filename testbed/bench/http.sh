#!/usr/bin/env bash
# HTTP over the loopback interface of a namespace, Sluice beside nginx and HAProxy: three minutes a run.
# RUNS=n for more or fewer than 3, SECONDS_EACH=n for loads of more or fewer than 3 s, LOADS=plain.keep,… for some alone
# (plain.keep, plain.new, tls.keep, tls.resumed, tls.full, tls.h2); names of servers as arguments: those alone;
# `routes` among them: what 5,000 Ingresses take, and how soon one more is served.
# Installs their Debian packages, without starting any of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh nginx-light haproxy wrk nghttp2-client openssl
cargo build --release -p sluice-bench -p sluice
echo "$(nproc) CPUs, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), load $(cut -d' ' -f1 /proc/loadavg)"
# Whoever hangs is ended, with all that it started.
timeout $((600 + 400 * ${RUNS:-3})) "${CARGO_TARGET_DIR:-target}/release/http" "$@"
