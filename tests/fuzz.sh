#!/usr/bin/env bash
# Every fuzz target under ASan and UBSan, JOBS (default 2) at a time: built with gcc, as what is shipped, it replays its corpus; built
# with clang it runs from there for FUZZ_SECONDS (default 5).
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-$PWD/build}
fz=$BUILD/fuzzing
log=$(mktemp)
work=$(mktemp -d)
trap 'rm -rf "$log" "$work"' EXIT
# The objects are those of the unit tests.
if ! make --no-print-directory -j2 BUILD="$BUILD/san" CC=gcc OPT="-O1 -g" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" \
    replay-bins >"$log" 2>&1; then
    echo "not ok replay targets build: $(tail -n 20 "$log")"
    exit 1
fi
replayed=0
for dir in tests/fuzz/corpus/*; do
    name=${dir##*/}
    if timeout 60 "$BUILD/san/replay/$name" "$dir" >"$log" 2>&1; then
        replayed=$((replayed + 1))
    else
        echo "not ok replay of $name: $(tail -n 25 "$log")"
    fi
done
[ $replayed -eq "$(find tests/fuzz -name 'fuzz_*.c' | wc -l)" ] && echo "ok all $replayed targets replay their corpus, built with gcc" ||
    echo "not ok $replayed targets replayed their corpus"
if ! make --no-print-directory -j2 BUILD="$fz" CC=clang OPT="-O1 -g" \
    SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz-bins >"$log" 2>&1; then
    echo "not ok fuzz targets build: $(tail -n 20 "$log")"
    exit 1
fi
fuzz_one() {
    local name=$1 corpus=tests/fuzz/corpus/${1#fuzz_} seeds=()
    mkdir -p "$work/$name"
    [ -d "$corpus" ] && seeds=("$corpus")
    if "$fz/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-5}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
        -artifact_prefix="$work/" "$work/$name" "${seeds[@]}" >"$work/$name.log" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $(tail -n 25 "$work/$name.log")"
        return 1
    fi
}
export -f fuzz_one
export work fz
for src in tests/fuzz/fuzz_*.c; do basename "$src" .c; done | xargs -P "${JOBS:-2}" -I '{}' bash -c 'fuzz_one {}'
