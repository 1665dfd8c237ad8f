#!/usr/bin/env bash
# Builds k6 with the modules that the scripts need, once: the binary stays in the target directory until its sources
# change. Prints the path of the binary.
#
# Any Go will do: one that is too old for k6 fetches a newer one, which is a module like any other, and where there is none
# Debian's is installed. GO names the Go tool (default: from the PATH), GOTOOLCHAIN=local forbids to fetch another.
# Exit code 3: there is no Go, and no way to one.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin"
go=${GO:-go}

# What an older Go fetches. Checksums are in loadtest/toolchain/go.sum; for platforms without one there the checksum
# database of Go is asked.
pinned=1.26.8

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/loadtest"
k6=$(realpath "$target/loadtest")/k6
wanted=$(cd loadtest/k6build && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)
if [ -x "$k6" ] && [ "$(cat "$k6.sources" 2>/dev/null)" = "$wanted" ]; then
  echo "$k6"
  exit 0
fi

say() { echo "loadtest: $*" >&2; }

no_go() {
  say "$1"
  say "k6 needs Go $least or newer: install it (https://go.dev/dl), or set GO to where it is"
  exit 3
}

at_least() { printf '%s\n%s\n' "$2" "$1" | sort -C -V; }

# Fetches the pinned Go into the module cache, with the Go that is here, and prints the path of its tool. Runs in a
# subshell. Returns 1 if it cannot be had, and 4 if it is not what it should be.
fetch_go() {
  local module directory trouble
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/fanfare-go.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  cp loadtest/toolchain/go.{mod,sum} "$scratch"
  module=golang.org/toolchain@v0.0.1-go$pinned.$("$go" env GOHOSTOS)-$("$go" env GOHOSTARCH)
  directory=$("$go" env GOMODCACHE)/$module
  if ! trouble=$(cd "$scratch" && GOFLAGS=-mod=mod "$go" mod download "$module" 2>&1); then
    echo "$trouble" >&2
    if [[ $trouble == *"SECURITY ERROR"* ]]; then return 4; fi
    return 1
  fi
  # No file of a module can be executed until somebody says so.
  find "$directory/bin" "$directory/pkg/tool" -type f ! -perm -u+x -exec chmod +x {} + || return 1
  echo "$directory/bin/go"
}

least=$(sed -n 's/^go //p' loadtest/k6build/go.mod)
if ! command -v "$go" >/dev/null 2>&1; then
  if [ -n "${GO:-}" ] || ! scripts/setup.sh go >&2; then no_go "there is no Go ('$go')"; fi
fi
# No Go may fetch another one by itself: which one is said here.
allowed=${GOTOOLCHAIN:-auto}
export GOTOOLCHAIN=local
[[ $(cd / && "$go" env GOVERSION) =~ go([0-9]+(\.[0-9]+)+) ]] || no_go "'$go' does not say which Go it is"
version=${BASH_REMATCH[1]}
if ! at_least "$version" "$least"; then
  if [ "$allowed" = local ]; then no_go "this is Go $version, and GOTOOLCHAIN=local forbids to fetch another"; fi
  say "Go $version is too old for k6: fetching Go $pinned as a module (70 MB, once)"
  status=0
  go=$(fetch_go) || status=$?
  # A forged Go is no reason to go on without one.
  if [ $status -eq 4 ]; then exit 1; fi
  if [ $status -ne 0 ]; then no_go "Go $pinned could not be fetched, see above"; fi
  unset GOROOT
fi

say "building k6 (the first time takes some minutes)"
# Without cgo a C compiler plays no part in it.
export CGO_ENABLED=0
(cd loadtest/k6build && "$go" test ./... && "$go" build -buildvcs=false -o "$k6" .) 2>&1 | sed '/^go: downloading/d' >&2
echo "$wanted" >"$k6.sources"
echo "$k6"
