"""Listens to ecgmon's alerts and prints a line each: a program to begin one's own from.

    python subscribe.py --broker mqtt://127.0.0.1:1883

It needs paho-mqtt 2 and nothing else. What makes it safe to rely on:

- QoS 1 and a persistent session under a fixed client id: the broker keeps alerts while this program is away,
  as many as its max_queued_messages;
- an alert is sent once as raised and once as cleared, under one id; at QoS 1 it may come again, so what was
  seen is passed over;
- ecgmon/status (retained) says whether anyone watches at all: silence means that all is well only while it is
  online.

The password, where one is asked for, comes from MQTT_PASSWORD in the environment.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

REMEMBERED = 10_000  # ids of alerts, the newest


class Listener:
    """Hears alerts and the daemon's status."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._seen: OrderedDict[str, None] = OrderedDict()

    def connected(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            print(f"the broker refuses us: {reason}", file=sys.stderr, flush=True)
            return
        client.subscribe([(f"{self._prefix}/alerts/+", 1), (f"{self._prefix}/status", 1)])

    def message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            content = json.loads(message.payload)
        except ValueError:
            print(f"{message.topic}: not JSON", file=sys.stderr, flush=True)
            return
        if message.topic.endswith("/status"):
            self.status(content)
        elif content["schema"] == "ecgmon.alert/1":
            self.alert(content)

    def status(self, status: dict[str, Any]) -> None:
        watched = {"online": "patients are watched"}.get(status["state"], "NOBODY IS WATCHING")
        print(f"ecgmon is {status['state']}: {watched}", flush=True)

    def alert(self, alert: dict[str, Any]) -> None:
        key = f"{alert['id']}/{alert['state']}"
        if key in self._seen:
            return
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        when = datetime.fromtimestamp(alert["time"], UTC).strftime("%H:%M:%S")
        why = (alert["evidence"] or {}).get("summary", "")
        rate = f"{alert['heart_rate']:.0f}/min" if alert["heart_rate"] is not None else ""
        told = ", ".join(text for text in (why, rate) if text)
        print(
            f"{when} {alert['stream']} {alert['severity']} {alert['kind']} {alert['state']}: {told}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Print ecgmon's alerts.")
    parser.add_argument(
        "--broker", default="mqtt://127.0.0.1:1883", help="mqtt:// or mqtts://[user@]host[:port]"
    )
    parser.add_argument("--prefix", default="ecgmon", help="the sink's prefix (default: ecgmon)")
    parser.add_argument("--client-id", default="ecgmon-listener", help="one of its own for each listener")
    parser.add_argument(
        "--ca", help="with mqtts: the authority of the broker's certificate (default: the system's)"
    )
    options = parser.parse_args()
    url = urlsplit(options.broker)
    listener = Listener(options.prefix)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, options.client_id, clean_session=False)
    if url.scheme == "mqtts":
        client.tls_set(options.ca)
    if url.username:
        client.username_pw_set(url.username, os.environ.get("MQTT_PASSWORD"))
    client.on_connect = listener.connected
    client.on_message = listener.message
    client.connect(url.hostname or "127.0.0.1", url.port or (8883 if url.scheme == "mqtts" else 1883))
    try:
        client.loop_forever(retry_first_connection=True)
    except KeyboardInterrupt:
        client.disconnect()


if __name__ == "__main__":
    main()
