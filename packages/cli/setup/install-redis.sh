#!/bin/sh
# Installs a Redis or Valkey server with the system's package manager, for root. omx starts the program itself, so no
# system service is left running or set to start.
# Exit status: 0 installed, else not.
set -eu
setup=$(dirname "$0")

have() { command -v "$1" >/dev/null 2>&1; }
say() { echo "omx: installing $1 with $2" >&2; }

# Which of the two a distribution has depends on its age: either way one of them is there.
either() {
  "$@" redis >/dev/null 2>&1 </dev/null || "$@" valkey >/dev/null 2>&1 </dev/null
}

if have apt-get; then
  say redis-server apt-get
  sh "$setup/apt.sh" redis-server || sh "$setup/apt.sh" valkey-server
  for service in redis-server valkey-server; do
    if have systemctl; then
      systemctl disable "$service.service" >/dev/null 2>&1 || :
    elif have update-rc.d; then
      update-rc.d "$service" disable >/dev/null 2>&1 || :
    fi
  done
elif have dnf; then
  say redis dnf
  either dnf -y -q install
elif have apk; then
  say redis apk
  either apk add --no-cache -q
elif have pacman; then
  say valkey pacman
  either pacman -Sy --noconfirm --needed
elif have zypper; then
  say redis zypper
  either zypper --non-interactive --quiet install
else
  exit 1
fi
