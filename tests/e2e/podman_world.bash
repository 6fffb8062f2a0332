# podman in the world's "host", with storage and networks that are the test's own. Sourced after lib.sh, never run.
#
#     podman_up      the world, the images of this build, podman
#     image NAME FILES...     an agent's image "localhost/NAME" from nothing
command -v podman >/dev/null && command -v runc >/dev/null || { skip podman "needs podman and runc"; exit 0; }
command -v busybox >/dev/null || { skip podman "needs busybox-static"; exit 0; }
ARCH=$(uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/')
IMAGE=$BUILD/image/egressd-sidecar-$ARCH.oci.tar

pod() { nsenter --net="/run/netns/$W-host" podman --runtime runc "$@"; }

podman_down() {
    local ids
    ids=$(pod ps -aq 2>/dev/null)
    # shellcheck disable=SC2086
    [ -n "$ids" ] && pod kill $ids >/dev/null 2>&1
    pod rm -af >/dev/null 2>&1
    umount "$T/containers/root/overlay" 2>/dev/null
    world_down
}

podman_up() {
    make -s -C "$TOP" -f Makefile -f rootfs/rootfs.mk BUILD="$BUILD" image-native >/dev/null 2>&1
    [ -r "$IMAGE" ] || { not_ok "make image" "no $IMAGE"; exit 1; }
    world_up
    trap podman_down EXIT
    export EGRESSD_RUNTIME_DIR=$T/registry
    export CONTAINERS_STORAGE_CONF=$T/storage.conf CONTAINERS_CONF=$T/containers.conf
    cat >"$T/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$T/containers/root"
runroot = "$T/containers/run"
CONF
    cat >"$T/containers.conf" <<CONF
[network]
network_config_dir = "$T/containers/networks"
[engine]
tmp_dir = "$T/containers/tmp"
CONF
    mkdir -p "$T/containers/networks" "$T/etc"
    echo 'root:x:0:0::/:/bin/sh' >"$T/etc/passwd"
}

# image NAME FILES...   "path=from", from nothing; prints nothing
image() {
    local name=$1 d f
    shift
    d=$(mktemp -d "$T/image.XXXXXX")
    for f in "$@"; do
        mkdir -p "$d/$(dirname "${f%%=*}")"
        cp -L "${f#*=}" "$d/${f%%=*}"
    done
    [ -e "$d/bin/busybox" ] && ln -s busybox "$d/bin/sh"
    tar -C "$d" -c . | pod import - "localhost/$name" >/dev/null 2>&1
    rm -rf "$d"
}

# small_policy   two names, one with a token, in $T/policy.yaml
small_policy() {
    export API_TOKEN="tok_$(openssl rand -hex 12)"
    cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: plain.test
    - host: tokens.test
      auth: {scheme: token, token_ref: API_TOKEN}
YAML
}

# run ARGS... -- CMD   a sandbox of $BACKEND that may speak to the world; what egressctl says is in $T/err
run() {
    ctl run --backend "${BACKEND:-podman}" --image "${IMG:-localhost/busybox}" --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" \
        --dns-upstream $DNS --state-dir "$T/state" "$@" 2>"$T/err"
}

# Private directories that no record names: those of sandboxes that other tests run meanwhile have one.
orphans() {
    local d
    for d in $(find /dev/shm -maxdepth 1 -name '.egressd-*' -newer "$T/policy.yaml"); do
        grep -qsF "$d" /tmp/egress-test.*/registry/*/record.json /run/egressd/*/record.json || { [ -d "$d" ] && echo "$d"; }
    done
}

# What a sandbox of containers must not leave behind.
left() {
    local out
    out=$(
        exec 2>/dev/null
        pod ps -aq
        pod network ls --format '{{.Name}}' | grep egressd
        orphans
        ls -d "$T/registry"/[a-z]*
        ip -n "$W-host" -o link | grep -E 'podman|veth'
    )
    [ -z "$out" ] || { echo "$out"; return 1; }
}
