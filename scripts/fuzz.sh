#!/bin/sh
# Drives the harnesses of tests/fuzz by libFuzzer, under AddressSanitizer and
# UndefinedBehaviorSanitizer.
#
#   scripts/fuzz.sh                    every harness for 10 seconds
#   scripts/fuzz.sh 300                … for 300 seconds
#   scripts/fuzz.sh 300 table http     only these
#
# Prints a line for each: executions, edges of the code that were reached, inputs kept. What
# is kept goes to build/fuzz/corpus and is where the next run starts. An input that breaks
# something goes to build/fuzz/found; put it into tests/fuzz/corpus/<harness> with its fix.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-10}
[ $# -gt 0 ] && shift
scripts/setup.sh fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
folder=build/fuzz
mkdir -p "$folder/found"
[ $# -gt 0 ] || set -- $(cd "$folder/fuzz" && ls | sed -n 's/^fuzz_//p')

broken=0
for name in "$@"; do
    mkdir -p "$folder/corpus/$name"
    log=$folder/found/$name.log
    status=0
    "$folder/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 \
        -max_len=4096 -reload=0 -print_final_stats=1 -artifact_prefix="$folder/found/$name-" \
        "$folder/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -a -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d ' ' -f 2)
    kept=$(ls "$folder/corpus/$name" | wc -l)
    if [ "$status" -eq 0 ]; then
        printf '%-14s ok  %9s executions %6s edges %6s inputs\n' "$name" "$executions" \
            "$edges" "$kept"
    else
        printf '%-14s BROKEN, see %s\n' "$name" "$log"
        tail -n 30 "$log"
        broken=1
    fi
done
exit $broken
