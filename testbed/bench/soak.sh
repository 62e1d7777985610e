#!/usr/bin/env bash
# A release build under everything at once for SECONDS_EACH seconds (1,200 by default), as root: testbed/tests/soak.rs.
set -euo pipefail
cd "$(dirname "$0")/../.."
testbed/install.sh
cargo build --release -p sluice
export SLUICE_BIN="${CARGO_TARGET_DIR:-$PWD/target}/release/sluice" SLUICE_SOAK="${SECONDS_EACH:-1200}"
cargo test -p sluice-testbed --test soak -- --nocapture
