# What both loops around curl have in common: the streams come as arguments, and what is told goes out as a line of JSON each.
# shellcheck shell=bash

# Reads one response, block by block, and returns curl's exit code. `place` is where the next one goes on.
read_response() {
  local stream=$1 url=$2 line name='' data='' id='' response
  exec {response}< <(exec curl --silent --no-buffer --fail --header "Last-Event-ID: $place" "$url")
  local curl=$!
  # What stands behind the last line feed is no line.
  while IFS= read -r -u "$response" line; do
    case $line in
      "data: "*) data+=${data:+$'\n'}${line#data: } ;;
      "event: "*) name=${line#event: } ;;
      "id: "*) id=${line#id: } ;;
      "")
        place=${id:-$place}
        if [ -n "$data" ]; then tell "$stream" "${name:-message}" "$data"; fi
        name='' data='' id=''
        ;;
    esac
  done
  exec {response}<&-
  wait "$curl"
}

tell() {
  local data=${3//\\/\\\\}
  data=${data//\"/\\\"}
  # Streams share one pipe, into which only short lines go in one piece.
  {
    flock "$lock"
    printf '[%s,"%s","%s"]\n' "$1" "$2" "${data//$'\n'/\\n}"
  } {lock}<"${BASH_SOURCE[0]}"
  exec {lock}<&-
}

# Calls `follow STREAM URL` of the script for each stream, in a process of its own.
follow_all() {
  local stream=0 url
  for url in "$@"; do
    follow "$stream" "$url" &
    stream=$((stream + 1))
  done
  wait
}

# Whether the script that has started this process still runs: nobody else would end it.
wanted() { kill -0 $$ 2>/dev/null; }
