# shellcheck shell=bash
# One PostgreSQL in $ENGINES/postgres. Sourced by ./engines.
#
# The server refuses to run as root, so then it runs as the user that Debian's package made, who must be able to reach
# the folder. Where it cannot (a parent of mode 700), the data lies in a folder under /tmp, remembered in postgres.folder.

as_postgres() { if is_root; then runuser -u postgres -- "$@"; else "$@"; fi; }

# Runs from / because the caller's folder may be closed to the user.
postgres_tool() {
    local tool=$1
    shift
    (cd / && as_postgres "$(postgres_folder)/$tool" "$@")
}

postgres_data() { cat "$ENGINES/postgres.folder" 2>/dev/null || true; }

make_postgres_folder() {
    local folder=$ENGINES/postgres
    [ -d "$(postgres_data)" ] && return
    as_postgres test -x "$ENGINES" || folder=$(mktemp -d "/tmp/openrun-postgres.XXXXXX")
    if is_root; then install -d -o postgres -m 700 "$folder"; else mkdir -p "$folder"; fi
    echo "$folder" >"$ENGINES/postgres.folder"
}

# The first line of postmaster.pid is the server's process; the file outlives a server that was killed.
postgres_runs() {
    local pid
    pid=$(head -n 1 "$(postgres_data)/postmaster.pid" 2>/dev/null)
    [ -n "$pid" ] && [ -n "$(start_time_of "$pid")" ] && postgres_tool pg_ctl -D "$(postgres_data)" status >/dev/null 2>&1
}

postgres_init() {
    local data
    data=$(postgres_data)
    [ -s "$data/PG_VERSION" ] ||
        quietly postgres_tool initdb -D "$data" -U openrun --auth=trust -E UTF8 --locale=C.UTF-8 ||
        fail "initdb could not make a database in $data"
}

postgres_start() {
    local port data
    port=$(chosen_port postgres)
    make_postgres_folder
    postgres_init
    data=$(postgres_data)
    # fsync stays on: what is measured and tested here is what a commit costs and keeps.
    quietly postgres_tool pg_ctl -D "$data" -w -t 60 -l "$data/log" \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$data -c max_connections=300 -c shared_buffers=256MB" start ||
        { tail -n 20 "$data/log" >&2; fail "PostgreSQL did not start"; }
    make_database "$port"
}

make_database() {
    local there
    there=$(psql -X -h 127.0.0.1 -p "$1" -U openrun -d postgres -tAc "select 1 from pg_database where datname = 'openrun'")
    [ "$there" = 1 ] || psql -X -q -h 127.0.0.1 -p "$1" -U openrun -d postgres -c 'create database openrun'
}

postgres_stop() {
    postgres_runs || return 0
    quietly postgres_tool pg_ctl -D "$(postgres_data)" -w -t 60 -m fast stop || ! postgres_runs ||
        quietly postgres_tool pg_ctl -D "$(postgres_data)" -w -t 20 -m immediate stop || ! postgres_runs ||
        fail "PostgreSQL in $(postgres_data) did not stop"
}

# Immediate: every server process is ended at once, and the next start recovers from the log.
postgres_kill() {
    postgres_runs || return 0
    quietly postgres_tool pg_ctl -D "$(postgres_data)" -w -t 20 -m immediate stop || ! postgres_runs ||
        fail "PostgreSQL in $(postgres_data) did not stop"
}

postgres_forget() {
    local data
    data=$(postgres_data)
    [ -z "$data" ] || rm -rf "$data"
}

postgres_export() { echo "export OPENRUN_DATABASE_URL=postgres://openrun@127.0.0.1:$(kept_port postgres)/openrun"; }
