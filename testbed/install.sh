#!/bin/sh
# Installs the Debian packages that building and testing take, and those named as arguments, where any is missing. No server
# among them is started.
set -eu
packages="$* build-essential pkg-config libclang-dev libdpdk-dev dpdk-dev iproute2 ethtool curl iperf3 bind9-dnsutils knot-dnsutils musl-tools procps systemd util-linux"
missing=
for package in $packages; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$' || missing="$missing $package"
done
if ! command -v cargo >/dev/null 2>&1; then
  echo "cargo is not installed: install Rust 1.89 or newer (https://rustup.rs, or Debian's rustup package)" >&2
  exit 69
fi
[ -n "$missing" ] || exit 0
echo "installing$missing"
if [ "$(id -u)" -eq 0 ]; then as_root=; elif command -v sudo >/dev/null 2>&1; then as_root=sudo; else
  echo "as root: apt-get install$missing" >&2
  exit 77
fi
apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }
apt update >/dev/null
# Else Debian starts every server at once.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '$as_root rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
fi
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing >/dev/null
