#!/usr/bin/env bash
# Real SSE clients on real nodes, through a proxy that cuts (clients/run.py): installs the pinned npm, PyPI, Go and Maven packages
# below target/clients, unless they are there already, and runs them.
#
#   scripts/clients.sh                          all of them, and tokens, tickets and twenty tabs in browsers
#   scripts/clients.sh npm/undici pypi/httpx-sse    some of them
#   TRANSPORT=tls scripts/clients.sh [CLIENT…]  over TLS, or with `h2` over HTTP/2; without it some of them are tried over both as well
#   scripts/clients.sh auth                     tokens in browsers (clients/auth.py)
#   scripts/clients.sh auth/late                one case of these
#   scripts/clients.sh tickets                  tickets in browsers (clients/tickets.py)
#   scripts/clients.sh tabs                     twenty tabs of one node in Chromium (clients/tabs.py)
#   scripts/clients.sh examples                 the examples in Chromium (clients/examples.py)
#   scripts/clients.sh publish                  the publishers of examples/publish (clients/publish.py)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin"
# A Go that is too old is no reason to fetch another.
export GOTOOLCHAIN=local

target=${CARGO_TARGET_DIR:-target}
# The examples in Chromium (examples/dashboard is one of them), and publishers (publish/go).
if [[ ${1:-} == examples* ]]; then exec python3 clients/examples.py "$target/debug/fanfare" "$@"; fi
if [[ ${1:-} == publish* ]]; then exec python3 clients/publish.py "$target/debug/fanfare" "$target/clients" "$@"; fi

clients=() cases=()
for name in "$@"; do
  case "$name" in
    auth) wants_auth=yes ;;
    tickets) wants_tickets=yes ;;
    tabs) wants_tabs=yes ;;
    auth/*) wants_auth=yes cases+=("${name#auth/}") ;;
    *) clients+=("$name") ;;
  esac
done
try_auth() { python3 clients/auth.py "$target/debug/fanfare" "${cases[@]}"; }
# The page of docs/auth.md that goes on with one ticket after the other.
try_tickets() { python3 clients/tickets.py "$target/debug/fanfare"; }
try_tabs() { python3 clients/tabs.py "$target/debug/fanfare"; }
failed=0
if [ $# -eq 0 ] && [ -z "${TRANSPORT:-}" ]; then wants_auth=yes wants_tickets=yes wants_tabs=yes; fi
if [ $# -eq 0 ] && [ -z "${TRANSPORT:-}" ]; then python3 clients/examples.py "$target/debug/fanfare" || failed=1; fi
if [ $# -eq 0 ] && [ -z "${TRANSPORT:-}" ]; then python3 clients/publish.py "$target/debug/fanfare" "$target/clients" || failed=1; fi
if [ -n "${wants_auth:-}" ]; then try_auth || failed=1; fi
if [ -n "${wants_tickets:-}" ]; then try_tickets || failed=1; fi
if [ -n "${wants_tabs:-}" ]; then try_tabs || failed=1; fi
if [ $# -gt 0 ] && [ ${#clients[@]} -eq 0 ]; then exit $failed; fi

mkdir -p "$target/clients"
installed=$(realpath "$target/clients")

# `install_once GROUP FOLDER FILE...` calls install_FOLDER, unless it was called for the same files before: a mark tells. The lock files
# name each package with its hash, so that it is the same whoever asks. Nothing that was installed in part is tried.
install_once() {
  local group=$1 folder=$2 mark
  mark=$(cat "${@:3}" | cksum)
  if [ "$(cat "$installed/$folder/.mark" 2>/dev/null)" = "$mark" ]; then return; fi
  rm -rf "${installed:?}/$folder"
  mkdir "$installed/$folder"
  if "install_$folder"; then
    echo "$mark" >"$installed/$folder/.mark"
  else
    echo "clients: the $group clients could not be installed, see above; the others are tried" >&2
    rm -rf "${installed:?}/$folder"
  fi
}

install_javascript() {
  cp clients/javascript/*.mjs clients/javascript/*.json clients/javascript/.npmrc "$installed/javascript/" &&
    (cd "$installed/javascript" && npm ci --silent --no-audit --no-fund --ignore-scripts)
}

install_python() {
  python3 -m venv "$installed/python" &&
    "$installed/python/bin/pip" install --quiet --require-hashes -r clients/python/requirements.txt
}

install_go() {
  (cd clients/go && go build -buildvcs=false -o "$installed/go/" ./...)
}

install_java() {
  # It resets a terminal's colours on everything, asked for or not.
  mvn --quiet --batch-mode -f clients/java/pom.xml dependency:copy-dependencies -DoutputDirectory="$installed/java/lib" 2>&1 |
    sed $'s/\e\\[0m//g' >&2 &&
    (cd "$installed/java/lib" && sha256sum --quiet --strict --check "$OLDPWD/clients/java/jars.sha256") &&
    javac -d "$installed/java/classes" -cp "$installed/java/lib/*" clients/java/*.java
}

present() {
  for program in "$@"; do command -v "$program" >/dev/null 2>&1 || return 1; done
}

if present node npm; then install_once npm javascript clients/javascript/*; fi
if python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then install_once PyPI python clients/python/requirements.txt; fi
if present go; then install_once Go go clients/go/go.* clients/go/*/*.go; fi
if present mvn java javac; then install_once Java java clients/java/*; fi
# What could not be installed is told at the end, by name.
python3 clients/run.py "$target/debug/fanfare" "$installed" ${TRANSPORT:+--transport "$TRANSPORT"} "${clients[@]}" || failed=1
exit $failed
