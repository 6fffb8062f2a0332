#!/usr/bin/env bash
# How fast a core inspects texts of several kinds. usage: inspect_speed.sh [SECONDS_EACH]
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-$PWD/build}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
libs=$(pkg-config --libs libhs zlib libbrotlidec libzstd yaml-0.1 libidn2 libpcre2-8 openssl)
# shellcheck disable=SC2086
"${CC:-gcc}" -std=gnu11 -O2 -D_GNU_SOURCE -I. tests/inspect/speed.c "$BUILD/libappliance.a" "$BUILD/libegress.a" \
    $libs -lm -o "$T/speed"
"$T/speed" "${1:-0.5}"
