# shellcheck shell=bash
# Engines for one run of a script: those that the caller names, and for the rest own ones. Sourced by ./test and ./bench.

# start_missing_engines COMMAND: starts what OPENRUN_TEST_*_URL does not name, through COMMAND, and exports all three.
start_missing_engines() {
    local missing=()
    [ -n "${OPENRUN_TEST_DATABASE_URL:-}" ] || missing+=(postgres)
    [ -n "${OPENRUN_TEST_QUEUE_URL:-}" ] || missing+=(redis)
    [ -n "${OPENRUN_TEST_EVENTS_URL:-}" ] || missing+=(kafka)
    if [ "${#missing[@]}" -gt 0 ]; then
        "$1" ./engines up "${missing[@]}"
        local started
        started=$(./engines env | sed 's/^export OPENRUN_/OPENRUN_TEST_/')
        # shellcheck disable=SC2163  # the line is NAME=value
        while read -r line; do export "$line"; done <<<"$started"
    fi
}
