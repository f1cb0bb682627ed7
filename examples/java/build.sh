#!/bin/sh
# Compiles Multifibo.java into build/. Says nothing when it is up to date; exit 3 when a tool is missing.
set -eu
cd "$(dirname "$0")"

command -v java >/dev/null || {
  echo "java: no java on this machine (Debian: apt-get install default-jre-headless)" >&2
  exit 3
}
if [ -f build/Multifibo.class ] && [ -z "$(find Multifibo.java build.sh -newer build/Multifibo.class)" ]; then exit 0; fi
command -v javac >/dev/null || {
  echo "java: no javac on this machine (Debian: apt-get install default-jdk-headless)" >&2
  exit 3
}
mkdir -p build
# Compiled aside and moved into place, so that a job starting meanwhile finds a whole class.
trap 'rm -rf "build/new.$$"' EXIT
javac -Xlint:all -d "build/new.$$" Multifibo.java
mv "build/new.$$"/*.class build/
echo "java: built build/Multifibo.class"
