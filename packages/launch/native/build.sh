#!/bin/sh
# Builds omx-shepherd and omx-capsule with the system's C compiler. Static: they start at once, and a capsule's program
# travels to nodes with another libc.
set -eu
cd "$(dirname "$0")"

is_fresh() { # target, folder of its sources
  [ -x "$1" ] && [ -z "$(find "$2" build.sh -maxdepth 1 -newer "$1" \( -name '*.c' -o -name '*.h' -o -name build.sh \) -print)" ]
}
if is_fresh build/omx-shepherd . && is_fresh build/omx-capsule capsule; then exit 0; fi

compiler=${CC:-}
if [ -z "$compiler" ]; then
  for candidate in cc gcc clang; do
    if command -v "$candidate" >/dev/null 2>&1; then compiler=$candidate; break; fi
  done
fi
# CC may hold options after its name.
if [ -z "$compiler" ] || ! command -v "${compiler%% *}" >/dev/null 2>&1; then
  cat >&2 <<MESSAGE
omx: no C compiler found${CC:+ by the name of CC=$CC}, so the programs that start jobs cannot be built.
  Debian, Ubuntu:  sudo apt-get install gcc libc6-dev
  Fedora, RHEL:    sudo dnf install gcc glibc-static
  Alpine:          apk add gcc musl-dev
Then run \`npm run build\` again. Another compiler can be named with CC.
MESSAGE
  exit 1
fi

mkdir -p build
flags="-std=gnu11 -O2 -Wall -Wextra ${CFLAGS:-}"

build() { # target, folder of its sources, more options
  if is_fresh "$1" "$2"; then return; fi
  # Built beside the target and renamed: a running program keeps its file, and two builds at once do no harm.
  fresh=$1.new.$$
  trap 'rm -f "$fresh" "$fresh.log"' EXIT
  # $compiler, $flags and $3 may hold several words.
  # shellcheck disable=SC2086
  if ! $compiler $flags $3 -static -o "$fresh" "$2"/*.c 2>"$fresh.log"; then
    # No static libc, or a real error: the second build tells which.
    $compiler $flags $3 -o "$fresh" "$2"/*.c
    echo "omx: no static C library here; ${1##*/} was linked dynamically" >&2
  else
    cat "$fresh.log" >&2
  fi
  rm -f "$fresh.log"
  mv "$fresh" "$1"
}

build build/omx-shepherd . ''
# criu compares a program by its build id; symbols would only travel with every image.
build build/omx-capsule capsule '-s -Wl,--build-id'
