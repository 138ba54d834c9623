#!/bin/sh
set -eu
cd "$(dirname "$0")/.."
exec "${GAVAN:-gavan}" up -p prod-sim "$@"
