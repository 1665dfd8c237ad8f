#!/usr/bin/env bash
# Real SSE clients on real nodes, through a proxy that cuts (clients/run.py): installs the pinned npm, PyPI, Go and Maven packages
# below target/clients, unless they are there already, and runs them.
#
#   scripts/clients.sh                          all of them, and everything below
#   scripts/clients.sh npm/undici tabs auth/late    some of them: clients, groups and cases of these, in any order
#   TRANSPORT=tls scripts/clients.sh [CLIENT…]  clients over TLS, or with `h2` over HTTP/2; without it some of them are tried over both as well
#
#   auth          tokens in browsers (clients/auth.py); auth/late is one case of it
#   tickets       tickets in browsers (clients/tickets.py)
#   tabs          twenty tabs of one node in Chromium (clients/tabs.py)
#   examples      the examples in Chromium (clients/examples.py); examples/feed
#   screenshots   whether the pictures of the documents are current (clients/screenshots.py); screenshots/feed. SCREENSHOTS=write makes them
#   publish       the publishers of examples/publish (clients/publish.py); publish/go
#   recipes       the recipes of docs/auth.md in their frameworks (clients/recipes.py); recipes/rails
#
# A name that nothing has is an error before anything is tried.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin"
# A Go that is too old is no reason to fetch another.
export GOTOOLCHAIN=local

target=${CARGO_TARGET_DIR:-target}
# A transport alone is a wish for clients.
if [ $# -eq 0 ] && [ -n "${TRANSPORT:-}" ]; then set -- clients; fi
# A line for each name, the group that tries it first.
plan=$(python3 -B clients/choose.py "$@")
failed=0

# `try GROUP COMMAND…` runs it with what was chosen of that group, or without a name for all of it, if any of it was chosen.
try() {
  local group=$1 names=()
  shift
  mapfile -t names < <(sed -n "s/^$group //p" <<<"$plan")
  if [ ${#names[@]} -eq 0 ]; then return; fi
  if [[ " ${names[*]} " == *" $group "* ]]; then names=(); fi
  "$@" "${names[@]}" || failed=1
}

fanfare=$target/debug/fanfare
try examples python3 clients/examples.py "$fanfare"
try screenshots python3 clients/screenshots.py "$fanfare" ${SCREENSHOTS:+--"$SCREENSHOTS"}
try publish python3 clients/publish.py "$fanfare" "$target/clients"
try recipes python3 clients/recipes.py "$fanfare" "$target/clients"
try auth python3 clients/auth.py "$fanfare"
# The page of docs/auth.md that goes on with one ticket after the other.
try tickets python3 clients/tickets.py "$fanfare"
try tabs python3 clients/tabs.py "$fanfare"
if ! grep -q '^clients ' <<<"$plan"; then exit $failed; fi

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
try clients python3 clients/run.py "$fanfare" "$installed" ${TRANSPORT:+--transport "$TRANSPORT"}
exit $failed
