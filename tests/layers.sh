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
only() { # WHY PATTERN FILES...   of this project's headers they include none but these
    local why=$1 pattern=$2 hits
    shift 2
    hits=$(grep -nE '^#include "' "$@" | grep -vE "#include \"($pattern)\"")
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
only "the process with privileges parses nothing foreign" \
    'appliance/(monitor|monitor_internal|doctor|ipc|memory|netfilter|roles|sandbox|signer|tls_reason|uplink)\.h|dns/lease\.h|lib/[a-z_]+\.h' appliance/monitor*.[ch]
only "the key's holder knows names and keys only" \
    'appliance/(signer|ipc|memory|roles|sandbox)\.h|lib/[a-z_]+\.h' appliance/signer*.[ch]
pure lib/target.c lib/fields.c lib/framing.c lib/hostname.c lib/lfs.c lib/utf8.c lib/regex.c lib/policy_*.c dns/wire.c dns/query.c dns/answer.c dns/reply.c dns/cache.c dns/record.c \
    dns/judge.c dns/lease.c dns/dnssec*.c appliance/packet.c appliance/quic.c appliance/gate_message.c appliance/gate_judge.c appliance/flow/clienthello.c \
    appliance/flow/der.c appliance/flow/proxy_head.c appliance/flow/sniff.c appliance/http/h1_body.c appliance/http/h1_parse.c \
    appliance/http/h1_scan.c appliance/http/h1_write.c appliance/http/h2_fields.c appliance/http/ws.c appliance/http/ws_handshake.c \
    appliance/http/ws_seam.c hostctl/apple_json.c hostctl/audit_chain.c hostctl/learn*.c init/keystore.c init/pem.c init/sentinel.c
exit $bad
