#!/bin/sh
# build.sh [NAME…]: builds the named examples, or all. At the end it says which ones it left out and why.
# Exit status: 0 all ready, 1 a build failed, 2 no such example, 3 some left out for want of a tool (the rest are ready).
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- bash-perl multifibo distkeygen java prolog

status=0
reasons=
for name; do
  case $name in
    '' | .* | */*) known= ;;
    *) known=$name/build.sh ;;
  esac
  if [ ! -f "$known" ]; then
    echo "no example $name here" >&2
    exit 2
  fi
done
for name; do
  code=0
  # What a build prints goes on as it is; what it says on stderr is kept back for the list of reasons.
  { said=$(sh "$name/build.sh" 2>&1 >&3); } 3>&1 || code=$?
  case $code in
    0)
      if [ -n "$said" ]; then printf '%s\n' "$said" >&2; fi
      ;;
    3)
      reasons="$reasons
  $said"
      if [ "$status" -eq 0 ]; then status=3; fi
      ;;
    *)
      printf '%s\n' "$said" "$name: the build failed" >&2
      status=1
      ;;
  esac
done
if [ -n "$reasons" ]; then printf 'left out:%s\n' "$reasons" >&2; fi
exit "$status"
