#!/bin/sh
# healthy.sh: status 0 if a worker runs in this container and the queue has it as a node that is there, its lease
# included; else the reason. It looks where the worker looks: --redis of its command line, or else OMX_REDIS_URL.
reason="no worker runs here"
for file in "$OMX_HOME"/nodes/*/worker.pid; do
  pid=$(head -n 1 "$file" 2>/dev/null) && kill -0 "$pid" 2>/dev/null || continue
  name=$(basename "$(dirname "$file")")
  url=$(tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n -e '/^--redis$/ { n; p; }' -e 's/^--redis=//p')
  if [ -n "$url" ]; then export OMX_REDIS_URL="$url"; fi
  nodes=$(omx nodes --json 2>&1) || { echo "$nodes" && exit 1; }
  state=$(echo "$nodes" | sed -n "s/^{\"name\":\"$name\",\"role\":\"[a-z]*\",\"state\":\"\([a-z]*\)\".*/\1/p")
  # An earlier container of this volume may have had another name and a worker with the same process id.
  reason="node $name is ${state:-unknown to the queue}"
  case $state in '' | down) ;; *) echo "$reason" && exit 0 ;; esac
done
echo "$reason"
exit 1
