#!/bin/sh
# Builds omx-shepherd with the system's C compiler. Static, so that the program also runs inside a capsule that has no libc.
set -eu
cd "$(dirname "$0")"

target=build/omx-shepherd
if [ -x "$target" ] && [ -z "$(find . -path ./build -prune -o -newer "$target" \( -name '*.c' -o -name '*.h' -o -name build.sh \) -print)" ]; then
  exit 0
fi

compiler=${CC:-}
if [ -z "$compiler" ]; then
  for candidate in cc gcc clang; do
    if command -v "$candidate" >/dev/null 2>&1; then compiler=$candidate; break; fi
  done
fi
# CC may hold options after its name.
if [ -z "$compiler" ] || ! command -v "${compiler%% *}" >/dev/null 2>&1; then
  cat >&2 <<MESSAGE
omx: no C compiler found${CC:+ by the name of CC=$CC}, so the shepherd (the program that starts jobs) cannot be built.
  Debian, Ubuntu:  sudo apt-get install gcc libc6-dev
  Fedora, RHEL:    sudo dnf install gcc glibc-static
  Alpine:          apk add gcc musl-dev
Then run \`npm run build\` again. Another compiler can be named with CC.
MESSAGE
  exit 1
fi

mkdir -p build
# Built beside the target and renamed: a running shepherd keeps its file, and two builds at once do no harm.
fresh=build/.omx-shepherd.$$
trap 'rm -f "$fresh"' EXIT
flags="-std=gnu11 -O2 -Wall -Wextra ${CFLAGS:-}"
# $compiler and $flags may hold several words.
# shellcheck disable=SC2086
if ! $compiler $flags -static -o "$fresh" ./*.c 2>build/static.log; then
  # No static libc, or a real error: the second build tells which.
  $compiler $flags -o "$fresh" ./*.c
  echo "omx: no static C library here; the shepherd was linked dynamically" >&2
else
  cat build/static.log >&2
fi
rm -f build/static.log
mv "$fresh" "$target"
