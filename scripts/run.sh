#!/usr/bin/env bash
# Two nodes, a publisher of this machine's own figures and a live page, over a real Redis (`make run`).
#
#   scripts/run.sh                               starts its own redis-server; installs it first if it is missing
#   REDIS_URL=redis://host:6379 scripts/run.sh   uses that Redis; keys begin with sse: (or REDIS_PREFIX)
#   FANFARE_BIN=path scripts/run.sh              runs that binary instead of building one
#   ORIGIN=http://127.0.0.1:5173 scripts/run.sh  lets pages of that origin read, as those on port 3000 may; several with commas
#
# Ctrl-C ends everything that was started, waits for it, and removes the temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."

# Daemons live in /usr/sbin, which is not on everybody's PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

prefix=${REDIS_PREFIX:-sse:}
work=$(mktemp -d "${TMPDIR:-/tmp}/fanfare-run.XXXXXX")
pids=()

# Ends what was started, last first, by process id; nobody else's processes are looked at.
clean_up() {
  trap '' INT TERM HUP
  local pid
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    pid=${pids[i]}
    kill -TERM "$pid" 2>/dev/null || true
    # A second signal makes a node end at once instead of draining: its clients are about to lose everything anyway.
    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

say() { printf '%s\n' "run: $*"; }

# The first port from $1 on that nobody listens on. Ports given out before are skipped.
given=" "
free_port() {
  local port=$1
  while [[ $given == *" $port "* ]] || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port + 1))
  done
  given="$given$port "
  found=$port
}

# Waits until the command succeeds, for at most $1 seconds, and as long as process $2 lives.
wait_for() {
  local tries=$(($1 * 10)) pid=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    if ((tries == 0)) || ! kill -0 "$pid" 2>/dev/null; then
      return 1
    fi
    sleep 0.1
  done
}

# One HTTP GET without curl; succeeds when the status is 200.
get_ok() {
  local status
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
  IFS= read -r -t 5 status <&3 || true
  exec 3>&-
  [[ $status == *" 200 "* ]]
}

fail() {
  say "$1"
  if [ -n "${2:-}" ]; then tail -n 20 "$2" >&2; fi
  exit 1
}

# --- Redis ------------------------------------------------------------------------------------
if [ -n "${REDIS_URL:-}" ]; then
  redis_url=$REDIS_URL
  if [[ $redis_url =~ ^rediss?://([^/]*@)?([A-Za-z0-9.-]+)(:([0-9]+))?(/|\?|$) ]]; then
    host=${BASH_REMATCH[2]} port=${BASH_REMATCH[4]:-6379}
    timeout 5 bash -c "exec 3<>/dev/tcp/$host/$port" 2>/dev/null ||
      fail "nothing answers on $host:$port, which REDIS_URL names; unset REDIS_URL to have a Redis started here"
  fi
  # Not repeated: it may hold a password.
  say "using the Redis that REDIS_URL names; what is published expires ten minutes after the end"
  cli="redis-cli -u \"\$REDIS_URL\""
else
  if ! command -v redis-server >/dev/null 2>&1; then
    say "there is no redis-server; installing it (set REDIS_URL to use one that runs elsewhere)"
    scripts/setup.sh redis-server redis-cli
  fi
  free_port 16379
  redis_port=$found
  redis_url="redis://127.0.0.1:$redis_port"
  redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no \
    --maxmemory-policy noeviction >"$work/redis.log" 2>&1 &
  pids+=($!)
  wait_for 10 $! bash -c "exec 3<>/dev/tcp/127.0.0.1/$redis_port" || fail "redis-server did not start" "$work/redis.log"
  say "redis-server on $redis_url (temporary, ends with this script)"
  cli="redis-cli -p $redis_port"
fi

# --- The binary ---------------------------------------------------------------------------------
if [ -n "${FANFARE_BIN:-}" ]; then
  fanfare=$FANFARE_BIN
else
  scripts/setup.sh cc
  say "building the release binary (the first time takes a few minutes)"
  cargo build --locked --release -p fanfare
  fanfare=${CARGO_TARGET_DIR:-target}/release/fanfare
fi

# --- Two nodes and the page ----------------------------------------------------------------------
free_port 8000
page=$found
# The demonstration's page, and one of the user's own, as docs/getting-started.md serves it. A list may be written in JSON.
own=${ORIGIN:-}
own=${own//[][\"]/}
origins="http://127.0.0.1:$page,http://localhost:$page,http://127.0.0.1:3000,http://localhost:3000${own:+,$own}"
nodes=()
for number in 1 2; do
  free_port $((8080 + number))
  listen=$found
  free_port $((9080 + number))
  admin=$found
  FANFARE__REDIS__URL=$redis_url FANFARE__REDIS__PREFIX=$prefix \
    FANFARE__SERVER__CORS_ORIGINS="$origins" \
    FANFARE__DRAIN__WINDOW=1s \
    "$fanfare" serve --listen "127.0.0.1:$listen" --admin-listen "127.0.0.1:$admin" >"$work/node-$number.log" 2>&1 &
  pids+=($!)
  wait_for 20 $! get_ok "$admin" /readyz || fail "node $number is not ready" "$work/node-$number.log"
  nodes+=("http://127.0.0.1:$listen")
  status[number]="http://127.0.0.1:$admin/status"
done
FANFARE__REDIS__URL=$redis_url "$fanfare" demo --prefix "$prefix" --nodes "${nodes[0]},${nodes[1]}" \
  --listen "127.0.0.1:$page" >"$work/demo.log" 2>&1 &
demo=$!
pids+=("$demo")
wait_for 10 "$demo" get_ok "$page" / || fail "the page is not served" "$work/demo.log"

cat <<TEXT

  The live page      http://127.0.0.1:$page/          (press "Cut the connection")
  Node 1             ${nodes[0]}/          ${status[1]}
  Node 2             ${nodes[1]}/          ${status[2]}

  Try, in another terminal:

    curl -N '${nodes[0]}/events?channel=host.cpu&channel=hello&last=3'
    $cli PUBLISH ${prefix}hello 'to whoever is connected now'
    $cli FCALL sse_publish 1 ${prefix}hello DATA 'stored, and replayed to whoever comes back' EVENT greeting

  Your own event in your own page, while this runs: docs/getting-started.md

  Ctrl-C ends everything and leaves nothing behind. Logs until then: $work

TEXT

# Ends when anything that was started ends by itself, which is a fault, or by a signal.
wait -n "${pids[@]}" || true
for pid in "${pids[@]}"; do
  kill -0 "$pid" 2>/dev/null || say "process $pid has ended by itself"
done
tail -n 5 "$work"/*.log >&2
exit 1
