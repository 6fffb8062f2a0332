#!/usr/bin/env bash
# A malicious upstream behind an allowed name: certificates that are not quite, answers that read two ways, bombs.
. "$(dirname "$0")/lib.sh"
. "$HERE/attack_world.bash"
BIG=1024 world_up
HOSTILE=93.184.216.13
ip -n "$W-net" addr add $HOSTILE/32 dev lo
printf '%s\n' "hostile A $HOSTILE" "*.bad A $HOSTILE" >>"$T/test.zone"
# TLS 1.2 with nothing better than these; an address each
declare -A OLD=([cbc]='ECDHE-ECDSA-AES256-SHA' [rsakx]='AES128-GCM-SHA256:AES128-SHA' [null]='ECDHE-ECDSA-NULL-SHA:AECDH-NULL-SHA:@SECLEVEL=0')
old_address() { case $1 in cbc) echo 93.184.216.31 ;; rsakx) echo 93.184.216.32 ;; null) echo 93.184.216.33 ;; esac; }
for n in "${!OLD[@]}"; do
    ip -n "$W-net" addr add "$(old_address $n)/32" dev lo
    echo "$n.bad A $(old_address $n)" >>"$T/test.zone"
done
attack_world
# sign NAME SAN [CONFIG LINE]...   $SIGN: more options of openssl x509
sign() {
    local name=$1 san=$2
    shift 2
    openssl req -new -key "${KEY:-leaf.key}" -subj "/CN=$name.bad.test" -out x.csr &&
        printf '%s\n' ${san:+"subjectAltName=$san"} basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature,keyEncipherment \
            subjectKeyIdentifier=hash authorityKeyIdentifier=keyid "${@:-extendedKeyUsage=serverAuth}" >x.ext &&
        openssl x509 -req -in x.csr -CA "${CA:-ca.pem}" -CAkey "${CAKEY:-ca.key}" -CAcreateserial -extfile x.ext -out "$name.pem" ${SIGN:--days 20}
}
(
    mkdir "$T/bad" && cp "$T"/pki/{ca.pem,ca.key,leaf.key} "$T/bad" && cd "$T/bad" || exit 1
    sign hostile DNS:hostile.test
    for n in good client; do sign $n DNS:$n.bad.test; done
    for n in star under_score; do sign $n 'DNS:*.bad.test'; done
    sign under_hyphen DNS:under-hyphen.bad.test
    sign other DNS:good.bad.test
    sign cn ''
    sign partial 'DNS:par*.bad.test,DNS:*.test'
    sign eku DNS:eku.bad.test extendedKeyUsage=clientAuth
    sign ipsan IP:93.184.216.13
    sign nul "DNS:nul.bad.test.evil.test"
    # Validity in the past and the future: openssl 3.0 sets it by `ca` only.
    : >index.txt && echo 01 >serial && printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\nprivate_key=ca.key\ncertificate=ca.pem\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n' >ca.cnf
    for n in expired future; do
        openssl req -new -key leaf.key -subj "/CN=$n.bad.test" -out x.csr
        printf 'subjectAltName=DNS:%s.bad.test\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' $n >x.ext
        [ $n = expired ] && dates="-startdate 20200101000000Z -enddate 20200201000000Z" || dates="-startdate 20450101000000Z -enddate 20460101000000Z"
        openssl ca -batch -notext -config ca.cnf -in x.csr -out $n.pem -extfile x.ext $dates
    done

    for n in cbc null; do sign $n DNS:$n.bad.test; done
    openssl genrsa -out rsakx.key 2048 && KEY=rsakx.key sign rsakx DNS:rsakx.bad.test
    openssl genrsa -out weak.key 1024 && KEY=weak.key sign weak DNS:weak.bad.test
    SIGN='-sha1 -days 20' sign sha1 DNS:sha1.bad.test
    CA=good.pem CAKEY=leaf.key sign signedbyleaf DNS:signedbyleaf.bad.test && cat good.pem >>signedbyleaf.pem
    openssl req -new -key leaf.key -subj '/CN=constrained CA' -out x.csr
    printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nnameConstraints=critical,permitted;DNS:elsewhere.test\n' >x.ext
    openssl x509 -req -in x.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile x.ext -out sub.pem
    CA=sub.pem CAKEY=leaf.key sign constrained DNS:constrained.bad.test && cat sub.pem >>constrained.pem
    # What RFC 5280 demands and lenient clients do not: a CA says what its key is for.
    openssl req -new -key leaf.key -subj '/CN=loose CA' -out x.csr
    printf 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' >x.ext
    openssl x509 -req -in x.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile x.ext -out loose_ca.pem
    CA=loose_ca.pem CAKEY=leaf.key sign loose DNS:loose.bad.test && cat loose_ca.pem >>loose.pem
    chmod 644 ./*.key
) >"$T/bad.log" 2>&1
for n in hostile good expired future weak sha1 signedbyleaf constrained loose eku cn; do [ -s "$T/bad/$n.pem" ] || { echo "no certificate $n: $(cat "$T/bad.log")" >&2; exit 1; }; done
in_net python3 "$HERE/attack_upstream_origin.py" $HOSTILE "$T/bad" >"$T/hostile.log" 2>&1 &
for n in "${!OLD[@]}"; do
    key=$T/bad/$n.key
    [ -e "$key" ] || key=$T/bad/leaf.key
    in_net openssl s_server -accept "$(old_address $n):443" -cert "$T/bad/$n.pem" -key "$key" -tls1_2 -cipher "${OLD[$n]}" -www -quiet >"$T/$n.log" 2>&1 &
    eventually 5 in_net bash -c "exec 3<>/dev/tcp/$(old_address $n)/443" || { cat "$T/$n.log" >&2; exit 1; }
done
eventually 5 in_net curl -sk --resolve "hostile.test:443:$HOSTILE" https://hostile.test/fine || { cat "$T/hostile.log" >&2; exit 1; }
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: hostile.test
    - host: "*.bad.test"
YAML
attack "$T/policy.yaml" python3 "$HERE/attack_upstream.py"
check "no daemon died" bash -c "! grep -iE 'died|killed|signal|crash|abort' '$T/state/egressd.log'"
check "the log's chains hold" ctl audit --state-dir "$T/state" --verify
check "nothing else left" nothing_left "tcp and (dst host $HOSTILE or dst host 93.184.216.31 or dst host 93.184.216.32 or dst host 93.184.216.33) and dst port 443"
exit $FAILED
