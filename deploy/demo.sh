#!/bin/sh
# The demo: a broker, simulated patients and the monitor in one process; alerts appear below. Ctrl-C ends it.
set -eu
cd "$(dirname "$0")/.."
sh deploy/setup.sh demo
exec .venv/bin/ecgmon serve --config configs/demo.yaml "$@"
