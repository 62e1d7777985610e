#!/bin/sh
# Builds etcd, kube-apiserver, kube-controller-manager, kube-proxy and kubectl into target/kubetest, once.
#
#   testbed/kubetest/build.sh          SLUICE_KUBETEST names another folder
#
# The first build takes some minutes, 2 GiB of memory and the Go module proxy; after it this ends at once until go.mod,
# go.sum or the source change.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${SLUICE_KUBETEST:-$here/../../target/kubetest}
wanted=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' "$here/go.mod")
kubernetes=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/go.mod")
etcd=$(sed -n 's/^\tgo.etcd.io\/etcd\/server\/v3 v\([0-9.]*\)$/\1/p' "$here/go.mod")

stamp="$kubernetes $(cat "$here/go.mod" "$here/go.sum" "$here"/*.go "$here/build.sh" | sha256sum | cut -d' ' -f1)"
if [ -x "$out/kubetest" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

complain() {
  echo "kubetest: $1; Kubernetes $kubernetes takes Go $wanted" >&2
  echo "  Debian: apt-get install golang-go, from backports where the release's own is older than 1.21" >&2
  echo "  others: https://go.dev/dl/, with its bin folder on PATH" >&2
  exit 69
}
# A user's own installation is seldom on the PATH of root.
command -v go >/dev/null 2>&1 || PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null 2>&1 || complain 'there is no Go here'
# From 1.21 on an older Go fetches the one that go.mod asks for, where it is let.
version=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
at_least() { printf '%s\n%s\n' "$1" "${version#go}" | sort -C -V; }
at_least 1.21 || complain "$version is too old"
if ! at_least "$wanted"; then
  export GOTOOLCHAIN=auto
  (cd "$here" && go version >/dev/null) || complain "$version is too old and could not fetch a newer one"
fi

mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ -x "$out/kubetest" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
echo "kubetest: building Kubernetes $kubernetes and etcd $etcd; the first time takes some minutes"
minor=${kubernetes#v1.}
set -- "gitVersion=$kubernetes" gitMajor=1 "gitMinor=${minor%%.*}" gitTreeState=clean
flags='-s -w'
for value; do flags="$flags -X k8s.io/component-base/version.$value"; done
rm -f "$out/stamp"
cd "$here"
# To a name of its own first: a build that is broken off leaves nothing that looks whole.
CGO_ENABLED=0 nice -n 10 go build -mod=readonly -p "${SLUICE_JOBS:-2}" -trimpath -ldflags "$flags" -o "$out/kubetest.new" .
mv "$out/kubetest.new" "$out/kubetest"
for name in etcd kube-apiserver kube-controller-manager kube-proxy kubectl; do ln -sf kubetest "$out/$name"; done
echo "$stamp" > "$out/stamp"
