# Completion of tandem's commands for bash; installed where bash-completion finds it by itself.
# To try it from the source: . completions/tandem.bash

_tandem() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} words='' files='' i

    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "run check demo load resolve ctl --help --version" -- "$word")
        return
    fi
    case $command in
    run) words='--help --version' files='*.yaml' ;;
    check) words='--json --help --version' files='*.yaml' ;;
    demo) words='--seconds --seed --help --version' ;;
    load)
        words='--rate --calls --method --pcap --window --seconds --count --call-ids --domain --seed --timeout --from
            --device --vdev --mac --json --help --version'
        ;;
    resolve) words='--server --json --help --version sip: sips:' ;;
    ctl)
        words='--socket --json --help --version show watch stop'
        for ((i = 2; i < COMP_CWORD; i++)); do
            case ${COMP_WORDS[i]} in
            -s | --socket) ((i++)) ;;
            show) words='trunks targets workers drops memory config' ;;
            watch | stop) words='' ;;
            trunks | targets | workers | drops | memory | config) words='' ;;
            esac
        done
        ;;
    esac
    case $command:$before in
    load:--pcap) words='' files='*.pcap' ;;
    load:--device) mapfile -t COMPREPLY < <(compgen -W "$(ls /sys/class/net)" -- "$word") && return ;;
    load:--method) words='OPTIONS INVITE MESSAGE REGISTER SUBSCRIBE' ;;
    load:--json | load:--help | load:--version) ;;
    demo:--seconds | demo:--seed | resolve:--server | load:--*) return ;; # only the user knows
    ctl:-s | ctl:--socket) words='' files='*' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    if [[ $files && $word != -* ]]; then
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -S / -- "$word"; compgen -G "$word$files")
        compopt -o nospace -o filenames 2>/dev/null
    fi
}

complete -F _tandem tandem
