#!/usr/bin/env bash
# What inspection finds of the project's own corpus, and what it takes for something it is not. The numbers are in
# egress-policy(5).
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-$PWD/build}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
libs=$(pkg-config --libs libhs zlib libbrotlidec libzstd yaml-0.1 libidn2 libpcre2-8 openssl)
# shellcheck disable=SC2086
if ! ${CC:-gcc} -std=gnu11 -O1 -D_GNU_SOURCE -I. tests/inspect/measure.c "$BUILD/libappliance.a" "$BUILD/libegress.a" \
    $libs -lm -o "$T/measure" >"$T/out" 2>&1; then
    echo "not ok measure builds: $(cat "$T/out")"
    exit 1
fi
"$T/measure" tests/inspect/{,heldout_,heldout2_}{injection,benign}.txt >"$T/out" 2>&1
status=$?
summary=$(tail -n 1 "$T/out")
if [ $status -eq 0 ]; then sed -n 's/^held out/ok orders to a model, &/p' "$T/out"; fi
if [ $status -eq 0 ]; then echo "ok orders to a model: $summary"; else echo "not ok orders to a model: $(cat "$T/out")"; fi
exit $status
