# shellcheck shell=bash
# Runs steps one after another, counts what passed and failed, and keeps each step's whole output in $LOGS. Sourced by ./test.

PASSED=0
FAILED=0
STEP=                               # process group of the step that runs now
STEP_LIMIT=${OPENRUN_TEST_STEP_SECONDS:-2400} # a step that hangs must not swallow the summary

# run_logged LOG COMMAND…: in a process group of its own, so that an interrupt can end the command with all its children.
run_logged() {
    local log=$1 code=0
    shift
    setsid timeout --kill-after=10 "$STEP_LIMIT" "$@" >"$log" 2>&1 </dev/null &
    STEP=$!
    wait "$STEP" || code=$?
    # What the command left behind must not meet the next step.
    stop_step
    [ "$code" != 124 ] || echo "gave up after $STEP_LIMIT seconds" >>"$log"
    return "$code"
}

group_is_gone() { ! kill -0 -- "-$1" 2>/dev/null; }

stop_step() {
    local group=$STEP
    STEP=
    [ -n "$group" ] || return 0
    kill -TERM -- "-$group" 2>/dev/null || return 0
    wait_until 10 group_is_gone "$group" || kill -KILL -- "-$group" 2>/dev/null || true
}

# What is worth reading first in a failing log, then its end.
show_failure() {
    grep -aE '^(test .* FAILED|error(\[|:)|not ok|✖)' "$1" | head -n 40 || true
    # What a panic says stands in the lines after it; where it came from is of less use.
    grep -aE -A 12 '^thread .* panicked' "$1" | grep -avE '^ +([0-9]+: |at )' | head -n 60 || true
    echo "… the end of $1:"
    tail -n 60 "$1"
}

# count_results COUNTER LOG: prints "passed failed left-out".
count_cargo() { awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 } END { print passed + 0, failed + 0, ignored + 0 }' "$1"; }

count_node() {
    awk 'NF == 3 && $2 == "pass" { passed += $3 } NF == 3 && ($2 == "fail" || $2 == "cancelled") { failed += $3 }
        NF == 3 && ($2 == "skipped" || $2 == "todo") { skipped += $3 } END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

# One promise per line, as k6/lib/summary.js writes them.
count_k6() { awk '/^ok - / { kept++ } /^not ok - / { broken++ } END { print kept + 0, broken + 0, 0 }' "$1"; }

# One JSON line per figure; whether it is good is not the suite's matter.
count_bench() { awk '/^\{"bench":/ { figures++ } END { print figures + 0, 0, 0 }' "$1"; }

# One JSON line per drill.
count_drill() { awk '/"violations":0/ { held++; next } /"violations":[0-9]/ { broken++ } END { print held + 0, broken + 0, 0 }' "$1"; }

count_lint() { echo 1 0 0; }

# step NAME COUNTER COMMAND…: a step whose command failed without a failed test, or that ran no test, is itself one failure.
step() {
    local name=$1 counter=$2 log=$LOGS/$1.log code=0 started=$SECONDS passed failed left_out
    shift 2
    echo "== $name: $*"
    run_logged "$log" "$@" || code=$?
    read -r passed failed left_out < <("count_$counter" "$log")
    if [ "$counter" = lint ] && [ "$code" != 0 ]; then passed=0; fi
    if [ "$code" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    if [ "$((passed + failed))" = 0 ]; then
        echo "   no test ran, which counts as a failure"
        failed=1
    fi
    [ "$failed" = 0 ] || show_failure "$log"
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
    echo "   $passed passed, $failed failed$([ "$left_out" = 0 ] || echo ", $left_out marked as not to run") ($((SECONDS - started)) s)"
    [ "$failed" = 0 ]
}

# A step that cannot run because of another is a failure with its reason.
cannot_run() {
    echo "== $1"
    echo "   not run: $2; this counts as a failure"
    FAILED=$((FAILED + 1))
}
