#!/bin/bash
# DNSSEC: a root, a top-level domain and zones of every kind, signed by ldns and served by nsd; the anchor is that root's.
. "$(dirname "$0")/dns_world.bash"
for t in ldns-signzone ldns-keygen; do
    command -v $t >/dev/null || { echo "skip dns-dnssec: no $t"; exit 0; }
done

world
Z=$W/zones
mkdir -p "$Z"
cd "$Z" || exit 1

# zone ORIGIN: its file, from records on stdin
zone() {
    {
        printf '$ORIGIN %s\n$TTL 300\n@ SOA ns.tld. root.tld. 1 3600 600 86400 60\n@ NS ns.tld.\n' "$1"
        cat
    } >"$(file "$1")"
}
file() { [ "$1" = . ] && echo root || echo "${1%.}"; }
# sign ORIGIN ALGORITHM OPTION...: keys, signed zone, and DS for the parent
sign() {
    local origin=$1 algorithm=$2 f ksk zsk
    f=$(file "$origin")
    shift 2
    ksk=$(ldns-keygen -r /dev/urandom -a "$algorithm" -b 1024 -k "$origin") && zsk=$(ldns-keygen -r /dev/urandom -a "$algorithm" -b 1024 "$origin") || exit 1
    ldns-signzone "$@" -f "$f.signed" "$f" "$zsk" "$ksk" || exit 1
    mv "$ksk.ds" "$f.ds"
    [ ! -e "$zsk.ds" ] || rm "$zsk.ds"
    echo "$ksk" >"$f.ksk"
}
host="www A 93.184.216.34"
zone good.tld. <<N
$host
txt TXT "signed"
*.wild A 93.184.216.40
to-plain CNAME www.plain.tld.
to-n3 CNAME www.n3.tld.
to-bogus CNAME www.tampered.tld.
old DNAME www.good.tld.
down DNAME n3.tld.
a.b.c A 93.184.216.35
bare A 93.184.216.36
N
zone n3.tld. <<N
$host
*.wild A 93.184.216.41
wild A 93.184.216.42
N
for z in plain expired early tampered nokey stripped iter ed; do echo "$host" | zone $z.tld.; done
echo "sub NS ns.tld." | zone opt.tld.
echo "$host" | zone sub.opt.tld.
sign good.tld. ECDSAP256SHA256
sed -i '/^bare\.good\.tld\..*RRSIG[[:space:]]*A /d' good.tld.signed
sign n3.tld. RSASHA256 -n -t 0
sign expired.tld. ECDSAP256SHA256 -i 20200101000000 -e 20200201000000
sign early.tld. ECDSAP256SHA256 -i 20350101000000 -e 20360101000000
sign tampered.tld. ECDSAP256SHA256
sed -i 's/93\.184\.216\.34/93.184.216.66/' tampered.tld.signed
sign nokey.tld. ECDSAP256SHA256
sign stripped.tld. ECDSAP256SHA256
cp stripped.tld stripped.tld.signed
sign iter.tld. ECDSAP256SHA256 -n -t 100
sign ed.tld. ED25519
sign opt.tld. ECDSAP256SHA256 -n -p -t 0
# a DS that is not this zone's
awk '{$NF = "0000" substr($NF, 5)} 1' nokey.tld.ds >t && mv t nokey.tld.ds
{
    for z in good n3 expired early tampered nokey stripped iter ed opt plain; do echo "$z NS ns.tld."; done
    echo "ns A 10.77.2.53"
    cat ./*.tld.ds
} | zone tld.
sign tld. ECDSAP256SHA256 -n -t 0
{
    printf 'tld. NS ns.tld.\nns.tld. A 10.77.2.53\n'
    cat tld.ds
} | zone .
sign . RSASHA256

cat >nsd.conf <<N
server:
  ip-address: 10.77.2.53
  server-count: 1
  username: ""
  database: ""
  zonesdir: "$Z"
  pidfile: "$W/nsd.pid"
  xfrdfile: "$Z/xfrd"
  zonelistfile: "$Z/zones"
  logfile: "$Z/log"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
N
for f in *.signed plain.tld sub.opt.tld; do
    n=${f%.signed}
    [ "$n" = root ] && n=.
    printf 'zone:\n  name: "%s"\n  zonefile: %s\n' "$n" "$f" >>nsd.conf
done
in_u nsd -c nsd.conf
for _ in $(seq 100); do
    in_u dig +time=1 +tries=1 @10.77.2.53 www.good.tld >/dev/null 2>&1 && break
    sleep 0.05
done

dnssec_policy() { # validate | passthrough
    {
        printf 'version: 1\negress:\n  routes:\n'
        for h in www.good.tld txt.good.tld nx.good.tld nx.b.good.tld b.c.good.tld a.b.c.good.tld to-plain.good.tld to-n3.good.tld \
            to-bogus.good.tld bare.good.tld www.down.good.tld www.n3.tld nx.n3.tld deep.nx.n3.tld wild.n3.tld www.plain.tld nx.plain.tld deep.er.plain.tld \
            www.expired.tld www.early.tld www.tampered.tld www.nokey.tld www.stripped.tld www.iter.tld nx.iter.tld www.ed.tld www.sub.opt.tld \
            nowhere.tld; do
            printf '    - {host: %s, dns: [TXT, MX]}\n' $h
        done
        printf '    - host: "*.wild.good.tld"\n    - host: "*.wild.n3.tld"\n'
        printf 'dns: {dnssec: %s, trust_anchor: %s}\n' "$1" "$Z/root.ds"
    } >"$W/policy.yaml"
}
# state NAME [TYPE]: rcode, AD, answers, and the log's word
state() {
    local out
    out=$(ask +dnssec "${2:-A}" "$1")
    printf '%s%s %s %s\n' "$(sed -n 's/.*status: \([A-Z]*\),.*/\1/p' <<<"$out")" \
        "$(grep -q 'flags:.* ad' <<<"$out" && echo ' ad')" \
        "$(awk -v t="${2:-A}" '/^;; ANSWER/ {on = 1} /^$/ {on = 0} on && $4 == t {printf "%s", $5}' <<<"$out")" \
        "$(line "$1" .dnssec)"
}
ede() { ask "$1" | sed -n 's/.*EDE: \([0-9]*\).*/\1/p'; }

dnssec_policy validate
start --upstream 10.77.2.53
is dnssec-secure "$(state www.good.tld)" "NOERROR ad 93.184.216.34 secure"
is dnssec-cached "$(state www.good.tld)" "NOERROR ad 93.184.216.34 secure"
is dnssec-no-signatures-out "$(ask +dnssec www.good.tld | grep -c RRSIG)" 0
is dnssec-ad-asked-for-only "$(ask +noadflag +noedns www.good.tld | grep -c 'flags:.* ad')" 0
is dnssec-nodata "$(state www.good.tld MX)" "NOERROR ad  secure"
is dnssec-nodata-between "$(state b.c.good.tld)" "NOERROR ad  secure"
is dnssec-nxdomain "$(state nx.good.tld)" "NXDOMAIN ad  secure"
is dnssec-nxdomain-deep "$(state nx.b.good.tld)" "NXDOMAIN ad  secure"
is dnssec-wildcard "$(state one.wild.good.tld)" "NOERROR ad 93.184.216.40 secure"
is dnssec-wildcard-nodata "$(state two.wild.good.tld AAAA)" "NOERROR  null"
is dnssec-nsec3 "$(state www.n3.tld)" "NOERROR ad 93.184.216.34 secure"
is dnssec-nsec3-nodata "$(state www.n3.tld MX)" "NOERROR ad  secure"
is dnssec-nsec3-nxdomain "$(state nx.n3.tld)" "NXDOMAIN ad  secure"
is dnssec-nsec3-nxdomain-deep "$(state deep.nx.n3.tld)" "NXDOMAIN ad  secure"
is dnssec-nsec3-wildcard "$(state one.wild.n3.tld)" "NOERROR ad 93.184.216.41 secure"
is dnssec-nsec3-tld-nxdomain "$(state nowhere.tld)" "NXDOMAIN ad  secure"
is dnssec-ed25519 "$(state www.ed.tld)" "NOERROR ad 93.184.216.34 secure"
is dnssec-alias-secure "$(state to-n3.good.tld)" "NOERROR ad 93.184.216.34 secure"
is dnssec-dname "$(state www.down.good.tld)" "NOERROR ad 93.184.216.34 secure"

is dnssec-insecure "$(state www.plain.tld)" "NOERROR 93.184.216.34 insecure"
is dnssec-insecure-nxdomain "$(state nx.plain.tld)" "NXDOMAIN  insecure"
is dnssec-insecure-deep "$(state deep.er.plain.tld)" "NXDOMAIN  insecure"
is dnssec-insecure-optout "$(state www.sub.opt.tld)" "NOERROR 93.184.216.34 insecure"
is dnssec-alias-insecure "$(state to-plain.good.tld)" "NOERROR 93.184.216.34 insecure"
is dnssec-iterations "$(state nx.iter.tld)" "NXDOMAIN  insecure"
is dnssec-iterations-positive "$(state www.iter.tld)" "NOERROR ad 93.184.216.34 secure"

for z in expired:7 early:8 tampered:6 nokey:9 stripped:9; do
    is "dnssec-bogus-${z%:*}" "$(state "www.${z%:*}.tld")" "SERVFAIL  bogus"
    is "dnssec-bogus-${z%:*}-ede" "$(ede "www.${z%:*}.tld")" "${z#*:}"
    is "dnssec-bogus-${z%:*}-audit" "$(line "www.${z%:*}.tld" '[.verdict,.reason,.ede]|join(" ")')" "deny upstream_unreachable ${z#*:}"
done
is dnssec-bogus-unsigned "$(state bare.good.tld)" "SERVFAIL  bogus"
is dnssec-bogus-unsigned-ede "$(ede bare.good.tld)" 10
is dnssec-bogus-alias "$(state to-bogus.good.tld)" "SERVFAIL  bogus"
is dnssec-bogus-no-lease "$(drive leased 93.184.216.66 www.tampered.tld)" "leased no"
is dnssec-bogus-cd "$(rcode +cdflag www.tampered.tld)" SERVFAIL
has dnssec-bogus-engine "$(drive resolve www.tampered.tld)" "rcode=2"
has dnssec-engine "$(drive resolve www.good.tld)" "rcode=0"
is dnssec-fetches-audited "$(jq -r 'select(.via=="validator") | [.qname,.qtype] | join(" ")' "$W/audit.jsonl" | sort -u | grep -cE '^(\. DNSKEY|tld DS|tld DNSKEY|good.tld DS|good.tld DNSKEY)$')" 5
is dnssec-fetches-for-routes "$(jq -r 'select(.via=="validator" and (.route == null or .verdict != "allow")) | .qname' "$W/audit.jsonl")" ""
stop

# The same without validation: nobody looks
dnssec_policy passthrough
start --upstream 10.77.2.53
is dnssec-off "$(state www.tampered.tld)" "NOERROR 93.184.216.66 null"
is dnssec-off-no-fetches "$(jq -r 'select(.via=="validator") | .qname' "$W/audit.jsonl")" ""
stop

# The public root's keys know nothing of this root
dnssec_policy validate
sed -i 's/, trust_anchor: [^}]*//' "$W/policy.yaml"
start --upstream 10.77.2.53
is dnssec-public-anchor "$(state www.good.tld)" "SERVFAIL  bogus"
is dnssec-public-anchor-insecure "$(state www.plain.tld)" "SERVFAIL  bogus"
stop

# Zones that the root knows nothing of
sed -i 's/dnssec: validate/dnssec: validate, insecure: [plain.tld, stripped.tld]/' "$W/policy.yaml"
start --upstream 10.77.2.53
is dnssec-left-alone "$(state www.plain.tld)" "NOERROR 93.184.216.34 insecure"
is dnssec-left-alone-others "$(state www.good.tld)" "SERVFAIL  bogus"
stop

# No anchor, no start
dnssec_policy validate
echo "tld. IN DS 1 13 2 00" >"$Z/root.ds"
start --upstream 10.77.2.53
has dnssec-bad-anchor "$(cat "$W/err")" "root.ds:1: not a DS record of the root"
stop
rm "$Z/root.ds"
start --upstream 10.77.2.53
has dnssec-no-anchor "$(cat "$W/err")" "root.ds: No such file"
stop

exit $FAILED
