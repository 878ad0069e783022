#!/bin/sh
# The demo: a broker, simulated patients and the monitor in one process; alerts appear below, and on the live page,
# whose address is printed. Ctrl-C ends it.
set -eu
cd "$(dirname "$0")/.."
sh deploy/setup.sh demo
echo "demo: when it says 'watching', look at http://127.0.0.1:9464/ with a browser" >&2
exec .venv/bin/ecgmon serve --config configs/demo.yaml "$@"
