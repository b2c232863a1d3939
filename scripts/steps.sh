# shellcheck shell=bash
# Runs steps, counts what passed and failed, and keeps each step's whole output in $LOGS. Sourced by ./test.

PASSED=0
FAILED=0
LANES=()                            # processes that run steps side by side
STEP_LIMIT=${OPENRUN_TEST_STEP_SECONDS:-2400} # a step that hangs must not swallow the summary

# run_logged NAME COMMAND…: in a process group of its own, which $RUNNING names, so that an interrupt can end the command
# with all its children. Its temporary files lie in a folder of $LEFT, which goes when the command succeeds.
run_logged() {
    local name=$1 log=$LOGS/$1.log code=0 group
    shift
    mkdir -p "$LEFT/$name"
    TMPDIR=$LEFT/$name setsid timeout --kill-after=10 "$STEP_LIMIT" "$@" >"$log" 2>&1 </dev/null &
    group=$!
    echo "$group" >"$RUNNING/$name"
    wait "$group" || code=$?
    # What the command left behind must not meet the next step.
    stop_step "$name"
    [ "$code" != 124 ] || echo "gave up after $STEP_LIMIT seconds" >>"$log"
    [ "$code" != 0 ] || rm -rf "${LEFT:?}/$name"
    return "$code"
}

group_is_gone() { ! kill -0 -- "-$1" 2>/dev/null; }

stop_step() {
    local group
    group=$(cat "$RUNNING/$1")
    rm -f "$RUNNING/$1"
    kill -TERM -- "-$group" 2>/dev/null || return 0
    wait_until 10 group_is_gone "$group" || kill -KILL -- "-$group" 2>/dev/null || true
}

stop_steps() {
    local name
    [ "${#LANES[@]}" = 0 ] || kill "${LANES[@]}" 2>/dev/null || true
    for name in "$RUNNING"/*; do
        [ ! -e "$name" ] || stop_step "$(basename "$name")"
    done
}

# In a process of its own, whose counts nobody else sees.
run_lane() {
    PASSED=0
    FAILED=0
    "$1"
    echo "$PASSED $FAILED" >"$LOGS/$1.counts"
}

# side_by_side FUNCTION…: runs the steps of these functions at the same time. They share no state, and none of them
# measures time.
side_by_side() {
    local lane passed failed
    for lane in "$@"; do
        run_lane "$lane" &
        LANES+=($!)
    done
    wait "${LANES[@]}" || true
    LANES=()
    for lane in "$@"; do
        if [ -e "$LOGS/$lane.counts" ]; then
            read -r passed failed <"$LOGS/$lane.counts"
            PASSED=$((PASSED + passed))
            FAILED=$((FAILED + failed))
        else
            cannot_run "the rest of $lane" "it broke off"
        fi
    done
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
    run_logged "$name" "$@" || code=$?
    read -r passed failed left_out < <("count_$counter" "$log")
    if [ "$counter" = lint ] && [ "$code" != 0 ]; then passed=0; fi
    if [ "$code" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    if [ "$((passed + failed))" = 0 ]; then
        echo "no test ran, which counts as a failure" >>"$log"
        failed=1
    fi
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
    # In one piece, because another step may speak at the same time.
    report_step >"$LOGS/$name.report"
    cat "$LOGS/$name.report"
    [ "$failed" = 0 ]
}

# About the step that has just run; the variables are those of `step`.
report_step() {
    if [ "$failed" != 0 ]; then
        show_failure "$log"
        [ ! -d "$LEFT/$name" ] || [ -z "$(ls -A "$LEFT/$name")" ] || echo "   what $name left behind lies in $LEFT/$name"
    fi
    echo "   $name: $passed passed, $failed failed$([ "$left_out" = 0 ] || echo ", $left_out marked as not to run") ($((SECONDS - started)) s)"
}

# A step that cannot run because of another is a failure with its reason.
cannot_run() {
    echo "== $1"
    echo "   not run: $2; this counts as a failure"
    FAILED=$((FAILED + 1))
}
