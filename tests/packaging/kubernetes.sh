#!/usr/bin/env bash
# examples/kubernetes: the objects are well-formed, and their pods do what the README says: run as containers with the same
# images, interfaces, capabilities and volumes, and packet rules on the host in place of the CNI's NetworkPolicy.
. "$(dirname "$0")/../e2e/lib.sh"
command -v podman >/dev/null && command -v runc >/dev/null && command -v ruby >/dev/null || { skip kubernetes "needs podman, runc and ruby"; exit 0; }
K=$TOP/examples/kubernetes
ARCH=$(uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/')
objects() { ruby -ryaml -rjson -e 'puts JSON.generate(ARGV.flat_map { |f| YAML.load_stream(File.read(f)) })' "$K"/{network,sidecar,agent}.yaml; }
objects_check() { objects | python3 "$HERE/../packaging/kubernetes.py" check; }
check "the objects are well-formed and agree" objects_check

BIG=1024 world_up
export CONTAINERS_STORAGE_CONF=$T/storage.conf CONTAINERS_CONF=$T/containers.conf
printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/c/root"\nrunroot = "%s/c/run"\n' "$T" "$T" >"$T/storage.conf"
printf '[network]\nnetwork_config_dir = "%s/c/networks"\n[engine]\ntmp_dir = "%s/c/tmp"\n' "$T" "$T" >"$T/containers.conf"
mkdir -p "$T/c/networks"
pod() { nsenter --net="/run/netns/$W-host" podman --runtime runc "$@"; }
trap 'pod kill -a >/dev/null 2>&1; pod rm -af >/dev/null 2>&1; umount "$T/c/root/overlay" 2>/dev/null; world_down' EXIT
LIMITS=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024)

images() {
    local d=$T/image
    make -s -C "$TOP" BUILD="$BUILD" image-native && pod load -q -i "$BUILD/image/egressd-sidecar-$ARCH.oci.tar" && pod load -q -i "$BUILD/image/egressd-init-$ARCH.oci.tar"
    mkdir -p "$d/bin" "$d/etc" "$d/tmp" "$d/run" && cp -L "$(command -v busybox)" "$d/bin/busybox" && ln -s busybox "$d/bin/sh"
    # a client that can TLS, with what it loads
    for f in "$(command -v curl)" $(ldd "$(command -v curl)" | grep -oE '/[^ ]+') /etc/ssl/certs/ca-certificates.crt /etc/nsswitch.conf; do mkdir -p "$d$(dirname "$f")" && cp -L "$f" "$d$f"; done
    cp -L /lib/*-linux-gnu/libnss_dns.so.2 "$d/lib/$(gcc -print-multiarch)/" 2>/dev/null
    tar -C "$d" -c . | pod import - localhost/my-agent &&
        pod build --isolation chroot -t registry.example.org/my-agent-confined:1 "$TOP/rootfs/agent"
}
# What the README has its reader make.
secrets() {
    local s=$T/k/secret m=$T/k/configMap
    mkdir -p "$s/egress-demo-ca" "$s/egress-demo-tokens" "$m/egress-demo-task" "$m/egress-demo-policy"
    (cd "$s/egress-demo-ca" && eval "$(sed -n '/openssl req/,/keyout/p' "$K/README.md")")
    echo "API_TOKEN=the-real-one-0123456789" >"$s/egress-demo-tokens/tokens"
    objects | python3 -c 'import json, sys; print([o["data"]["policy.yaml"] for o in json.load(sys.stdin) if o["kind"] == "ConfigMap"][0])' >"$m/egress-demo-policy/policy.yaml"
    cat >"$m/egress-demo-task/task.sh" <<'SH'
b=/bin/busybox
echo "id=$($b id -u)"
$b grep CapEff /proc/self/status
echo "eth0=$($b cat /sys/class/net/eth0/operstate 2>/dev/null)"
$b cat /etc/resolv.conf
for url in https://origin.test/ https://forbidden.test/ https://tokens.test/whoami; do curl -sS --max-time 20 -H 'Authorization: Bearer placeholder' $url; echo " <- $url"; done
$b ip route replace default via 10.89.7.1 2>&1
$b nc -w 2 10.89.7.1 9 </dev/null && echo "the node answers"
$b nc -w 2 93.184.216.20 8080 </dev/null && echo "past the sidecar"
$b sleep ${LINGER:-0}
SH
}
networks() {
    pod network create --subnet 10.89.7.0/24 --disable-dns cluster && pod network create --subnet 10.200.0.0/24 --internal --disable-dns egress-demo
}
argv() { mapfile -d '' -t ARGV < <(objects | python3 "$HERE/../packaging/kubernetes.py" argv "$1" "$T/k"); }
check "images" images
check "secrets, as the README makes them" secrets
check "networks" networks

# what the reader's cluster has and this world does otherwise: whose DNS, and who signs the origins
argv sidecar
mkdir "$T/roots" && cp "$T/pki/ca.pem" "$T/roots/"
check "the sidecar's pod starts" pod run -d --name sidecar --dns "$DNS" -v "$T/roots:/roots:ro" "${LIMITS[@]}" "${ARGV[@]}" --upstream-ca /roots/ca.pem
ready() { grep -q '"ready": *true' "$T/k/mounts/sidecar/state/status.json"; }
eventually 20 ready && ok "... and serves" || not_ok "... and serves" "$(pod logs sidecar 2>&1)"
argv agent
pod run --name agent --env LINGER=0 "${LIMITS[@]}" "${ARGV[@]}" >"$T/agent.out" 2>&1
shows() { grep -qE -- "$1" "$T/agent.out" || { cat "$T/agent.out"; pod logs sidecar 2>&1 | tail -5; return 1; }; }
hides() { ! grep -qE -- "$1" "$T/agent.out"; }
check "the agent is its user, without capabilities" shows '^id=1000'
check "... none at all" shows 'CapEff:.0000000000000000'
check "the cluster's interface is down" shows '^eth0=down'
check "its name server is the sidecar" shows '^nameserver 10.200.0.2'
check "an allowed host, verified" shows 'hello from the origin'
check "a forbidden one says why" shows '"reason":"no_route".*forbidden.test'
check "the origin got the real token, the agent did not" grep -q 'tokens.test GET /whoami 200 auth="Bearer the-real-one-0123456789"' "$T/access.log"
check "... nor has it now" hides 'the-real-one'
check "its route is not its own" shows 'not permitted'
check "neither the node nor the world beside the sidecar" hides 'the node answers|past the sidecar'
check "the audit log is in the volume" grep -q '"host":"forbidden.test"' "$T/k/mounts/sidecar/state/audit.jsonl"

# The second wall: root inside the pod with the container's capabilities, as kubectl exec gives it.
rm -rf "$T/k/mounts/agent"
argv agent
pod rm -f agent >/dev/null 2>&1
pod run -d --name agent --env LINGER=60 "${LIMITS[@]}" "${ARGV[@]}" >/dev/null 2>&1
eventually 20 bash -c "nsenter --net=/run/netns/$W-host podman logs agent 2>&1 | grep -q not.permitted"
AGENT=$(pod inspect --format '{{.NetworkSettings.Networks.cluster.IPAddress}}' agent)
around() { # what such an exec can do: eth0 up again, the shim's rules away, a route of its own, and out
    local pid
    pid=$(pod inspect --format '{{.State.Pid}}' agent)
    nsenter -t "$pid" -n sh -c "ip link set eth0 up; nft flush ruleset; ip addr add $AGENT/24 dev eth0 2>/dev/null; ip route replace default via 10.89.7.1 dev eth0; curl -sS --max-time 3 http://$FORBIDDEN/"
}
stays_in() { ! around | grep -q hello; }
gets_out() { around | grep -q hello; }
policy() { in_host nft -f - <<<"table inet np { chain f { type filter hook forward priority -10; ip saddr $AGENT drop; ip daddr $AGENT drop; }; chain i { type filter hook input priority -10; ip saddr $AGENT drop; }; }"; }
check "without NetworkPolicy, root in the pod gets out: the shim alone is one wall" gets_out
policy
check "with it, it does not" stays_in
exit $FAILED
