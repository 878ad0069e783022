"""Publishing a stream of messages that must all arrive, at the pace at which the broker takes them."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from ecgmon.errors import TransportError
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Message

WINDOW: Final = 100
"""Messages sent and not yet acknowledged, at most."""

PATIENCE: Final = 60.0
"""Seconds without an acknowledgement or a connection after which the sender gives up."""


class Sender:
    """Publishes with a bounded number of messages in flight, and once more what a lost connection swallowed.

    Used by one thread; the connection's thread only notes what was delivered.
    """

    def __init__(self, broker: BrokerSettings, qos: int) -> None:
        handlers = Handlers(
            delivered=self._on_delivered, refused=self._on_refused, unheard=self._on_delivered
        )
        self._connection = Connection(broker, "replay", handlers)
        self._qos = qos
        self._in_flight: dict[int, Message] = {}
        self._waiting: deque[Message] = deque()
        self._delivered: deque[int] = deque()
        self._refusal: str | None = None
        self._news = threading.Event()
        self._generation = 0
        self._heard = time.monotonic()
        self.shown = self._connection.shown
        self.messages = 0
        self.samples = 0
        self.done = 0

    def open(self) -> None:
        """Connect, or raise :class:`TransportError`."""
        self._connection.start(must_connect=True)
        self._heard = time.monotonic()

    def send(self, message: Message, samples: int) -> None:
        """Take a message of so many samples; waits while too many are in flight."""
        self._waiting.append(message)
        self.messages += 1
        self.samples += samples
        if not self._in_flight:
            self._heard = time.monotonic()  # a pause of the source is not the broker's
        self._advance()
        while self._waiting:
            self._pause()
            self._advance()

    def drain(self, timeout: float) -> None:
        """Wait until everything is acknowledged, at most ``timeout`` s."""
        until = time.monotonic() + timeout
        self._advance()
        while (self._in_flight or self._waiting) and time.monotonic() < until:
            self._pause()
            self._advance()

    def close(self) -> None:
        """Disconnect cleanly."""
        self._connection.stop(1.0)
        self._settle()

    def _pause(self) -> None:
        if self._refusal is not None:
            raise TransportError(f"broker {self.shown} refuses what we publish: {self._refusal}")
        if time.monotonic() - self._heard > PATIENCE:
            reason = self._connection.last_error or "it does not acknowledge"
            raise TransportError(f"broker {self.shown} took nothing for {PATIENCE:.0f} s: {reason}")
        self._news.wait(0.05)
        self._news.clear()

    def _advance(self) -> None:
        """Note what was acknowledged, take back what a lost connection swallowed, fill the window."""
        if self._connection.generation != self._generation:
            self._settle()
            self._generation = self._connection.generation
            self._waiting.extendleft(reversed(self._in_flight.values()))
            self._in_flight.clear()
            self._delivered.clear()
        self._settle()
        while self._waiting and len(self._in_flight) < WINDOW:
            mid = self._connection.publish(self._waiting[0])
            if mid is None:
                return
            self._in_flight[mid] = self._waiting.popleft()

    def _settle(self) -> None:
        while self._delivered:
            if self._in_flight.pop(self._delivered.popleft(), None) is not None:
                self.done += 1
                self._heard = time.monotonic()

    def _on_delivered(self, mid: int) -> None:
        self._delivered.append(mid)
        self._news.set()

    def _on_refused(self, _mid: int, reason: str) -> None:
        self._refusal = reason
        self._news.set()
