#!/bin/sh
# prepare.sh [--test]: makes a clone ready to run. Builds the shepherd, finds or gets a Redis server, installs the npm
# packages and compiles, each only where it is missing. --test also sees to the tools that only tests need.
# Exit status: 0 ready; 3 something is missing that has to be installed by hand (it says what); else a step failed.
set -eu
setup=$(CDPATH='' cd "$(dirname "$0")" && pwd)
cd "$setup/../../.."

say() { echo "omx: $*" >&2; }

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  say "Node.js 20.19 or newer and its npm are needed: https://nodejs.org/en/download"
  exit 3
fi
if ! node -e 'var v = process.versions.node.split("."); process.exit(+v[0] > 20 || (+v[0] === 20 && +v[1] >= 19) ? 0 : 1)'; then
  say "Node.js 20.19 or newer is needed; this is $(node --version): https://nodejs.org/en/download"
  exit 3
fi

if [ "${1:-}" = --test ]; then sh "$setup/test-tools.sh"; fi

# What may be impossible here comes first, before anything that takes long.
sh packages/launch/native/build.sh || exit 3

# The places where omx looks for a server when it starts one (packages/queue/src/embedded/binary.ts).
unpacked=${XDG_CACHE_HOME:-${HOME:-}/.cache}/omx/redis/redis-server
has_server() (
  if [ -n "${OMX_REDIS_SERVER:-}" ]; then [ -x "$OMX_REDIS_SERVER" ]; exit; fi
  PATH=$PATH:/usr/local/bin:/usr/sbin
  command -v redis-server >/dev/null || command -v valkey-server >/dev/null || [ -x "$unpacked" ]
)
# Who names a server of their own needs none here; tests always start some.
needs_server() { [ "${1:-}" = --test ] || [ -z "${OMX_REDIS_URL:-}" ]; }
if needs_server "$@" && ! has_server; then
  if [ -n "${OMX_REDIS_SERVER:-}" ]; then
    say "OMX_REDIS_SERVER=$OMX_REDIS_SERVER is not a program"
    exit 3
  fi
  if [ "$(id -u)" -eq 0 ]; then sh "$setup/install-redis.sh" || :; fi
  if ! has_server; then sh "$setup/get-redis.sh" || :; fi
  if ! has_server; then
    cat >&2 <<'MESSAGE'
omx: there is no redis-server or valkey-server here, and none could be fetched. Any one of these helps:
  Debian, Ubuntu:  sudo apt-get install redis-server
  Fedora, RHEL:    sudo dnf install valkey
  Alpine:          apk add redis
  Arch:            sudo pacman -S valkey
  openSUSE:        sudo zypper install redis
  another place:   export OMX_REDIS_SERVER=/path/to/redis-server
  another machine: export OMX_REDIS_URL=redis://host:6379
MESSAGE
    exit 3
  fi
fi

# npm leaves this file behind as the last step of an installation.
installed=node_modules/.package-lock.json
lock=package-lock.json
[ -f "$lock" ] || lock=package.json
if [ ! -f "$installed" ] || [ -n "$(find "$lock" -newer "$installed")" ]; then
  say "installing npm packages"
  how=ci
  [ "$lock" = package-lock.json ] || how=install
  # Compiler and test tools are development dependencies, whatever NODE_ENV says.
  npm "$how" --include=dev --no-audit --no-fund --loglevel=error >/dev/null
  # npm touches nothing when all is there already; the next run should see that it was asked.
  touch "$installed"
fi

[ -f packages/cli/dist/bin.js ] || say "compiling"
node_modules/.bin/tsc -b
# Bundled again only when something was compiled.
bundle=packages/cli/dist/bundle/entry.js
if [ ! -f "$bundle" ] || [ -n "$(find packages/*/dist/.tsbuildinfo workers/*/dist/.tsbuildinfo -newer "$bundle")" ]; then
  node packages/cli/bundle.mjs
fi
