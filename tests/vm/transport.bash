# The end-to-end suite in virtual machines. Sourced by tests/e2e/lib.sh where TRANSPORT=vm: agent() then runs its command
# in one microvm, behind the sidecar's image in another one, instead of by egressctl in namespaces.
#
#   agent VM                       sidecar VM
#   eth0 192.168.128.3 --+-- eth1 192.168.128.2   eth0 10.77.0.2 --+-- up0 ------ the world, as in lib.sh
#                        |                                         |
#                   $W-host: lan0 192.168.128.1              $W-host: wan0
#
# lan0's address is the "host" that an agent on a host-only network can see. Both kernels are Debian's cloud kernel.
HERE_VM=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VM=$BUILD/vm
LAN=192.168.128
UPLINK_MAC=52:54:00:77:00:02
HOST_CAPTURE="-p -i lan0" # what comes as far as the host, on the agent's side
VM_N=0

vm_skip() {
    command -v qemu-system-x86_64 >/dev/null && [ -x /usr/lib/qemu/virtiofsd ] || { echo "needs qemu-system-x86"; return 0; }
    [ "$(uname -m)" = x86_64 ] || { echo "the guests are x86-64, as the programs under test"; return 0; }
    [ -c /dev/net/tun ] || { echo "needs /dev/net/tun"; return 0; }
    return 1
}

# vm_net   the two links; the world's own address moves into the sidecar
vm_net() {
    local tap
    ip -n "$W-host" addr flush dev up0
    ip -n "$W-host" link add wan0 type bridge mcast_snooping 0 # else it joins groups of its own (RFC 4286)
    ip -n "$W-host" link add lan0 type bridge mcast_snooping 0
    for tap in wan-sidecar lan-sidecar lan-agent; do
        in_host ip tuntap add dev $tap mode tap
        ip -n "$W-host" link set $tap addrgenmode none master ${tap%-*}0 up
    done
    ip -n "$W-host" link set up0 master wan0
    ip -n "$W-host" link set wan0 addrgenmode none up
    ip -n "$W-host" link set lan0 addrgenmode none up
    ip -n "$W-host" addr add $LAN.1/24 dev lan0
    ip -n "$W-net" neigh flush all
}

# vm_unpack   the image's one layer, as a runtime would have it
vm_unpack() {
    python3 - "$BUILD/image/egressd-sidecar-amd64.oci.tar" "$T/vm/image" <<'PY'
import io, json, sys, tarfile
outer = tarfile.open(sys.argv[1])
read = lambda d: outer.extractfile("blobs/sha256/" + d["digest"][7:]).read()
manifest = json.loads(read(json.load(outer.extractfile("index.json"))["manifests"][0]))
for layer in manifest["layers"]:
    tarfile.open(fileobj=io.BytesIO(read(layer))).extractall(sys.argv[2])
PY
}

transport_up() { vm_net && vm_unpack; }

# vm_boot ROLE MEMORY NETDEVS... -- WORDS...   a guest in the background; its serial line is a FIFO in, a file out
vm_boot() {
    local role=$1 memory=$2 nets=() n=0
    shift 2
    while [ "$1" != -- ]; do
        nets+=(-netdev "tap,id=n$n,ifname=${1%,*},script=no,downscript=no" -device "virtio-net-device,netdev=n$n,mac=${1#*,}")
        n=$((n + 1))
        shift
    done
    shift
    rm -f "$T/vm/$role".{sock,serial,status}
    mkfifo "$T/vm/$role.serial"
    in_host /usr/lib/qemu/virtiofsd --socket-path="$T/vm/$role.sock" -o source=/ -o sandbox=chroot -o cache=always -o xattr \
        >"$T/vm/$role.virtiofsd" 2>&1 &
    eventually 10 test -S "$T/vm/$role.sock" || { echo "virtiofsd: $(cat "$T/vm/$role.virtiofsd")" >&2; return 1; }
    in_host qemu-system-x86_64 -M microvm,x-option-roms=off,rtc=on -global virtio-mmio.force-legacy=false -accel tcg -cpu max -m "$memory" -nodefaults -no-user-config \
        -nographic -no-reboot -kernel "$VM/vmlinuz" -initrd "$VM/initramfs" \
        -append "console=ttyS0 quiet panic=-1 reboot=t tsc_early_khz=$("$VM/tsc") role=$role t=$T epoch=$(date +%s) $*" \
        -object "memory-backend-memfd,id=m,size=$memory,share=on" -machine memory-backend=m \
        -chardev "socket,id=fs,path=$T/vm/$role.sock" -device vhost-user-fs-device,chardev=fs,tag=host \
        -device virtio-rng-device "${nets[@]}" -serial stdio <>"$T/vm/$role.serial" >"$T/vm/$role.console" 2>&1 &
    VM_PID=$!
}

# vm_sidecar COMMAND   a line of shell in the sidecar's guest, outside the image; its output and status are ours
vm_sidecar() {
    local n=$((VM_N += 1))
    printf '{ %s; } >$vm/cmd.%s.out 2>&1; echo $? >$vm/cmd.%s.new; mv $vm/cmd.%s.new $vm/cmd.%s.status\n' "$1" $n $n $n $n >"$T/vm/sidecar.serial"
    eventually "${2:-30}" test -e "$T/vm/cmd.$n.status" || { echo "the sidecar's guest does not answer: $(tail -5 "$T/vm/sidecar.console")"; return 1; }
    cat "$T/vm/cmd.$n.out"
    return "$(cat "$T/vm/cmd.$n.status")"
}

vm_ready() { grep -q '"ready": *true' "$T/state/status.json" 2>/dev/null; }

# vm_start POLICY   the sidecar, serving
vm_start() {
    local name
    mkdir -p "$T/vm/config" "$T/state"
    chmod 700 "$T/state"
    cp "$1" "$T/vm/config/policy.yaml"
    cp "$T/pki/ca.pem" "$T/vm/config/upstream.pem"
    for name in $(sed -n 's/.*token_ref: *\([A-Za-z0-9_]*\).*/\1/p' "$1"); do echo "$name=${!name}"; done >"$T/vm/config/secrets"
    rm -f "$T/state/status.json" "$T/vm/sidecar.booted"
    vm_boot sidecar 768M "wan-sidecar,$UPLINK_MAC" "lan-sidecar,52:54:00:77:01:02" -- \
        uplink=$HOSTIP/24 inside=$LAN.2/24 via=10.77.0.1 || return 1
    VM_SIDECAR=$VM_PID
    eventually 60 test -e "$T/vm/sidecar.booted" || { echo "the sidecar's guest did not boot: $(tail -20 "$T/vm/sidecar.console")" >&2; return 1; }
    vm_sidecar "chroot /root /usr/sbin/egressd run --policy /run/egressd/policy.yaml --secrets /run/egressd/secrets \
        --state-dir /var/lib/egressd --upstream-ca /run/egressd/upstream.pem --dns-upstream $DNS >\$vm/egressd.log 2>&1 & true" || return 1
    eventually 60 vm_ready || { echo "egressd does not serve: $(cat "$T/vm/egressd.log")" >&2; return 1; }
}

# vm_stop   ends the sidecar as a runtime would
vm_stop() {
    vm_sidecar "killall -TERM egressd; while pgrep egressd; do sleep 0.1; done" >/dev/null
    kill "$VM_SIDECAR" 2>/dev/null
    wait "$VM_SIDECAR" 2>/dev/null
    VM_SIDECAR=
}

# vm_agent CMD...   a guest of its own for the command; its output and status are ours
vm_agent() {
    cp "$T/state/ca/ca.crt" "$T/vm/ca.crt" && chmod 644 "$T/vm/ca.crt"
    {
        printf 'cd %q\n' "$PWD"
        printf 'exec %q --gateway %s --dns %s --ca %q --user 65534:65534 --probe-host %s --probe --reap --' \
            "$BUILD/egress-init" $LAN.2 $LAN.2 "$T/vm/ca.crt" $LAN.1
        printf ' %q' "$@"
        echo
    } >"$T/vm/agent.sh"
    vm_boot agent 768M "lan-agent,52:54:00:77:01:03" -- inside=$LAN.3/24 host=$LAN.1 || return 125
    wait "$VM_PID"
    cat "$T/vm/agent.out"
    cat "$T/vm/agent.err" >&2
    [ -s "$T/vm/agent.status" ] || { echo "the agent's guest came to no end: $(tail -20 "$T/vm/agent.console")" >&2; return 125; }
    return "$(cat "$T/vm/agent.status")"
}

agent() {
    local policy=$1 status
    shift
    vm_start "$policy" || return 125
    vm_agent "$@"
    status=$?
    vm_stop
    return $status
}

if why=$(vm_skip); then
    skip "$(basename "$0" .sh)" "$why"
    exit 0
fi
