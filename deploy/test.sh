#!/bin/sh
# All tests. Arguments go to pytest: deploy/test.sh tests/ecg -k chunking
# Tests against a real broker, Prometheus, Alertmanager and browser need Debian's packages, some curl and strace; they are
# installed where that is allowed.
set -eu
cd "$(dirname "$0")/.."

missing=
command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ] || missing="$missing mosquitto"
command -v mosquitto_sub >/dev/null 2>&1 || missing="$missing mosquitto-clients"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
command -v amtool >/dev/null 2>&1 || missing="$missing prometheus-alertmanager"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
if [ -n "$missing" ]; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "test: installing$missing" >&2
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086 # one word a package
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null ||
            echo "test: could not install$missing; the tests that need them will say so" >&2
    else
        echo "test: not found:$missing; the tests that need them will say so" >&2
    fi
fi
export PATH="$PATH:/usr/sbin"

sh deploy/setup.sh demo,test
# The tests of one file never run beside each other: they share what is slow to start. (Groups by mark would say the
# same, but the pinned pytest does not tell xdist of them.)
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
