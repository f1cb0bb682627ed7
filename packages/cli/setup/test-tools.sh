#!/bin/sh
# Sees to the tools that the tests use beyond what omx needs. Root gets them installed where apt is (OMX_TEST_INSTALL=0
# forbids it); everybody else is told which ones are missing. Never fails: a test without its tool is skipped and says so.
set -eu
setup=$(dirname "$0")

# A container engine is more than a tool: only CI gets one unasked, or who says OMX_TEST_INSTALL=engine.
if [ "${OMX_TEST_INSTALL:-}" = engine ] || { [ "${CI:-}" = true ] && [ "${OMX_TEST_INSTALL:-}" != 0 ]; }; then
  timeout 120 sh "$setup/test-engine.sh" install || echo "omx: no container engine could be installed" >&2
fi

have() { command -v "$1" >/dev/null 2>&1; }
header() { echo "#include <$1>" | cc -E -x c - >/dev/null 2>&1; }

if ! sh "$setup/get-criu.sh" --where >/dev/null; then
  # A copy in the user's data folder is not installed.
  private=
  if [ "${OMX_TEST_INSTALL:-}" = 0 ]; then private=--private; fi
  sh "$setup/get-criu.sh" $private || :
fi

missing=
want() { missing="$missing $1"; }
have cc || want gcc
# The compiler alone builds nothing.
header stdio.h || want libc6-dev
have c++ || want g++
header openssl/evp.h || want libssl-dev
have perl || want perl
have bash || want bash
if ! have java || ! have javac; then want default-jdk-headless; fi
have swipl || want swi-prolog-nox
have parallel || want parallel
have ps || want procps
have python3 || want python3
have tmux || want tmux
# Debian keeps administrators' tools where not everybody's PATH leads.
PATH=$PATH:/usr/sbin:/sbin
if ! have ip || ! have tc; then want iproute2; fi
have iptables || want iptables
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! have apt-get || [ "${OMX_TEST_INSTALL:-}" = 0 ]; then
  echo "omx: tests that need one of these are skipped (Debian's names):$missing" >&2
  exit 0
fi
echo "omx: installing for the tests:$missing" >&2
# Small images have no folder for manual pages, and Java's package insists on it.
mkdir -p /usr/share/man/man1
# shellcheck disable=SC2086 # a list of names
if ! sh "$setup/apt.sh" $missing 2>/dev/null; then
  # One that cannot be had must not keep the others away.
  for package in $missing; do sh "$setup/apt.sh" "$package" || :; done
fi
