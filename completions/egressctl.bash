# Bash completion for egressctl, egressd and egress-init. Options and commands are read from the programs' own --help, so
# they are always those of the program at hand.

# Words that "PROGRAM ARG... --help" names as options.
_egress_options() {
    "$@" --help 2>/dev/null </dev/null | sed -nE 's/^  ((-[a-z], )?--[a-z0-9-]+(, --[a-z-]+)?).*/\1/p' | grep -oE -- '--[a-z0-9-]+'
}

# _egress_value OPTION PROGRAM ARG...   what its --help calls the option's value: FILE, IF, table|json...; nothing for a flag
_egress_value() {
    local option=$1
    shift
    "$@" --help 2>/dev/null </dev/null | sed -nE "s/^  (-[a-z], )?$option ([^ ]+).*/\2/p" | head -n 1
}

# _egress_complete_value OPTION KIND   fills COMPREPLY; cur is set
_egress_complete_value() {
    case $1:$2 in
    --backend:*) mapfile -t COMPREPLY < <(compgen -W "auto netns podman docker apple" -- "$cur") ;;
    --event:*) mapfile -t COMPREPLY < <(compgen -W "dns flow http dlp" -- "$cur") ;;
    *:*'|'*) mapfile -t COMPREPLY < <(compgen -W "${2//|/ }" -- "$cur") ;;
    *:FILE*) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames 2>/dev/null ;;
    *:DIR) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); compopt -o filenames 2>/dev/null ;;
    *:IF) mapfile -t COMPREPLY < <(compgen -W "$(ls /sys/class/net 2>/dev/null)" -- "$cur") ;;
    --user:*) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
    *) COMPREPLY=() ;;
    esac
    return 0
}

# _egress_command N   word N on is a command line of its own
_egress_command() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif [ "$COMP_CWORD" -eq "$1" ]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}

# _egress_dashes   the place of "--" before the cursor, or nothing
_egress_dashes() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [ "${COMP_WORDS[i]}" = -- ] && echo "$i" && return
    done
}

_egress_sandboxes() { "$1" ps 2>/dev/null </dev/null | awk 'NR > 1 { print $1 }'; }

# _egress_option PROGRAM ARG...   true if the word is an option or an option's value, which is then in COMPREPLY
_egress_option() {
    local kind
    if [[ $prev == -* ]] && [[ $cur != -* ]]; then
        kind=$(_egress_value "$prev" "$@")
        [ -n "$kind" ] && _egress_complete_value "$prev" "$kind" && return
    fi
    [[ $cur == -* ]] || return 1
    mapfile -t COMPREPLY < <(compgen -W "$(_egress_options "$@")" -- "$cur")
}

_egressctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} dashes what=(${COMP_WORDS[1]})
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$1" --help 2>/dev/null | sed -nE 's/^  ([a-z]+)  .*/\1/p') --help --version" -- "$cur")
        return
    fi
    dashes=$(_egress_dashes)
    [ -n "$dashes" ] && { _egress_command $((dashes + 1)); return; }
    _egress_option "$1" "${what[@]}" && return
    case ${what[0]}:$COMP_CWORD in
    policy:2) mapfile -t COMPREPLY < <(compgen -W "$("$1" policy --help 2>/dev/null | sed -nE 's/.*egressctl policy ([a-z]+).*/\1/p')" -- "$cur") ;;
    policy:*)
        if [ "${COMP_WORDS[2]}" = learn ]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_egress_sandboxes "$1")" -- "$cur")
        else
            _egress_complete_value - FILE
        fi
        ;;
    stop:2 | exec:2 | audit:* | doctor:2 | reload:2 | ca:2 | pf:2) mapfile -t COMPREPLY < <(compgen -W "$(_egress_sandboxes "$1")" -- "$cur") ;;
    run:*) _egress_command "$COMP_CWORD" ;;
    esac
}

_egressd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$1" --help 2>/dev/null | sed -nE 's/.* egressd ([a-z]+).*/\1/p') --help --version" -- "$cur")
        return
    fi
    _egress_option "$1" "${COMP_WORDS[1]}"
}

_egress_init() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} dashes
    COMPREPLY=()
    dashes=$(_egress_dashes)
    [ -n "$dashes" ] && { _egress_command $((dashes + 1)); return; }
    case $prev in --ca) _egress_complete_value --ca FILE && return ;; esac
    _egress_option "$1" || [[ $prev == --gateway* || $prev == --dns || $prev == --user || $prev == --probe-* ]] || _egress_command "$COMP_CWORD"
}

complete -F _egressctl egressctl
complete -F _egressd egressd
complete -F _egress_init egress-init
