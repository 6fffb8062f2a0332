#!/bin/bash
# run.sh [--quick] [--only NAME,...] [--reps N] [--out DIR]   the benchmark; `make bench` calls it. See docs/benchmarks.md.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "bench: needs root (network namespaces)" >&2; exit 1; }
exec python3 -B bench/bench.py "$@"
