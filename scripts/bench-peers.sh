#!/usr/bin/env bash
# Measures Fanfare, the floor and those peers that package registries have, in one interleaved run. docs/peers.md has the
# settings.
#
#   scripts/bench-peers.sh            every scenario, five runs of each, about an hour; the tables go into
#                                     docs/performance.md
#   QUICK=1 scripts/bench-peers.sh    smaller scenarios, two runs of each, about 20 minutes; only printed
#   ... ARGUMENTS                     passed on to `fanload bench`, for example `--scenario fanout --scenario rate`
#
# The first time it builds two peers in Go as well, some minutes more.
#
# Debian packages come from the distribution. The crate has a pinned version, cargo checks what it downloads; the programs in
# Go are built from the modules below scripts/peers, whose go.sum has the checksums. All are built and kept below the target
# directory. Nothing of a peer is part of Fanfare.
set -euo pipefail
cd "$(dirname "$0")/.."

durable_streams=0.1.5

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/peers/bin"
target=$(cd "$target" && pwd)

scripts/setup.sh cc redis-server nginx nchan node
export PATH="$target/peers/bin:$PATH:/usr/local/go/bin"
# One that is too old to build them (below 1.21) leaves them out; GO names another one.
go=${GO:-go}
if ! command -v "$go" >/dev/null 2>&1; then scripts/setup.sh go || true; fi
# Does nothing when this version is there already.
CARGO_TARGET_DIR=$target/peers/build \
  cargo install --locked --quiet --root "$target/peers" --version "=$durable_streams" durable-streams
cargo build --locked --release -p fanfare
cargo build --locked --release -p fanload

# Builds the program NAME of PACKAGE from the module scripts/peers/NAME. VARIABLE of the program becomes the version of MODULE,
# between two words. 1: it cannot be built here. What is not what go.sum says ends everything.
go_peer() { # NAME PACKAGE MODULE VARIABLE BEFORE BEHIND [TAGS]
  local log=$target/peers/$1.log version
  if (
    cd "scripts/peers/$1"
    export CGO_ENABLED=0 GOFLAGS=-mod=readonly
    version=$("$go" list -m -f '{{.Version}}' "$3") &&
      "$go" build -buildvcs=false -tags "${7:-}" -ldflags "-X '$4=$5${version#v}$6'" -o "$target/peers/bin/$1" "$2"
  ) >"$log" 2>&1; then
    return 0
  fi
  tail -n 5 "$log" >&2
  if grep -q 'SECURITY ERROR' "$log"; then exit 1; fi
  return 1
}

# A peer in Go that cannot be built is left out with a word.
contenders=(floor fanfare nchan durable-streams node-loop)
missing=()
if go_peer mercure . github.com/dunglas/mercure/caddy \
  github.com/caddyserver/caddy/v2.CustomVersion 'Mercure ' ' in Caddy' \
  deprecated_transport,nobadger,nomysql,nopgx; then
  contenders+=(mercure)
else
  missing+=(mercure)
fi
if go_peer centrifugo github.com/centrifugal/centrifugo/v6 github.com/centrifugal/centrifugo/v6 \
  github.com/centrifugal/centrifugo/v6/internal/build.Version '' ''; then
  contenders+=(centrifugo centrifugo-redis)
else
  missing+=(centrifugo centrifugo-redis)
fi

# Peers that keep files keep them in memory, so that no disk is measured.
if [ -w /dev/shm ] && [ -z "${TMPDIR:-}" ]; then
  export TMPDIR=/dev/shm
fi
ulimit -n "$(ulimit -Hn)"

options=()
if [[ " $* " != *" --contender"* ]]; then
  if [ ${#missing[@]} -eq 0 ]; then
    options+=(--peers)
  else
    for name in "${contenders[@]}"; do options+=(--contender "$name"); done
  fi
fi
if [ -n "${QUICK:-}" ]; then
  options+=(--quick)
elif [[ " $* " != *" --write"* ]]; then
  options+=(--section peers --write docs/performance.md)
fi
if [[ " $* " != *" --scenario"* ]]; then
  for scenario in fanout fanout-15k burst rate many storm hold churn; do
    options+=(--scenario "$scenario")
  done
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "bench-peers: SKIPPED ${missing[*]}: cannot be built here, see above (it needs Go 1.26, or 1.21 and later to fetch it, and the modules)" >&2
fi
exec "$target/release/fanload" bench "${options[@]}" "$@"
