#!/bin/sh
set -eu
cd "$(dirname "$0")/.."
exec "${GAVAN:-gavan}" -p prod deploy --tag "$@"
