#!/usr/bin/env bash
# --help, man pages and completions name the same options: none is missing from any, and none is there that is no more.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-$PWD/build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export PATH=$BUILD:$PATH
FAILED=0
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
# same NAME WANTED GOT   compares two lists of words
same() {
    local difference
    difference=$(diff <(tr ' ' '\n' <<<"$2" | sed '/^$/d' | sort -u) <(tr ' ' '\n' <<<"$3" | sed '/^$/d' | sort -u))
    if [ -z "$difference" ] && [ -n "$2" ]; then echo "ok $1"; else printf 'not ok %s: wanted (<) and got (>)\n%s\n' "$1" "$difference"; FAILED=1; fi
}
# the options' own lines only: texts name other options, too
help_options() { "$@" --help 2>&1 </dev/null | grep -E '^  +-' | sed -E 's/^ +((-[a-z], )?--[a-z0-9-]+(, --[a-z-]+)?).*/\1/' | grep -oE -- '--[a-z0-9-]+' | sort -u; }
commands() { sed -nE 's/^  ([a-z]+)  .*/\1/p; s/.* egressd ([a-z]+).*/\1/p' < <("$1" --help); }
all_help() { # every option of a program, whatever its command
    local c
    help_options "$1"
    case $1 in egress-init) ;; *) for c in $(commands "$1"); do help_options "$1" "$c"; done ;; esac
}
page_options() { grep -oE 'Fl -[a-z0-9-]+' "$1" | sed 's/^Fl -/--/' | sort -u; }

while read -r program page; do
    # --help and --version are of every command; the pages say so in their own ways
    usual='^--(help|version)$'
    same "$page describes what $program --help lists" "$(all_help "$program" | grep -vE -- "$usual")" "$(page_options "$page" | grep -vE -- "$usual")"
done <<'PAGES'
egressd appliance/egressd.8
egressctl hostctl/egressctl.1
egress-init init/egress-init.8
PAGES

# -- bash --
cat >"$T/complete.bash" <<'SH'
# complete.bash WORD...   what completing the last word gives
[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
. completions/egressctl.bash
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
read -ra how <<<"$(complete -p "$1")"
"${how[-2]}" "$1" "${@: -1}" "${@: -2:1}" 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
SH
bash_gives() { bash "$T/complete.bash" "$@" | tr '\n' ' '; }
for program in egressd egressctl; do
    same "bash: $program's commands" "$(commands $program) --help --version" "$(bash_gives $program '')"
    for c in $(commands $program); do
        same "bash: $program $c --" "$(help_options $program "$c")" "$(bash_gives $program "$c" --)"
    done
done
same "bash: egress-init --" "$(help_options egress-init)" "$(bash_gives egress-init --)"
same "bash: a backend" "netns" "$(bash_gives egressctl run --backend n)"
same "bash: a format" "table json" "$(bash_gives egressctl ps --format '')"
same "bash: an event" "dlp dns" "$(bash_gives egressctl audit --event d)"
same "bash: an interface" "lo" "$(bash_gives egressd run --agent-if lo)"
same "bash: policy's commands" "check test diff learn" "$(bash_gives egressctl policy '')"
same "bash: a policy file" "LICENSE" "$(bash_gives egressctl policy check LIC)"
same "bash: a file after --policy" "LICENSE" "$(bash_gives egressctl run --policy LIC)"
same "bash: a command of its own after --" "sha256sum" "$(bash_gives egressctl run -- sha256su)"
same "bash: ... and its files" "LICENSE" "$(bash_gives egressctl run -- cat LICEN)"

# -- zsh: typed into a real one --
cat >"$T/complete.zsh" <<'SH'
# complete.zsh LINE...   for each: what a list of its completions shows
zmodload zsh/zpty
export TERM=dumb
# The quotes keep the markers apart from their own echo; the prompt says that the editor reads again.
wait_end() { local out; zpty -r z out '*END*READY>*'; REPLY=$out; }
zpty z zsh -f -i
zpty -w z "stty cols 200 rows 400; fpath=($PWD/completions \$fpath); autoload -Uz compinit; compinit -D -u; LISTMAX=1000; bindkey '^T' list-choices; PS1=READ''Y\>; print E''ND"
wait_end
for line; do
    zpty -w -n z "$line"$'\x14\x15'"print E''ND"$'\n'
    wait_end
    print -r -- "== $line"
    print -r -- "$REPLY"
done
zpty -d z
SH
zsh_lines=("egressctl " "egressd " "egress-init --" "egressctl run --backend " "egressctl audit --event " "egressctl policy ")
for c in $(commands egressctl); do zsh_lines+=("egressctl $c --"); done
for c in $(commands egressd); do zsh_lines+=("egressd $c --"); done
timeout 60 zsh -f "$T/complete.zsh" "${zsh_lines[@]}" 2>&1 | tr -d '\r' | sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g' >"$T/zsh.out"
# what the list for LINE shows: the words before "--" and a text, or of a plain list
zsh_gives() { awk -v l="== $1" '$0 == l { on = 1; next } /^== / { on = 0 } on' "$T/zsh.out"; }
zsh_options() { zsh_gives "$1" | grep -oE -- '^--[a-z0-9-]+| --[a-z][a-z0-9-]+' | tr -d ' ' | sort -u; }
for program in egressd egressctl; do
    for c in $(commands $program); do same "zsh: $program $c --" "$(help_options $program "$c")" "$(zsh_options "$program $c --")"; done
    same "zsh: $program's commands" "$(commands $program)" "$(zsh_gives "$program " | grep -oE "(^| )($(commands $program | paste -sd'|'))( |$)" | tr -d ' ')"
done
same "zsh: egress-init --" "$(help_options egress-init)" "$(zsh_options 'egress-init --')"
same "zsh: a backend" "auto netns podman docker apple" "$(zsh_gives 'egressctl run --backend ' | grep -oE '\b(auto|netns|podman|docker|apple)\b')"
same "zsh: an event" "dns flow http dlp" "$(zsh_gives 'egressctl audit --event ' | grep -oE '\b(dns|flow|http|dlp)\b')"
same "zsh: policy's commands" "check test diff learn" "$(zsh_gives 'egressctl policy ' | grep -oE '\b(check|test|diff|learn)\b')"
[ -n "${SHOW:-}" ] && cat "$T/zsh.out" >&2
exit $FAILED
