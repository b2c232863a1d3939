# shellcheck shell=bash
# Words that every script of the repo uses. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
# shellcheck disable=SC2034  # read by the scripts that source this
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/openrun

# shellcheck source=../versions.env
. "$ROOT/versions.env"

# Data goes to stdout, words to stderr.
say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$(basename "$0"): $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

# wait_until SECONDS COMMAND…: the one place that polls.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port nobody listens on, below the range from which the kernel takes ports for outgoing connections,
# so that none is taken between the choice and the start.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        port_is_open "$port" || { echo "$port"; return; }
    done
    fail "found no free port on 127.0.0.1 between 20000 and 32000; stop something that listens there"
}

# Processes are remembered as "pid start-time", because a pid alone may be given to a stranger later.
# A process that has ended but was not yet collected by its parent (state Z) has no start time here.
start_time_of() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }

remember_process() { echo "$2 $(start_time_of "$2")" >"$1"; }

process_runs() {
    local pid started
    [ -s "$1" ] || return 1
    read -r pid started <"$1"
    [ -n "$started" ] && [ "$(start_time_of "$pid")" = "$started" ]
}

process_is_gone() { ! process_runs "$1"; }

# kill_process FILE: asks nothing, and returns when it is gone.
kill_process() {
    local pid
    if process_runs "$1"; then
        read -r pid _ <"$1"
        kill -KILL "$pid" 2>/dev/null || true
        wait_until 20 process_is_gone "$1" || fail "process $pid outlives kill -9"
    fi
    rm -f "$1"
}

# stop_process FILE: asks first; kills what has not gone after 20 seconds.
stop_process() {
    local pid
    if process_runs "$1"; then
        read -r pid _ <"$1"
        kill -TERM "$pid" 2>/dev/null || true
        wait_until 20 process_is_gone "$1" || kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$1"
}

# work_folder NAME: makes the folder of one run of a script and prints it. A run that failed leaves its folder behind; the
# next run of the same checkout removes it, with the engines that a killed run may have left.
work_folder() {
    local base=${TMPDIR:-/tmp}/openrun-$1 old folder
    for old in "$base".*; do
        if [ "$(cat "$old/checkout" 2>/dev/null)" = "$ROOT" ] && process_is_gone "$old/process"; then
            [ ! -d "$old/engines" ] || OPENRUN_ENGINES_DIR=$old/engines "$ROOT/engines" reset >&2
            rm -rf "$old"
        fi
    done
    folder=$(mktemp -d "$base.XXXXXX")
    chmod 755 "$folder" # the user postgres must reach its folder
    remember_process "$folder/process" $$
    echo "$ROOT" >"$folder/checkout"
    echo "$folder"
}
