#!/usr/bin/env bash
# Twenty sandboxes of containers at once, each with networks, a sidecar and an agent of its own; then the host loses every
# egressctl at once, and gc leaves it as it was.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/podman_world.bash"
N=${N:-20}
podman_up
image busybox bin/busybox="$(command -v busybox)" etc/passwd="$T/etc/passwd"
pod load -q -i "$IMAGE" >/dev/null
printf 'version: 1\negress:\n  routes:\n    - host: plain.test\n' >"$T/policy.yaml"
# What a sandbox could leave: processes are looked for by name, since others of the machine's come and go.
machine() {
    exec 2>/dev/null
    pod ps -aq
    pod network ls --format '{{.Name}}' | sort
    ip netns | grep "$W" | sort
    ip -n "$W-host" -o link | sed 's/^[0-9]*: //; s/@.*//' | sort
    in_host nft list ruleset | sed 's/packets.*//'
    in_host iptables-save | grep -v '^[#:]'
    in_host ip rule
    in_host ip route show table all | grep -v cache | sort
    grep -F "$T" /proc/self/mountinfo | cut -d' ' -f5 | sort
    ls -A "$T/registry" | grep -v lock
    find /dev/shm -maxdepth 1 -name '.egressd-many*'
    pgrep -f "egressctl run .*many[0-9]"
}
ctl gc >/dev/null
# The first start makes what podman keeps for all: chains, its default folders.
ctl run --backend podman --image localhost/busybox --dns-upstream $DNS --state-dir "$T/first" -- /bin/busybox true 2>/dev/null
machine >"$T/before"
PIDS=()
FROM=$SECONDS
for i in $(seq "$N"); do
    ip netns exec "$W-host" "$BUILD/egressctl" run --backend podman --image localhost/busybox --policy "$T/policy.yaml" --name "many$i" --engines 1 \
        --dns-upstream $DNS --state-dir "$T/many$i" -- /bin/busybox sh -c \
        '/bin/busybox wget -q -O - http://plain.test/; /bin/busybox wget -q -O - http://forbidden.test/ || echo refused; exec /bin/busybox sleep 600' \
        >"$T/many$i.out" 2>"$T/many$i.err" </dev/null &
    PIDS+=($!)
done
served() { [ "$(grep -lx 'hello from the origin' "$T"/many*.out | wc -l)" = "$N" ] && [ "$(grep -lx refused "$T"/many*.out | wc -l)" = "$N" ]; }
if eventually 150 served; then
    ok "$N sandboxes at once, each served and refused"
    echo "    $N sandboxes in $((SECONDS - FROM)) s"
else
    not_ok "$N sandboxes at once, each served and refused" "$(grep -Lx 'hello from the origin' "$T"/many*.out) $(cat "$T"/many*.err | sort | uniq -c | sort -rn | head -20)"
fi
all_run() { [ "$(ctl ps | grep -cE '^many[0-9]+ +podman +running')" = "$N" ] || { ctl ps; return 1; }; }
check "ps shows that each is well" all_run
apart() { # no two share a network
    [ "$(pod network ls --format '{{.Name}}' | grep -c '^egressd-many')" = $((2 * N)) ] &&
        [ "$(for i in $(seq "$N"); do pod network inspect "egressd-many$i-net" --format '{{range .Subnets}}{{.Subnet}}{{end}}'; done | sort -u | wc -l)" = "$N" ]
}
check "each has an agent network of its own" apart
pod kill egressd-many1-sidecar >/dev/null 2>&1
sick() { ctl ps --format json | python3 -c 'import json,sys; sys.exit(not any(s["name"] == "many1" and (s["state"] == "broken" or "again" in open(sys.argv[1]).read()) for s in json.load(sys.stdin)))' "$T/many1.err"; }
check "ps notices one that is not" eventually 20 sick
eventually 30 grep -q 'serves again' "$T/many1.err" || not_ok "it comes back" "$(cat "$T/many1.err")"
kill -KILL "${PIDS[@]}"
wait "${PIDS[@]}" 2>/dev/null
as_before() {
    ctl gc >/dev/null 2>&1
    machine >"$T/after"
    cmp -s "$T/before" "$T/after"
}
if eventually 120 as_before; then ok "gc after SIGKILL of all leaves the machine as it was"; else not_ok "gc after SIGKILL of all leaves the machine as it was" "$(diff "$T/before" "$T/after")"; fi
exit $FAILED
