#!/usr/bin/env bash
# Runs every test and ends in one line: N passed, N failed, N skipped.
#
#   tests/run.sh [SUITE...]     static unit fuzz platform demo e2e vm clients packaging (default: all)
#
# In CI a skip is a failure: what cannot run there would never be seen.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-$PWD/build}
export BUILD
PASSED=0 FAILED=0 SKIPPED=0
LOG=$(mktemp -d)
trap 'rm -rf "$LOG"' EXIT
suites=${*:-static unit fuzz platform demo e2e vm clients packaging}

pass() { PASSED=$((PASSED + 1)); [ -n "${QUIET:-}" ] || echo "ok $1"; }
fail() { FAILED=$((FAILED + 1)); echo "not ok $1"; }
skipped() {
    if [ -n "${CI:-}" ]; then fail "$1 (skipped in CI: $2)"; else SKIPPED=$((SKIPPED + 1)); echo "skip $1: $2"; fi
}

# one NAME COMMAND...   a test that is one command; its output is shown where it fails
one() {
    local name=$1
    shift
    if "$@" >"$LOG/out" 2>&1; then pass "$name"; else fail "$name"; tail -n 60 "$LOG/out"; fi
}

# attempt NAME COMMAND...   a script that prints ok, not ok and skip lines, to $LOG/NAME.out
attempt() {
    local at=$LOG/$1 start=$SECONDS
    shift
    timeout "${TEST_TIMEOUT:-900}" "$@" >"$at.out" 2>"$at.err" </dev/null
    echo $? >"$at.status"
    echo $((SECONDS - start)) >"$at.seconds"
}

failed_at() { [ "$(cat "$LOG/$1.status")" != 0 ] || grep -q '^not ok' "$LOG/$1.out"; }

# report NAME   counts what attempt() left; silence is a failure
report() {
    local name=$1 at=$LOG/$1 status line n=0
    status=$(cat "$at.status")
    while IFS= read -r line; do
        case $line in
        "ok "*) pass "$name: ${line#ok }"; n=$((n + 1)) ;;
        "not ok "*) fail "$name: ${line#not ok }"; n=$((n + 1)) ;;
        "skip "*) skipped "$name: $(cut -d: -f1 <<<"${line#skip }")" "${line#*: }"; n=$((n + 1)) ;;
        *) echo "    $line" ;;
        esac
    done <"$at.out"
    if [ "$status" -ne 0 ] || [ $n -eq 0 ]; then
        fail "$name: status $status after $n cases"
        tail -n 30 "$at.err"
    fi
    echo "  # $name: $n cases in $(cat "$at.seconds") s"
}

# again NAME COMMAND...   what failed once runs once more, by itself, since real clients and clocks share a busy machine; the
# first failure is shown, the second run decides
again() {
    echo "  # $1: status $(cat "$LOG/$1.status") at first, once more:"
    grep '^not ok' "$LOG/$1.out" | sed 's/^/    first: /'
    attempt "$@"
    report "$1"
}

# lines NAME COMMAND...   one such script
lines() {
    attempt "$@"
    if failed_at "$1"; then again "$@"; else report "$1"; fi
}

# side_by_side SCRIPT...   such scripts, JOBS at a time: each has namespaces of its own, and mostly waits
side_by_side() {
    local t name pid running=0
    local -A name_of=() script_of=()
    local retry=()
    for t in "$@" ""; do
        while [ $running -gt 0 ] && { [ -z "$t" ] || [ $running -ge "${JOBS:-2}" ]; }; do
            wait -n -p pid
            running=$((running - 1))
            name=${name_of[$pid]}
            if failed_at "$name"; then retry+=("$name"); else report "$name"; fi
        done
        [ -n "$t" ] || continue
        name=$(basename "$t" .sh)
        script_of[$name]=$t
        attempt "$name" bash "$t" &
        name_of[$!]=$name
        running=$((running + 1))
    done
    for name in "${retry[@]}"; do again "$name" bash "${script_of[$name]}"; done
}

submake() { make --no-print-directory -j2 "$@"; }

suite_static() {
    one "layers" bash tests/layers.sh
    one "format" make format-check
    one "cppcheck" make cppcheck
    one "clang-tidy" bash tests/tidy.sh
    one "man pages" bash tests/manpages.sh
    lines "macos" bash tests/macos.sh
    one "builds with clang" submake BUILD="$BUILD/clang" CC=clang all
}

suite_unit() {
    local san=$BUILD/san t
    if ! submake BUILD="$san" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" OPT="-O1 -g" unit-tests \
        >"$LOG/out" 2>&1; then
        fail "unit tests build"
        tail -n 40 "$LOG/out"
        return
    fi
    for t in "$san"/tests/test_*; do
        [ -x "$t" ] && [ -f "tests/unit/$(basename "$t").c" ] || continue
        local status tested failed
        timeout 300 "$t" >"$LOG/out" 2>&1
        status=$?
        read -r tested failed <<<"$(sed -n 's/.*Tested: [^0-9]*\([0-9]*\).*Passing: [^0-9]*[0-9]*.*Failing: [^0-9]*\([0-9]*\).*/\1 \2/p' "$LOG/out" | tail -1)"
        if [ $status -eq 0 ] && [ "${tested:-0}" -gt 0 ]; then
            PASSED=$((PASSED + tested))
            echo "ok $(basename "$t"): $tested cases"
        else
            fail "$(basename "$t"): status $status, ${failed:-?} of ${tested:-?} failing"
            tail -n 40 "$LOG/out"
        fi
    done
}

suite_fuzz() { lines fuzz bash tests/fuzz.sh; }

suite_platform() {
    local t
    for t in tests/platform/*.sh; do [ -e "$t" ] && lines "$(basename "$t" .sh)" bash "$t"; done
}

suite_demo() { one "make demo" bash examples/demo.sh; }

# By themselves: those that look at the whole machine before and after, or start more processes than two may at a time.
suite_e2e() {
    local t scripts=() alone=()
    for t in tests/e2e/*.sh; do
        case $(basename "$t" .sh) in
        lib) ;;
        ctl | podman | podman_many | apple | docker) alone+=("$t") ;;
        *) scripts+=("$t") ;;
        esac
    done
    side_by_side "${scripts[@]}"
    for t in "${alone[@]}"; do lines "$(basename "$t" .sh)" bash "$t"; done
}

suite_clients() { lines clients bash tests/clients/matrix.sh; }

suite_packaging() {
    local t
    for t in tests/packaging/*.sh; do [ -e "$t" ] && lines "$(basename "$t" .sh)" bash "$t"; done
}

# The end-to-end suite again where the sidecar and the agent have kernels of their own.
suite_vm() {
    if ! submake BUILD="$BUILD" vm >"$LOG/out" 2>&1; then
        fail "vm: build"
        tail -n 40 "$LOG/out"
        return
    fi
    lines "vm native" bash tests/vm/native.sh
    lines "vm ktls" bash tests/vm/ktls.sh
    lines "vm main" env TRANSPORT=vm BIG=4194304 bash tests/e2e/main.sh
    lines "vm attack_packets" env TRANSPORT=vm SCAN_STEP=7 bash tests/e2e/attack_packets.sh
}

for suite in $suites; do
    echo "# $suite"
    "suite_$suite"
done
echo
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[ $FAILED -eq 0 ]
