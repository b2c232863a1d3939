#!/usr/bin/env bash
# What the steps of ./test count, and what they leave behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib.sh
. scripts/steps.sh

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
LOGS=$WORK/logs LEFT=$WORK/left RUNNING=$WORK/running
mkdir "$LOGS" "$LEFT" "$RUNNING"

expect() { [ "$2" = "$3" ] || fail "$1: expected $3, got $2"; }

# shellcheck disable=SC2016  # for the shell of the step
good() { step good cargo sh -c 'touch "$TMPDIR/x"; echo "test result: ok. 3 passed; 0 failed; 0 ignored"' || true; }
# shellcheck disable=SC2016
bad() {
    step bad cargo sh -c 'touch "$TMPDIR/x"; echo "test result: FAILED. 2 passed; 4 failed; 0 ignored"; exit 101' || true
    step empty cargo true || true
}
broken() { false; }

side_by_side good bad >"$WORK/out"
expect "passed of two lanes" "$PASSED" 5
expect "failed of two lanes, a step without a test among them" "$FAILED" 5
expect "steps that run" "$(ls "$RUNNING")" ""
expect "what the failed steps left" "$(cd "$LEFT" && echo */*)" bad/x
grep -q "bad left behind lies in $LEFT/bad" "$WORK/out" || fail "the output does not say where the rest of a failed step lies"
side_by_side broken >"$WORK/out"
expect "a lane that broke off" "$FAILED" 6
if step group lint sh -c 'sleep 600 & exit 1' >"$WORK/out"; then fail "a step that failed passes"; fi
expect "a lint that failed" "$PASSED $FAILED" "5 7"
