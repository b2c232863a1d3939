#!/usr/bin/env bash
# What no start of an engine shows every time.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh
. scripts/engines/kafka.sh

# Bytes that are nothing but signs in base64.
id=$(head -c 16 /dev/zero | LC_ALL=C tr '\0' '\373' | kafka_cluster_id)
[[ $id =~ ^[A-Za-z0-9]{22}$ ]] || fail "an id of a Kafka cluster is not letters and digits alone: $id"
