#!/usr/bin/env bash
# clang-tidy over every source file, two at a time.
set -u
cd "$(dirname "$0")/.." || exit 1
git ls-files 'lib/*.c' 'dns/*.c' 'appliance/*.c' 'hostctl/*.c' 'init/*.c' |
    xargs -P 2 -n 1 sh -c 'clang-tidy --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE -DEGRESS_VERSION="\"0\"" -I. -isystem /usr/share/include/llhttp 2>/dev/null' tidy
