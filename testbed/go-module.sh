# Sourced by the build.sh of a Go module: builds the program of that name into target/NAME, once. Wants `here`, the module's
# folder, and `out`, where it goes. `go_module "$flags"` gives 0 where it built, and ends the script where there was nothing to do.
# shellcheck shell=sh
name=$(basename "$here")
wanted=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' "$here/go.mod")
stamp=$(cat "$here/go.mod" "$here/go.sum" "$here"/*.go "$here/build.sh" "$here/../go-module.sh" | sha256sum | cut -d' ' -f1)

is_built() { [ -x "$out/$name" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; }

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

go_module() {
  if is_built; then exit 0; fi
  package=golang-$wanted-go
  if ! find_go && ! { apt-cache show "$package" >/dev/null 2>&1 && "$here/../install.sh" "$package" && find_go; }; then
    echo "$name: takes Go $wanted${found:-; there is none}" >&2
    echo "  Debian: apt-get install $package, where this release or its backports have it" >&2
    echo "  with Go 1.21 or newer: GOTOOLCHAIN=go$wanted.0 in the environment makes it fetch that release" >&2
    echo "  or from https://go.dev/dl/" >&2
    exit 69
  fi
  mkdir -p "$out"
  exec 9>"$out/lock"
  flock 9
  if is_built; then exit 0; fi
  echo "$name: building with Go $wanted, the first time from the module proxy"
  rm -f "$out/stamp"
  cd "$here"
  # To a name of its own first: a build that is broken off leaves nothing that looks whole.
  CGO_ENABLED=0 nice -n 10 "$go" build -mod=readonly -p "${SLUICE_JOBS:-2}" -trimpath -ldflags "-s -w $1" -o "$out/$name.new" .
  mv "$out/$name.new" "$out/$name"
}

built() { echo "$stamp" > "$out/stamp"; }
