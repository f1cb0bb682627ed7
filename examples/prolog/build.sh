#!/bin/sh
# Nothing to build: looks whether this machine has a SWI-Prolog with threads; exit 3 when it has not.
set -eu

command -v swipl >/dev/null || {
  echo "prolog: no swipl on this machine (Debian: apt-get install swi-prolog-nox)" >&2
  exit 3
}
swipl -f none -g 'current_prolog_flag(threads, true)' -t halt </dev/null >/dev/null 2>&1 || {
  echo "prolog: this swipl was built without threads (Debian: apt-get install swi-prolog-nox)" >&2
  exit 3
}
