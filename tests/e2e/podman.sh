#!/usr/bin/env bash
# egressctl, backend podman, in real containers: the agent's image is made here from nothing, storage and networks are
# the test's own.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/podman_world.bash"
. "$(dirname "$0")/container_cases.bash"
podman_up
cat >"$T/fetch.c" <<'C'
/* What an image holds that has one static program only: GET / of a name, the answer to stdout. */
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *to;
    char buf[4096];
    if (argc < 2 || getaddrinfo(argv[1], "80", &want, &to))
        return 3;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, to->ai_addr, to->ai_addrlen))
        return 4;
    dprintf(fd, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", argv[1]);
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;)
        (void)!write(1, buf, (size_t)n);
    return 0;
}
C
musl-gcc -static -Os -o "$T/fetch" "$T/fetch.c"
image busybox bin/busybox="$(command -v busybox)" etc/passwd="$T/etc/passwd"
image static fetch="$T/fetch"

recipe() { # the two lines in rootfs/agent
    pod load -q -i "${IMAGE/sidecar/init}" && pod build --isolation chroot --build-arg BASE=localhost/busybox -t localhost/recipe "$TOP/rootfs/agent" &&
        [ "$(pod image inspect --format '{{index .Config.Entrypoint 0}}' localhost/recipe)" = /egress-init ]
}
check "the recipe for agent images" recipe

export API_TOKEN="tok_$(openssl rand -hex 12)"
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: origin.test
    - host: plain.test
    - host: tokens.test
      auth: {scheme: token, token_ref: API_TOKEN}
YAML
sh() { run -- /bin/busybox sh -c "$1"; }
says() { # PATTERN ARGS...   what a run prints has it
    local pattern=$1 out
    shift
    out=$(run "$@")
    grep -qE -- "$pattern" <<<"$out" || { echo "$out"; cat "$T/err"; return 1; }
}
status_is() {
    local want=$1 got
    shift
    "$@" >"$T/out"
    got=$?
    [ $got = "$want" ] || { echo "status $got instead of $want: $(cat "$T/err" "$T/out")"; return 1; }
}

check "an allowed name" says 'hello from the origin' -- /bin/busybox wget -q -O - http://plain.test/
check "...in the log" logged 'e["event"]=="http" and e["host"]=="plain.test" and e["verdict"]=="allow"'

asks first "
echo '== direct'; busybox nc -w 2 $ORIGIN 9 </dev/null 2>&1; echo nc \$?
echo '== ca'; busybox grep -c BEGIN /egress-ca.crt; busybox sh -c 'busybox grep -c BEGIN.CERT \$SSL_CERT_FILE'
echo '== links'; busybox ip -o link
echo '== files'; busybox ls -l /run/egressd /var/lib/egressd 2>&1"
closed
check "...says why in the log" logged 'e["event"]=="http" and e["host"]=="forbidden.test" and e["reason"]=="no_route"'
check "a port that no route names" has direct 'nc 1'
check "one network, the internal one" test "$(part links | grep -vc ': lo:')" = 1
check "the CA is there" has ca '^[1-9]'
check "the sidecar's files are not" hasnt files 'policy|secrets|audit'
IMG=localhost/static check "an image of one static program reaches an allowed name" says 'hello from the origin' -- /fetch plain.test
IMG=localhost/static check "...and reads why another is closed" says 'no_route' -- /fetch forbidden.test
tls_token() { # the agent has no TLS of its own in these images: curl of this host's, in an image made of it
    local libs
    libs=$(ldd "$(command -v curl)" | grep -o '/[^ ]*' | sort -u | sed 's/.*/&=&/' | sed 's/^\///')
    # shellcheck disable=SC2086
    image curl usr/bin/curl="$(command -v curl)" bin/busybox="$(command -v busybox)" etc/passwd="$T/etc/passwd" \
        etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt $libs
    IMG=localhost/curl says "^host: tokens.test" -- /usr/bin/curl -sS -H 'Authorization: mine' https://tokens.test/whoami &&
        grep -qF "tokens.test GET /whoami 200 auth=\"token $API_TOKEN\"" "$T/access.log"
}
check "a real token goes on, over TLS" tls_token
IMG=localhost/recipe check "an image that has the shim" says 'hello from' -- /bin/busybox wget -q -O - http://plain.test/
bare() { ! pod run --rm --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 localhost/recipe /bin/busybox echo RAN | grep RAN; }
check "...does not run without a sidecar" bare

# -- status, descriptors, signals
check "status of CMD" status_is 7 run -- /bin/busybox sh -c 'exit 7'
check "127 where CMD is missing" status_is 127 run -- /nonexistent
check "126 where CMD cannot be run" status_is 126 run -- /etc/passwd
IMG=localhost/missing check "125 for an image that is not there" status_is 125 run -- /fetch
pipes() { head -c 300000 /dev/urandom >"$T/in" && run -- /bin/busybox cat <"$T/in" | cmp - "$T/in"; }
check "stdin and stdout are CMD's" pipes
err_passes() { run -- /bin/busybox sh -c 'echo oops >&2' && grep -qx oops "$T/err"; }
check "stderr is CMD's" err_passes
who() { says '^uid=1234 gid=4321' --user 1234:4321 -- /bin/busybox id; }
check "--user UID:GID" who

# -- a living one: exec, ps, reload, signals
follow_world
LONG_BY=followed long
execs
exec_stdin() { [ "$(echo through | ctl exec long -- /bin/busybox cat)" = through ]; }
check "exec's stdin" exec_stdin
terminal() { script -qec "ip netns exec $W-host $BUILD/egressctl exec long -- /bin/busybox tty" /dev/null </dev/null | grep -q /dev/pts/; }
check "exec has a terminal where the caller has one" terminal
terminal_run() { script -qec "ip netns exec $W-host $BUILD/egressctl run --backend podman --image localhost/busybox --dns-upstream $DNS --state-dir $T/state -- /bin/busybox tty" /dev/null </dev/null | grep -q /dev/pts/; }
check "so has CMD" terminal_run
secret_places() {
    pod inspect egressd-long-sidecar egressd-long-agent | grep -F "$API_TOKEN" && return 1
    grep -lrF "$API_TOKEN" "$T/long" "$T/registry" && return 1
    for p in /proc/[0-9]*; do
        tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF "$API_TOKEN" && { echo "$p"; return 1; }
    done
    return 0
}
check "the token is in no configuration, log or command line" secret_places
health() { # podman itself runs it where there is a systemd
    printf 'FROM localhost/busybox\nHEALTHCHECK CMD /bin/busybox id >/as-root\n' |
        pod build --isolation chroot --format docker -t localhost/health - && run --image localhost/health --name health -- /bin/busybox sleep 60 &
    local pid=$! status
    eventually 30 bash -c "ip netns exec $W-host $BUILD/egressctl ps | grep -E '^health +podman +running'"
    pod healthcheck run egressd-health-agent
    status=$?
    ctl stop health
    wait $pid
    [ $status = 125 ]
}
check "the image's health check is not run" health
labels() { [ "$(pod inspect --format '{{index .Config.Labels "dev.egressd.sandbox"}}/{{index .Config.Labels "dev.egressd.role"}}' egressd-long-agent)" = long/agent ]; }
check "containers are labelled" labels
sed 's/plain.test/h2.test/' "$T/policy.yaml" >"$T/other.yaml"
reloads() { API_TOKEN=$API_TOKEN ctl reload long --policy "$T/other.yaml" && eventually 5 bash -c "! ip netns exec $W-host $BUILD/egressctl exec long -- /bin/busybox wget -q -O - http://plain.test/ 2>/dev/null | grep hello"; }
check "reload" reloads
hangs() { # what a file says is not enough
    local pid
    pid=$(pod inspect --format '{{.State.Pid}}' egressd-long-sidecar)
    kill -STOP "$pid"
    ctl ps | grep -qE '^long +podman +broken .*does not answer'
    local status=$?
    kill -CONT "$pid"
    [ $status = 0 ] && eventually 5 looks_well || { ctl ps; return 1; }
}
check "ps sees a sidecar that hangs" hangs
reaches() { xc /bin/busybox wget -q -O - http://origin.test/ | grep -q hello; }
other_server() {
    in_net kill "$(cat "$T/nsd.pid")"
    echo "nameserver $DNS2" >"$T/resolv.conf"
    eventually 30 grep -q 'no way round the sidecar after the change of the DNS servers' "$T/long.err" && eventually 5 reaches || { cat "$T/long.err"; return 1; }
}
check "another DNS server of the host's is asked" other_server
sleeps() {
    echo 3600 >"$T/slept"
    eventually 30 grep -q "no way round the sidecar after the host's sleep" "$T/long.err" && reaches || { cat "$T/long.err"; return 1; }
}
check "the host's sleep is noticed" sleeps
same_address() {
    ip -n "$W-host" addr add 10.77.0.9/24 dev up0
    ip -n "$W-host" route replace default via 10.77.0.1 src 10.77.0.9
    eventually 30 grep -q 'no way round the sidecar after the change of the uplink' "$T/long.err" && reaches || { cat "$T/long.err"; return 1; }
}
check "another address of the host's is noticed" same_address
check "ca" bash -c "ip netns exec $W-host $BUILD/egressctl ca long | grep -q BEGIN"
check "doctor proves it from inside" ctl doctor long
stops_in_order

# -- nothing is left
check "nothing is left of all that" left
DNS=$DNS2
sigterm() {
    ctl_in_background run --backend podman --image localhost/busybox --dns-upstream $DNS --state-dir "$T/state" -- /bin/busybox sleep 60 >"$T/out" 2>&1 &
    local pid=$!
    sleep "$1"
    kill -TERM "$pid"
    wait "$pid"
    [ $? = 143 ] && left
}
check "SIGTERM during the start" sigterm 0.4
check "SIGTERM while the sidecar starts" sigterm 1.2
check "SIGTERM while CMD runs" sigterm 4
check "gc after SIGKILL" crashes left
# -- the proof: an open door stops the start, and ends what runs. The door: a sidecar that answers pings for the world.
pid_of() { pod inspect --format '{{.State.Pid}}' "egressd-door-$1" 2>/dev/null | grep '^[1-9]'; }
# open_at PID   on the agent's side, whose name is not always eth1: podman names the links of two networks in either order
cat >"$T/open_at" <<'SH'
#!/usr/bin/env bash
uplink=$(nsenter --net="/proc/$1/ns/net" ip -o -4 route show default | grep -o 'dev [^ ]*')
[ "$uplink" = "dev eth0" ] && side=eth1 || side=eth0
exec nsenter --net="/proc/$1/ns/net" ip addr add 1.1.1.1/32 dev $side
SH
chmod 755 "$T/open_at"
open_door() { eventually 20 pid_of sidecar && "$T/open_at" "$(pid_of sidecar)"; }
stops_the_start() { # the door is open before there is an agent: this podman sees to it
    mkdir -p "$T/bin"
    cat >"$T/bin/podman" <<SH
#!/usr/bin/env bash
case " \$* " in *" --name egressd-door-agent "*)
    "$T/open_at" "\$(/usr/bin/podman inspect --format '{{.State.Pid}}' egressd-door-sidecar)" ;;
esac
exec /usr/bin/podman "\$@"
SH
    chmod 755 "$T/bin/podman"
    PATH=$T/bin:$PATH run --name door -- /bin/busybox echo RAN >"$T/out"
    [ $? = 125 ] && grep -q 'open door: ping (1.1.1.1' <<<"$(tr -d '\n' <"$T/err")" && ! grep RAN "$T/out" && left || { cat "$T/err" "$T/out"; return 1; }
}
check "an open door stops the start, and is named" stops_the_start
ends_what_runs() { # COMMAND...   which repeats the proof
    ctl_in_background run --backend podman --image localhost/busybox --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --name door \
        --dns-upstream $DNS --state-dir "$T/state" -- /bin/busybox sh -c 'echo up; exec /bin/busybox sleep 60' >"$T/door.out" 2>"$T/door.err" &
    local pid=$!
    eventually 20 grep -q up "$T/door.out" && eventually 5 ctl doctor door && open_door || { cat "$T/door.err"; return 1; }
    "$@" >"$T/out" 2>&1
    [ $? != 0 ] && grep -q 'open door: ping' "$T/out" && grep -q 'the sandbox is ended' "$T/out" || { cat "$T/out"; return 1; }
    wait $pid
    left
}
check "doctor finds it, and ends the sandbox" ends_what_runs ctl doctor door
check "so does a reload" ends_what_runs ctl reload door --policy "$T/other.yaml"

# -- the sidecar's end: another one, and the agent pointed at it; too often, and the sandbox ends
fetches() { # FILE   CMD asks once a tenth of a second and writes what it gets
    cat <<'SH'
echo up; n=0
while :; do
    if /bin/busybox wget -q -O - http://plain.test/ 2>/dev/null | /bin/busybox grep -q hello; then n=$((n + 1)); echo "reached $n"; fi
    /bin/busybox wget -q -O - http://forbidden.test/ 2>/dev/null | /bin/busybox grep hello
    /bin/busybox sleep 0.1
done
SH
}
ctl_in_background run --backend podman --image localhost/busybox --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" --dns-upstream $DNS \
    --state-dir "$T/long" --name phoenix -- /bin/busybox sh -c "$(fetches)" >"$T/phoenix.out" 2>"$T/phoenix.err" &
PHOENIX=$!
reached() { grep -q '^reached' "$T/phoenix.out"; }
comes_back() {
    eventually 20 reached || { cat "$T/phoenix.err"; return 1; }
    local before after
    before=$(pod inspect --format '{{.Id}}' egressd-phoenix-sidecar)
    pod kill --signal KILL egressd-phoenix-sidecar >/dev/null
    eventually 20 grep -q 'serves again' "$T/phoenix.err" || { cat "$T/phoenix.err"; return 1; }
    after=$(pod inspect --format '{{.Id}}' egressd-phoenix-sidecar)
    : >"$T/phoenix.out"
    [ "$before" != "$after" ] && eventually 20 reached
}
check "a sidecar that dies is started again, and CMD goes on" comes_back
check "...the network is as tight as before" ctl doctor phoenix
check "...and ps says that it is well" bash -c "ip netns exec $W-host $BUILD/egressctl ps | grep -E '^phoenix +podman +running'"
check "...and nothing got past it" bash -c "! grep hello '$T/phoenix.out'"
gives_up() {
    local n=2
    while kill -0 $PHOENIX 2>/dev/null && [ $n -le 5 ]; do
        pod kill --signal KILL egressd-phoenix-sidecar >/dev/null 2>&1
        eventually 20 bash -c "! kill -0 $PHOENIX 2>/dev/null || [ \$(grep -c 'serves again' '$T/phoenix.err') -ge $n ]"
        n=$((n + 1))
    done
    ! kill -0 $PHOENIX 2>/dev/null && grep -q 'the sandbox with it' "$T/phoenix.err" && left || { cat "$T/phoenix.err"; return 1; }
}
check "a sidecar that dies again and again ends the sandbox" gives_up
wait $PHOENIX
check "...with 125" test $? = 125
exit $FAILED
