#!/usr/bin/env bash
# Agents' images of three kinds, made here from nothing: as they are, with the shim mounted by egressctl; and with the two
# lines of rootfs/agent, started by podman without egressctl. Each makes real requests through the bump, checked against its
# own trust store, and none gets past the sidecar.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/podman_world.bash"
command -v go >/dev/null || { skip images "needs golang-go"; exit 0; }
command -v debootstrap >/dev/null || { skip images "needs debootstrap"; exit 0; }
DEBIAN=$BUILD/debian-minbase.tar
if ! [ -s "$DEBIAN" ]; then
    d=$(mktemp -d)
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | head -1)
    debootstrap --variant=minbase --include=ca-certificates,curl "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$d" "$mirror" >"$d.log" 2>&1 &&
        tar -C "$d" --exclude=./dev/* --exclude=./var/cache/apt/* --exclude=./var/lib/apt/lists/* --exclude=./usr/share/doc/* -cf "$DEBIAN.new" . && mv "$DEBIAN.new" "$DEBIAN"
    [ -s "$DEBIAN" ] || { skip images "debootstrap: $(tail -n 2 "$d.log" | tr '\n' ' ')"; rm -rf "$d" "$d.log"; exit 0; }
    rm -rf "$d" "$d.log"
fi
FETCH=$BUILD/tests/fetch
mkdir -p "$BUILD/tests"
(cd "$HERE" && CGO_ENABLED=0 GO111MODULE=off GOFLAGS='' GOCACHE=$BUILD/tests/go-cache go build -trimpath -ldflags='-s -w' -o "$FETCH" fetch.go) ||
    { not_ok "the static client builds" "go build"; exit 1; }
podman_up

# -- the images
pod import "$DEBIAN" localhost/debian >/dev/null 2>&1
mkdir -p "$T/alpine"
echo 3.20.0 >"$T/alpine/release"
image alpine bin/busybox="$(command -v busybox)" fetch="$FETCH" etc/passwd="$T/etc/passwd" etc/alpine-release="$T/alpine/release" \
    etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt etc/ssl/cert.pem=/etc/ssl/certs/ca-certificates.crt
image scratch fetch="$FETCH"
pod load -q -i "${IMAGE/sidecar/init}" >/dev/null
for name in debian alpine scratch; do
    pod build --isolation chroot --build-arg BASE=localhost/$name -t localhost/$name-confined "$TOP/rootfs/agent" >/dev/null 2>&1 ||
        not_ok "the two lines on $name" "podman build"
done
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: plain.test
YAML
run() { # IMAGE CMD...
    local name=$1
    shift
    ctl run --backend podman --image "localhost/$name" --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" \
        --dns-upstream $DNS --state-dir "$T/state" -- "$@" 2>"$T/err"
}
is() { # PATTERN COMMAND...
    local pattern=$1 out
    shift
    out=$("$@" 2>&1)
    grep -qE -- "$pattern" <<<"$out" || { echo "$out"; cat "$T/err"; return 1; }
}

# -- as they are
check "debian: curl trusts the sidecar" is '^hello from the origin' run debian curl -sS https://origin.test/
check "debian: so does what reads the system's bundle alone" is '^hello from the origin' run debian /bin/sh -c \
    'env -i PATH=$PATH curl -sS --cacert /etc/ssl/certs/ca-certificates.crt https://origin.test/'
check "debian: a name that is not allowed" is '"reason":"no_route"' run debian curl -sS https://forbidden.test/
check "debian: its own roots are still there" is '^[1-9][0-9][0-9]' run debian grep -c BEGIN.CERT /etc/ssl/certs/ca-certificates.crt
check "debian: root's programs give nobody root" is 'must be|denied|not permitted|Authentication|ermission' run debian /bin/sh -c 'su -c id 2>&1'
check "alpine: its system bundle, without a variable" is '^hello from the origin' run alpine /bin/busybox env -i /fetch get https://origin.test/
check "alpine: busybox reaches what is allowed" is '^hello from the origin' run alpine /bin/busybox wget -q -O - http://plain.test/
check "alpine: a name that is not allowed" is '"reason":"no_route"' run alpine /fetch get https://forbidden.test/
check "scratch: one static program trusts the sidecar" is '^hello from the origin' run scratch /fetch get https://origin.test/
check "scratch: a name that is not allowed" is '"reason":"no_route"' run scratch /fetch get https://forbidden.test/

# -- with the two lines, started by podman itself, beside the sidecar of a sandbox
mkdir -p "$T/long"
ip netns exec "$W-host" "$BUILD/egressctl" run --backend podman --image localhost/scratch-confined --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" \
    --name host --dns-upstream $DNS --state-dir "$T/long" -- /fetch dial udp 192.0.2.7:9 >"$T/long.out" 2>&1
check "an image with the shim runs by egressctl, too" grep -q '^closed' "$T/long.out"
ctl_in_background() { exec ip netns exec "$W-host" "$BUILD/egressctl" "$@"; }
ctl_in_background run --backend podman --image localhost/alpine --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" \
    --name host --dns-upstream $DNS --state-dir "$T/long" -- /bin/busybox sleep 600 >"$T/long.out" 2>&1 &
HOST=$!
running() { ctl ps | grep -qE '^host +podman +running'; }
eventually 30 running || not_ok "a sidecar" "$(cat "$T/long.out")"
GATEWAY=$(pod inspect --format '{{(index .NetworkSettings.Networks "egressd-host-net").IPAddress}}' egressd-host-sidecar)
NEIGHBOUR=${GATEWAY%.*}.1
ctl ca host >"$T/ca.crt"
confined() { # IMAGE CMD...
    local name=$1
    shift
    pod run --rm --network egressd-host-net --cap-drop all --cap-add NET_ADMIN --cap-add SETUID --cap-add SETGID --cap-add SETPCAP \
        --cap-add DAC_OVERRIDE --cap-add CHOWN --cap-add FOWNER --security-opt no-new-privileges --security-opt label=disable \
        --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --env EGRESS_GATEWAY="$GATEWAY" --env EGRESS_CA=/ca.crt --log-driver none \
        --mount type=bind,src="$T/ca.crt",dst=/ca.crt,ro --sysctl net.ipv6.conf.all.disable_ipv6=1 "localhost/$name-confined" "$@" 2>"$T/err"
}
check "debian, confined: a request through the bump" is '^hello from the origin' confined debian curl -sS https://origin.test/
check "alpine, confined: a request through the bump" is '^hello from the origin' confined alpine /bin/busybox env -i /fetch get https://origin.test/
check "scratch, confined: a request through the bump" is '^hello from the origin' confined scratch /fetch get https://origin.test/
for name in alpine scratch; do
    check "$name, confined: a name that is not allowed" is '"reason":"no_route"' confined $name /fetch get https://forbidden.test/
    check "$name, confined: a raw address" is '^closed' confined $name /fetch dial tcp $ORIGIN:8443
    check "$name, confined: UDP" is '^closed' confined $name /fetch dial udp $DNS:123
    check "$name, confined: another name server says nothing of its own" bash -c '! grep -F "$1" <<<"$2"' - $FORBIDDEN "$(confined $name /fetch ask $DNS:53 forbidden.test)"
    check "$name, confined: the host's address" is '^closed' confined $name /fetch dial tcp "$NEIGHBOUR:22"
    check "$name, confined: past the routes" is '^closed' confined $name /fetch past "$NEIGHBOUR"
    who=$(confined $name /fetch who)
    check "$name, confined: nobody, without a capability" is '^uid 65534|CapBnd:.0000000000000000' echo "$who"
    check "$name, confined: nothing that an escape needs" bash -c '! grep open <<<"$1"' - "$who"
done

# -- exec: the runtime's starts as root with the container's capabilities, egressctl's never hands that on
check "the runtime's own exec is root with capabilities" is 'CapBnd:.*[1-9a-f]' pod exec egressd-host-agent /bin/busybox grep CapBnd /proc/self/status
exec_who=$(ctl exec host -- /fetch who 2>&1)
check "egressctl exec is not" bash -c 'grep -q "^uid 65520" <<<"$1" && [ "$(grep -c "Cap.*0000000000000000" <<<"$1")" -ge 5 ] && ! grep open <<<"$1"' - "$exec_who"
check "...and its requests are judged" is '"reason":"no_route"' ctl exec host -- /fetch get https://forbidden.test/
check "...and trusted" is '^hello from the origin' ctl exec host -- /fetch get https://origin.test/
ctl stop host
wait $HOST 2>/dev/null
check "nothing is left" left
exit $FAILED
