#!/bin/sh
# The browser tests drive Debian's Chromium: installs it when allowed to, else says what is missing.
set -eu
if command -v chromium >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
    exit 0
fi
echo "make test needs Chromium: sudo apt-get install chromium" >&2
exit 7
