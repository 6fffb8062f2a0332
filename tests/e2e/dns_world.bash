# The small world of the resolver's tests: sourced by dns*.sh.
#   agent 10.77.1.2 --- 10.77.1.1 side 10.77.2.1 --- upstream 10.77.2.53
# DRIVER is the program of dns_driver.c, built here where none is given; it runs in "side", where port 53 is intercepted as the sidecar does it.
set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
P=dnse2e-$$
W=$(mktemp -d)
chmod 755 "$W"
DRIVER=${DRIVER:-$W/driver}
FAILED=0

cleanup() {
    exec 8>&- 2>/dev/null
    for f in "$W"/*.pid; do [ -s "$f" ] && kill "$(cat "$f")" 2>/dev/null; done
    wait 2>/dev/null
    for n in a s u; do ip netns del "$P-$n" 2>/dev/null; done
    umount "$W/disk" 2>/dev/null
    rm -rf "$W"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

for t in nsd dig jq ip; do
    command -v $t >/dev/null || { echo "skip dns: no $t"; exit 0; }
done
if [ ! -x "$DRIVER" ]; then
    # shellcheck disable=SC2046,SC2086
    make -s --no-print-directory -C "$TOP" BUILD="$BUILD" "$BUILD/tests/e2e/dns_driver" &&
        DRIVER=$BUILD/tests/e2e/dns_driver || { echo "not ok dns: dns_driver.c does not build"; exit 1; }
fi

in_a() { ip netns exec "$P-a" "$@"; }
in_s() { ip netns exec "$P-s" "$@"; }
in_u() { ip netns exec "$P-u" "$@"; }

world() {
    local n
    for n in a s u; do
        ip netns add "$P-$n" && ip -n "$P-$n" link set lo up || exit 1
    done
    ip link add eth1 netns "$P-s" type veth peer name eth0 netns "$P-a"
    ip link add eth0 netns "$P-s" type veth peer name eth0 netns "$P-u"
    ip -n "$P-a" addr add 10.77.1.2/24 dev eth0
    ip -n "$P-s" addr add 10.77.1.1/24 dev eth1
    ip -n "$P-s" addr add 10.77.2.1/24 dev eth0
    ip -n "$P-u" addr add 10.77.2.53/24 dev eth0
    ip -n "$P-a" -6 addr add fd77:1::2/64 dev eth0 nodad
    ip -n "$P-s" -6 addr add fd77:1::1/64 dev eth1 nodad
    for n in a:eth0 s:eth0 s:eth1 u:eth0; do ip -n "$P-${n%:*}" link set "${n#*:}" up; done
    ip -n "$P-a" route add default via 10.77.1.1
    ip -n "$P-a" -6 route add default via fd77:1::1
    ip -n "$P-s" rule add fwmark 1 lookup 100
    ip -n "$P-s" route add local default dev lo table 100
    ip -n "$P-s" -6 rule add fwmark 1 lookup 100
    ip -n "$P-s" -6 route add local default dev lo table 100
    in_s nft -f - <<'N'
table inet t {
    chain pre {
        type filter hook prerouting priority mangle
        iifname eth1 meta l4proto { tcp, udp } th dport 53 meta nfproto ipv4 tproxy ip to :53 meta mark set 1 accept
        iifname eth1 meta l4proto { tcp, udp } th dport 53 meta nfproto ipv6 tproxy ip6 to :53 meta mark set 1 accept
    }
}
N
}

zones() {
    mkdir -p "$W/nsd"
    {
        printf '$ORIGIN example.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A 10.77.2.53\n'
        printf 'www A 93.184.216.34\nwww AAAA 2606:2800:220:1:248:1893:25c8:1946\n'
        printf 'alias CNAME www\nfar CNAME www.other.example.net.\n'
        printf 'short 1 A 93.184.216.35\n'
        printf 'rebind A 10.1.2.3\nmixed A 10.1.2.3\nmixed A 93.184.216.36\nmeta A 169.254.169.254\nlo A 127.0.0.1\n'
        printf 'inside A 10.1.2.3\n'
        printf 'txt TXT "hello"\nmx MX 10 www\nloop CNAME loop2\nloop2 CNAME loop\n'
        for i in $(seq 60); do printf 'many A 93.184.217.%d\n' "$i"; done
        printf '*.wild A 93.184.216.40\n'
    } >"$W/nsd/example.zone"
    {
        printf '$ORIGIN other.example.net.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A 10.77.2.53\n'
        printf 'www A 93.184.216.50\n'
    } >"$W/nsd/other.zone"
    cat >"$W/nsd/nsd.conf" <<N
server:
  ip-address: 10.77.2.53
  server-count: 1
  username: ""
  database: ""
  zonesdir: "$W/nsd"
  pidfile: "$W/nsd.pid"
  xfrdfile: "$W/nsd/xfrd"
  zonelistfile: "$W/nsd/zones"
  logfile: "$W/nsd/log"
  rrl-ratelimit: 0
  verbosity: 0
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
zone:
  name: other.example.net
  zonefile: other.zone
N
    in_u nsd -c "$W/nsd/nsd.conf"
    for _ in $(seq 100); do
        in_u dig +time=1 +tries=1 @10.77.2.53 www.example >/dev/null 2>&1 && return
        sleep 0.05
    done
    echo "not ok dns: nsd did not start"
    exit 1
}

policy() { # refused
    cat >"$W/policy.yaml" <<Y
version: 1
egress:
  routes:
    - host: www.example
    - host: alias.example
    - host: far.example
    - host: short.example
    - host: rebind.example
    - host: mixed.example
    - host: meta.example
    - host: lo.example
    - host: many.example
    - host: loop.example
    - host: nx.example
    - host: inside.example
      allow_private: true
    - host: txt.example
      dns: [TXT]
    - host: mx.example
      dns: [MX]
    - host: "*.wild.example"
dns:
  refused: ${1:-explain}
  ttl_min: 0
Y
}

start() { # further driver options
    : >"$W/audit.jsonl"
    chmod 666 "$W/audit.jsonl"
    rm -f "$W/in"
    mkfifo "$W/in"
    in_s "$DRIVER" --policy "$W/policy.yaml" --audit "$W/audit.jsonl" --self 10.77.1.1 "$@" \
        <"$W/in" >"$W/out" 2>"$W/err" &
    DRIVER_PID=$!
    exec 8>"$W/in"
    for _ in $(seq 100); do
        grep -q ready "$W/out" && break
        sleep 0.02
    done
    RESOLVER_PID=$(awk '/ready/ {print $2}' "$W/out")
}
stop() {
    exec 8>&-
    wait "$DRIVER_PID" 2>/dev/null
}
# One command to the driver, its answer on stdout.
drive() {
    local n
    n=$(wc -l <"$W/out")
    echo "$*" >&8
    for _ in $(seq 300); do
        [ "$(wc -l <"$W/out")" -gt "$n" ] && break
        sleep 0.02
    done
    tail -1 "$W/out"
}

ask() { in_a dig +time=6 +tries=1 +nocookie @10.77.1.1 "$@" 2>&1; }
short() { ask +short "$@"; }
rcode() { ask "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'; }
# The last dns line of a name, through a filter.
line() { jq -r "select(.event==\"dns\" and .qname==\"$1\") | $2" "$W/audit.jsonl" | tail -1; }
upstream_queries() { in_u nft list counters 2>/dev/null | awk '/packets/ {print $2; exit}'; }

is() { # name got want
    if [ "$2" == "$3" ]; then
        echo "ok $1"
    else
        FAILED=1
        echo "not ok $1: got '$(tr '\n' ' ' <<<"$2")', want '$(tr '\n' ' ' <<<"$3")'"
    fi
}
has() { # name text part
    case "$2" in
    *"$3"*) echo "ok $1" ;;
    *)
        FAILED=1
        echo "not ok $1: no '$3' in '$(tr '\n' ' ' <<<"$2")'"
        ;;
    esac
}

