# shellcheck shell=bash
# One Redis in $ENGINES/redis. Sourced by ./engines.

redis_runs() { process_runs "$ENGINES/redis.pid"; }

redis_answers() { [ "$(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" = PONG ]; }

redis_start() {
    local port folder=$ENGINES/redis
    port=$(chosen_port redis)
    mkdir -p "$folder"
    # noeviction: a store of promises may refuse, but never forget. The file is rewritten late, because that takes a core in
    # the middle of a sale. Without --daemonize, so that the pid is known at once.
    setsid redis-server --port "$port" --bind 127.0.0.1 --dir "$folder" --appendonly yes --appendfsync everysec --save '' \
        --maxmemory-policy noeviction --auto-aof-rewrite-min-size 256mb --daemonize no >>"$folder/redis.log" 2>&1 </dev/null &
    remember_process "$ENGINES/redis.pid" $!
    await_engine redis "$folder/redis.log" redis_answers "$port"
}

redis_stop() { stop_process "$ENGINES/redis.pid"; }

redis_kill() { kill_process "$ENGINES/redis.pid"; }

redis_forget() { rm -rf "$ENGINES/redis"; }

redis_export() { echo "export OPENRUN_QUEUE_URL=redis://127.0.0.1:$(kept_port redis)"; }
