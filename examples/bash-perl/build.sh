#!/bin/sh
# Nothing to build: looks whether bash and perl are here; exit 3 when one is not.
set -eu

for tool in bash perl; do
  command -v "$tool" >/dev/null || {
    echo "bash-perl: no $tool on this machine (Debian: apt-get install $tool)" >&2
    exit 3
  }
done
