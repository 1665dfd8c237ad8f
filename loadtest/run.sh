#!/usr/bin/env bash
# Builds k6 with the SSE module, starts redis-server and two nodes on free ports, runs a script against them,
# and leaves nothing behind. Bounded and on loopback only.
#
#   loadtest/run.sh [SCRIPT]      default: loadtest/resume.js; its settings are environment variables, see there
#
# FANFARE_BIN names the binary to test (default: the release build), GO the Go tool (default: from the PATH).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
script=${1:-loadtest/resume.js}
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/go/bin"

go=${GO:-go}
if ! command -v "$go" >/dev/null 2>&1; then
  echo "loadtest: Go 1.25 or newer is needed to build k6 (or set GO)" >&2
  exit 1
fi
scripts/setup.sh redis-server redis-cli curl

target=${CARGO_TARGET_DIR:-target}
if [ -z "${FANFARE_BIN:-}" ]; then
  cargo build --locked --release -p fanfare
  FANFARE_BIN=$target/release/fanfare
fi
FANFARE_BIN=$(realpath "$FANFARE_BIN")

echo "loadtest: building k6 (the first time takes a few minutes)"
mkdir -p "$target/loadtest"
k6=$(realpath "$target/loadtest")/k6
(cd loadtest/k6build && "$go" test ./... && "$go" build -o "$k6" .)

work=$(mktemp -d)
pids=()
finish() {
  status=$?
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ $status -ne 0 ]; then
    tail -n 15 "$work"/*.log >&2 || true
  fi
  rm -rf "$work"
  exit $status
}
trap finish EXIT

# A port that nobody listens on. Between the answer and its use another process could take it: then the node says so.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

# Waits until a command succeeds, for at most 20 s, or until the process has ended.
await() {
  local pid=$1 what=$2
  shift 2
  for _ in $(seq 200); do
    if "$@" >/dev/null 2>&1; then return; fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  echo "loadtest: $what did not come up" >&2
  exit 1
}

redis_port=$(free_port)
redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$work" --save '' >"$work/redis.log" 2>&1 &
pids+=($!)
await $! redis-server redis-cli -p "$redis_port" ping

PUBLISH_KEY=$(head -c 24 /dev/urandom | base64 | tr -dc 'a-zA-Z0-9')$RANDOM
export PUBLISH_KEY
nodes=()
for node in a b; do
  listen=127.0.0.1:$(free_port)
  admin=127.0.0.1:$(free_port)
  FANFARE__REDIS__URL="redis://127.0.0.1:$redis_port" FANFARE__PUBLISH__KEY="$PUBLISH_KEY" \
    FANFARE__SERVER__LISTEN="$listen" FANFARE__ADMIN__LISTEN="$admin" \
    "$FANFARE_BIN" serve >"$work/node-$node.log" 2>&1 &
  pids+=($!)
  await $! "node $node" curl -fs "http://$admin/readyz"
  nodes+=("http://$listen")
done

NODES=$(IFS=,; echo "${nodes[*]}")
export NODES
echo "loadtest: $script against $NODES"
cd "$root"
"$k6" run --no-usage-report --quiet "$script"
