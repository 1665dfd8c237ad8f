#!/usr/bin/env bash
# Fuzzes every parser of foreign bytes, or those that are named:
#
#   scripts/fuzz.sh [TARGET...]     TIME=seconds for each target (default 30); MERGE=1 adds to the corpus
#
# The corpus in crates/fuzz/corpus is where each run starts; new inputs are kept in $FUZZ_WORK (default: below the target
# directory). With MERGE=1 those that reach code which the corpus does not are added to it; otherwise nothing is written to the
# repository. An input that breaks a property is kept in $FUZZ_WORK, too, and its path is printed. Needs a C++ compiler and cargo-fuzz, which is installed when it is missing. Any toolchain will do: without a
# sanitizer, which code without `unsafe` has no use for, nothing of this is nightly.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.13.2
SECONDS_EACH=${TIME:-30}
BASE=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
WORK=${FUZZ_WORK:-$BASE/work}

scripts/setup.sh c++
if ! cargo fuzz --version 2>/dev/null | grep -q .; then
  echo "fuzz: installing cargo-fuzz $VERSION"
  cargo install --quiet --locked "cargo-fuzz@$VERSION"
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in crates/fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# Link-time optimisation and debug information would cost minutes and find nothing. The directory is apart from that of other builds, which
# are not instrumented.
export CARGO_TARGET_DIR=$BASE CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_OPT_LEVEL=2
# For a few seconds of fuzzing, code that is built faster finds as much as code that runs faster. cargo-fuzz asks for line tables and for
# one codegen unit by itself; flags of ours come behind its own, and count.
if [ "$SECONDS_EACH" -lt 30 ]; then
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1
  export RUSTFLAGS="${RUSTFLAGS:-} -Cdebuginfo=0 -Ccodegen-units=16"
fi
build=(--fuzz-dir crates/fuzz --features libfuzzer --sanitizer none)
only=()
if [ ${#targets[@]} -eq 1 ]; then only=("${targets[0]}"); fi
cargo fuzz build "${build[@]}" "${only[@]}"

# Adds to the corpus what reaches code that nothing in it reaches, as few inputs as will do. Programs that see comparisons would also
# keep what only compares other values: thousands of files.
merge() {
  local target=$1 new=$2 corpus=crates/fuzz/corpus/$1 binary
  binary=$(find "$BASE/edges" -path "*/release/$target" -type f | head -n 1)
  "$binary" -set_cover_merge=1 -use_counters=0 -max_len=2048 "$corpus" "$new" >>"$WORK/$target.log" 2>&1
  echo "fuzz: $target: $(find "$corpus" -type f | wc -l) inputs in the corpus"
}
if [ -n "${MERGE:-}" ]; then
  CARGO_TARGET_DIR=$BASE/edges cargo fuzz build "${build[@]}" --no-trace-compares "${only[@]}"
fi

# Each has a core of its own, and four at most run at a time: one may take 2 GB.
at_once=$(nproc)
if [ "$at_once" -gt 4 ]; then at_once=4; fi
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; exit 130' INT TERM

# Prints the path of a target's program.
program() {
  find "$BASE" -path "$BASE/edges" -prune -o -path "*/release/$1" -type f -print | head -n 1
}

# Starts a target. What it says is in its log.
start() {
  local target=$1 new=$WORK/$1 crashes=$WORK/crashes/$1/ dictionary=() binary
  mkdir -p "$new" "$crashes"
  if [ -f "crates/fuzz/dictionaries/$target.dict" ]; then dictionary=("-dict=crates/fuzz/dictionaries/$target.dict"); fi
  binary=$(program "$target")
  "$binary" "$new" "crates/fuzz/corpus/$target" "${dictionary[@]}" "-artifact_prefix=$crashes" \
    "-max_total_time=$SECONDS_EACH" -max_len=2048 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 >"$WORK/$target.log" 2>&1 &
  pids+=($!)
}

failed=()
total=0
for at in "${!targets[@]}"; do
  target=${targets[$at]}
  while [ ${#pids[@]} -lt ${#targets[@]} ] && [ ${#pids[@]} -lt $((at + at_once)) ]; do start "${targets[${#pids[@]}]}"; done
  log=$WORK/$target.log
  # In the order in which they are named, whichever ends first.
  if wait "${pids[$at]}"; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    total=$((total + runs))
    echo "fuzz: $target: $runs inputs, no property broken"
    if [ -n "${MERGE:-}" ]; then merge "$target" "$WORK/$target"; fi
  else
    failed+=("$target")
    tail -n 40 "$log" >&2
    echo "fuzz: $target: a property is broken; the inputs are in $WORK/crashes/$target/" >&2
    echo "fuzz: to see it again: $(program "$target") FILE" >&2
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "fuzz: failed: ${failed[*]}" >&2; exit 1; }
echo "fuzz: ${#targets[@]} targets, $total inputs, no property broken"
