#!/usr/bin/env bash
# Every test of the workspace, in one cargo profile (dev), so that nothing is built twice.
# The end-to-end tests run the dev binary, or the one that FANFARE_BIN names.
# Arguments are passed on to `cargo test` (for example `scripts/test.sh -p fanfare-log`).
set -euo pipefail
cd "$(dirname "$0")/.."

# Daemons live in /usr/sbin, which is not on everybody's PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

if [ $# -gt 0 ]; then
  exec cargo test --locked "$@"
fi

# Examples in the documentation first, so that the run ends with the larger part.
cargo test --locked --workspace --doc
cargo test --locked --workspace --lib --bins --tests --no-fail-fast
