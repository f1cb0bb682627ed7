#!/bin/sh
# get-criu.sh [--private | --where] [FOLDER]: sees to a CRIU that can move jobs, 4 or newer, and says in a line what it did.
#   1. one that is here already: on PATH, in FOLDER, or in the usual places; an older one is passed over
#   2. for root: the distribution's own package, where that is new enough
#   3. Debian 13's packages, checked by apt against Debian's keys, unpacked into FOLDER and run by their own loader: no root
#   4. built from Debian 13's source and put into FOLDER
# --private: one in FOLDER, whatever the system has, and nothing is installed. --where only prints the path of the one that
# is here.
# FOLDER (default: omx/criu in the user's data folder) is all there or not at all: its program is FOLDER/criu.
# OMX_CRIU names a program that is used instead of all this. OMX_DEBIAN_MIRROR is the Debian mirror to use.
# Exit status: 0 there, 3 not to be had (it says what each way lacked).
set -eu
setup=$(CDPATH='' cd "$(dirname "$0")" && pwd)
oldest=4
release=trixie
version=4.1.1
source_sum=f80a66cb3726bb2116266d4759ce3bcbfab7abdb6b6d430bf20dd41911717afe
mirror=${OMX_DEBIAN_MIRROR:-http://deb.debian.org/debian}

mode=
case ${1:-} in --private | --where) mode=$1 && shift ;; esac
target=${1:-${XDG_DATA_HOME:-$HOME/.local/share}/omx/criu}

say() { echo "omx: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
version_of() { "$1" --version 2>/dev/null </dev/null | sed -n 's/^Version: *//p'; }
# is_new VERSION: a number, a dot and more, like 4.1.1 or 4.1.1-1.
is_new() { case ${1%%.*} in '' | *[!0-9]*) return 1 ;; *) [ "${1%%.*}" -ge "$oldest" ] ;; esac; }

named=
if [ "$mode" != --private ]; then named=${OMX_CRIU:-}; fi

# Prints the path of the first criu that is new enough.
find_criu() (
  if [ -n "$named" ]; then
    is_new "$(version_of "$named")" || exit 1
    echo "$named"
    exit
  fi
  IFS=:
  set -f
  if [ "$mode" = --private ]; then set -- "$target"; else set -- $PATH "$target" /usr/local/sbin /usr/sbin /usr/local/bin /usr/bin; fi
  for folder; do
    if [ -n "$folder" ] && [ -f "$folder/criu" ] && [ -x "$folder/criu" ] && is_new "$(version_of "$folder/criu")"; then
      echo "$folder/criu"
      exit
    fi
  done
  exit 1
)

if [ "$mode" = --where ]; then
  find_criu || exit 3
  exit 0
fi

# CRIU's own test of the kernel, in namespaces like those of a job's capsule. What the kernel lacks is not this CRIU's fault.
remark() {
  have unshare && have ip || return 0
  unshare -U -r -n -i -p --fork --mount-proc sh -c 'ip link set lo up && exec "$0" check --unprivileged' "$1" \
    >/dev/null 2>&1 </dev/null || echo ", but its check in a capsule fails: omx doctor tells why"
}
if found=$(find_criu); then
  say "CRIU $(version_of "$found") is here: $found$(remark "$found")"
  exit 0
fi

# A folder with anything else in it is not ours to replace.
if [ -e "$target" ] && [ ! -e "$target/criu" ] && ! rmdir "$target" 2>/dev/null; then
  say "$target holds something else than a CRIU: name another folder"
  exit 3
fi

if [ -n "$named" ]; then
  say "OMX_CRIU=$named is no CRIU $oldest or newer"
  exit 3
fi

work=
tidy() { if [ -n "$work" ]; then rm -rf "$work"; fi; }
trap tidy EXIT
trap 'exit 130' HUP INT TERM
parent=$(dirname "$target")
mkdir -p "$parent"
# Two at a time would do the same work twice; the second finds what the first has done.
if have flock; then
  exec 9>"$parent/.criu.lock"
  flock -n 9 || { say "waiting for another that gets CRIU into $target" && flock 9; }
  if found=$(find_criu); then
    say "CRIU $(version_of "$found") is here now: $found"
    exit 0
  fi
  # What one left that was killed: nobody else works here while this one has the lock.
  rm -rf "$parent"/.criu-??????
fi
work=$(mktemp -d "$parent/.criu-XXXXXX")
log=$work/log
: >"$log"

# lack TEXT: why a way does not lead there. It is the way's last word.
lack() {
  echo "$*" >"$work/why"
  exit 1
}
last_words() { grep -v '^[[:space:]]*$' "$log" | tail -n 2 | tr '\n' ' '; }

from_package() {
  [ "$mode" != --private ] || lack "nothing is to be installed"
  [ "$(id -u)" -eq 0 ] || lack "only root installs packages"
  have apt-get && have apt-cache || lack "there is no apt"
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get -qq update >"$log" 2>&1 </dev/null || :
  offered=$(LC_ALL=C apt-cache policy criu 2>/dev/null | sed -n 's/^ *Candidate: *//p')
  is_new "${offered#*:}" || lack "this distribution's is ${offered:-unknown to apt}"
  say "installing criu $offered with apt-get"
  sh "$setup/apt.sh" criu 2>"$log" || lack "$(last_words)"
}

# The keys that Debian signs with: those of a Debian machine, else those that the distribution (Ubuntu) vouches for.
debian_keys() {
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if [ ! -r "$keyring" ]; then
    (cd "$work" && apt-get -qq download debian-archive-keyring >"$log" 2>&1 && dpkg-deb -x debian-archive-keyring_*.deb keyring) ||
      lack "there is no $keyring (install debian-archive-keyring)"
    keyring=$work/keyring$keyring
  fi
  cp "$keyring" "$work/apt/keys/debian.gpg"
}

# An apt of its own: only Debian's release, no package installed, nothing of the system's touched. It reads after the
# system's own settings, for their proxies, and so takes their hooks away: those are for root.
private_apt() {
  mkdir -p "$work/apt/keys" "$work/apt/none" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  : >"$work/apt/status"
  debian_keys
  echo "deb $mirror $release main" >"$work/apt/sources.list"
  cat >"$work/apt/conf" <<CONF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
#clear DPkg::Pre-Install-Pkgs;
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Debug::NoLocking "true";
Dir::Cache "$work/apt/cache";
Dir::Etc::Preferences "$work/apt/none/preferences";
Dir::Etc::PreferencesParts "$work/apt/none";
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "$work/apt/none";
Dir::Etc::Trusted "$work/apt/none/trusted.gpg";
Dir::Etc::TrustedParts "$work/apt/keys";
Dir::State "$work/apt";
Dir::State::Lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
CONF
}

from_debian() {
  have apt-get && have dpkg-deb || lack "there is no apt to check and unpack them"
  private_apt
  say "unpacking Debian's CRIU into $target"
  apt-get -c "$work/apt/conf" -qq update >"$log" 2>&1 </dev/null || lack "cannot read $mirror: $(last_words)"
  apt-get -c "$work/apt/conf" -y -qq -d install criu >"$log" 2>&1 </dev/null || lack "cannot fetch from $mirror: $(last_words)"
  for package in "$work"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$work/root" 2>"$log" || lack "$(last_words)"; done

  loader=$(find "$work/root" -type f -name 'ld*.so.[0-9]' | head -n 1)
  [ -n "$loader" ] || lack "their libc has no loader"
  folders=$(find "$work/root" -name '*.so.*' -exec dirname {} + | sort -u | paste -sd: -)
  # criu gives up where the folder for its plugins is missing.
  mkdir -p "$work/new/lib" "$work/new/plugins"
  # Of the packages only what the program loads is kept: half their size.
  "$loader" --library-path "$folders" --list "$work/root/usr/sbin/criu" >"$work/libraries" 2>"$log" || lack "$(last_words)"
  sed -n 's|.* => \(/.*\) (0x[0-9a-f]*)$|\1|p' "$work/libraries" | while read -r library; do
    cp -L "$library" "$work/new/lib/" || exit 1
  done || lack "cannot copy its libraries"
  cp "$loader" "$work/new/lib/" && cp "$work/root/usr/sbin/criu" "$work/new/criu.bin" || lack "cannot copy it"
  cat >"$work/new/criu" <<WRAPPER
#!/bin/sh
# CRIU of Debian 13 with the loader and the libraries it was built for, whatever this system's are. Its plugins are not
# looked for in the system's folder, as they would be of another version.
here=\${0%/*}
if [ -L "\$0" ]; then
  real=\$(readlink -f "\$0")
  here=\${real%/*}
fi
export CRIU_LIBS_DIR="\$here/plugins"
exec "\$here/lib/${loader##*/}" --library-path "\$here/lib" --argv0 criu "\$here/criu.bin" "\$@"
WRAPPER
  chmod 755 "$work/new/criu"
  put_there "its program does not run"
}

# put_there WHY: moves the new folder to its place, if the program in it runs.
put_there() {
  # Made by mktemp, the folder around it is for its owner only; the program is for everybody who may look into FOLDER.
  chmod 755 "$work/new"
  "$work/new/criu" --version >"$log" 2>&1 && is_new "$(version_of "$work/new/criu")" || lack "$1: $(last_words)"
  if [ -e "$target" ] || [ -L "$target" ]; then mv "$target" "$work/old" 2>"$log" || lack "$(last_words)"; fi
  mv "$work/new" "$target" 2>"$log" || lack "$(last_words)"
}

fetch() {
  if have curl; then
    curl -fsSL --retry 2 --connect-timeout 30 -o "$2" "$1"
  elif have wget; then
    wget -q -T 30 -t 3 -O "$2" "$1"
  else
    /usr/lib/apt/apt-helper -qq download-file "$1" "$2"
  fi >"$log" 2>&1 </dev/null
}

from_source() {
  compilers="gcc make pkg-config protobuf-compiler protobuf-c-compiler python3 xz-utils"
  libraries="libc6-dev libcap-dev libnet1-dev libnl-3-dev libprotobuf-dev libprotobuf-c-dev uuid-dev"
  tarball=$mirror/pool/main/c/criu/criu_$version.orig.tar.xz
  fetch "$tarball" "$work/source.tar.xz" || lack "cannot fetch $tarball: $(last_words)"
  echo "$source_sum  $work/source.tar.xz" | sha256sum -c >/dev/null 2>&1 || lack "$tarball is not the file it was"
  if [ "$mode" != --private ] && [ "$(id -u)" -eq 0 ] && have apt-get; then
    say "installing what CRIU is built with"
    # shellcheck disable=SC2086 # lists of names
    sh "$setup/apt.sh" $compilers $libraries 2>"$log" || lack "$(last_words)"
  fi
  for tool in cc make pkg-config protoc protoc-c python3 xz; do
    have "$tool" || lack "it needs $tool (Debian's names of all it needs: $compilers $libraries)"
  done
  say "building CRIU $version, which takes some minutes"
  rm -rf "$work/new"
  mkdir "$work/source" "$work/new"
  tar -xJf "$work/source.tar.xz" -C "$work/source" --strip-components=1 2>"$log" || lack "$(last_words)"
  make -C "$work/source" -j "$(nproc 2>/dev/null || echo 2)" criu >"$log" 2>&1 </dev/null ||
    lack "$(last_words)(it needs $libraries, in Debian's names)"
  cp "$work/source/criu/criu" "$work/new/criu"
  put_there "what was built does not run"
}

# try WHAT FUNCTION: in a subshell, which a lack ends. Not as a condition, as that would take -e away.
try() {
  rm -f "$work/why"
  set +e
  (
    trap - EXIT
    set -e
    "$2"
  )
  status=$?
  set -e
  if [ "$status" -eq 0 ] && found=$(find_criu); then
    say "CRIU $(version_of "$found") is there: $found$(remark "$found")"
    exit 0
  fi
  [ "$status" -ne 130 ] || exit 130
  [ -s "$work/why" ] || echo "it failed: $(last_words)" >"$work/why"
  echo "  $1: $(cat "$work/why")" >>"$work/reasons"
}
try "the distribution's package" from_package
try "Debian 13's packages" from_debian
try "building it" from_source

say "there is no CRIU $oldest or newer here, and none could be had:"
cat "$work/reasons" >&2
say "install one (Fedora: dnf install criu; Arch: pacman -S criu; Alpine: apk add criu), or name a mirror that answers in OMX_DEBIAN_MIRROR"
exit 3
