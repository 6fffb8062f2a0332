#!/usr/bin/env bash
# Trust stores: real clients, each asking one host that is opened (our CA) and one that is passed through sealed, whose
# root stands in the stores of the machine as a public one would. Both must work: the CA is appended, nothing is replaced.
# Four situations: as root; as a user; as a user with an empty environment (the stores alone); and with a read-only root
# whose stores cannot be changed (the variables alone).
#
#     matrix.sh [--write]     compares the table's verdicts with docs/clients.md, or writes it
#     matrix.sh --more        prints the lines of the clients that are too big for every run; MORE_PATH: where they are
if [ "${1:-}" != --inside ]; then
    # Stores are changed for the test in a mount namespace of its own.
    exec unshare -m --propagation private bash "$0" --inside "$@"
fi
shift
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/clients.bash"
[ "${1:-}" = --more ] && CLIENTS=$MORE PATH=${MORE_PATH:+$MORE_PATH:}$PATH
SITUATIONS="root user empty readonly"
DOC=$TOP/docs/clients.md
BIG=1024 world_up
trap 'umount -l /etc "$T/jdk-p12" "$T"/layer.* 2>/dev/null; world_down' EXIT
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
      git: {fetch: true}
    - host: sealed.test
      tls: splice
YAML

# layer DIR TARGET   DIR, with changes of the test's own in memory, at TARGET
layer() {
    local l
    l=$(mktemp -d "$T/layer.XXXXXX") && mount -t tmpfs layer "$l" && mkdir "$l/up" "$l/work" &&
        mount -t overlay -o "lowerdir=$1,upperdir=$l/up,workdir=$l/work" overlay "$2"
}

# The world's root becomes one of the machine's, beside the others.
public_root() {
    local certs=/etc/ssl/certs
    layer /etc /etc &&
        cp "$T/pki/ca.pem" $certs/world.pem && ln -s world.pem "$certs/$(openssl x509 -noout -hash -in "$T/pki/ca.pem").0" &&
        cat "$T/pki/ca.pem" >>$certs/ca-certificates.crt &&
        keytool -importcert -noprompt -alias world -file "$T/pki/ca.pem" -keystore $certs/java/cacerts -storepass changeit
}

# A JDK as others ship it: its own cacerts, PKCS #12 without a password.
jdk_p12() {
    local home
    home=$(readlink -f "$(command -v java)") && home=${home%/bin/java}
    mkdir "$T/jdk-p12" && layer "$home" "$T/jdk-p12" && rm "$T/jdk-p12/lib/security/cacerts" &&
        keytool -importkeystore -srckeystore /etc/ssl/certs/java/cacerts -srcstorepass changeit -deststoretype pkcs12 \
            -destkeystore "$T/jdk-p12/lib/security/cacerts" -deststorepass changeit \
            -J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE -J-Dkeystore.pkcs12.macAlgorithm=NONE
}

# A site-packages folder with a certifi as its authors ship it: where() is its own file. Debian's reads the system's.
certifi() {
    local site=$T/venv/lib/python3/site-packages
    mkdir -p "$site/certifi"
    cp -r /usr/lib/python3/dist-packages/pip "$site/pip"
    mkdir -p "$site/pip/_vendor/certifi"
    printf 'import os\ndef where():\n    return os.path.join(os.path.dirname(__file__), "cacert.pem")\ndef contents():\n    return open(where()).read()\n' |
        tee "$site/certifi/__init__.py" "$site/pip/_vendor/certifi/__init__.py" >/dev/null
    cat /etc/ssl/certs/ca-certificates.crt | tee "$site/certifi/cacert.pem" >"$site/pip/_vendor/certifi/cacert.pem"
}

# One package for each package manager, on both hosts.
registries() {
    local w=$T/www sum host
    mkdir -p "$w/simple/thing" "$w/npm" "$w/go/world.test/thing/@v" "$w/gems" "$T/thing-1.0.0/src"
    echo "$TOKEN" >"$T/thing.txt"
    (cd "$T" && python3 - "$w/simple/thing/thing-1.0-py3-none-any.whl" <<'PY'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.write("thing.txt")
    z.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    z.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr("thing-1.0.dist-info/RECORD", "")
PY
    )
    echo '<!DOCTYPE html><html><body><a href="thing-1.0-py3-none-any.whl">thing</a></body></html>' >"$w/simple/thing/index.html"
    printf '{"name":"thing","description":"%s","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"thing","version":"1.0.0","description":"%s","dist":{"tarball":"https://origin.test/thing.tgz"}}}}' \
        "$TOKEN" "$TOKEN" >"$w/npm/thing"
    echo v1.0.0 >"$w/go/world.test/thing/@v/list"
    echo '{"Version":"v1.0.0"}' >"$w/go/world.test/thing/@v/v1.0.0.info"
    echo 'module world.test/thing' >"$w/go/world.test/thing/@v/v1.0.0.mod"
    ruby -rrubygems -e 'File.binwrite(ARGV[0] + "/latest_specs.4.8.gz", Gem::Util.gzip(Marshal.dump([["thing", Gem::Version.new("1.0"), "ruby"]])))' "$w/gems"
    printf '[package]\nname = "thing"\nversion = "1.0.0"\n' >"$T/thing-1.0.0/Cargo.toml"
    echo "// $TOKEN" >"$T/thing-1.0.0/src/lib.rs"
    tar -C "$T" -czf "$w/thing.crate" thing-1.0.0
    sum=$(sha256sum <"$w/thing.crate" | cut -c1-64)
    for host in origin.test sealed.test; do
        mkdir -p "$w/cargo/$host/th/in"
        printf '{"dl":"https://%s/thing.crate?"}' "$host" >"$w/cargo/$host/config.json"
        printf '{"name":"thing","vers":"1.0.0","deps":[],"cksum":"%s","features":{},"yanked":false}\n' "$sum" >"$w/cargo/$host/th/in/thing"
    done
    git clone -q --bare "$T/seed" "$w/repo.git" && git -C "$w/repo.git" update-server-info
    chmod -R a+rX "$w"
}

java_client() {
    mkdir -p "$T/java"
    cat >"$T/java/Fetch.java" <<'JAVA'
public class Fetch {
    public static void main(String[] a) throws Exception {
        System.out.write(new java.net.URL(a[0]).openStream().readAllBytes());
        System.out.flush();
    }
}
JAVA
    javac -d "$T/java" "$T/java/Fetch.java"
}

# Where the shim may not mount, and finds its root read-only: what a container with a read-only root and no CAP_SYS_ADMIN is.
readonly_launcher() {
    mkdir "$T/bin"
    cp "$BUILD/egressctl" "$BUILD/egressd" "$T/bin/"
    cat >"$T/bin/egress-init" <<SH
#!/bin/bash
case " \$* " in
*" --setup-only "*)
    mount --rbind /tmp /tmp
    cp /etc/resolv.conf /run/resolv.conf # the one file of its /etc that a container's runtime mounts
    for d in / /etc $T/venv $T/jdk-p12; do
        mountpoint -q \$d || mount --bind \$d \$d
        mount -o remount,bind,ro \$d
    done
    mount --bind /run/resolv.conf /etc/resolv.conf
    exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin $BUILD/egress-init "\$@" ;;
*) exec $BUILD/egress-init "\$@" ;;
esac
SH
    chmod 755 "$T/bin/egress-init"
}

cat >"$T/agent.sh" <<AGENT
export T=$T PATH=$PATH
cd /
one() { # SITUATION CLIENT HOST
    local out=$T/out/\$1/\$2.\$3 clean=()
    export HOME=\$(mktemp -d /tmp/home.XXXXXX)
    [ \$1 = empty ] && clean=(env -i PATH=\$PATH HOME=\$HOME LC_ALL=\$LC_ALL T=\$T)
    "\${clean[@]}" timeout 60 bash $TOP/tests/clients/clients.bash \$2 \$3 >\$out 2>\$out.err </dev/null || echo "status \$?" >>\$out.err
    rm -rf "\$HOME"
}
for client in \$2; do
    for host in origin.test sealed.test; do one \$1 \$client \$host; done
done
AGENT

NAMES=${ONLY:-$(awk -F'|' 'NF { print $1 }' <<<"$CLIENTS")}
run() { # SITUATION
    local user=1000:1000 from=$BUILD
    [ "$1" = root ] && user=0:0
    [ "$1" = readonly ] && from=$T/bin
    mkdir -p "$T/out/$1" && chmod 777 "$T/out/$1"
    in_host env -i PATH="$PATH" LC_ALL="$LC_ALL" EGRESSD_STATE_DIR="$EGRESSD_STATE_DIR" JAVA_HOME="$T/jdk-p12" VIRTUAL_ENV="$T/venv" NODE_EXTRA_CA_CERTS="$T/pki/ca.pem" \
        "$from/egressctl" run --backend netns --user $user --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
        --state-dir "$T/state-$1" -- bash "$T/agent.sh" "$1" "$NAMES" >"$T/run-$1.out" 2>&1 || not_ok "egressctl run ($1)" "$(cat "$T/run-$1.out")"
}

# verdict SITUATION CLIENT
verdict() {
    local ours=no public=no
    grep -qs "$TOKEN" "$T/out/$1/$2.origin.test" && ours=yes
    grep -qs "$TOKEN" "$T/out/$1/$2.sealed.test" && public=yes
    case $ours$public in yesyes) echo yes ;; yesno) echo "our CA only" ;; noyes) echo "public only" ;; *) echo no ;; esac
}

table() {
    local name label how version situation v
    echo '| client | version | learns the CA from | as root | as a user | environment emptied | read-only root |'
    echo '|---|---|---|---|---|---|---|'
    while IFS='|' read -r name label how version; do
        [ -n "$name" ] || continue
        v=$(bash -c "$version" 2>&1 | grep -oE '[0-9]+\.[0-9]+[0-9.a-z]*' | head -1)
        printf '| %s | %s | %s |' "$label" "$v" "$how"
        for situation in $SITUATIONS; do printf ' %s |' "$(verdict "$situation" "$name")"; done
        echo
    done <<<"$CLIENTS"
}
without_version() { awk -F'|' '/^\| / { $3 = ""; print }' "$@"; }
agrees() { without_version "$DOC" | grep -qxF -- "$(without_version <<<"$1")"; }

prepare() { public_root && jdk_p12 && certifi && registries && java_client && readonly_launcher; }
prepare >"$T/prepare.out" 2>&1 || { not_ok "prepare" "$(cat "$T/prepare.out")"; exit 1; }
for pair in "root user" "empty readonly"; do
    running=()
    for situation in $pair; do
        run "$situation" &
        running+=($!)
    done
    wait "${running[@]}"
done
table >"$T/table.md"
[ "${1:-}" = --more ] && { cat "$T/table.md"; [ -z "${KEEP:-}" ] || tail -n 3 "$T"/out/*/*.err; exit; }

if [ "${1:-}" = --write ]; then
    sed -i -e "/^| client /r $T/table.md" -e '/^| /d' -e '/^|--/d' "$DOC"
    exit
fi
# each line of the table without its version is a line of the page
while IFS= read -r line; do
    name=${line#| }
    name=${name%% |*}
    [ -z "${ONLY:-}" ] || [[ $line = *yes* ]] || continue
    agrees "$line" && ok "$name" || not_ok "$name" "got $line
$(tail -n 3 "$T"/out/*/"$(awk -F'|' -v l="$name" '$2 == l { print $1 }' <<<"$CLIENTS")".*.err)"
done < <(tail -n +3 "$T/table.md")
check "the page's table has as many lines" [ "$(grep -c '^| ' "$DOC")" = "$(grep -c '^| ' "$T/table.md")" ]
exit $FAILED
