#!/bin/sh
# Alerts on the terminal, with nothing but Debian's mosquitto-clients; options are those of mosquitto_sub:
#     sh watch.sh -h broker.ward -p 8883 --cafile ca.pem -u display -P "$(cat password)"
# -q 1, -c and a client id of its own: the broker keeps alerts while this is away, and hands them over when it is back.
set -eu
exec mosquitto_sub -q 1 -c -i "ecgmon-watch-$(id -un)" -t 'ecgmon/alerts/+' -t ecgmon/status -F '%I %t %p' "$@"
