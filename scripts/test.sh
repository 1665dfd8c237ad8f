#!/usr/bin/env bash
# Every test of the workspace, in one cargo profile (dev), so that nothing is built twice.
# The end-to-end tests run the dev binary, or the one that FANFARE_BIN names.
# Arguments are passed on to `cargo test` (for example `scripts/test.sh -p fanfare-log`); without them EXCLUDE names a crate whose tests
# are left out.
set -euo pipefail
cd "$(dirname "$0")/.."

# Daemons live in /usr/sbin, which is not on everybody's PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

if [ $# -gt 0 ]; then
  exec cargo test --locked "$@"
fi

# Examples in the documentation first, so that the run ends with the larger part: every sample of the documents, on a real node, and
# three readers of the simplest kind through a proxy that cuts anywhere.
binary=${FANFARE_BIN:-}
if [ -z "$binary" ]; then
  cargo build --locked -p fanfare
  # Beside it: the samples of docs/fanload.md run it.
  cargo build --locked -p fanload
  binary=${CARGO_TARGET_DIR:-target}/debug/fanfare
fi
if command -v python3 >/dev/null 2>&1; then
  # The samples of docs/load-testing.md run it. It says itself what it is without when there is no Go, and they are left out.
  loadtest/build.sh >/dev/null || [ $? -eq 3 ]
  python3 scripts/check-samples.py "$binary"
  python3 clients/run.py "$binary" --reference
else
  echo "test: SKIPPED the samples of the documents and the readers of clients/: python3 is missing"
fi
cargo test --locked --workspace --doc
cargo test --locked --workspace ${EXCLUDE:+--exclude="$EXCLUDE"} --lib --bins --tests --no-fail-fast
