#!/bin/sh
# get-redis.sh [FOLDER]: a Redis server without root, on Debian and its kin. Downloads the packages of this very release,
# unpacks them into FOLDER (default: omx's cache) and writes FOLDER/redis-server, which starts it. Nothing is installed.
# Exit status: 0 there, 3 not to be had this way.
set -eu
target=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/omx/redis}

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then exit 3; fi
echo "omx: unpacking a Redis server into $target" >&2
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(dirname "$target")/.redis-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
mkdir -p "$work/cache/archives/partial" "$work/lists/partial" "$work/debs" "$work/redis/root"

# Reads after the system's own settings, so it can take their hooks away: those are for root.
cat >"$work/system.conf" <<CONF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Debug::NoLocking "true";
APT::Sandbox::User "";
Acquire::Languages "none";
Dir::Cache "$work/cache";
CONF
{ cat "$work/system.conf" && echo "Dir::State::Lists \"$work/lists\";"; } >"$work/private.conf"

# fetch CONF NAME: the server's packages, and the libraries that are not installed here.
fetch() {
  # A library that is here in another version stays: the one that is here is what the other programs run with.
  libraries=$(apt-get -c "$1" -s install --no-install-recommends "$2-server" 2>/dev/null |
    awk '$1 == "Inst" && $2 ~ /^lib/ && $3 !~ /^\[/ { print $2 }') || return 1
  # shellcheck disable=SC2086 # a list of names
  (cd "$work/debs" && apt-get -c "$1" -qq download "$2-server" "$2-tools" $libraries >"$work/log" 2>&1)
}
either() { fetch "$1" redis && name=redis || { fetch "$1" valkey && name=valkey; }; }

# The system's lists may be missing or old; then some of our own are fetched.
if ! either "$work/system.conf"; then
  apt-get -c "$work/private.conf" -qq update >"$work/log" 2>&1 || :
  if ! either "$work/private.conf"; then
    tail -n 3 "$work/log" >&2
    exit 3
  fi
fi

for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$work/redis/root"; done
libraries=$(cd "$work/redis" && { echo root/usr/lib && find root -name '*.so*' -exec dirname {} \;; } | sort -u | sed 's|^|$here/|' | paste -sd: -)
cat >"$work/redis/redis-server" <<WRAPPER
#!/bin/sh
# The unpacked server with the libraries beside it.
here=\$(CDPATH='' cd "\$(dirname "\$0")" && pwd)
export LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "\$here/root/usr/bin/$name-server" "\$@"
WRAPPER
chmod 755 "$work/redis/redis-server"
"$work/redis/redis-server" --version >"$work/log" 2>&1 || {
  tail -n 3 "$work/log" >&2
  exit 3
}
rm -rf "$target"
mv "$work/redis" "$target"
