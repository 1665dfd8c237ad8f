#!/usr/bin/env bash
# curl in a loop that opens anew after whatever end.
source "$(dirname "$0")/report.sh"

follow() {
  local place=''
  while wanted; do
    read_response "$1" "$2"
    sleep 1
  done
}

follow_all "$@"
