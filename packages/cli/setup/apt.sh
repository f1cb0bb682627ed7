#!/bin/sh
# apt.sh PACKAGE…: installs packages on Debian and its kin, for root. Asks nothing, starts no service, and says something
# only when it fails.
set -eu

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
ours=
tidy() {
  rm -f "$log"
  if [ -n "$ours" ]; then rm -f "$policy"; fi
}
trap tidy EXIT
trap 'exit 130' HUP INT TERM

# A package that brings a service asks this file whether it may start it (invoke-rc.d(8)). One that is here already is
# the administrator's. Ours says no only while we live, should we be killed before we can remove it.
if [ ! -e "$policy" ]; then
  ours=yes
  printf '#!/bin/sh\nif kill -0 %s 2>/dev/null; then exit 101; fi\n' $$ >"$policy"
  chmod 755 "$policy"
fi

run() {
  DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null
}
install() { run install --no-install-recommends "$@"; }

# One package source of many that cannot be reached need not matter.
if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then run update || :; fi
if ! install "$@"; then
  # Old lists name packages that are gone.
  run update || :
  install "$@" || {
    echo "omx: apt-get could not install $*:" >&2
    tail -n 5 "$log" >&2
    exit 1
  }
fi
