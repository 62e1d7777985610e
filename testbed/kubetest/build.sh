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

# The first of these that is the wanted release, or fetches it: Go from 1.21 on does, where GOTOOLCHAIN lets it. A later
# release builds too, but the API server's /openapi/v2 then fails.
find_go() {
  found=
  for go in "$(command -v go || true)" "/usr/lib/go-$wanted/bin/go" /usr/local/go/bin/go; do
    [ -x "$go" ] || continue
    case $found in *" $go is "*) continue ;; esac
    version=$(cd "$here" && "$go" env GOVERSION 2>/dev/null) || version=
    case $version in "go$wanted" | "go$wanted".*) return 0 ;; esac
    found="$found; $go is ${version:-older}"
  done
  return 1
}
package=golang-$wanted-go
if ! find_go && ! { apt-cache show "$package" >/dev/null 2>&1 && "$here/../install.sh" "$package" && find_go; }; then
  echo "kubetest: Kubernetes $kubernetes takes Go $wanted${found:-; there is none}" >&2
  echo "  Debian: apt-get install $package, where this release or its backports have it" >&2
  echo "  with Go 1.21 or newer: GOTOOLCHAIN=go$wanted.0 in the environment makes it fetch that release" >&2
  echo "  or from https://go.dev/dl/" >&2
  exit 69
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
CGO_ENABLED=0 nice -n 10 "$go" build -mod=readonly -p "${SLUICE_JOBS:-2}" -trimpath -ldflags "$flags" -o "$out/kubetest.new" .
mv "$out/kubetest.new" "$out/kubetest"
for name in etcd kube-apiserver kube-controller-manager kube-proxy kubectl; do ln -sf kubetest "$out/$name"; done
echo "$stamp" > "$out/stamp"
