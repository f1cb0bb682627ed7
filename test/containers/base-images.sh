#!/bin/sh
# base-images.sh [--stand-in]: sees to the images that docker/ is built from. One that is here is left alone, one that is
# not is pulled. With --stand-in, where no registry can be reached, root on Debian makes one of the same name from this
# machine's packages, marked by the label omx.standin. Exit status: 0 all are here; 3 not, with the reason on stderr.
set -eu
node=node:20-bookworm-slim
redis=redis:7-alpine

have() { docker image inspect "$1" >/dev/null 2>&1; }
fetch() { have "$1" || timeout 60 docker pull -q "$1" >/dev/null 2>&1; }
no() { echo "$*" >&2 && exit 3; }
import() { docker import -c 'LABEL omx.standin=true' "$@" >/dev/null; }
build() { DOCKER_BUILDKIT=0 docker build -q -t "$1" "$work/$2" >"$work/log" 2>&1 || no "cannot build a stand-in for $1: $(tail -n 3 "$work/log")"; }

if fetch "$node" && fetch "$redis"; then exit 0; fi
[ "${1:-}" = --stand-in ] || no "$node and $redis cannot be pulled"
[ "$(id -u)" -eq 0 ] || no "$node and $redis cannot be pulled, and only root can make stand-ins"
command -v debootstrap >/dev/null || no "$node and $redis cannot be pulled, and there is no debootstrap to make stand-ins"
echo "omx: no registry can be reached; making stand-ins for $node and $redis" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

# Its own release, as the node of this machine has to run in it.
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages' | awk -v release="$release" '$2 == release { print $1; exit }')
debian=omx-test-debian:$release
certificates=/etc/ssl/certs/ca-certificates.crt
if ! have "$debian"; then
  timeout 120 debootstrap --variant=minbase "$release" "$work/root" "$mirror" >"$work/log" 2>&1 ||
    no "debootstrap failed: $(tail -n 2 "$work/log")"
  apt-get indextargets --format 'deb $(SITE) $(RELEASE) main' 'Created-By: Packages' | sort -u >"$work/root/etc/apt/sources.list"
  # Who has to trust a certificate of its own to reach the npm registry, has to in an image, too.
  if [ -f "$certificates" ]; then install -D -m 644 "$certificates" "$work/root$certificates"; fi
  tar -C "$work/root" --numeric-owner --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./dev/*' -c . | import - "$debian"
  rm -rf "$work/root"
fi

if ! have "$node"; then
  mkdir "$work/node"
  cp "$(readlink -f "$(command -v node)")" "$work/node/node"
  cp -rL "$(npm root -g 2>/dev/null)/npm" "$work/node/npm"
  cat >"$work/node/Dockerfile" <<DOCKERFILE
FROM $debian
RUN useradd --uid 1000 --user-group --create-home --shell /bin/bash node
COPY node /usr/local/bin/
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
ENV NODE_EXTRA_CA_CERTS=$certificates
CMD ["node"]
DOCKERFILE
  build "$node" node
fi

if ! have "$redis"; then
  mkdir "$work/redis"
  # As the real image: no protected mode, data in /data, an account of its own.
  cat >"$work/redis/entrypoint.sh" <<'ENTRYPOINT'
#!/bin/sh
set -e
if [ "$1" != redis-server ]; then exec "$@"; fi
shift
chown redis:redis /data
exec setpriv --reuid redis --regid redis --clear-groups redis-server --protected-mode no --dir /data "$@"
ENTRYPOINT
  chmod 755 "$work/redis/entrypoint.sh"
  cat >"$work/redis/Dockerfile" <<DOCKERFILE
FROM $debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
COPY entrypoint.sh /usr/local/bin/
VOLUME /data
EXPOSE 6379
ENTRYPOINT ["entrypoint.sh"]
CMD ["redis-server"]
DOCKERFILE
  build "$redis" redis
fi
