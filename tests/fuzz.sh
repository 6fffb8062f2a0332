#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (default 5) from its corpus, under ASan and UBSan.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-$PWD/build}
fz=$BUILD/fuzzing
log=$(mktemp)
work=$(mktemp -d)
trap 'rm -rf "$log" "$work"' EXIT
if ! make --no-print-directory -j2 BUILD="$fz" CC=clang OPT="-O1 -g" \
    SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz-bins >"$log" 2>&1; then
    echo "not ok fuzz targets build: $(tail -n 20 "$log")"
    exit 1
fi
failed=0
for src in tests/fuzz/fuzz_*.c; do
    name=$(basename "$src" .c)
    corpus=tests/fuzz/corpus/${name#fuzz_}
    mkdir -p "$work/$name"
    seeds=()
    [ -d "$corpus" ] && seeds=("$corpus")
    if "$fz/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-5}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
        -artifact_prefix="$work/" "$work/$name" "${seeds[@]}" >"$log" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $(tail -n 25 "$log")"
        failed=1
    fi
done
exit $failed
