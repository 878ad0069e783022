#!/bin/sh
# Alerts on the terminal, with nothing but Debian's mosquitto-clients: sh watch.sh [host [port]]
# -q 1, -c and a client id of its own: the broker keeps alerts while this is away, and hands them over when it is back.
set -eu
exec mosquitto_sub -h "${1:-127.0.0.1}" -p "${2:-1883}" -q 1 -c -i "ecgmon-watch-$(id -un)" \
    -t 'ecgmon/alerts/+' -t ecgmon/status -F '%I %t %p'
