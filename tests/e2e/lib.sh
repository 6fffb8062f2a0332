# A small world in namespaces of its own, for end-to-end tests and the demo. Sourced, never run.
#
#     egressctl here                          the world
#     $W-host  10.77.0.2/24  ------------  $W-net  10.77.0.1/24
#     default via 10.77.0.1                    93.184.216.10  origin.test, *.wild.test ... (nginx, TLS by the world's CA)
#                                              93.184.216.11  strange.test, *.strange.test (a Python origin for odd behaviour)
#                                              93.184.216.20  forbidden.test: up, but in no policy
#                                              93.184.216.53  DNS (nsd); every query is in $T/dns.log
#
# WORLD_V6=1 gives the host and the world IPv6 as well, and names with AAAA records: six.test (and no A), dual.test...
#
# The addresses are globally routable ones, since others are refused; no packet leaves the namespaces.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8
W=egw$$
T=
ORIGIN=93.184.216.10 STRANGE=93.184.216.11 FORBIDDEN=93.184.216.20 DNS=93.184.216.53 HOSTIP=10.77.0.2
WORLD_V6=${WORLD_V6:-}
NET6=2606:2800:220:77 ORIGIN6=2606:2800:220:1::10 FORBIDDEN6=2606:2800:220:1::20

ok() { printf 'ok %s\n' "$1"; }
not_ok() { printf 'not ok %s: %s\n' "$1" "${2:-}" | head -c 3000; echo; FAILED=1; }
skip() { printf 'skip %s: %s\n' "$1" "$2"; }
FAILED=0

# check NAME COMMAND...   one case: the command's status decides; its output is shown where it fails
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$out"; fi
}

# eventually SECONDS COMMAND...   retries until it holds
eventually() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -ge $end ] && return 1
        sleep 0.05
    done
}

in_host() { ip netns exec "$W-host" "$@"; }
in_net() { ip netns exec "$W-net" "$@"; }

# ctl ARGS...   egressctl where its namespace is "the host"
ctl() { in_host "$BUILD/egressctl" "$@"; }

world_pki() {
    local d=$T/pki
    mkdir -p "$d"
    (
        cd "$d" || exit 1
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/O=world/CN=world root' \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
            -keyout ca.key -out ca.pem
        openssl ecparam -name prime256v1 -genkey -noout -out leaf.key
        leaf origin.test,forbidden.test,tokens.test,private.test,sealed.test,plain.test,h2.test,six.test,dual.test,halfgood.test,private6.test,'*.wild.test' origin
        leaf strange.test,git.test,'*.strange.test' strange
        leaf elsewhere.test wrongname
        openssl req -x509 -key leaf.key -days 30 -subj /CN=selfsigned.test -addext subjectAltName=DNS:selfsigned.test \
            -out selfsigned.pem
    ) >/dev/null 2>&1 || return 1
    chmod 644 "$d"/*.key
}

# leaf NAMES FILE   a server certificate of the world's CA, in the working directory
leaf() {
    openssl req -new -key leaf.key -subj "/CN=${1%%,*}" -out "$2.csr"
    printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' \
        "DNS:${1//,/,DNS:}" >"$2.ext"
    openssl x509 -req -in "$2.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile "$2.ext" -out "$2.pem"
}

# Names that have nothing but AAAA records show that IPv6 works; the odd ones hide an IPv4 address or lead inside.
world_names6() {
    printf '%s\n' "six AAAA $ORIGIN6" "dual A $ORIGIN" "dual AAAA $ORIGIN6" "forbidden6 AAAA $FORBIDDEN6" "raw6 AAAA $ORIGIN6" "clock6 AAAA $ORIGIN6" \
        "private6 AAAA $NET6::1" "ula AAAA fd00:77::1" "mapped AAAA ::ffff:10.77.0.1" "nat64 AAAA 64:ff9b::10.77.0.1" \
        "sixtofour AAAA 2002:0a4d:0001::1" "linklocal AAAA fe80::1" "lo6 AAAA ::1" "halfgood AAAA $ORIGIN6" \
        "halfgood AAAA fd00:77::1"
}

world_dns() {
    local name
    {
        printf '$ORIGIN test.\n$TTL 300\n@ SOA ns. root. 1 3600 600 86400 60\n@ NS ns\nns A %s\n' "$DNS"
        for name in origin tokens sealed plain h2 selfsigned wrongname '*.wild'; do echo "$name A $ORIGIN"; done
        for name in strange git '*.strange'; do echo "$name A $STRANGE"; done
        echo "forbidden A $FORBIDDEN"
        echo "private A 10.77.0.1"
        echo "metadata A 169.254.169.254"
        echo "loopback A 127.0.0.1"
        echo "alias CNAME origin"
        echo "text TXT \"hello\""
        [ -n "$WORLD_V6" ] && world_names6
    } >"$T/test.zone"
    cat >"$T/nsd.conf" <<NSD
server:
  ip-address: $DNS
  server-count: 1
  username: ""
  database: ""
  zonesdir: "$T"
  pidfile: "$T/nsd.pid"
  xfrdfile: "$T/xfrd.state"
  zonelistfile: "$T/zone.list"
  logfile: "$T/nsd.log"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: test.zone
NSD
    in_net nsd -c "$T/nsd.conf" -d >/dev/null 2>&1 &
    # What the DNS server is asked, as the wire shows it: the proof that a refused name was never asked.
    in_net tcpdump -l -n -i dn0 -Q in "dst host $DNS and port 53" >"$T/dns.log" 2>/dev/null &
}

world_nginx() {
    local listen6=
    [ -n "$WORLD_V6" ] && listen6="listen [$ORIGIN6]:80; listen [$ORIGIN6]:443 ssl; listen [$FORBIDDEN6]:80; listen [$FORBIDDEN6]:443 ssl;"
    mkdir -p "$T/www" "$T/tmp"
    echo "hello from the origin" >"$T/www/index.html"
    head -c "${BIG:-67108864}" /dev/urandom >"$T/www/big"
    chmod -R a+rX "$T/www"
    cat >"$T/nginx.conf" <<NGINX
user root; worker_processes 1; daemon off; pid $T/nginx.pid; error_log $T/nginx.err warn;
events { worker_connections 1024; }
http {
  log_format seen '\$host \$request_method \$request_uri \$status auth="\$http_authorization" xff="\$http_x_forwarded_for" via="\$http_via" proto=\$server_protocol at=\$server_addr';
  access_log $T/access.log seen;
  client_max_body_size 0; client_body_temp_path $T/tmp/b; proxy_temp_path $T/tmp/p; fastcgi_temp_path $T/tmp/f;
  uwsgi_temp_path $T/tmp/u; scgi_temp_path $T/tmp/s; default_type text/plain;
  ssl_certificate_key $T/pki/leaf.key; ssl_protocols TLSv1.2 TLSv1.3;
  server {
    listen $ORIGIN:80; listen $ORIGIN:443 ssl; listen $ORIGIN:8443 ssl; listen $FORBIDDEN:80; listen $FORBIDDEN:443 ssl;
    listen 10.77.0.1:443 ssl; listen 10.77.0.1:80; $listen6
    server_name six.test dual.test private6.test forbidden6.test origin.test tokens.test git.test private.test sealed.test plain.test forbidden.test *.wild.test;
    ssl_certificate $T/pki/origin.pem;
    root $T/www;
    location /whoami { return 200 "authorization: \$http_authorization\nhost: \$http_host\n"; }
    location /put/ { dav_methods PUT; create_full_put_path on; client_body_in_file_only off; }
    location /status/ { return 204; }
    location /redirect { return 302 https://forbidden.test/; }
  }
  server { listen $ORIGIN:443 ssl http2; server_name h2.test; ssl_certificate $T/pki/origin.pem; root $T/www; }
  server { listen $ORIGIN:443 ssl; server_name selfsigned.test; ssl_certificate $T/pki/selfsigned.pem; root $T/www; }
  server { listen $ORIGIN:443 ssl; server_name wrongname.test; ssl_certificate $T/pki/wrongname.pem; root $T/www; }
}
NGINX
    in_net nginx -c "$T/nginx.conf" >/dev/null 2>&1 &
}

world_strange() {
    mkdir -p "$T/git"
    (
        cd "$T" && git init -q -b main seed && cd seed && echo hello >file && git add file &&
            git -c user.name=t -c user.email=t@t commit -q -m one && cd .. && git clone -q --bare seed git/repo.git &&
            git -C git/repo.git config http.receivepack true
    ) >/dev/null 2>&1
    in_net python3 "$HERE/origin.py" $STRANGE "$T/pki/strange.pem" "$T/pki/leaf.key" "$T/git" >"$T/strange.log" 2>&1 &
}

world_link6() {
    local a
    ip -n "$W-host" -6 addr add $NET6::2/64 dev up0 nodad
    ip -n "$W-net" -6 addr add $NET6::1/64 dev dn0 nodad
    for a in $ORIGIN6 $FORBIDDEN6 fd00:77::1; do ip -n "$W-net" -6 addr add "$a/128" dev lo nodad; done
    ip -n "$W-host" -6 route add default via $NET6::1
}

# world_up [DIR]   makes everything; world_down (also on exit) removes it
world_up() {
    [ "$(id -u)" = 0 ] || { echo "these tests need root: they make network namespaces" >&2; exit 1; }
    T=$(mktemp -d /tmp/egress-test.XXXXXX)
    chmod 755 "$T"
    export EGRESSD_STATE_DIR=$T/states # nothing of a test's stays on the machine
    trap world_down EXIT
    trap 'exit 130' INT TERM
    ip netns add "$W-host" && ip netns add "$W-net" || exit 1
    ip link add up0 netns "$W-host" type veth peer name dn0 netns "$W-net"
    ip -n "$W-host" addr add $HOSTIP/24 dev up0
    ip -n "$W-net" addr add 10.77.0.1/24 dev dn0
    local a
    for a in $ORIGIN $STRANGE $FORBIDDEN $DNS; do ip -n "$W-net" addr add "$a/32" dev lo; done
    ip -n "$W-host" link set lo up
    ip -n "$W-net" link set lo up
    ip -n "$W-host" link set up0 addrgenmode none # no neighbour discovery of the world's own on the wire
    ip -n "$W-net" link set dn0 addrgenmode none
    ip -n "$W-host" link set up0 up
    ip -n "$W-net" link set dn0 up
    ip -n "$W-host" route add default via 10.77.0.1
    [ -n "$WORLD_V6" ] && world_link6
    world_pki || { echo "no certificates: openssl failed" >&2; exit 1; }
    world_dns
    world_nginx
    world_strange
    eventually 5 in_net curl -s --resolve "origin.test:80:$ORIGIN" http://origin.test/ || {
        echo "the world's origin did not start: $(cat "$T/nginx.err")" >&2
        exit 1
    }
    eventually 5 in_net curl -s --resolve "strange.test:80:$STRANGE" http://strange.test/ || {
        echo "the strange origin did not start: $(cat "$T/strange.log")" >&2
        exit 1
    }
    eventually 5 in_net dig +time=1 +tries=1 "@$DNS" origin.test || { echo "the world's DNS did not start" >&2; exit 1; }
    [ -z "${TRANSPORT:-}" ] || transport_up
}

world_down() {
    local n pids
    [ -n "$T" ] || return 0
    for n in host net; do
        pids=$(ip netns pids "$W-$n" 2>/dev/null)
        # shellcheck disable=SC2086
        [ -n "$pids" ] && kill -9 $pids 2>/dev/null
        ip netns del "$W-$n" 2>/dev/null
    done
    wait 2>/dev/null
    [ -n "${KEEP:-}" ] && { echo "kept: $T" >&2; return 0; }
    rm -rf "$T"
    T=
}

# agent POLICY CMD...   a sandbox that may speak to the world, state in $T/state
agent() {
    local policy=$1
    shift
    ctl run --backend netns --policy "$policy" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
        --state-dir "$T/state" -- "$@"
}

# follow_world   a second DNS server, at $DNS2; egressctl then reads its host's resolv.conf from $T/resolv.conf, and its host
# has slept for as many seconds as the file $T/slept says
DNS2=93.184.216.54
follow_world() {
    ip -n "$W-net" addr add $DNS2/32 dev lo
    sed "s/ip-address: .*/ip-address: $DNS2/; s/nsd.pid/nsd2.pid/; s/xfrd.state/xfrd2.state/; s/zone.list/zone2.list/; s/nsd.log/nsd2.log/" "$T/nsd.conf" >"$T/nsd2.conf"
    in_net nsd -c "$T/nsd2.conf" -d >/dev/null 2>&1 &
    eventually 5 in_net dig +time=1 +tries=1 "@$DNS2" origin.test || { echo "the second DNS server did not start" >&2; exit 1; }
    cat >"$T/slept.c" <<'C'
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *t)
{
    long status = syscall(SYS_clock_gettime, clock, t), seconds = 0;
    FILE *f = clock == CLOCK_BOOTTIME ? fopen(getenv("SLEPT"), "re") : NULL;
    if (f && fscanf(f, "%ld", &seconds) == 1)
        t->tv_sec += seconds;
    if (f)
        fclose(f);
    return (int)status;
}
C
    gcc -shared -fPIC -o "$T/slept.so" "$T/slept.c"
    echo "nameserver $DNS" >"$T/resolv.conf"
    echo 0 >"$T/slept"
}
# followed ARGS...   egressctl so; never returns
followed() {
    exec ip netns exec "$W-host" unshare -m --propagation private bash -c 'mount --bind "$1/resolv.conf" /etc/resolv.conf && shift &&
        exec "$@"' followed "$T" env LD_PRELOAD="$T/slept.so" SLEPT="$T/slept" "$BUILD/egressctl" "$@"
}

# logged FILTER   lines of the audit log for which the jq-like python expression holds: logged 'e["event"]=="dns"'
logged() {
    python3 - "$T/state/audit.jsonl" "$1" <<'PY'
import json, sys
hits = [line for line in open(sys.argv[1]) if eval(sys.argv[2], {"e": __import__("collections").defaultdict(lambda: None, json.loads(line))})]
sys.stdout.writelines(hits)
sys.exit(0 if hits else 1)
PY
}

# TRANSPORT=vm   the same suite, the agent and the sidecar in virtual machines
[ -z "${TRANSPORT:-}" ] || . "$TOP/tests/$TRANSPORT/transport.bash"
