#!/bin/sh
# Builds everything and runs all tests; the last lines are ctest's summary.
#
#   scripts/test.sh             the release build
#   scripts/test.sh debug       with AddressSanitizer and UndefinedBehaviorSanitizer
#   scripts/test.sh tsan        with ThreadSanitizer
set -eu
cd "$(dirname "$0")/.."

preset=${1:-release}
scripts/setup.sh test
cmake --preset "$preset" -DBUILD_TESTING=ON >/dev/null
cmake --build --preset "$preset"
ctest --preset "$preset"
