#!/usr/bin/env bash
# Real SSE clients on real nodes, through a proxy that cuts (clients/run.py): installs the pinned npm and PyPI packages below
# target/clients, unless they are there already, and runs them.
#
#   scripts/clients.sh                          all of them
#   scripts/clients.sh npm/undici pypi/httpx-sse    some of them
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

target=${CARGO_TARGET_DIR:-target}
installed=$target/clients
mkdir -p "$installed"

# Nothing that was installed in part is tried.
give_up() {
  echo "clients: the $1 clients could not be installed, see above; the others are tried" >&2
  rm -rf "${installed:?}/$2"
}

# The same packages, whoever asks: the lock files name each with its hash. A mark tells for which of them a folder was made.
if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
  mark=$(cat clients/javascript/package-lock.json clients/javascript/package.json | cksum)
  mkdir -p "$installed/javascript"
  cp clients/javascript/*.mjs clients/javascript/*.json clients/javascript/.npmrc "$installed/javascript/"
  if [ "$(cat "$installed/javascript/.mark" 2>/dev/null)" != "$mark" ]; then
    if (cd "$installed/javascript" && npm ci --silent --no-audit --no-fund --ignore-scripts); then
      echo "$mark" >"$installed/javascript/.mark"
    else
      give_up npm javascript
    fi
  fi
fi
if python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
  mark=$(cksum <clients/python/requirements.txt)
  if [ "$(cat "$installed/python/.mark" 2>/dev/null)" != "$mark" ]; then
    rm -rf "$installed/python"
    if python3 -m venv "$installed/python" &&
      "$installed/python/bin/pip" install --quiet --require-hashes -r clients/python/requirements.txt; then
      echo "$mark" >"$installed/python/.mark"
    else
      give_up PyPI python
    fi
  fi
fi
# What could not be installed is told at the end, by name.
exec python3 clients/run.py "$target/debug/fanfare" "$installed" "$@"
