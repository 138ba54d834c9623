#!/bin/sh
# Programs of Debian that the tests need: Chromium drives the browser tests, wrk puts load on the
# benches, PgBouncer stands before a Postgres, GnuPG encrypts backups. Installs them when allowed to, else says what is missing.
set -eu
missing=
command -v chromium >/dev/null 2>&1 || missing="chromium fonts-dejavu-core"
command -v wrk >/dev/null 2>&1 || missing="$missing wrk"
PATH="$PATH:/usr/sbin" command -v pgbouncer >/dev/null 2>&1 || missing="$missing pgbouncer"
command -v gpg >/dev/null 2>&1 || missing="$missing gnupg"
if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    # shellcheck disable=SC2086  # one word for each package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    exit 0
fi
echo "make test needs more programs: sudo apt-get install $missing" >&2
exit 7
