#!/usr/bin/env bash
# egressctl, backend apple, against a stand-in for Apple's `container` (apple_container.py) that speaks as versions 1.0.0 to
# 1.2.2 do and does it all with podman. Nothing here has run on a Mac.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/podman_world.bash"
. "$(dirname "$0")/container_cases.bash"
podman_up
export APPLE_STANDIN=$T/apple
mkdir -p "$T/apple" "$T/bin"
cp "$HERE/apple_container.py" "$T/bin/container" && chmod 755 "$T/bin/container"
BASE_PATH=$PATH
export PATH=$T/bin:$PATH
# Not by `ip netns exec`, which hides the cgroups from the stand-in's podman; the real one has no such thing.
here() { nsenter --net="/run/netns/$W-host" "$@"; }
IN_HOST=(nsenter --net="/run/netns/$W-host")
says_version() { echo "$1" >"$T/apple/version"; }
service() { echo "$1" >"$T/apple/service"; }
faults() { printf '%s\n' "$@" >"$T/apple/faults"; }
says_version 1.2.2
image busybox bin/busybox="$(command -v busybox)" etc/passwd="$T/etc/passwd"

BACKEND=apple
small_policy
fails() { # STATUS PATTERN COMMAND...   and says why
    local want=$1 pattern=$2 got
    shift 2
    "$@" >"$T/out" 2>"$T/err"
    got=$?
    [ $got = "$want" ] && grep -qE -- "$pattern" "$T/err" "$T/out" || { echo "status $got"; cat "$T/err" "$T/out"; return 1; }
}

# -- the stand-in speaks as the fixtures do
shapes() {
    PATH=$BASE_PATH python3 - "$TOP/tests/fixtures/apple/1.2.2" "$@" <<'PY'
import json, sys
optional = {"stopSignal", "maskedPaths", "readonlyPaths", "shmSize", "ipv6Address", "ipv6Subnet", "variant", "history", "annotations",
            "ipv4Subnet", "hard", "soft", "limit", "containerPath", "hostPath"}
def paths(value, at=""):
    if isinstance(value, dict):
        if at.endswith((".labels", ".config.config", ".type", ".Labels")):
            return {at}
        return {at}.union(*(paths(v, f"{at}.{k}") for k, v in value.items() if k not in optional))
    if isinstance(value, list):
        return {at + "[]"}.union(*(paths(v, at + "[]") for v in value[:1]))
    return {at}
fixture, text = open(f"{sys.argv[1]}/{sys.argv[2]}").read(), open(sys.argv[3]).read()
want, got = paths(json.loads(fixture)), paths(json.loads(text))
if want ^ got:
    sys.exit(f"{sys.argv[2]}: missing {sorted(want - got)}, too many {sorted(got - want)}")
sys.exit(text.startswith("[\n  {\n") != fixture.startswith("[\n  {\n") or ("/" in text and "\\/" not in text))
PY
}
stand_in() { # FIXTURE WORDS...   what it says has the fixture's keys and form
    here container "${@:2}" >"$T/shape" 2>"$T/err" || { cat "$T/err"; return 1; }
    shapes "$1" "$T/shape"
}

# -- before anything is made
none() { PATH=$BASE_PATH fails 125 'install Apple' run -- /bin/true; }
check "not installed: what to install" none
service unregistered
check "not registered: how to start it" fails 125 'container system start' run -- /bin/true
service "not running"
check "not running: how to start it" fails 125 'not running.*container system start' run -- /bin/true
check "...and that sudo is wrong" grep -q 'without sudo' "$T/err"
service running
says_version 0.12.3
check "too old: what to install" fails 125 'too old.*1\.0\.0' run -- /bin/true
says_version 1.2.2
check "nothing has been asked but how it is" bash -c "! grep -vE 'system' '$T/apple/calls'"
check "no image: which option" fails 125 'needs --image' ctl run --backend apple -- /bin/true

# -- a launch, and the order of it
: >"$T/apple/calls"
asks one "
echo '== guest'; busybox ls -A /opt/egress; busybox ls /run/egressd 2>&1"
check "the status is CMD's" test $? = 7
closed
check "the guest gets the shim and the CA, nothing else" test "$(part guest | head -3 | tr '\n' ' ')" = "ca.crt egress-init ls: /run/egressd: No such file or directory "
order() {
    PATH=$BASE_PATH python3 - "$T/apple/calls" <<'PY'
import json, sys
calls = [json.loads(line) for line in open(sys.argv[1])]
def at(*words, having=()):
    hits = [i for i, c in enumerate(calls) if c[:len(words)] == list(words) and all(h in c for h in having)]
    assert hits, words
    return hits[0]
runs = [c for c in calls if c[0] == "run"]
assert len(runs) == 2 and "egressd-one-sidecar" in runs[0] and "egressd-one-agent" in runs[1]
networks = lambda c: [c[i + 1] for i, w in enumerate(c) if w == "--network"]
assert networks(runs[0]) == ["egressd-one-egress", "egressd-one-net"], networks(runs[0])
assert networks(runs[1]) == ["egressd-one-net"]
egress, net = at("network", "create", having=["egressd-one-egress"]), at("network", "create", "--internal", having=["egressd-one-net"])
sidecar, agent = calls.index(runs[0]), calls.index(runs[1])
assert egress < net < sidecar < at("inspect", "egressd-one-sidecar") < agent
dns = runs[1][runs[1].index("--dns") + 1]
assert runs[1][runs[1].index("--gateway") + 1] == dns and dns.count(".") == 3
assert "--no-dns" in runs[0] and "--read-only-path" in runs[0]
assert runs[1][runs[1].index("--entrypoint") + 1] == "/opt/egress/egress-init"
assert all(len(w) <= 63 for c in runs for w in c if w.startswith("egressd-one"))
PY
}
check "networks, sidecar, its address, then the agent" order
check "no secret on a command line" bash -c "! grep -F '$API_TOKEN' '$T/apple/calls'"
left_apple() {
    local out
    out=$(left; ls "$T/apple/containers" 2>/dev/null)
    [ -z "$out" ] || { echo "$out"; return 1; }
}
check "nothing is left" left_apple

# -- a living one
long --dns-upstream $DNS
check "inspect has the fixture's shape" stand_in container-inspect-agent.json inspect egressd-long-agent
check "list has the fixture's shape" stand_in container-list-all.json list --all --format json
check "network inspect has the fixture's shape" stand_in network-inspect-hostonly.json network inspect egressd-long-net
check "image inspect has the fixture's shape" stand_in image-inspect-from-manifest.json image inspect localhost/egressd/sidecar:0.1.0
check "system status has the fixture's shape" stand_in system-status-running.json system status --format json
check "system version has the fixture's shape" stand_in system-version.json system version --format json
execs
check "doctor NAME proves it from inside" ctl doctor long
check "the name is taken" fails 125 'long' run --name long -- /bin/true
pf() {
    ctl pf long >"$T/pf" 2>"$T/err" || { cat "$T/err"; return 1; }
    local subnet
    subnet=$(pod network inspect egressd-long-net | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["subnets"][0]["subnet"])')
    grep -qxF "block drop quick inet from $subnet to ${subnet%.*}.1" "$T/pf" && grep -qxF "block drop quick inet from $subnet to any" "$T/pf" &&
        ! grep -q bridge1 "$T/pf" || { cat "$T/pf"; return 1; }
}
check "pf prints the anchor with addresses from inspect" pf
leaks() {
    in_host nc -lk 127.0.0.1 5900 >/dev/null 2>&1 &
    local listener=$!
    eventually 5 in_host nc -z 127.0.0.1 5900
    ctl doctor >"$T/doctor" 2>&1
    kill $listener
    grep -q 'screen sharing (5900)' "$T/doctor" && grep -q 'its service is running' "$T/doctor" && grep -q 'agent network of its own' "$T/doctor" &&
        says_version 1.2.0 && { ctl doctor >"$T/doctor" 2>&1; grep -q '^leak .*raw TCP' "$T/doctor"; } || { cat "$T/doctor"; return 1; }
}
check "doctor says which leaks this host has" leaks
says_version 1.2.2
restarts() {
    pod kill egressd-long-sidecar >/dev/null
    comes_back
}
check "a sidecar that dies is started again" restarts
stops_in_order
check "...and leaves nothing" left_apple

# -- what goes wrong
collision() { # somebody else's network has the name
    pod network create --internal --label dev.egressd.sandbox=other egressd-taken-net >/dev/null
    fails 125 'already exists' run --name taken -- /bin/true && grep -q 'choose another --name' "$T/err" && pod network exists egressd-taken-net
    local status=$?
    pod network rm egressd-taken-net >/dev/null
    return $status
}
check "a name that is taken: what to do, and it is left alone" collision
retries() {
    faults "$@"
    run -- /bin/busybox wget -q -O - http://plain.test/ | grep -q hello && ! grep -qE '^[1-9]' "$T/apple/faults" || { cat "$T/err" "$T/apple/faults"; return 1; }
}
check "requests that time out are asked again" retries "2 before network create" "1 before inspect" "1 before image inspect" "1 before delete"
check "...also where they had been done" retries "1 after network create --internal" "1 after network delete"
check "...and the start of a container" retries "2 before run"
always() { faults "99 before network create"; fails 125 'XPC timeout' run -- /bin/true && grep -q 'too busy' "$T/err"; local s=$?; : >"$T/apple/faults"; return $s; }
check "...but not for ever" always
absent() { fails 125 'has no such image and cannot pull it' ctl run --backend apple --image localhost/absent --dns-upstream $DNS --state-dir "$T/state" -- /bin/true; }
check "an image that is nowhere" absent
check "nothing is left of all that" left_apple
check "gc after SIGKILL" crashes left_apple
for v in 1.0.0 1.1.0 1.2.0; do
    says_version $v
    : >"$T/apple/calls"
    oldest() { run -- /bin/busybox wget -q -O - http://plain.test/ | grep -q hello && ! grep -q read-only-path "$T/apple/calls" || { cat "$T/err"; return 1; }; }
    check "with $v" oldest
done
exit $FAILED
