#!/usr/bin/env bash
# Man pages are well-formed, and every option that a program's --help names is in its page.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-$PWD/build}
bad=0
for page in appliance/egressd.8 init/egress-init.8 hostctl/egressctl.1 docs/egress-policy.5; do
    mandoc -T lint -W error "$page" || bad=1
done
covers() { # PROGRAM PAGE ARGS...
    local program=$1 page=$2 option
    shift 2
    for option in $("$BUILD/$program" "$@" --help 2>&1 | grep -oE -- '--[a-z][a-z-]+' | sort -u); do
        grep -qF -- "${option#--}" "$page" || { echo "$page does not say what $program $* $option is"; bad=1; }
    done
}
covers egressd appliance/egressd.8
covers egressd appliance/egressd.8 run
covers egress-init init/egress-init.8
covers egressctl hostctl/egressctl.1
covers egressctl hostctl/egressctl.1 run
exit $bad
