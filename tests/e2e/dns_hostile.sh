#!/bin/bash
# The resolver between a hostile upstream and a hostile agent, and with a log that cannot be written.
. "$(dirname "$0")/dns_world.bash"
command -v python3 >/dev/null || { echo "skip dns-hostile: no python3"; exit 0; }
HERE=$(dirname "$0")

world
touch "$W/asked"
ip netns exec "$P-u" python3 "$HERE/dns_hostile.py" server 10.77.2.53 "$W/asked" >/dev/null 2>&1 &
echo $! >"$W/server.pid"
for _ in $(seq 50); do
    in_u dig +time=1 +tries=1 @10.77.2.53 ready.example >/dev/null 2>&1 && break
    sleep 0.05
done
cat >"$W/policy.yaml" <<'Y'
version: 1
egress:
  routes:
Y
for n in good wrongid wrongname wrongport guesses short query tail tc tcpslow tcpwrong noedns late slow poison loop counts \
    rdlen tctc tcpclose tcphuge servfail chain stale victim silent adchain; do
    echo "    - host: $n.example"
done >>"$W/policy.yaml"
cat >>"$W/policy.yaml" <<'Y'
    - {host: big.example, dns: [TXT]}
    - host: "*.wild.example"
dns:
  ttl_min: 0
  wildcard_labels_per_minute: 60
Y
start --upstream 10.77.2.53
# What the upstream saw: our own words only
in_a dig +time=3 +tries=1 +cookie=0011223344556677 +subnet=1.2.3.0/24 +padding=128 @10.77.1.1 GoOd7.WiLd.eXaMpLe >/dev/null
is dns-lower-case-upstream "$(grep -c 'good7.wild.example' "$W/asked")" 1
is dns-no-options-upstream "$(awk '$4 == "good7.wild.example" {print $5}' "$W/asked")" 00002904d0000000000000
out=$(in_a python3 "$HERE/dns_hostile.py" client 10.77.1.1)
echo "$out"
grep -q '^not ok' <<<"$out" && FAILED=1

ports=$(awk '$1 == "udp" {print $2}' "$W/asked" | sort -u | wc -l)
ids=$(awk '$1 == "udp" {print $3}' "$W/asked" | sort -u | wc -l)
n=$(grep -c ^udp "$W/asked")
[ "$ports" -gt $((n * 7 / 10)) ] && [ "$ids" -gt $((n * 9 / 10)) ]
is dns-ports-and-ids-vary "$? $ports $ids" "0 $ports $ids"
chain=$(grep -c ' c-' "$W/asked")
[ "$chain" -le 9 ]
is dns-chain-bounded "$?" 0
is dns-malformed-audited "$(jq -r 'select(.reason=="malformed") | .verdict' "$W/audit.jsonl" | sort | uniq -c | awk '$1 >= 17 {print $2}')" deny

# A tunnel under a wildcard runs dry, and says so
for i in $(seq 70); do printf 'x%d-%s.wild.example A\n' "$i" "$(head -c 10 /dev/urandom | base32 | tr A-Z a-z)"; done >"$W/tunnel"
in_a dig +time=3 +tries=1 +short @10.77.1.1 -f "$W/tunnel" >/dev/null
asked=$(grep -c ' x[0-9]*-.*wild.example' "$W/asked")
[ "$asked" -lt 61 ]
is dns-tunnel-bounded "$? $asked" "0 $asked"
[ "$(jq -r 'select(.reason=="limit") | .qname' "$W/audit.jsonl" | wc -l)" -ge 10 ]
is dns-tunnel-audited "$?" 0

# Connections that ask for much and read nothing cost a bounded amount of memory, those that go no descriptor
rss() { drive rss | sed -n 's/.*VmRSS:[[:space:]]*\([0-9]*\).*/\1/p'; }
in_a dig +tcp +time=3 +tries=1 +short TXT big.example @10.77.1.1 >/dev/null
before=$(rss)
in_a python3 "$HERE/dns_hostile.py" greedy 10.77.1.1 64 300 >"$W/greedy" &
for _ in $(seq 100); do grep -q held "$W/greedy" && break; sleep 0.05; done
grown=$(($(rss) - before))
[ $grown -lt 24576 ]
is dns-tcp-not-reading "$? $grown KiB" "0 $grown KiB"
wait $!
is dns-tcp-after "$(short +tcp good.example)" 93.184.216.34
for _ in $(seq 100); do [ "$(in_s ss -tnH 'sport = 53' | grep -c .)" = 0 ] && break; sleep 0.1; done
is dns-tcp-all-gone "$(find "/proc/$RESOLVER_PID/fd" -lname 'socket:*' | wc -l | awk '{print ($1 < 40)}')" 1

# A flood: everything answered, everything counted
read -r sent got < <(in_a python3 "$HERE/dns_hostile.py" flood 10.77.1.1 30000)
sleep 1.2
counted=$(jq -s '[.[] | select(.reason=="no_route" and (.summary or (.qname | endswith(".evil.example")))) | .count // 1] | add' "$W/audit.jsonl")
is dns-flood-answered "$got" "$sent"
is dns-flood-counted "$counted" "$sent"
lines=$(jq -r 'select(.reason=="no_route") | 1' "$W/audit.jsonl" | wc -l)
[ "$lines" -lt "$sent" ]
is dns-flood-summarised "$?" 0
stop

# DNS over TLS: the right name under the right CA, and nothing else
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/O=dns test/CN=root" -keyout "$W/ca.key" \
    -out "$W/ca.pem" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=dns.example" -CA "$W/ca.pem" \
    -CAkey "$W/ca.key" -keyout "$W/dot.key" -out "$W/dot.pem" -addext subjectAltName=DNS:dns.example \
    -addext basicConstraints=critical,CA:FALSE -addext subjectKeyIdentifier=hash -addext authorityKeyIdentifier=keyid 2>/dev/null
ip netns exec "$P-u" python3 "$HERE/dns_hostile.py" dot 10.77.2.53 "$W/dot.pem" "$W/dot.key" >/dev/null 2>&1 &
echo $! >"$W/dot.pid"
sleep 0.5
start --upstream tls://10.77.2.53#dns.example --ca "$W/ca.pem"
is dns-tls "$(short good.example)" 93.184.216.34
is dns-tls-upstream-audit "$(line good.example .upstream)" tls://10.77.2.53
has dns-tls-ad "$(ask +adflag good.example)" "flags: qr rd ra ad;"
stop
start --upstream 10.77.2.53 --upstream tls://10.77.2.53#dns.example --ca "$W/ca.pem"
has dns-tls-half-a-chain "$(ask +adflag adchain.example)" "93.184.216.34"
is dns-tls-half-a-chain-no-ad "$(ask +adflag adchain.example | grep -c 'flags:.* ad')" 0
stop
start --upstream tls://10.77.2.53#other.example --ca "$W/ca.pem"
is dns-tls-wrong-name "$(rcode good.example)" SERVFAIL
has dns-tls-wrong-name-said "$(cat "$W/err")" "hostname mismatch"
stop
start --upstream tls://10.77.2.53#dns.example
is dns-tls-untrusted "$(rcode good.example)" SERVFAIL
stop

# A disk that is full: no line, no answer; and again when there is room
mkdir "$W/disk"
mount -t tmpfs -o size=64k tmpfs "$W/disk"
: >"$W/disk/audit.jsonl"
chmod 666 "$W/disk/audit.jsonl"
ln -sf "$W/disk/audit.jsonl" "$W/audit.jsonl"
start --upstream 10.77.2.53
is dns-disk-before "$(short good.example)" 93.184.216.34
dd if=/dev/zero of="$W/disk/fill" bs=1k count=100 2>/dev/null
for _ in $(seq 20); do short good.example >/dev/null; done
is dns-disk-full "$(rcode good.example)" SERVFAIL
is dns-disk-full-refused "$(rcode evil.example)" SERVFAIL
has dns-disk-full-engine "$(drive resolve good.example)" "rcode=2"
rm "$W/disk/fill"
is dns-disk-again "$(short good.example)" 93.184.216.34
is dns-disk-whole-lines "$(jq -e . "$W/disk/audit.jsonl" >/dev/null 2>&1; echo $?)" 0
stop
umount "$W/disk"
exit $FAILED
