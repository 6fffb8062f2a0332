# What the backend of every container runtime is tried with. Sourced after podman_world.bash, never run.
#
#     asks NAME [MORE]     one sandbox, many questions, since each start costs a second: the answers are parts of $T/asked
#     closed               what of them must hold everywhere
#     long [ARGS...]       a sandbox "long" in the background: $LONG is egressctl itself
#     comes_back           its sidecar has been killed
#     stops_in_order       its end
#     crashes COMMAND...   egressctl is killed; COMMAND says whether gc has left nothing
IN_HOST=(ip netns exec "$W-host")
ctl() { "${IN_HOST[@]}" "$BUILD/egressctl" "$@"; }
ctl_in_background() { exec "${IN_HOST[@]}" "$BUILD/egressctl" "$@"; }

asks() {
    HTTPS_PROXY=http://user:hidden@$HOSTIP:3128 run --name "$1" -- /bin/busybox sh -c "
busybox() { /bin/busybox \"\$@\"; }
w() { busybox wget -q -O - \"\$@\" 2>&1; }
echo '== allowed'; w http://plain.test/
echo '== denied'; w http://forbidden.test/
echo '== raw'; w http://$FORBIDDEN/
echo '== dns'; busybox nslookup forbidden.test $DNS 2>&1
echo '== resolv'; busybox cat /etc/resolv.conf
echo '== host'; busybox nc -w 2 \$(busybox ip -o -4 addr show eth0 | busybox sed 's/.*inet \\([0-9.]*\\)\\.[0-9]*\\/.*/\\1.1/') 22 </dev/null 2>&1; echo nc \$?
echo '== route'; busybox ip route replace default via 10.0.0.1 2>&1; busybox ip route
echo '== status'; busybox grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
echo '== id'; busybox id
echo '== env'; busybox env
${2:-}
exit 7" >"$T/asked"
}
part() { awk -v want="== $1" '$0 == want {on = 1; next} /^== / {on = 0} on' "$T/asked"; }
has() { part "$1" | grep -qE -- "$2" || { cat "$T/asked" "$T/err"; return 1; }; }
hasnt() { ! part "$1" | grep -E -- "$2"; }
closed() {
    check "an allowed name" has allowed 'hello from the origin'
    check "a name that is not allowed" has denied '403 Forbidden'
    check "a raw address" has raw '403 Forbidden'
    check "a DNS server of the agent's choice is the sidecar" hasnt dns "$FORBIDDEN"
    check "resolv.conf names the sidecar only" test "$(part resolv | grep -c '^nameserver')" = 1
    check "the runtime's host is closed" has host 'nc 1'
    check "the route cannot be changed" has route 'Operation not permitted'
    check "the way out is the sidecar" has route '^default via 1'
    check "no capability" has status '^CapEff:.0000000000000000'
    check "...not in the bounding set either" has status '^CapBnd:.0000000000000000'
    check "no_new_privs, also where the runtime does not set it" has status '^NoNewPrivs:.1'
    check "a system call filter, also where the runtime does not set it" has status '^Seccomp:.2'
    check "not root" has id 'uid=65520'
    check "no token in the agent's environment" hasnt env "$API_TOKEN"
    check "nor the host's proxy" hasnt env '[Pp][Rr][Oo][Xx][Yy]=.'
}

long() {
    mkdir -p "$T/long"
    ${LONG_BY:-ctl_in_background} run --verbose --backend "${BACKEND:-podman}" --image localhost/busybox --policy "$T/policy.yaml" --upstream-ca "$T/pki/ca.pem" \
        --name long --state-dir "$T/long" "$@" -- \
        /bin/busybox sh -c 'trap "echo got TERM; exit 9" TERM; echo up; while :; do /bin/busybox sleep 0.1; done' >"$T/long.out" 2>"$T/long.err" &
    LONG=$!
    eventually 60 grep -q up "$T/long.out" || not_ok "a long run" "$(cat "$T/long.err")"
    check "ps shows it" eventually 30 looks_well
}
looks_well() { ctl ps | grep -qE "^long +${BACKEND:-podman} +running"; }
xc() { ctl exec long -- "$@" 2>&1; }
exec_is() { # PATTERN COMMAND...
    local out
    out=$(xc "${@:2}")
    grep -qE -- "$1" <<<"$out" || { echo "$out"; return 1; }
}
execs() {
    check "exec is not root" exec_is 'uid=65520' /bin/busybox id
    check "exec has no capability" exec_is '^CapBnd:.0000000000000000' /bin/busybox grep CapBnd /proc/self/status
    check "exec reaches what is allowed" exec_is 'hello from' /bin/busybox wget -q -O - http://plain.test/
    exec_status() { xc /bin/busybox sh -c 'exit 5'; [ $? = 5 ]; }
    check "exec's status" exec_status
}
comes_back() {
    eventually 60 grep -q 'serves again' "$T/long.err" && exec_is hello /bin/busybox wget -q -O - http://plain.test/ && ctl doctor long || { cat "$T/long.err"; return 1; }
}
stops_in_order() {
    check "stop" ctl stop long
    wait "$LONG"
    check "...lets CMD end by itself" test $? = 9
    check "...with its last words" grep -q 'got TERM' "$T/long.out"
}
crashes() {
    ctl_in_background run --backend "${BACKEND:-podman}" --image localhost/busybox --dns-upstream $DNS --state-dir "$T/state" -- \
        /bin/busybox sh -c 'echo up; exec /bin/busybox sleep 60' >"$T/out" 2>&1 &
    local pid=$!
    eventually 60 grep -qx up "$T/out" || { cat "$T/out"; return 1; }
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    ctl gc && "$@"
}
