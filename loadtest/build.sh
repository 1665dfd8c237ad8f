#!/usr/bin/env bash
# Builds k6 with the modules that the scripts need, once: the binary stays in the target directory until its sources
# change. Prints the path of the binary.
#
# Exit code 3: there is no Go that can build it, and Debian has none either. GO names the Go tool (default: from the PATH).
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/go/bin"
go=${GO:-go}

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/loadtest"
k6=$(realpath "$target/loadtest")/k6
wanted=$(cd loadtest/k6build && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)
if [ -x "$k6" ] && [ "$(cat "$k6.sources" 2>/dev/null)" = "$wanted" ]; then
  echo "$k6"
  exit 0
fi

# The least Go that can fetch by itself the Go that k6 wants (Go 1.21 brought toolchains).
sufficient() { printf '%s\n1.21\n' "$1" | sort -V | head -n 1 | grep -qx '1\.21'; }

if ! command -v "$go" >/dev/null 2>&1; then
  offered=$(apt-cache policy golang-go 2>/dev/null | sed -n 's/^ *Candidate: *\(.*:\)\{0,1\}\([0-9.]*\).*/\2/p')
  if [ -n "$offered" ] && sufficient "$offered"; then
    scripts/setup.sh go >&2
  else
    echo "loadtest: building k6 needs Go 1.25 or newer (https://go.dev/dl), which is not on the PATH;" \
      "Debian offers ${offered:-none} here. Install it, or set GO." >&2
    exit 3
  fi
fi
# An older Go fetches the one that go.mod wants, unless the environment forbids it.
export GOTOOLCHAIN=${GOTOOLCHAIN:-auto}
if ! trouble=$(cd loadtest/k6build && "$go" version 2>&1) || ! trouble=$(cd loadtest/k6build && "$go" list -m 2>&1); then
  echo "loadtest: building k6 needs Go 1.25 or newer: $trouble" >&2
  exit 3
fi

echo "loadtest: building k6 (the first time takes a minute or two)" >&2
(cd loadtest/k6build && "$go" test ./... && "$go" build -o "$k6" .) 2>&1 | sed '/^go: downloading/d' >&2
echo "$wanted" >"$k6.sources"
echo "$k6"
