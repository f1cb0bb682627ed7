#!/bin/sh
# Builds build/distkeygen. Says nothing when it is up to date; exit 3 when a tool is missing.
set -eu
cd "$(dirname "$0")"

if [ -x build/distkeygen ] && [ -z "$(find distkeygen.c build.sh -newer build/distkeygen)" ]; then exit 0; fi
compiler=${CC:-cc}
command -v "$compiler" >/dev/null || {
  echo "distkeygen: no $compiler on this machine (Debian: apt-get install gcc)" >&2
  exit 3
}
echo '#include <openssl/evp.h>' | "$compiler" -E -x c - >/dev/null 2>&1 || {
  echo "distkeygen: no OpenSSL headers on this machine (Debian: apt-get install libssl-dev)" >&2
  exit 3
}
mkdir -p build
# Built aside and moved into place, so that a job starting meanwhile finds a whole program.
"$compiler" -std=gnu11 -O2 -Wall -Wextra -o "build/distkeygen.$$" distkeygen.c -lcrypto
mv "build/distkeygen.$$" build/distkeygen
echo "distkeygen: built build/distkeygen"
