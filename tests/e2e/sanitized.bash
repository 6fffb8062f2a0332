# Daemons under AddressSanitizer and UBSan. Sourced after lib.sh.

# sanitized   after world_up: builds them, once for all tests, and makes them what ctl() and agent() run
sanitized() {
    local san=${SANBUILD:-$BUILD/san}
    mkdir -p "$san"
    flock "$san/lock" make -C "$TOP" --no-print-directory -j2 BUILD="$san" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" OPT="-O1 -g" all >"$T/san.log" 2>&1 ||
        { not_ok "a build with sanitizers" "$(tail -5 "$T/san.log")"; exit 1; }
    # egressd takes nothing of its caller's environment, so a script gives it the sanitizers' options.
    mkdir "$T/bin"
    cp "$san/egressctl" "$san/egress-init" "$T/bin"
    cp "$san/egressd" "$T/bin/egressd.san"
    printf '#!/bin/sh\nexport ASAN_OPTIONS=quarantine_size_mb=8:abort_on_error=1:detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1\nexec %s "$@"\n' "$T/bin/egressd.san" >"$T/bin/egressd"
    chmod 755 "$T/bin" "$T/bin/egressd"
    BUILD=$T/bin
}
