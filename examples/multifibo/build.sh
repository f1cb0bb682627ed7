#!/bin/sh
# Builds build/fib and build/multifibo. Says nothing when they are up to date; exit 3 when there is no compiler.
set -eu
cd "$(dirname "$0")"

for name in fib multifibo; do
  if [ -x "build/$name" ] && [ -z "$(find "$name.cpp" fibonacci.h build.sh -newer "build/$name")" ]; then continue; fi
  compiler=${CXX:-c++}
  command -v "$compiler" >/dev/null || {
    echo "multifibo: no $compiler on this machine (Debian: apt-get install g++)" >&2
    exit 3
  }
  mkdir -p build
  # Built aside and moved into place, so that a job starting meanwhile finds a whole program.
  "$compiler" -std=c++17 -O2 -Wall -Wextra -o "build/$name.$$" "$name.cpp"
  mv "build/$name.$$" "build/$name"
  echo "multifibo: built build/$name"
done
