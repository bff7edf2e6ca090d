#!/usr/bin/env bash
# Runs a route once. With CARNET_EXPORT=files the route's deliveries write their files and nothing else happens; with `environment` the
# variables of its deliveries are set for the steps that follow, and their values masked in the job's log.
#
# Nothing of a credential is printed but the runner's own command `add-mask`, which the runner takes out of the log.
set -euo pipefail
set +x
umask 077

arguments=(get "$CARNET_ROUTE")
if [[ -n ${CARNET_CONFIG_FILE:-} ]]; then
    arguments+=(--config "$CARNET_CONFIG_FILE")
fi

case ${CARNET_EXPORT:-} in
    files)
        "$CARNET_BINARY" "${arguments[@]}" --quiet
        exit
        ;;
    environment) ;;
    *)
        echo "::error::carnet: \`export\` is \"${CARNET_EXPORT:-}\": write files or environment" >&2
        exit 2
        ;;
esac

text=$("$CARNET_BINARY" "${arguments[@]}")

# Only `export NAME='VALUE'` lines, as carnet quotes them, are variables; anything else is the credential itself, which nobody asked to have
# in variables. Nothing of it is ever run: what is between the quotes is taken as it is.
names=() values=()
read_lines() {
    local rest=$1$'\n'
    local pattern="^export ([A-Za-z_][A-Za-z0-9_]*)='(([^']|'\\\\'')*)'"$'\n'
    while [[ $rest =~ $pattern ]]; do
        names+=("${BASH_REMATCH[1]}")
        values+=("${BASH_REMATCH[2]//"'\\''"/"'"}")
        rest=${rest:${#BASH_REMATCH[0]}}
    done
    [[ -z $rest && ${#names[@]} -gt 0 ]]
}
if ! read_lines "$text"; then
    echo "::error::carnet: the route has no variables: give it a delivery that has, such as env, or write \`export: files\`" >&2
    exit 2
fi

# A value is as secret as what it came with, unless it is a path or its variable is named as harmless.
is_harmless() {
    [[ " ${CARNET_UNMASKED:-} " == *" $1 "* || ($2 == /* && -e $2) ]]
}

mask() {
    local line
    while IFS= read -r line || [[ -n $line ]]; do
        # What is shorter is no secret, and would take letters out of every line.
        ((${#line} >= 4)) || continue
        line=${line//'%'/'%25'}
        printf '::add-mask::%s\n' "${line//$'\r'/'%0D'}"
    done <<<"$1"
}

for at in "${!names[@]}"; do
    name=${names[at]} value=${values[at]}
    is_harmless "$name" "$value" || mask "$value"
    # A delimiter that no value has: the runner reads up to it.
    delimiter="carnet_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
    printf '%s<<%s\n%s\n%s\n' "$name" "$delimiter" "$value" "$delimiter" >>"$GITHUB_ENV"
done
printf 'variables=%s\n' "${names[*]}" >>"$GITHUB_OUTPUT"
