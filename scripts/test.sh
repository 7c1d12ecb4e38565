#!/bin/sh
# Builds everything and runs all tests; the last lines are ctest's summary.
#
#   scripts/test.sh             the release build
#   scripts/test.sh debug       with AddressSanitizer and UndefinedBehaviorSanitizer
#   scripts/test.sh tsan        with ThreadSanitizer
#   scripts/test.sh all         all three, then every fuzzing harness for 10 seconds
set -eu
cd "$(dirname "$0")/.."

run() {
    cmake --preset "$1" -DBUILD_TESTING=ON >/dev/null
    cmake --build --preset "$1"
    ctest --preset "$1"
}

scripts/setup.sh test
case "${1:-release}" in
all)
    run release
    run debug
    run tsan
    scripts/fuzz.sh 10
    ;;
*) run "${1:-release}" ;;
esac
