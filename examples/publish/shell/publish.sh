#!/bin/sh
# apt-get install redis-tools
# sh publish.sh CHANNEL DATA
exec redis-cli -e -u "${REDIS_URL:-redis://127.0.0.1:6379}" FCALL sse_publish 1 "sse:$1" DATA "$2" EVENT created MAXLEN 1000
