#!/usr/bin/env bash
# curl in a loop that takes a clean end for the end, as `until curl …; do sleep 1; done` does.
source "$(dirname "$0")/report.sh"

follow() {
  local place=''
  until read_response "$1" "$2" || ! wanted; do
    sleep 1
  done
}

follow_all "$@"
