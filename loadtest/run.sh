#!/usr/bin/env bash
# Runs the k6 scenarios, one after the other, and writes a report.
#
#   loadtest/run.sh                     all of them, against redis-server and two nodes that it starts and ends
#   SCENARIO=churn loadtest/run.sh      only that one ("ramp churn": these two)
#   TARGETS=https://a,https://b PUBLISH_KEY=... loadtest/run.sh      against nodes that run; starts nothing
#   TARGETS=... REDIS_URL=redis://... loadtest/run.sh                the same, published straight to Redis
#   TLS=1 loadtest/run.sh               two nodes of its own with a new certificate, which k6 then believes
#   HTTP2=1 loadtest/run.sh             subscribers speak HTTP/2: with TLS by ALPN, else with prior knowledge
#
# OUT names the directory of the report, FANFARE_BIN the binary to test (default: the release build), GO the Go tool.
# docs/load-testing.md lists the settings of the scenarios. The last line says how many passed and failed.
# Exit codes: 0 all passed, 1 some failed, 2 it could not be tried, 3 there is no Go to build k6 with and no way to one.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

fail() {
  echo "loadtest: $*" >&2
  exit 2
}

read -r -a scenarios <<<"${SCENARIO:-steady ramp resume churn auth}"
for scenario in "${scenarios[@]}"; do
  [ -f "loadtest/$scenario.js" ] || fail "there is no scenario '$scenario': steady, ramp, resume, churn, auth"
done
if [ -n "${TARGETS:-}" ] && [ -z "${PUBLISH_KEY:-}${REDIS_URL:-}" ] && [ "${ROLE:-both}" != subscribe ]; then
  fail "TARGETS needs a way to publish: PUBLISH_KEY=... (the nodes' publish.key) or REDIS_URL=redis://..."
fi

k6=$(loadtest/build.sh)
target=${CARGO_TARGET_DIR:-target}
OUT=${OUT:-$target/loadtest/$(date +%Y%m%d-%H%M%S)}
mkdir -p "$OUT"
OUT=$(realpath "$OUT")
export OUT

work=$(mktemp -d "${TMPDIR:-/tmp}/fanfare-loadtest.XXXXXX")
pids=()
clean_up() {
  local status=$? pid
  trap '' INT TERM HUP
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  for pid in "${pids[@]}"; do
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  if [ $status -eq 2 ]; then show_logs; fi
  rm -rf "$work"
}

# What those that we started had to say.
show_logs() {
  local log
  for log in "$work"/*.log; do
    if [ -s "$log" ]; then printf -- '--- %s\n' "${log##*/}" >&2; tail -n 15 "$log" >&2; fi
  done
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# A port below those of outgoing connections on which nobody listens. Should another process take it before it is used,
# whoever was to listen on it says so.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

# Waits until a command succeeds, for at most 20 s, as long as the process lives.
await() {
  local pid=$1 what=$2
  shift 2
  for _ in $(seq 200); do
    if "$@" >/dev/null 2>&1; then return; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  fail "$what did not come up"
}

start_redis() {
  local port
  port=$(free_port)
  redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' >"$work/redis.log" 2>&1 &
  pids+=($!)
  await $! redis-server redis-cli -p "$port" ping
  REDIS_URL=redis://127.0.0.1:$port
}

# A self-signed certificate for the nodes on this machine.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout "$work/key.pem" -out "$work/certificate.pem" 2>"$work/openssl.log" ||
    fail "openssl makes no certificate: $(cat "$work/openssl.log")"
}

start_node() {
  local admin configuration
  listen=127.0.0.1:$(free_port)
  admin=127.0.0.1:$(free_port)
  configuration=$work/node-$1.toml
  {
    printf '[[server.listen]]\naddress = "%s"\n' "$listen"
    if [ -n "$TLS" ]; then printf 'certificate = "%s"\nkey = "%s"\n' "$work/certificate.pem" "$work/key.pem"; fi
  } >"$configuration"
  FANFARE__REDIS__URL=$REDIS_URL FANFARE__REDIS__PREFIX=${REDIS_PREFIX:-sse:} FANFARE__PUBLISH__KEY=$PUBLISH_KEY \
    FANFARE__ADMIN__LISTEN=$admin FANFARE__DRAIN__WINDOW=0s \
    "$FANFARE_BIN" serve --config "$configuration" >"$work/node-$1.log" 2>&1 &
  pids+=($!)
  await $! "node $1" curl -fs "http://$admin/readyz"
}

TLS=${TLS:-}
if [ "$TLS" = 0 ]; then TLS=; fi
if [ -z "${TARGETS:-}" ]; then
  scripts/setup.sh redis-server redis-cli curl
  scheme=http
  if [ -n "$TLS" ]; then
    scripts/setup.sh openssl
    make_certificate
    scheme=https
    export K6_INSECURE_SKIP_TLS_VERIFY=true
  fi
  if [ -z "${FANFARE_BIN:-}" ]; then
    scripts/setup.sh cc
    cargo build --locked --release -p fanfare
    FANFARE_BIN=$target/release/fanfare
  fi
  FANFARE_BIN=$(realpath "$FANFARE_BIN")
  if [ -z "${REDIS_URL:-}" ]; then start_redis; fi
  PUBLISH_KEY=$(head -c 24 /dev/urandom | base64 | tr -dc 'a-zA-Z0-9')$RANDOM
  start_node 1
  TARGETS=$scheme://$listen
  start_node 2
  TARGETS=$TARGETS,$scheme://$listen
  PUBLISH_URL=$TARGETS
fi
export TARGETS PUBLISH_URL PUBLISH_KEY REDIS_URL

# A virtual user holds one connection, and a publisher another.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

passed=0
failed=0
EARLIER=
export EARLIER
for scenario in "${scenarios[@]}"; do
  echo "loadtest: $scenario against $TARGETS"
  # Without an address k6 serves no API, whose fixed port would be taken when two run on one machine.
  # k6 answers 99 when a threshold is crossed; other codes mean that the script itself failed.
  status=0
  "$k6" run --no-usage-report --quiet --address "" "loadtest/$scenario.js" || status=$?
  if [ $status -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    if [ $status -ne 99 ]; then echo "loadtest: $scenario ended with code $status, see above" >&2; fi
  fi
  if [ -f "$OUT/$scenario.json" ]; then EARLIER=${EARLIER:+$EARLIER,}$OUT/$scenario.json; fi
done

if [ "$failed" -gt 0 ]; then show_logs; fi
echo "loadtest: the report is in $OUT (report.html, report.txt, and a JSON file for each scenario)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
