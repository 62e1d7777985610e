#!/usr/bin/env bash
# Fails where a packet costs over 2 % more instructions than budget.json allows.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh valgrind
cargo build --release --quiet -p sluice-bench
"${CARGO_TARGET_DIR:-target}/release/bench" gate testbed/bench/budget.json
