# bash completion for natlens
_natlens() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local source="--json --diagram --record --cluster --proxy-config --filter --quiet --help"
    local lab="--datapath --simulated --profile --seed $source"
    local plan="--cluster --proxy-config --node --node-address --profile --quiet --help"
    COMPREPLY=()
    case $prev in
        --diagram) COMPREPLY=($(compgen -W "document unicode" -- "$cur")); return ;;
        --profile) COMPREPLY=($(compgen -W "picture document today" -- "$cur")); return ;;
        --datapath) COMPREPLY=($(compgen -W "nftables iptables engine" -- "$cur")); return ;;
        --format) [[ ${COMP_WORDS[1]} == rules ]] && COMPREPLY=($(compgen -W "nftables iptables plan" -- "$cur")) ||
            COMPREPLY=($(compgen -W "document unicode svg json" -- "$cur")); return ;;
        --mode) COMPREPLY=($(compgen -W "iptables nftables" -- "$cur")); return ;;
        --protocol) COMPREPLY=($(compgen -W "tcp udp sctp" -- "$cur")); return ;;
        --family) COMPREPLY=($(compgen -W "ipv4 ipv6" -- "$cur")); return ;;
        --clock) COMPREPLY=($(compgen -W "auto none" -- "$cur")); return ;;
        --theme) COMPREPLY=($(compgen -W "light dark high-contrast" -- "$cur")); return ;;
        --record|--report|--cluster|--proxy-config|--ready-file|--output|-o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --seed|--filter|--point|--anonymize-key|--lab|--node|--node-address|--from|--to|--input-interface) return ;;
    esac
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "lab replay render explain rules doctor --help --version" -- "$cur"))
        return
    fi
    case ${COMP_WORDS[1]} in
        lab)
            if ((COMP_CWORD == 2)); then
                COMPREPLY=($(compgen -W "list run up exec --help" -- "$cur"))
                return
            fi
            case ${COMP_WORDS[2]} in
                run) [[ $cur == -* ]] && COMPREPLY=($(compgen -W "--report $lab" -- "$cur")) ||
                    COMPREPLY=($(compgen -W "$(natlens lab list 2>/dev/null | sed -n 's/^\([^ :][^ :]*\) .*/\1/p')" -- "$cur")) ;;
                up) [[ $cur == -* ]] && COMPREPLY=($(compgen -W "--ready-file $lab" -- "$cur")) ||
                    COMPREPLY=($(compgen -W "$(natlens lab list 2>/dev/null | sed -n 's/^\([^ :][^ :]*\) .*/\1/p')" -- "$cur")) ;;
                exec) COMPREPLY=($(compgen -W "client lb node1 node2 node3 --lab --help --" -- "$cur")) ;;
                list) COMPREPLY=($(compgen -W "--help" -- "$cur")) ;;
            esac ;;
        replay) [[ $cur == -* ]] &&
            COMPREPLY=($(compgen -W "--report --point --follow --clock --anonymize --anonymize-key $source" -- "$cur")) ||
            COMPREPLY=($(compgen -f -- "$cur")) ;;
        render) [[ $cur == -* ]] &&
            COMPREPLY=($(compgen -W "--format --output --theme --cluster --filter --clock --point --help" -- "$cur")) ||
            COMPREPLY=($(compgen -f -- "$cur")) ;;
        explain) COMPREPLY=($(compgen -W "--from --to --protocol --mode --input-interface --json $plan" -- "$cur")) ;;
        rules) COMPREPLY=($(compgen -W "--format --family $plan" -- "$cur")) ;;
        doctor) COMPREPLY=($(compgen -W "--help" -- "$cur")) ;;
    esac
}
complete -o filenames -F _natlens natlens
