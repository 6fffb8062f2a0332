#!/usr/bin/env bash
# egressctl and egressd as people and scripts call them: full disks, closed descriptors, signals, limits, odd folders; each
# does what was meant or says why not.
. "$(dirname "$0")/lib.sh"

BIG=1024 world_up
mkdir -m 777 "$T/w" && cd "$T/w" || exit 1
export EGRESSD_RUNTIME_DIR=$T/registry
printf 'version: 1\negress:\n  routes:\n    - host: origin.test\n' >"$T/p.yaml"
run() { ctl run --dns-upstream $DNS --policy "$T/p.yaml" "$@" 2>"$T/err"; }
running() { ctl ps | grep -q "^$1 .* running "; }
background() { # ARGS...   as run, its pid in $RUN; egressctl itself, so that signals reach it
    ip netns exec "$W-host" env --default-signal "$BUILD/egressctl" run --name u$$ --dns-upstream $DNS --policy "$T/p.yaml" "$@" 2>"$T/err" &
    RUN=$!
    eventually 10 running u$$ || { cat "$T/err"; return 1; }
}
ends() { # SECONDS STATUS   of $RUN
    eventually "$1" eval "! kill -0 $RUN" || { echo "it still runs"; kill -KILL $RUN; return 1; }
    wait $RUN
    local s=$?
    [ $s = "$2" ] || { echo "status $s: $(cat "$T/err")"; return 1; }
}
gone() { [ -z "$(ctl ps)" ] && [ -z "$(ls "$EGRESSD_RUNTIME_DIR")" ] || { ctl ps; return 1; }; }

# -- what it writes
run --name u$$ -- true || not_ok "start" "$(cat "$T/err")"
full() { # COMMAND...   what cannot be written is not written "well"
    "$@" >/dev/full 2>"$T/err2"
    local s=$?
    [ $s != 0 ] && grep -q 'cannot write all of the output' "$T/err2" || { echo "status $s: $(cat "$T/err2")"; return 1; }
}
for words in --help --version "run --help" "policy check $T/p.yaml" "audit u$$" "audit u$$ --verify" "run --dry-run --policy $T/p.yaml -- true" "policy learn u$$"; do
    # shellcheck disable=SC2086
    check "a full disk: egressctl ${words//$T/}" full ctl $words
done
for words in --help --version "check --policy $T/p.yaml" "ruleset --policy $T/p.yaml" doctor; do
    # shellcheck disable=SC2086
    check "a full disk: egressd ${words//$T/}" full "$BUILD/egressd" $words
done
check "a full disk under CMD's output is CMD's to notice" bash -c "[ \$(ip netns exec $W-host '$BUILD/egressctl' run -- sh -c 'echo x 2>/dev/null || echo \$?' 2>&1 >/dev/full | grep -c egressctl:.cannot) = 0 ]"
follow_ended() { # there will be no more
    timeout 10 ip netns exec "$W-host" "$BUILD/egressctl" audit "$@" >"$T/followed" || { echo "status $?"; return 1; }
    grep -q ' start ' "$T/followed"
}
check "audit --follow of a sandbox that has ended ends" follow_ended u$$ --follow
check "...also where none is named" follow_ended --follow

# -- what it is given
closed() { # nothing of ours lands in a file that took the place of stderr
    ctl stop nobody 2>&-
    [ ! -s "$EGRESSD_RUNTIME_DIR/.lock" ] || { cat "$EGRESSD_RUNTIME_DIR/.lock"; return 1; }
    ctl run --name c$$ --dns-upstream $DNS --policy "$T/p.yaml" -- sh -c 'exit 6' <&- >&- 2>&-
    [ $? = 6 ] && ctl audit c$$ --verify
}
check "closed stdin, stdout and stderr" closed
masks() { # MASK
    rm -f made
    [ "$(umask "$1" && run -- sh -c 'umask; touch made')" = "0$1" ] && ls -l made && [ "$(stat -c %a made)" = "$(printf %o $((0666 & ~0$1)))" ]
}
check "CMD has the caller's umask, 077" masks 077
check "...002" masks 002
exec_masks() {
    background -- sleep 60 || return 1
    [ "$(umask 027 && ctl exec u$$ -- sh -c umask)" = 0027 ] || return 1
    kill $RUN && ends 5 143
}
check "...and exec's" exec_masks
check "none of it opens the state to others" test "$(umask 0 && run --name m$$ -- true; stat -c %a "$EGRESSD_STATE_DIR/m$$" "$EGRESSD_STATE_DIR/m$$"/* | sort -u | tr '\n' ' ')" = "600 700 "
sacrificed() {
    local mine side
    mine=$(cat /proc/self/oom_score_adj)
    background -- sh -c 'cat /proc/self/oom_score_adj >adj.new && mv adj.new adj; sleep 60' || return 1
    eventually 5 test -e adj
    side=$(cat "/proc/$(jq .egressd.pid "$EGRESSD_RUNTIME_DIR/u$$/record.json")/oom_score_adj")
    [ "$(cat adj)" = $((mine + 200)) ] && [ "$(ctl exec u$$ -- cat /proc/self/oom_score_adj)" = $((mine + 200)) ] && [ "$side" = "$mine" ] || { cat adj; echo "$side $mine"; return 1; }
    kill $RUN && ends 5 143
}
check "where memory runs out CMD goes before what confines it" sacrificed
relative() { # VARIABLE
    ctl ps >"$T/out" 2>&1 # the folder is there
    env "$1=some/where" ip netns exec "$W-host" "$BUILD/egressctl" run -- true >"$T/out" 2>&1
    [ $? = 125 ] && grep -q "$1=some/where: not an absolute path" "$T/out" && [ ! -e some ] || { cat "$T/out"; return 1; }
}
check "EGRESSD_RUNTIME_DIR must be absolute" relative EGRESSD_RUNTIME_DIR
check "EGRESSD_STATE_DIR must be absolute" relative EGRESSD_STATE_DIR
no_folder() {
    mkdir gone
    (cd gone && rmdir ../gone && ip netns exec "$W-host" "$BUILD/egressctl" run --dns-upstream $DNS -- pwd) >"$T/out" 2>"$T/err"
    [ "$(cat "$T/out")" = / ] && grep -q 'working directory.* CMD starts in /' "$T/err" || { cat "$T/out" "$T/err"; return 1; }
}
check "a working directory that is gone is said" no_folder
no_files() {
    local out # by a pipe: a file of ours may not grow either
    out=$( (ulimit -f 0; ctl run --dns-upstream $DNS -- true) 2>&1 | cat; exit "${PIPESTATUS[0]}")
    [ $? = 125 ] && grep -q 'File too large' <<<"$out" || { echo "$out"; return 1; }
}
check "not even an empty file may grow: said" no_files

lacks() { # PATTERN COMMAND...   root that is not quite: said before anything is made
    local want=$1
    shift
    in_host "$@" "$BUILD/egressctl" run --dns-upstream $DNS -- true >"$T/out" 2>&1
    [ $? = 125 ] && [ "$(grep -vc 'nothing is allowed' "$T/out")" = 1 ] && grep -qE "$want" "$T/out" && [ -z "$(ls "$EGRESSD_RUNTIME_DIR")" ] || { cat "$T/out"; ls "$EGRESSD_RUNTIME_DIR"; return 1; }
}
check "root without CAP_NET_ADMIN" lacks 'lacks CAP_NET_ADMIN$' setpriv --bounding-set -net_admin --inh-caps -net_admin
check "root without CAP_SYS_PTRACE" lacks 'lacks CAP_SYS_PTRACE$' setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace
check "root of a user namespace" lacks 'user namespace' unshare -Ur
full_registry() { # SIZE INODES
    in_host unshare -m bash -c "mount -t tmpfs -o mode=700,size=$1,nr_inodes=$2 none '$EGRESSD_RUNTIME_DIR' && head -c 8192 /dev/zero >'$EGRESSD_RUNTIME_DIR/.fill' 2>/dev/null
        '$BUILD/egressctl' run --dns-upstream $DNS -- true; echo status \$?; ls '$EGRESSD_RUNTIME_DIR'" >"$T/out" 2>&1
    grep -q 'No space left' "$T/out" && [ "$(tail -1 "$T/out")" = 'status 125' ] || { cat "$T/out"; return 1; }
}
check "no room for the record: said, and nothing of it is left" full_registry 8k 9
check "...nor for its lock" full_registry 16k 4

check "egressd does not take lo for the agent's network" bash -c "! out=\$(ip netns exec $W-host timeout 10 '$BUILD/egressd' run --policy '$T/p.yaml' --agent-if lo --uplink-if up0 --state-dir '$T/lo' 2>&1) && grep -q 'lo is neither' <<<\"\$out\""
most() { # what egressctl takes egressd does
    run --engines 17 -- true
    [ $? = 125 ] && grep -q 'from 1 to 16' "$T/err" && run --engines 16 -- true || { cat "$T/err"; return 1; }
}
check "--engines has one upper end" most

# -- signals
passes() { # SIGNAL
    rm -f up
    background -- bash -c "trap 'echo got; exit 9' $1; touch up; while :; do sleep 0.05; done" >"$T/out" || return 1
    eventually 5 test -e up
    kill "-$1" $RUN
    ends 5 9 && grep -qx got "$T/out" || { cat "$T/out"; return 1; }
}
for s in ALRM ABRT VTALRM PROF XCPU IO PWR RTMIN RTMAX-1; do check "SIG$s reaches CMD" passes $s; done
stopped() { # SIGNAL STATUS
    background -- sh -c 'kill -STOP $$; sleep 60' || return 1
    eventually 5 eval "grep -q 'State:.T' /proc/$(jq .cmd.pid "$EGRESSD_RUNTIME_DIR/u$$/record.json")/status" || return 1
    kill "-$1" $RUN
    ends 5 "$2"
}
check "SIGTERM ends a CMD that is stopped" stopped TERM 143
check "so does SIGHUP" stopped HUP 129

# -- an end in the middle of the start
early() { # ROLE   its holder is killed while nft works: said, and over
    mkdir -p "$T/bin"
    printf '#!/bin/sh\nsleep 0.7\nexec /usr/sbin/nft "$@"\n' >"$T/bin/nft"
    chmod +x "$T/bin/nft"
    PATH=$T/bin:$PATH ip netns exec "$W-host" "$BUILD/egressctl" run --name u$$ --dns-upstream $DNS -- sleep 60 >"$T/err" 2>&1 &
    RUN=$!
    eventually 5 eval "jq -e .$1.pid '$EGRESSD_RUNTIME_DIR/u$$/record.json'" || return 1
    kill -KILL "$(jq ".$1.pid" "$EGRESSD_RUNTIME_DIR/u$$/record.json")"
    ends 10 125 && grep -v 'no --policy' "$T/err" | grep -q . || { cat "$T/err"; return 1; }
}
check "a killed holder of the agent during the start is said" early agent
check "so is the sidecar's" early sidecar

# -- what an agent may own
replaced() { # egress-init, by the agent's user, in the middle of a sandbox's life: root runs the one that it began with
    mkdir own && cp "$BUILD"/egress{ctl,d,-init} own && chown -R 65520:65520 own
    ip netns exec "$W-host" own/egressctl run --name o$$ --dns-upstream $DNS --policy "$T/p.yaml" -- \
        sh -c 'printf "#!/bin/sh\nid >'"$T/w/ran"'\n" >own/new && chmod +x own/new && mv own/new own/egress-init && touch swapped; sleep 60' 2>"$T/err" &
    RUN=$!
    eventually 10 test -e swapped || { cat "$T/err"; return 1; }
    [ "$(ip netns exec "$W-host" own/egressctl exec o$$ -- id -u)" = 65520 ] && ip netns exec "$W-host" own/egressctl doctor o$$ >"$T/out" || { cat "$T/out"; return 1; }
    ctl stop o$$
    wait $RUN
    [ ! -e ran ] || { cat ran; return 1; }
}
check "exec and doctor run no egress-init that the agent put there" replaced
root_agent() { # user 0 owns what is root's, but not that
    rm -f swapped
    cat >swap.py <<'PY'
import glob, os, shutil
with open("evil", "w") as f:
    f.write("#!/bin/sh\nid >%s/ran\n" % os.getcwd())
os.chmod("evil", 0o755)
def quietly(f, *a):
    try:
        f(*a)
    except OSError:
        pass
for at in glob.glob("/run/**/egress-init", recursive=True):
    folder = os.path.dirname(at)
    quietly(shutil.copyfile, "evil", at)
    quietly(os.unlink, at)
    quietly(shutil.copy, "evil", at)
    while folder not in ("/run", "/"):
        quietly(os.rename, folder, folder + ".away")
        quietly(os.makedirs, os.path.dirname(at))
        quietly(shutil.copy, "evil", at)
        folder = os.path.dirname(folder)
open("swapped", "w").close()
PY
    background --user 0 -- sh -c 'python3 swap.py; sleep 60' || return 1
    eventually 10 test -e swapped || { cat "$T/err"; return 1; }
    [ "$(ctl exec u$$ -- sh -c 'grep -c "^CapEff:.0*$" /proc/self/status')" = 1 ] && ctl doctor u$$ >"$T/out" || { cat "$T/out" ran; kill $RUN; return 1; }
    kill $RUN
    eventually 5 eval "! kill -0 $RUN" || { echo "it still runs"; kill -KILL $RUN; return 1; }
    wait $RUN # with whatever is left of its own /run, its status may be another
    [ ! -e ran ] || { cat ran; return 1; }
}
check "...not even one of user 0" root_agent
led_astray() { # a working directory that the agent has replaced by a link to where it may not go
    mkdir -p "$T/closed/open" here && chmod 700 "$T/closed" && chmod 777 . here && touch "$T/closed/open/secret"
    background -- sh -c "rmdir here && ln -s '$T/closed/open' here && touch linked; sleep 60" || return 1
    eventually 5 test -e linked || return 1
    cat >cwd.c <<'C'
#include <string.h>
#include <stdlib.h>
char *getcwd(char *b, size_t n) { (void)b; (void)n; return strdup(getenv("CWD")); }
C
    gcc -shared -fPIC -o cwd.so cwd.c
    # Between the look at where the caller is and the entry.
    CWD=$T/w/here LD_PRELOAD=$T/w/cwd.so ip netns exec "$W-host" "$BUILD/egressctl" exec u$$ -- ls >"$T/out" 2>&1
    kill $RUN && ends 5 143
    ! grep -q secret "$T/out" || { cat "$T/out"; return 1; }
}
check "exec follows no link in the way to its working directory" led_astray
in_hidden() { # where the agent's namespaces have something else
    local d=/dev/shm/ctl-user-$$
    mkdir "$d" && cp "$BUILD"/egress{ctl,d,-init} "$d"
    ip netns exec "$W-host" "$d/egressctl" run --dns-upstream $DNS -- sh -c 'exit 4' >"$T/out" 2>&1
    local s=$?
    rm -r "$d"
    [ $s = 4 ] || { cat "$T/out"; return 1; }
}
check "programs in a folder that sandboxes hide do" in_hidden

# -- an end without a word
left() { # what of a sandbox is on the host: not what ends with its processes
    in_host nft list tables | grep egressd
    ip -n "$W-host" -o link | grep egh
    ls "$EGRESSD_RUNTIME_DIR"
}
nothing() { [ -z "$(left)" ]; }
orphaned() {
    background -- sleep 60 || return 1
    [ "$(left | wc -l)" -ge 3 ] || { left; return 1; }
    kill -KILL $RUN
    wait $RUN 2>/dev/null
    eventually 15 nothing || { left; return 1; }
}
check "kill -9 of egressctl: all of it is removed, without gc" orphaned
check "nothing is left" eventually 3 gone
exit $FAILED
