# shellcheck shell=bash
# One Kafka broker (KRaft: broker and controller in one process) in $ENGINES/kafka. Sourced by ./engines.

kafka_runs() { process_runs "$ENGINES/kafka.pid"; }

kafka_answers() { port_is_open "$1" && kcat -b "127.0.0.1:$1" -m 2 -L >/dev/null 2>&1; }

# KAFKA_OPTS, Kafka's own name for it: more options for its Java.
read -ra KAFKA_JAVA_OPTIONS <<<"-Xmx512m ${KAFKA_OPTS:-}"

kafka_java() { java "${KAFKA_JAVA_OPTIONS[@]}" -Dlog4j2.configurationFile="$ROOT/scripts/kafka/log4j2.properties" -cp "$CACHE/kafka-$KAFKA_VERSION/*" "$@"; }

# A broker that was killed is let in again when its old session has ended: after nine seconds unless told otherwise.
kafka_configure() {
    local port=$1 controller=$2
    cat >"$ENGINES/kafka/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$ENGINES/kafka/data
num.partitions=6
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
PROPERTIES
}

# Makes sixteen bytes into an id as Kafka reads it: base64, here without the signs of that alphabet, because an id that
# begins with a dash would be taken for an option.
kafka_cluster_id() { base64 | tr '+/' 'ab' | tr -d =; }

kafka_format() {
    [ -s "$ENGINES/kafka/data/meta.properties" ] && return
    quietly kafka_java kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | kafka_cluster_id)" \
        -c "$ENGINES/kafka/server.properties" || fail "cannot format Kafka's folder $ENGINES/kafka"
}

kafka_start() {
    local port controller folder=$ENGINES/kafka
    mkdir -p "$folder"
    port=$(chosen_port kafka)
    controller=$(chosen_port kafka-controller)
    kafka_configure "$port" "$controller"
    kafka_format
    # Written out, not kafka_java: a function cannot follow setsid, and the pid must be the broker's own.
    setsid java "${KAFKA_JAVA_OPTIONS[@]}" -Dlog4j2.configurationFile="$ROOT/scripts/kafka/log4j2.properties" -cp "$CACHE/kafka-$KAFKA_VERSION/*" \
        kafka.Kafka "$folder/server.properties" >>"$folder/kafka.log" 2>&1 </dev/null &
    remember_process "$ENGINES/kafka.pid" $!
    await_engine kafka "$folder/kafka.log" kafka_answers "$port"
}

kafka_stop() { stop_process "$ENGINES/kafka.pid"; }

kafka_kill() { kill_process "$ENGINES/kafka.pid"; }

kafka_forget() { rm -rf "$ENGINES/kafka"; }

kafka_export() { echo "export OPENRUN_EVENTS_URL=kafka://127.0.0.1:$(kept_port kafka)"; }
