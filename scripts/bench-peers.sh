#!/usr/bin/env bash
# Measures Fanfare, the floor and those peers that package registries have, in one interleaved run. docs/peers.md has the
# settings and says which peers could not be installed.
#
#   scripts/bench-peers.sh            every scenario that a peer can do, five runs of each, about 25 minutes; the tables
#                                     go into docs/performance.md
#   QUICK=1 scripts/bench-peers.sh    smaller scenarios, two runs of each, some minutes; only printed
#   ... ARGUMENTS                     passed on to `fanload bench`, for example `--scenario fanout --scenario rate`
#
# Debian packages come from the distribution. The crate has a pinned version, cargo checks what it downloads, and it is
# built and kept below the target directory. Nothing of a peer is part of Fanfare.
set -euo pipefail
cd "$(dirname "$0")/.."

durable_streams=0.1.5

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)

scripts/setup.sh cc redis-server nginx nchan node
# Does nothing when this version is there already.
CARGO_TARGET_DIR=$target/peers/build \
  cargo install --locked --quiet --root "$target/peers" --version "=$durable_streams" durable-streams
cargo build --locked --release -p fanfare
cargo build --locked --release -p fanload

# Peers that keep files keep them in memory, so that no disk is measured.
if [ -w /dev/shm ] && [ -z "${TMPDIR:-}" ]; then
  export TMPDIR=/dev/shm
fi
ulimit -n "$(ulimit -Hn)"
export PATH="$target/peers/bin:$PATH"

options=(--peers)
if [ -n "${QUICK:-}" ]; then
  options+=(--quick)
else
  options+=(--section peers --write docs/performance.md)
fi
if [[ " $* " != *" --scenario"* ]]; then
  for scenario in fanout fanout-15k burst rate many storm hold churn; do
    options+=(--scenario "$scenario")
  done
fi
exec "$target/release/fanload" bench "${options[@]}" "$@"
