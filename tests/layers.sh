#!/usr/bin/env bash
# The layers of ARCHITECTURE.md, kept by looking at what is included.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
forbid() { # WHY PATTERN FILES...
    local why=$1 pattern=$2 hits
    shift 2
    hits=$(grep -nE "^#include [<\"]($pattern)" "$@" 2>/dev/null)
    [ -z "$hits" ] || { printf '%s:\n%s\n' "$why" "$hits"; bad=1; }
}
pure() { # FILES   parsers: octets in, values out
    local f
    for f in "$@"; do [ -e "$f" ] || { echo "layers: no such file: $f"; bad=1; }; done
    forbid "a parser knows no sockets, TLS, clocks or loop" \
        'sys/socket|netinet/|openssl/ssl|time\.h|sys/time|uv\.h|appliance/engine|appliance/flow/conn' "$@"
}
forbid "lib depends on nothing above it" '(appliance|dns|hostctl|init)/' lib/*.[ch]
forbid "dns knows lib, and of the appliance only what the roles share" 'appliance/(engine|flow|http|inspect|gate|netfilter|monitor)|hostctl/|init/' dns/*.[ch]
forbid "the controller knows lib only" '(appliance|dns|init)/' hostctl/*.[ch]
forbid "the shim stands alone" '(lib|appliance|dns|hostctl)/' init/*.[ch]
forbid "inspection is pure" 'uv\.h|sys/socket|netinet/|openssl/ssl|time\.h|appliance/(engine|flow|http)' appliance/inspect/*.[ch]
forbid "the exchange touches no socket" 'sys/socket|netinet/|openssl/ssl|appliance/flow/(conn|tls)' appliance/http/exchange*.[ch]
forbid "the process with privileges parses nothing foreign" 'appliance/(flow|http|inspect|packet|quic|gate)|dns/(message|resolver)' appliance/monitor*.[ch]
pure lib/target.c lib/hostname.c lib/policy_judge.c lib/policy_git.c dns/wire.c dns/query.c dns/answer.c dns/reply.c dns/cache.c dns/record.c dns/dnssec*.c \
    appliance/packet.c appliance/quic.c appliance/flow/clienthello.c appliance/flow/sniff.c appliance/http/h1_scan.c \
    appliance/http/h1_body.c appliance/http/h1_parse.c appliance/http/ws.c
exit $bad
