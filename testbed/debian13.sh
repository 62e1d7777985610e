#!/bin/sh
# Builds and tests the DPDK crates on Debian 13 (DPDK 24.11), in a folder of its own on whatever this machine runs.
#
#   testbed/debian13.sh [cargo arguments…]        default: test -p dpdk-sys -p sluice-dpdk
#
# Needs root, debootstrap and a Rust toolchain. The system (about 1.5 GB) is kept in $SLUICE_CACHE (default
# target/debian13) and made only once; $SLUICE_MIRROR (default http://deb.debian.org/debian) says where it comes from.
# The checkout, the toolchain and cargo's registry are mounted read-only; what is built stays in the folder. Everything
# is mounted in a mount namespace that ends with this script, so nothing stays mounted, also after a kill.
set -eu

if [ "$(id -u)" != 0 ]; then
	echo "debian13.sh: must be root (it makes a root file system and mounts into it)" >&2
	exit 77
fi
for tool in debootstrap unshare chroot mount cargo; do
	command -v "$tool" >/dev/null || { echo "debian13.sh: $tool is missing; apt-get install debootstrap" >&2; exit 69; }
done

checkout=$(cd "$(dirname "$0")/.." && pwd)
cache=${SLUICE_CACHE:-$checkout/target/debian13}
mirror=${SLUICE_MIRROR:-http://deb.debian.org/debian}
packages=gcc,libc6-dev,pkg-config,libclang-dev,libdpdk-dev,iproute2,util-linux,ca-certificates

if [ -z "${SLUICE_DEBIAN13_INSIDE:-}" ]; then
	# The same script again, where mounts are private to it; killed with its parent.
	SLUICE_DEBIAN13_INSIDE=1 exec unshare --mount --propagation private --pid --fork --kill-child "$0" "$@"
fi

mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
root=$cache/root
exec 9>"$cache/lock"
flock 9

if [ ! -e "$cache/complete-$packages" ]; then
	echo "debian13.sh: making Debian 13 in $root"
	rm -rf --one-file-system "$root" "$cache"/complete-*
	# What a toolchain without a script of its own for trixie calls it is sid's.
	script=/usr/share/debootstrap/scripts/trixie
	[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
	proxies=$(apt-config dump | sed -n 's/^Acquire::http::Proxy "\(.*\)";$/\1/p')
	[ -z "$proxies" ] || export http_proxy="$proxies"
	debootstrap --variant=minbase --include="$packages" trixie "$root" "$mirror" "$script"
	rm -rf "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
	touch "$cache/complete-$packages"
fi

cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
mkdir -p "$root/src" "$root/toolchain" "$root/build" "$root/home/registry"
bind() { # from to
	mount --bind "$1" "$root/$2"
	mount -o remount,bind,ro "$root/$2"
}
bind "$checkout" src
bind "$sysroot" toolchain
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"

# Crates come from the outer cargo's cache: nothing is downloaded inside.
cargo fetch --manifest-path "$checkout/Cargo.toml"
bind "$cargo_home/registry" home/registry

if [ $# = 0 ]; then
	set -- test --package dpdk-sys --package sluice-dpdk
fi
echo "debian13.sh: cargo $*"
# The shell of a chroot finds nothing of the outer environment but these.
exec env -i PATH=/toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/home CARGO_HOME=/home CARGO_TARGET_DIR=/build \
	CARGO_NET_OFFLINE=true CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}" \
	chroot "$root" sh -c 'cd /src && pkg-config --modversion libdpdk && command=$1 && shift && exec cargo "$command" --locked "$@"' sh "$@"
