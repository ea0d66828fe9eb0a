# Completions of dynasti for bash. Knows the options, and asks no server.
_dynasti() {
    local serve='--listen --web --no-web --max-clients --max-per-address --rate --history --replay --files --guests
        --password-file --transcript --mdns --no-mdns --link --link-name
        --link-password-file --no-console'
    local join='--name --retry --no-bell'
    local help='-h --help'

    local now=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    # bash takes --option=value for three words.
    if [[ $now == = ]]; then
        now=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    COMPREPLY=()
    local choices
    case $before in
        --password-file | --transcript | --link-password-file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$now")
            return
            ;;
        --listen | --web | --max-clients | --max-per-address | --rate | --history | --replay | --files | --mdns | \
            --link | --link-name | --name)
            return
            ;;
    esac
    case $COMP_CWORD:${COMP_WORDS[1]} in
        1:-*) choices="$serve $help -V --version" ;;
        1:*) choices='serve join find' ;;
        *:join)
            choices="$join $help"
            [[ $now == -* ]] || choices=$(compgen -A hostname)
            ;;
        *:find) choices=$help ;;
        *:serve | *:-*) choices="$serve $help" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$now")
}
complete -F _dynasti dynasti
