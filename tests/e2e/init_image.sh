#!/usr/bin/env bash
# egress-init in images of every kind: nothing but a static program, other layouts, read-only roots, few capabilities.
. "$(dirname "$0")/lib.sh"
INIT=$BUILD/egress-init
P=initi$$
unset REQUESTS_CA_BUNDLE SYSTEM_WGETRC
GW=10.88.0.5
D=$(mktemp -d /tmp/egress-image.XXXXXX) && chmod 755 "$D"
[ "$(id -u)" = 0 ] || { skip init_image "needs root"; exit 0; }
command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 || { skip init_image "needs busybox-static"; exit 0; }
down() {
    ip netns del "$P-A" 2>/dev/null
    ip netns del "$P-S" 2>/dev/null
    rm -rf "$D"
}
trap down EXIT
ip netns add "$P-A" && ip netns add "$P-S" || exit 1
ip link add eth0 netns "$P-A" type veth peer name eth1 netns "$P-S"
ip -n "$P-A" addr add 10.88.0.2/24 dev eth0
ip -n "$P-A" link set eth0 up
ip -n "$P-A" link set lo up
ip -n "$P-S" addr add $GW/24 dev eth1
ip -n "$P-S" link set eth1 up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=init-test -keyout "$D/ca.key" -out "$D/ca.pem" 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=old-root -keyout "$D/ca.key" -out "$D/old.pem" 2>/dev/null

# image NAME FILES...   an image with the shim, busybox, the CA and these empty or copied files ("path" or "path=from")
image() {
    local r=$D/$1 f
    shift
    mkdir -p "$r"
    cp "$INIT" "$r/egress-init"
    cp "$(command -v busybox)" "$r/busybox"
    cp "$D/ca.pem" "$r/egress-ca.pem"
    for f in "$@"; do
        mkdir -p "$r/$(dirname "${f%%=*}")"
        case $f in *=*) cp "${f#*=}" "$r/${f%%=*}" ;; */) mkdir -p "$r/$f" ;; *) : >"$r/$f" ;; esac
    done
}
# boot MODE IMAGE OPTIONS... -- CMD   MODE: words of rw ro, mount (with CAP_SYS_ADMIN) nomount, chroot, proc, shm
boot() {
    local mode=" $1 " r=$D/$2 script
    shift 2
    script="set -e; "
    case $mode in *" chroot "*) ;; *) script+="mount --bind $r $r; " ;; esac
    case $mode in *" proc "*) script+="mount -t proc proc $r/proc; " ;; esac
    case $mode in *" shm "*) script+="mount -t tmpfs shm $r/dev/shm; " ;; esac
    case $mode in *" ro "*) script+="mount -o remount,bind,ro $r; " ;; esac
    case $mode in
    *" nomount "*) script+="exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin chroot $r /egress-init \"\$@\"" ;;
    *) script+="exec chroot $r /egress-init \"\$@\"" ;;
    esac
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin ${REQUESTS_CA_BUNDLE:+REQUESTS_CA_BUNDLE="$REQUESTS_CA_BUNDLE"} \
        ${SYSTEM_WGETRC:+SYSTEM_WGETRC="$SYSTEM_WGETRC"} ip netns exec "$P-A" unshare -m sh -c "$script" sh --gateway $GW "$@" 2>&1
}
# gives NAME PATTERN MODE IMAGE ...
gives() {
    local name=$1 pattern=$2 out
    shift 2
    if out=$(boot "$@") && grep -qE -- "$pattern" <<<"$out"; then ok "$name"; else not_ok "$name" "$out"; fi
}
refuses() {
    local name=$1 pattern=$2 out status
    shift 2
    out=$(boot "$@")
    status=$?
    if [ $status -eq 125 ] && grep -qE -- "$pattern" <<<"$out" && ! grep -q RAN <<<"$out"; then ok "$name"; else not_ok "$name" "$status: $out"; fi
}
CA=(--ca /egress-ca.pem)
count='n=$(/busybox grep -c BEGIN.CERT $F); echo n=$n'

image scratch
for mode in "rw mount chroot" "rw nomount chroot" "rw mount" "rw nomount"; do
    gives "nothing but a static program ($mode)" '^nameserver 10.88.0.5$' "$mode" scratch "${CA[@]}" -- /busybox cat /etc/resolv.conf
    gives "... a bundle of its own ($mode)" '^1$' "$mode" scratch "${CA[@]}" -- /busybox sh -c '/busybox grep -c BEGIN.CERT $SSL_CERT_FILE'
    rm -rf "$D/scratch/etc" "$D/scratch/run" "$D/scratch/tmp" "$D/scratch/dev"
done
gives "a read-only root without /etc: said, and run" 'resolve no names' "ro nomount" scratch -- /busybox id
gives "... and the command did run" 'uid=65534' "ro nomount" scratch -- /busybox id
image empty etc/resolv.conf run/
gives "a read-only root with room to mount" '^nameserver 10.88.0.5$' "ro mount" empty "${CA[@]}" -- /busybox sh -c '/busybox cat /etc/resolv.conf $SSL_CERT_FILE'
refuses "a read-only root without the right to mount" 'resolv.conf' "ro nomount" empty "${CA[@]}" -- /busybox echo RAN
image docker etc/resolv.conf dev/shm/
printf 'nameserver %s\n' $GW >"$D/docker/etc/resolv.conf"
gives "a read-only root whose runtime wrote resolv.conf" '^/dev/shm/egress/ca-bundle.pem$' "ro nomount shm" docker "${CA[@]}" -- /busybox sh -c 'echo $SSL_CERT_FILE'
refuses "no place for the CA at all" 'no place' "ro nomount" docker "${CA[@]}" -- /busybox echo RAN

image dangling etc/
ln -s ../run/systemd/resolve/stub-resolv.conf "$D/dangling/etc/resolv.conf"
gives "a resolv.conf that is a link to nowhere" '^nameserver 10.88.0.5$' "rw nomount" dangling -- /busybox cat /etc/resolv.conf
image linked etc/ run/resolv.conf
ln -s ../run/resolv.conf "$D/linked/etc/resolv.conf"
gives "a resolv.conf that is a link" '^nameserver 10.88.0.5$' "rw nomount" linked -- /busybox cat /etc/resolv.conf

layout() { # NAME BUNDLE
    local name=$1 bundle=$2 mode
    image "$name" "$bundle=$D/old.pem" etc/resolv.conf run/
    for mode in "rw mount" "rw nomount" "rw nomount"; do
        gives "$name: appended once, told by variable ($mode)" "^n=2 /$bundle\$" "$mode" "$name" "${CA[@]}" -- \
            /busybox sh -c "n=\$(/busybox grep -c BEGIN.CERT /$bundle); echo n=\$n \$CURL_CA_BUNDLE"
    done
    if head -c "$(stat -c %s "$D/old.pem")" "$D/$name/$bundle" | cmp -s - "$D/old.pem"; then ok "$name: what was there is kept"; else not_ok "$name: what was there is kept"; fi
}
layout debian etc/ssl/certs/ca-certificates.crt
layout rhel etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
layout alpine etc/ssl/cert.pem
layout arch etc/ca-certificates/extracted/tls-ca-bundle.pem
printf %s "$(cat "$D/old.pem")" >"$D/nonl.pem"
image nonl "etc/ssl/cert.pem=$D/nonl.pem" etc/resolv.conf run/
boot "rw nomount" nonl "${CA[@]}" -- /busybox true
if openssl verify -CAfile "$D/nonl/etc/ssl/cert.pem" "$D/ca.pem" >/dev/null 2>&1; then ok "a bundle whose last line has no end"; else not_ok "a bundle whose last line has no end"; fi

certifi=usr/local/lib/python3.12/site-packages/certifi/cacert.pem
image python "$certifi=$D/old.pem" etc/resolv.conf run/
for mode in "rw mount" "rw nomount" "rw nomount"; do
    gives "a certifi of Python's own: appended once ($mode)" '^n=2$' "$mode" python "${CA[@]}" -- /busybox sh -c "F=/$certifi; $count"
done
image browser etc/resolv.conf run/ etc/firefox/policies/policies.json
policy='F=/etc/chromium/policies/managed/egressd.json; /busybox cat $F /etc/opt/chrome/policies/managed/egressd.json; /busybox wc -c /etc/firefox/policies/policies.json'
boot "rw nomount" browser "${CA[@]}" -- /busybox sh -c "$policy" >"$D/policy"
der=$(openssl x509 -in "$D/ca.pem" -outform DER | base64 -w0)
if [ "$(grep -cxF "{\"CACertificates\": [\"$der\"]}" "$D/policy")" = 2 ]; then ok "a policy for Chromium and Chrome"; else not_ok "a policy for Chromium and Chrome" "$(cat "$D/policy")"; fi
if grep -q '^0 ' "$D/policy"; then ok "... and none over one that is there"; else not_ok "... and none over one that is there" "$(cat "$D/policy")"; fi
# An earlier agent may have written in a virtual environment, or where a variable leads.
image planted etc/resolv.conf run/ venv/lib/python3.12/site-packages/certifi/
(cat "$D/old.pem"; echo hidden-from-the-agent) >"$D/planted/secret" && chmod 600 "$D/planted/secret"
ln -s /secret "$D/planted/venv/lib/python3.12/site-packages/certifi/cacert.pem"
for mode in "rw mount" "rw nomount"; do
    out=$(REQUESTS_CA_BUNDLE=/secret boot "$mode" planted "${CA[@]}" -- /busybox sh -c '/busybox cat $REQUESTS_CA_BUNDLE /run/egress/*')
    if grep -q BEGIN.CERT <<<"$out" && ! grep -q hidden <<<"$out"; then ok "of a file that a link leads to only certificates are copied ($mode)"; else not_ok "of a file that a link leads to only certificates are copied ($mode)" "$out"; fi
done
mkdir -p "$D/planted/dev/shm" "$D/planted/etc/ssl" "$D/planted/jdk/lib/security" "$D/planted/closed"
printf 'nameserver %s\n' $GW >"$D/planted/etc/resolv.conf"
unreadable() { # NAME MODE FILE SCRIPT   what only root may read stays so
    local out
    out=$(SYSTEM_WGETRC=$3 boot "$2" planted "${CA[@]}" --user 1000 -- /busybox sh -c "echo \$SYSTEM_WGETRC; $4" 2>&1)
    if grep -q "$5" <<<"$out" && ! grep -q hidden <<<"$out"; then ok "$1 ($2)"; else not_ok "$1 ($2)" "$out"; fi
}
all='/busybox find / -xdev -type f -size -20k -exec /busybox cat {} +; /busybox cat /run/egress/* /dev/shm/egress/*'
unreadable "a file of root's that SYSTEM_WGETRC names is copied to nobody" "ro nomount shm" /secret "$all" '^/dev/shm/egress/wgetrc'
(echo hidden=1) >"$D/planted/closed/wgetrc" && chmod 644 "$D/planted/closed/wgetrc" && chmod 700 "$D/planted/closed"
unreadable "... nor one in a folder of root's" "ro nomount shm" /closed/wgetrc "$all" '^/dev/shm/egress/wgetrc'
echo shown=1 >"$D/planted/wgetrc"
SYSTEM_WGETRC=/wgetrc
gives "... one that all may read is" '^shown=1' "ro nomount shm" planted "${CA[@]}" -- /busybox sh -c '/busybox cat $SYSTEM_WGETRC'
unset SYSTEM_WGETRC
cp "$D/planted/secret" "$D/planted/etc/ssl/cert.pem" && chmod 600 "$D/planted/etc/ssl/cert.pem"
for mode in "rw mount" "rw nomount"; do
    unreadable "a bundle that only root may read stays so, with our CA in it" "$mode" /none "/busybox cat /etc/ssl/cert.pem; $all; echo end" '^end'
done
rm "$D/planted/etc/ssl/cert.pem"
if [ "$(tail -n 1 "$D/planted/secret")" = hidden-from-the-agent ]; then ok "... and nothing is written through the link"; else not_ok "... and nothing is written through the link"; fi

if command -v keytool >/dev/null; then
    keytool -importcert -noprompt -storetype jks -keystore "$D/jks" -storepass changeit -alias old -file "$D/old.pem" >/dev/null 2>&1
    for v in 3 ''; do
        f=$D/p12$v
        keytool -importcert -noprompt -J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE -J-Dkeystore.pkcs12.macAlgorithm=NONE \
            -storetype pkcs12 -keystore "$f" -storepass changeit -alias old -file "$D/old.pem" >/dev/null 2>&1
    done
    for kind in jks p12; do
        image java$kind etc/ssl/certs/java/cacerts="$D/$kind" etc/resolv.conf run/
        for mode in "rw nomount" "rw nomount"; do boot "$mode" java$kind "${CA[@]}" -- /busybox true; done
        out=$(keytool -list -keystore "$D/java$kind/etc/ssl/certs/java/cacerts" -storepass changeit 2>&1)
        if grep -q 'contains 2 entries' <<<"$out"; then ok "Java's $kind has both roots, once each"; else not_ok "Java's $kind has both roots, once each" "$out"; fi
    done
    image javaro etc/ssl/certs/java/cacerts="$D/jks" etc/resolv.conf dev/shm/
    printf 'nameserver %s\n' $GW >"$D/javaro/etc/resolv.conf"
    gives "Java's store on a read-only root: told by variable" 'trustStore=/dev/shm/egress/cacerts.jks' "ro nomount shm" javaro "${CA[@]}" -- \
        /busybox sh -c 'echo $JAVA_TOOL_OPTIONS'
else
    skip "Java trust stores" "needs a JDK"
fi

image passwd etc/passwd etc/resolv.conf
printf 'root:x:0:0::/root:/bin/sh\nagent:x:1000:2000:An agent:/home/agent:/bin/sh\n' >"$D/passwd/etc/passwd"
gives "group, HOME and USER by /etc/passwd" '^2000 /home/agent agent$' "rw nomount" passwd --user 1000 -- /busybox sh -c 'echo $(/busybox id -g) $HOME $USER'
gives "/proc mounted or not" '^ok$' "rw nomount" passwd -- /busybox echo ok

size=$(stat -c %s "$INIT")
if [ "$size" -lt 102400 ]; then ok "is under 100 KiB ($size octets)"; else not_ok "is under 100 KiB" "$size"; fi
exit $FAILED
