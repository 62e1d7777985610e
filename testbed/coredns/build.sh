#!/bin/sh
# Builds CoreDNS into target/coredns, once.
#
#   testbed/coredns/build.sh           SLUICE_COREDNS names another folder
#
# The first build takes the Go module proxy and about a minute; after it this ends at once until go.mod, go.sum or the
# source change.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${SLUICE_COREDNS:-$here/../../target/coredns}
coredns=$(sed -n 's/^require github.com\/coredns\/coredns \(v[0-9.]*\)$/\1/p' "$here/go.mod")
stamp="$coredns $(cat "$here/go.mod" "$here/go.sum" "$here"/*.go "$here/build.sh" | sha256sum | cut -d' ' -f1)"
built() { [ -x "$out/coredns" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; }
if built; then exit 0; fi

# Go from 1.21 on fetches the release that go.mod wants, where GOTOOLCHAIN lets it.
wanted=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' "$here/go.mod")
go=
for found in "$(command -v go || true)" "/usr/lib/go-$wanted/bin/go" /usr/local/go/bin/go; do
  if [ -x "$found" ] && (cd "$here" && "$found" list -m >/dev/null 2>&1); then go=$found && break; fi
done
if [ -z "$go" ]; then
  echo "coredns: CoreDNS $coredns takes Go $wanted; see testbed/kubetest/build.sh for where to get it" >&2
  exit 69
fi

mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if built; then exit 0; fi
echo "coredns: building CoreDNS $coredns; the first time takes a minute"
rm -f "$out/stamp"
cd "$here"
# To a name of its own first: a build that is broken off leaves nothing that looks whole.
CGO_ENABLED=0 nice -n 10 "$go" build -mod=readonly -p "${SLUICE_JOBS:-2}" -trimpath -ldflags '-s -w' -o "$out/coredns.new" .
mv "$out/coredns.new" "$out/coredns"
echo "$stamp" > "$out/stamp"
