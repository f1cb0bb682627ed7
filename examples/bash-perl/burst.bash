#!/usr/bin/env bash
# burst.bash [DIRECTORY]: starts work.pl for every file of the directory (default: /etc), all at once, and waits for them.
# Exit status: 0 when all succeeded, 1 when any did not, 2 for a bad argument.
set -u
here=$(dirname -- "${BASH_SOURCE[0]}")
directory=${1-/etc}

if (($# > 1)) || [[ ! -d $directory ]]; then
  echo 'usage: burst.bash [DIRECTORY]' >&2
  exit 2
fi

shopt -s nullglob
processes=()
for file in "$directory"/*; do
  [[ -d $file ]] && continue
  perl "$here/work.pl" "$file" &
  processes+=($!)
done

status=0
for process in ${processes[@]+"${processes[@]}"}; do
  wait "$process" || status=1
done
exit "$status"
