#!/bin/bash
# Time: what is fetched before it is over, kept when it is, forgotten; and servers that go and come back.
. "$(dirname "$0")/dns_world.bash"
command -v python3 >/dev/null || { echo "skip dns-upstreams: no python3"; exit 0; }
HERE=$(dirname "$0")

world
ip -n "$P-u" addr add 10.77.2.54/24 dev eth0
serve() { # last octet
    touch "$W/asked.$1"
    ip netns exec "$P-u" python3 "$HERE/dns_hostile.py" server "10.77.2.$1" "$W/asked.$1" >/dev/null 2>&1 8>&- & # 8 is the driver's stdin
    echo $! >"$W/server$1.pid"
    for _ in $(seq 100); do
        in_u dig +time=1 +tries=1 "@10.77.2.$1" ready.example >/dev/null 2>&1 && return
        sleep 0.05
    done
}
serve 53
asked() { grep -c " $1 " "$W/asked.${2:-53}"; }
ttl() { ask +noall +answer +authority "$@" | awk 'NR == 1 {print $2}'; }
{
    printf 'version: 1\negress:\n  routes:\n'
    for n in hot cold ad neg negbig nosoa stale good one two three four; do echo "    - host: $n.example"; done
    echo '    - host: "*.wild.example"'
    printf 'dns: {ttl_min: 0, negative_ttl_max: 7, stale_max: 8, wildcard_labels_per_minute: 2}\n'
} >"$W/policy.yaml"
since() { echo $((($(date +%s%N) - $1) / 1000000)); }
until_ms() { while [ "$(since "$1")" -lt "$2" ]; do sleep 0.02; done; }

start --upstream 10.77.2.53
is dns-prefetch-first "$(short hot.example)" 93.184.216.34
hot=$(date +%s%N)
short cold.example >/dev/null

# The AD bit of a server that anybody could speak for
is dns-ad-of-udp "$(ask +adflag ad.example | grep -c 'flags:.* ad')" 0
is dns-ad-not-asked-for-udp "$(awk '$4 == "ad.example" {print $5}' "$W/asked.53")" 00002904d0000000000000

# Negative answers: kept for the lesser of the SOA's TTL and its minimum, and of our bound
is dns-negative "$(rcode neg.example)" NXDOMAIN
neg=$(date +%s%N)
is dns-negative-cached "$(rcode neg.example) $(line neg.example .cached) $(asked neg.example)" "NXDOMAIN true 1"
is dns-negative-other-type "$(rcode AAAA neg.example) $(asked neg.example)" "NOERROR 1"
is dns-negative-clamped "$(ttl negbig.example)" 7
is dns-negative-without-soa "$(rcode nosoa.example) $(asked nosoa.example)" "NXDOMAIN 1"
sleep 1.2
is dns-negative-without-soa-soon-over "$(rcode nosoa.example) $(asked nosoa.example)" "NXDOMAIN 2"
until_ms "$neg" 4100
is dns-negative-over "$(rcode neg.example) $(asked neg.example)" "NXDOMAIN 2"

# An old answer while nobody answers, but not for ever
is dns-stale-fresh "$(short stale.example)" 93.184.216.34
old=$(date +%s%N)
until_ms "$old" 2100
is dns-stale-served "$(short stale.example) $(line stale.example .stale)" "93.184.216.34 true"
has dns-stale-ede "$(ask stale.example)" "EDE: 3"
until_ms "$old" 9100
is dns-stale-bound "$(rcode stale.example)" SERVFAIL

# Known names below a wildcard, asked for in turn as a code, go upstream so often and no more
for _ in $(seq 8); do
    for n in r1 r2; do short $n.wild.example >/dev/null; short CNAME $n.wild.example >/dev/null; done
    sleep 1.1
done
n=$(($(asked r1.wild.example) + $(asked r2.wild.example)))
[ "$n" -ge 20 ] && [ "$n" -le 26 ]
is dns-known-names-bounded "$? $n" "0 $n"
is dns-known-names-served "$(jq -r 'select(.route == "*.wild.example" and .stale) | .rcode' "$W/audit.jsonl" | sort -u)" NOERROR

# What is asked for in the last tenth of its time is fetched again, once, and nobody waits for it
until_ms "$hot" 28000
is dns-prefetch-cached "$(short hot.example) $(line hot.example .cached)" "93.184.216.34 true"
for _ in $(seq 50); do [ "$(asked hot.example)" = 2 ] && break; sleep 0.02; done
is dns-prefetch-fetched "$(asked hot.example)" 2
until_ms "$hot" 31000
is dns-prefetch-kept "$(short hot.example) $(line hot.example .cached) $(asked hot.example)" "93.184.216.34 true 2"
is dns-prefetch-new-ttl "$([ "$(ttl hot.example)" -gt 20 ]; echo $?)" 0
is dns-prefetch-only-hot "$(asked cold.example)" 1
stop

# The first server is gone, so the second serves; it comes back, and is the first again before anybody asks
start --upstream 10.77.2.54 --upstream 10.77.2.53
for n in one two three four; do short $n.example >/dev/null; done
is dns-failover-second "$(line four.example .upstream)" 10.77.2.53
has dns-failover-said "$(cat "$W/err")" "10.77.2.54 does not answer"
serve 54
for _ in $(seq 400); do grep -q 'answers again' "$W/err" && break; sleep 0.05; done
has dns-failback-said "$(cat "$W/err")" "10.77.2.54 answers again"
is dns-failback-probes-ask-nothing-new "$(awk '{print $4}' "$W/asked.54" | grep -v ready | sort -u)" four.example
is dns-failback-first "$(short good.example) $(line good.example .upstream)" "93.184.216.34 10.77.2.54"
stop

exit $FAILED
