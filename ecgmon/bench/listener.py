"""Hears the daemon's alerts and notes how long after the deciding message each one came."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ecgmon.bench.generator import stream_of
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Incoming
from ecgmon.transport.payloads import decode_alert
from ecgmon.transport.topics import PREFIX


class Listener:
    """``heard``: (UTC time at which an alert came, its stream's number, UTC time of the deciding sample)."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, int, float]] = []

    def message(self, message: Incoming) -> None:
        now = time.time()
        alert = decode_alert(message.payload)
        if alert.kind == "anomalous-beats" and alert.state == "raised":
            self.heard.append((now, stream_of(alert.stream), alert.time))

    def delays(self, start: float, streams: int, after: float) -> list[float]:
        """Seconds from the moment at which the message with the deciding sample was due until the alert came,
        of alerts decided after UTC time ``after``. Streams sent from ``start`` on, spread over the second."""
        found = []
        for now, stream, decided in self.heard:
            if decided > after:
                phase = start + stream / streams
                due = phase + math.floor(decided - phase + 1e-6) + 1.0
                found.append(now - due)
        return found


@contextmanager
def listening(url: str) -> Iterator[Listener]:
    """A subscriber for the time of a block."""
    listener = Listener()
    connection = Connection(
        BrokerSettings(url=url), "heard", Handlers(message=listener.message),
        subscribe=(f"{PREFIX}/alerts/+", 1),
    )  # fmt: skip
    connection.start(must_connect=True)
    try:
        yield listener
    finally:
        connection.stop(1.0)
