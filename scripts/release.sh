#!/usr/bin/env bash
# Builds the binaries that are shipped, so that the same commit and the same compilers give the same bytes wherever the sources lie.
#
#   scripts/release.sh [fanfare|fanload ...]   into target/dist, with SHA256SUMS; all of them unless some are named
#   scripts/release.sh --check                 builds fanfare of the last commit in two other folders, each with a
#                                              CARGO_HOME of its own, and compares: ten minutes
#
# What would differ are paths: rustc and the C compilers write those of the sources into the binary, for panics and assertions.
# They become /fanfare, /target and /registry. rust-toolchain.toml and Cargo.lock pin the rest; the C compiler and the linker are
# the machine's, and the Dockerfile names its image.
set -euo pipefail
cd "$(dirname "$0")/.."

# Builds from the sources in $1 with the home of cargo $2 into the target directory $3: the packages after these.
build() {
  local source=$1 home=$2 target=$3 pair map=() rust="" c="" registry
  shift 3
  map=("$source=/fanfare" "$target=/target")
  for registry in "$home"/registry/src/*; do map+=("$registry=/registry"); done
  for pair in "${map[@]}"; do
    rust+="${rust:+$'\x1f'}--remap-path-prefix=$pair"
    c+=" -ffile-prefix-map=$pair"
  done
  (
    cd "$source"
    export CARGO_HOME=$home CARGO_TARGET_DIR=$target CARGO_ENCODED_RUSTFLAGS=$rust CFLAGS="${CFLAGS:-}$c" CXXFLAGS="${CXXFLAGS:-}$c"
    cargo build --release --locked --bins "${@/#/--package=}"
  )
}

# The binaries of the target directory $1 as they are shipped, into the folder $2.
ship() {
  local target=$1 folder=$2 name
  shift 2
  mkdir -p "$folder"
  for name in "$@"; do
    strip -o "$folder/$name" "$target/release/$name"
  done
  (cd "$folder" && sha256sum "$@" >SHA256SUMS && cat SHA256SUMS)
}

check() {
  local name commit home=${CARGO_HOME:-$HOME/.cargo}
  # Once: somebody may commit meanwhile.
  commit=$(git rev-parse --short HEAD)
  # Not local: it is removed after the function has ended.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # Of unlike lengths, so that a path that is left shows.
  for name in one/sources a-folder-with-a-longer-name/and-another/sources; do
    mkdir -p "$work/$name" "$work/$name-home/registry"
    git archive "$commit" | tar xf - -C "$work/$name"
    cp "$home"/config* "$work/$name-home/" 2>/dev/null || true
    cp -a "$home/registry/index" "$home/registry/cache" "$work/$name-home/registry/"
    (cd "$work/$name" && CARGO_HOME=$work/$name-home cargo fetch --locked --quiet)
    build "$work/$name" "$work/$name-home" "$work/$name-target" fanfare
    ship "$work/$name-target" "$work/$name-dist" fanfare
    rm -rf "$work/$name-target"
  done
  if ! cmp "$work/one/sources-dist/fanfare" "$work/a-folder-with-a-longer-name/and-another/sources-dist/fanfare"; then
    echo "release: two builds of $commit are not the same" >&2
    return 1
  fi
  echo "release: two builds of $commit are the same, byte by byte"
}

if [ "${1:-}" = --check ]; then
  check
  exit
fi
packages=("$@")
if [ ${#packages[@]} -eq 0 ]; then packages=(fanfare fanload); fi
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/dist-build
home=$(realpath -m "${CARGO_HOME:-$HOME/.cargo}")
# What is to be renamed has to be there before.
CARGO_HOME=$home cargo fetch --locked --quiet
build "$PWD" "$home" "$target" "${packages[@]}"
ship "$target" "$(dirname "$target")/dist" "${packages[@]}"
