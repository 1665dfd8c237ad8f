#!/usr/bin/env bash
# Publishes each line that is added to a file: LOG=/var/log/syslog is one of yours; without it, lines are invented.
set -euo pipefail
redis=${REDIS_URL:-redis://127.0.0.1:6379}

invent() {
  local level=(INFO INFO INFO INFO WARN ERROR) what=("GET /score 200" "POST /parts 201" "cache miss" "slow query" "the horn is late") number=0
  while sleep 0.3; do
    printf '%(%T)T %s %s, request %d\n' -1 "${level[RANDOM % 6]}" "${what[RANDOM % 5]}" $((number += 1))
  done
}

if [ -z "${LOG:-}" ]; then
  LOG=$(mktemp)
  invent >>"$LOG" &
fi

number=0
tail -n 0 -F "$LOG" | while IFS= read -r line; do
  number=$((number + 1))
  # While Redis is away it is tried again; the key makes that harmless. About 2,000 lines are kept for those who come later.
  until redis-cli -e -u "$redis" FCALL sse_publish 1 sse:log DATA "$line" MAXLEN 2000 DEDUP "$$-$number" >/dev/null; do sleep 1; done
done
