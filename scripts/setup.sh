#!/bin/sh
# Installs what backpropd needs on Debian 12, as root or by sudo.
#
#   scripts/setup.sh          to build and to run the daemon
#   scripts/setup.sh demo     and what scripts/demo.sh uses
#   scripts/setup.sh test     and what the tests use
#   scripts/setup.sh bench    and the peers that the benchmarks compare with
#   scripts/setup.sh deploy   and what more tests of deploy/ use
#   scripts/setup.sh lint     and what scripts/lint.sh uses
#   scripts/setup.sh fuzz     and clang with libFuzzer, for scripts/fuzz.sh
#
# Does nothing (and needs no root) when everything is there already.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config ca-certificates curl
       libmicrohttpd-dev libgnutls28-dev libjansson-dev libsqlite3-dev libopenblas-pthread-dev
       zlib1g-dev nettle-dev libcurl4-openssl-dev libinih-dev libseccomp-dev libsystemd-dev"
demo="jq"
test="libcmocka-dev openssl python3 python3-numpy python3-onnx python3-yaml node-typescript"
deploy="prometheus nginx-light systemd"
bench="python3 python3-numpy python3-torch libopenblas0-openmp wrk"
lint="clang-format clang-tidy"
fuzz="clang libclang-rt-dev"

case "${1:-build}" in
build) wanted=$build ;;
demo) wanted="$build $demo" ;;
test) wanted="$build $test" ;;
deploy) wanted="$build $test $deploy" ;;
bench) wanted="$build $bench" ;;
lint) wanted="$build $lint" ;;
fuzz) wanted="$build $test $fuzz" ;;
*)
    echo "usage: scripts/setup.sh [build|demo|test|deploy|bench|lint|fuzz]" >&2
    exit 2
    ;;
esac

missing=
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: these packages are missing and need root (or sudo):$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

echo "Installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update -q &&
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    exit 1
fi
