#!/bin/sh
# test-engine.sh install: gets a container engine and what the container tests need beside it, for root where apt is.
# test-engine.sh start: makes sure that an engine answers. One that runs is left as it is; else root starts one, and
#   the only line on stdout is what `stop` wants to hear.
# test-engine.sh stop ID: ends an engine that `start` started, unless something runs in it. Images and packages stay.
# Exit status: 0 well; 3 no engine, with the reason on stderr; 4 the same, and nothing that could be installed helps.
set -eu
setup=$(CDPATH='' cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin

have() { command -v "$1" >/dev/null 2>&1; }
no() { status=$1 && shift && echo "$*" >&2 && exit "$status"; }
answers() { have docker && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
has_compose() { docker compose version >/dev/null 2>&1 || have docker-compose; }
packaged() { [ -n "$(apt-cache -q policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([^(].*\)/\1/p')" ]; }

# An engine makes name spaces, networks and mounts of its own: bits 21 and 12 of the capabilities(7) we may have.
may_contain() {
  bounds=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
  [ "$(id -u)" -eq 0 ] && [ $((0x$bounds >> 21 & 1)) = 1 ] && [ $((0x$bounds >> 12 & 1)) = 1 ]
}

install() {
  may_contain && have apt-get || exit 0
  missing=
  want() { missing="$missing $1"; }
  # Lists are there once anything was installed; a bare system has none yet.
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get -qq update >/dev/null 2>&1 || :
  have dockerd || answers || want docker.io
  have iptables || want iptables
  # Newer releases have the client apart from the engine.
  if ! have docker && packaged docker-cli; then want docker-cli; fi
  if ! has_compose; then
    if packaged docker-compose-v2; then want docker-compose-v2; else want docker-compose; fi
  fi
  # For base images where no registry can be reached.
  have debootstrap || want debootstrap
  [ -n "$missing" ] || exit 0
  echo "omx: installing for the container tests:$missing" >&2
  # shellcheck disable=SC2086 # a list of names
  sh "$setup/apt.sh" $missing
}

# Whether the root is a mount and has control groups, as the engine wants it. In a plain chroot it may be neither.
is_whole() { grep -q '^[^ ]* [^ ]* [^ ]* [^ ]* / ' /proc/self/mountinfo && grep -q ' - cgroup2\{0,1\} ' /proc/self/mountinfo; }

# In mounts of its own: the engine with what its root lacks. Files are the same inside and outside.
enclosed() {
  mount --rbind / /mnt
  mount --make-rprivate /mnt
  cd /mnt
  [ -d sys/kernel ] || mount -t sysfs sysfs sys
  if ! grep -q ' - cgroup2\{0,1\} ' /proc/self/mountinfo; then
    controllers=$(awk '$2 > 0 && $4 == 1 { print $1 }' /proc/cgroups)
    if [ -z "$controllers" ]; then mount -t cgroup2 cgroup2 sys/fs/cgroup; else mount -t tmpfs tmpfs sys/fs/cgroup; fi
    for controller in $controllers; do
      mkdir "sys/fs/cgroup/$controller"
      mount -t cgroup -o "$controller" cgroup "sys/fs/cgroup/$controller"
    done
  fi
  exec chroot . dockerd --log-level warn
}

start() {
  answers && exit 0
  may_contain || no 4 "no container engine answers, and only a root with CAP_SYS_ADMIN and CAP_NET_ADMIN can start one"
  have docker && have dockerd || no 3 "no container engine is installed (apt-get install docker.io iptables)"
  log=${OMX_TEST_ENGINE_LOG:-/tmp/omx-test-engine.log}
  pid=
  if [ -d /run/systemd/system ]; then
    systemctl start docker >"$log" 2>&1 || :
    started=systemd
  else
    # After a crash the old file may name a process that is now something else, and the engine would not start.
    old=$(cat /run/docker.pid 2>/dev/null || :)
    if [ -n "$old" ] && [ "$(cat "/proc/$old/comm" 2>/dev/null)" != dockerd ]; then rm -f /run/docker.pid; fi
    if is_whole; then set -- dockerd; else set -- unshare --mount --propagation unchanged sh "$setup/test-engine.sh" enclosed; fi
    setsid "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    started=$pid
  fi
  tries=0
  until answers; do
    tries=$((tries + 1))
    if [ "$tries" -gt 150 ] || { [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null; }; then
      [ -z "$pid" ] || kill "$pid" 2>/dev/null || :
      no 3 "the container engine does not start: $(grep -v '^$' "$log" | tail -n 1 | cut -c1-300) ($log)"
    fi
    sleep 0.2
  done
  echo "$started"
}

stop() {
  if [ -n "$(docker ps -q 2>/dev/null)" ]; then
    echo "omx: the container engine is in use by others and stays" >&2
  elif [ "$1" = systemd ]; then
    systemctl stop docker.service docker.socket
  elif [ "$(cat "/proc/$1/comm" 2>/dev/null)" = dockerd ]; then
    kill "$1"
    tries=0
    while [ -d "/proc/$1" ] && [ "$tries" -lt 100 ]; do
      tries=$((tries + 1))
      sleep 0.1
    done
  fi
}

case ${1:-} in
  install) install ;;
  start) start ;;
  stop) stop "$2" ;;
  enclosed) enclosed ;;
  *) no 2 "usage: test-engine.sh install|start|stop ID" ;;
esac
