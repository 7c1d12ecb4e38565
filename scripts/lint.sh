#!/bin/sh
# Checks the format of all C files and runs clang-tidy over src and bench; prints nothing but
# what is wrong.
#
#   scripts/lint.sh           check
#   scripts/lint.sh --fix     format the files in place, then run clang-tidy
set -eu
cd "$(dirname "$0")/.."

mode="--dry-run"
case "${1:-}" in
"") ;;
--fix) mode="-i" ;;
*)
    echo "usage: scripts/lint.sh [--fix]" >&2
    exit 2
    ;;
esac

scripts/setup.sh lint
find src tests bench -name '*.[ch]' -print0 | xargs -0 clang-format $mode -Werror

tree=build/lint
log=build/lint.log
mkdir -p build
# A step that says much and matters only if it fails.
quietly() {
    "$@" >"$log" 2>&1 || {
        grep -v ' warnings generated\.$' "$log" >&2
        exit 1
    }
}
# A process for each file: clang-tidy 14 takes every va_list for uninitialized from its second
# file on.
tidy() {
    find src bench -name '*.c' -print0 |
        xargs -0 -P "$(nproc)" -n 1 clang-tidy -p "$tree" --quiet
}

# The build makes the headers of embedded files and says how each file is compiled.
quietly cmake -S . -B "$tree" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
quietly cmake --build "$tree"
quietly tidy
