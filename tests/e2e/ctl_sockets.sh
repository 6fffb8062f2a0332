#!/usr/bin/env bash
# egressctl, backend netns: no unix socket of the host's answers an agent that shares its files, however it was bound and
# wherever it is seen.
. "$(dirname "$0")/lib.sh"

BIG=1024 world_up
export EGRESSD_RUNTIME_DIR=$T/registry
mkdir -m 777 "$T/w" "$T/alias" && cd "$T/w" || exit 1
IN_RUN=/run/ctl-sockets-$$
mkdir -m 777 "$IN_RUN"
servers() { # FOLDER
    python3 "$HERE/ctl_sockets.py" "$1" &
    SERVERS="${SERVERS:-} $!"
    eventually 5 test -e "$1/bound" || not_ok "sockets in $1"
}
down() {
    # shellcheck disable=SC2086
    kill $SERVERS 2>/dev/null
    umount "$T/alias" 2>/dev/null
    rm -rf "$IN_RUN"
    world_down
}
trap down EXIT
servers "$T/w"
servers "$IN_RUN"
mount --bind "$T/w/srv" "$T/alias"
knock() { # FOLDER...   from the agent
    local out
    out=$(ctl run --dns-upstream $DNS -- sh -c 'python3 "$0" --knock "$@" && echo knocked' "$HERE/ctl_sockets.py" "$@" 2>&1)
    [ "$(grep -v 'nothing is allowed' <<<"$out")" = knocked ] || { echo "$out"; return 1; }
}
found=$(setpriv --reuid 65520 --clear-groups python3 "$HERE/ctl_sockets.py" --knock "$T/w/srv" | wc -l)
check "the host's users reach them all" test "$found" = 8
check "an agent none: of any name, other mounts, another root" knock "$T/w/srv"
check "...nor by another mount of the folder" knock "$T/alias"
check "...nor in /run" knock "$IN_RUN/srv"
cd "$IN_RUN/srv" || exit 1
check "...even where that is the working directory" knock "$IN_RUN/srv" .
exit $FAILED
