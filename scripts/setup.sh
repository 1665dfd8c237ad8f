#!/usr/bin/env bash
# Installs the Debian packages that a job needs, and only those that are missing.
#
#   scripts/setup.sh             what the tests need: a linker, redis-server, redis-tools, Chromium and its driver, curl, jq, Python and its client for Redis, openssl
#   scripts/setup.sh PROGRAM...  only what these programs need, for example `scripts/setup.sh redis-server`
#
# A program that is on the PATH already, from wherever it came, is left alone. Needs root or sudo
# when something is missing, and nothing at all when nothing is. Can be run again at any time.
set -euo pipefail

# The Debian package that brings a program.
package_of() {
  case "$1" in
    redis-server) echo redis-server ;;
    redis-cli) echo redis-tools ;;
    chromium) echo chromium ;;
    chromedriver) echo chromium-driver ;;
    firefox) echo firefox-esr ;;
    curl) echo curl ;;
    jq) echo jq ;;
    cwebp) echo webp ;;
    openssl) echo openssl ;;
    testssl) echo testssl.sh ;;
    certbot) echo certbot ;;
    ip) echo iproute2 ;;
    taskset | setpriv) echo util-linux ;;
    haproxy) echo haproxy ;;
    nginx) echo nginx-light ;;
    promtool) echo prometheus ;;
    nchan) echo nginx libnginx-mod-nchan ;;
    node) echo nodejs ;;
    npm) echo npm ;;
    h2load) echo nghttp2-client ;;
    python3-venv) echo python3-venv ;;
    python3) echo python3 ;;
    python3-yaml) echo python3-yaml ;;
    python3-redis) echo python3-redis ;;
    cc) echo gcc libc6-dev ;;
    c++) echo g++ ;;
    go) echo golang-go ;;
    # Their clients for Redis, and the languages with them.
    ruby-redis) echo ruby-redis ;;
    php-redis) echo php-cli php-redis ;;
    # What the recipes of docs/auth.md need of them.
    rails) echo ruby-railties ruby-activemodel ruby-devise ruby-webrick ;;
    symfony) echo php-cli php-symfony-framework-bundle php-symfony-http-client php-symfony-security-bundle php-symfony-yaml ;;
    *) echo "setup: no Debian package is known for '$1'" >&2; exit 2 ;;
  esac
}

# Daemons live in /usr/sbin, which is not on everybody's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

present() {
  case "$1" in
    # Of Debian's Python, whichever other one is on the PATH.
    python3-yaml) /usr/bin/python3 -c 'import yaml' >/dev/null 2>&1 ;;
    python3-redis) /usr/bin/python3 -c 'import redis' >/dev/null 2>&1 ;;
    python3-venv) python3 -c 'import venv, ensurepip' >/dev/null 2>&1 ;;
    firefox) command -v firefox-esr >/dev/null 2>&1 || command -v firefox >/dev/null 2>&1 ;;
    nchan) [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] ;;
    go) [ -x /usr/local/go/bin/go ] || command -v go >/dev/null 2>&1 ;;
    ruby-redis) ruby -e 'require "redis"' >/dev/null 2>&1 ;;
    rails) ruby -e 'require "rails"; require "active_model"; require "devise"; require "webrick"' >/dev/null 2>&1 ;;
    symfony) php -r 'foreach (["Bundle/SecurityBundle", "Component/HttpClient", "Component/Yaml"] as $name) require "Symfony/$name/autoload.php";' >/dev/null 2>&1 ;;
    php-redis) php -r 'exit(extension_loaded("redis") ? 0 : 1);' >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

wanted=("$@")
if [ ${#wanted[@]} -eq 0 ]; then
  wanted=(cc redis-server redis-cli setpriv chromium chromedriver curl jq python3 python3-redis openssl)
fi

missing=()
packages=()
for program in "${wanted[@]}"; do
  found=$(package_of "$program")
  if ! present "$program"; then
    missing+=("$program")
    read -r -a names <<<"$found"
    packages+=("${names[@]}")
  fi
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: nothing to install (${wanted[*]})"
  exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup: missing: ${missing[*]}; this is not a Debian system, install them with your package manager" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "setup: missing: ${missing[*]}; run as root, or install sudo: apt-get install ${packages[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# RUNLEVEL=1 keeps the packages from starting daemons: the tests start their own, on free ports.
install_env=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1)
echo "setup: installing ${packages[*]} (missing: ${missing[*]})"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" "${install_env[@]}" apt-get update -q &&
       "${as_root[@]}" "${install_env[@]}" apt-get install -q -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "setup: apt-get failed, see above" >&2
  exit 1
fi

for program in "${missing[@]}"; do
  if ! present "$program"; then
    echo "setup: '$program' is still missing after the installation of $(package_of "$program")" >&2
    exit 1
  fi
done
echo "setup: done"
