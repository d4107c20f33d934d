# Completes the subcommands of embloom, and after `train` whatever Hydra knows: groups, options and keys.
_embloom() {
  local word="${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -le 1 ]; then
    COMPREPLY=($(compgen -W "train resume runs compare best map rm encode export compress sizes align card publish neighbors analogy midpoint outlier recommend completion --help --version" -- "$word"))
  elif [ "${COMP_WORDS[1]}" = train ]; then
    local line="embloom ${COMP_LINE#*train }" own=() place
    for ((place = 2; place < COMP_CWORD; place++)); do
      case "${COMP_WORDS[place]}" in
        --config-dir | -cd) own=(--config-dir "${COMP_WORDS[place + 1]}") ;;
        --config-dir=*) own=("${COMP_WORDS[place]}") ;;
      esac
    done
    COMPREPLY=($(COMP_LINE="$line" COMP_POINT=${#line} COMP_CWORD=$((COMP_CWORD - 1)) embloom train "${own[@]}" -sc query=bash 2>/dev/null))
    case "${COMPREPLY[0]}" in *= | *.) compopt -o nospace 2>/dev/null ;; esac
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}
complete -F _embloom embloom
