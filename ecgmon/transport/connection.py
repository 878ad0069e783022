"""A connection to an MQTT broker that keeps itself alive, by one session after the other.

Callbacks run on the connection's own thread and must not block. No call into paho is made under a lock that a
callback takes.
"""

from __future__ import annotations

import logging
import random
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Final

from paho.mqtt.reasoncodes import ReasonCode

from ecgmon.errors import EcgmonError, TransportError
from ecgmon.transport.broker import BrokerSettings, explain
from ecgmon.transport.messages import Handlers, Incoming, Message, Presence
from ecgmon.transport.session import Plan, Session, Told

log = logging.getLogger(__name__)

STABLE_SECONDS: Final = 5.0
"""A connection that lasted this long was a good one: the next pause is the shortest again."""

MAX_PACKET: Final = 1_000_000
"""Bytes kept of one packet where the owner names no limit."""

SHORT_ONES: Final = 3
"""After so many short connections in a row another client with our name is suspected."""

NO_SUBSCRIBER: Final = 0x10
"""MQTT 5, reason code of PUBACK: taken, and nobody was there to hear it."""


class Connection:
    """Connects, subscribes, and does so again with growing, jittered pauses until stopped.

    ``role`` (``in``, ``out``, ``replay``) distinguishes the connections of one process; ``subscribe`` is a
    filter and its QoS. ``persistent`` asks the broker to keep the subscription and what arrives while we are
    away; it needs a ``client_id`` in ``broker``. With ``manual_ack`` a message of QoS 1 is acknowledged only
    by its ``acknowledge``. ``max_packet`` is the largest packet, in bytes, that an MQTT 5 broker may
    send us, and what is kept of a larger one of 3.1.1. With a ``pace``, s, the thread looks no more often at
    what came and what waits to be sent, unless more comes than it can read at once: many messages then share
    what each look costs.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        role: str,
        handlers: Handlers | None = None,
        *,
        subscribe: tuple[str, int] | None = None,
        persistent: bool = False,
        manual_ack: bool = False,
        presence: Presence | None = None,
        max_packet: int = MAX_PACKET,
        pace: float = 0.0,
    ) -> None:
        if persistent and broker.client_id is None:
            raise TransportError("a persistent session needs broker.client_id, the same at every start")
        self.broker = broker
        self.shown = broker.address.shown
        self._plan = Plan(
            broker=broker,
            client_id=f"{broker.client_id or f'ecgmon-{secrets.token_hex(4)}'}-{role}",
            subscribe=subscribe,
            persistent=persistent,
            manual_ack=manual_ack,
            presence=presence,
            max_packet=max_packet,
            pace=pace,
        )
        self._role = role
        self._jitter = random.Random()  # of its own: a seed that the program sets must not line clients up
        self._handlers = handlers or Handlers()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._once = False
        self._changed = threading.Condition()
        self._session: Session | None = None
        self._connected = False
        self._up_since = 0.0
        self._last_error: str | None = None
        self._last_delivered: int | None = None
        self.attempts = 0
        self.generation = 0
        """Counts the connections: what was sent under another number was lost if not yet acknowledged."""

    @property
    def connected(self) -> bool:
        """The broker has accepted us and, where asked for, granted the subscription."""
        return self._connected

    @property
    def last_error(self) -> str | None:
        """Why there is no connection; None while there is one, or before the first attempt ended."""
        return self._last_error

    def start(self, *, must_connect: bool | None = None) -> None:
        """Start the thread.

        With ``must_connect`` (default: ``broker.fail_at_start``) wait for the first attempt, and raise
        :class:`TransportError` with its reason when it fails.
        """
        self._once = self.broker.fail_at_start if must_connect is None else must_connect
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{self._role}", daemon=True)
        self._thread.start()
        if not self._once:
            return
        patience = 2 * self.broker.connect_timeout_seconds
        with self._changed:
            self._changed.wait_for(lambda: self._connected or self._last_error is not None, patience)
            reason = None if self._connected else self._last_error or f"no answer within {patience:g} s"
        if reason is not None:
            self.stop(0.0)
            raise TransportError(f"broker {self.shown} cannot be used: {reason}")

    def publish(self, message: Message) -> int | None:
        """Send a message now; its number for ``delivered``, or None without a connection: nothing is kept."""
        session = self._session
        return session.publish(message) if session is not None and self._connected else None

    def tell(self, topic: str, payload: bytes) -> bool:
        """Send a retained message now, at QoS 0, whose way nobody follows; False without a connection."""
        session = self._session
        return session is not None and self._connected and session.tell(topic, payload)

    def stop(self, timeout: float) -> None:
        """Say goodbye, wait at most ``timeout`` s for the broker to take it, disconnect, end the thread."""
        deadline = time.monotonic() + timeout
        presence = self._plan.presence
        if presence is not None and self._connected:
            goodbye = self.publish(Message(presence.topic, presence.offline, retain=True))
            with self._changed:
                self._changed.wait_for(
                    lambda: self._last_delivered == goodbye or not self._connected, timeout
                )
        self._stopping.set()
        deadline = max(deadline, time.monotonic() + 0.5)
        while self._thread is not None and self._thread.is_alive() and time.monotonic() < deadline:
            session = self._session
            if session is not None:
                session.disconnect()  # again and again: another attempt may just begin
            self._thread.join(0.05)
        if self._thread is not None and self._thread.is_alive():
            log.warning("broker %s: the connection did not end in time and is abandoned", self.shown)
        self._set_down(None)

    def _run(self) -> None:
        failures = short = 0
        while not self._stopping.is_set():
            self.attempts += 1
            try:
                error = self._connect()
            except (EcgmonError, OSError, ValueError) as failure:  # what connecting raises, TLS included
                _close_sockets(failure)
                error = explain(failure)
            except Exception as failure:
                # A bug in a handler must not end the thread unnoticed.
                log.exception("broker %s: the connection failed inside", self.shown)
                error = f"internal error: {failure!r}"
            lasted = time.monotonic() - self._up_since if self._connected else 0.0
            short = short + 1 if 0 < lasted < STABLE_SECONDS else 0
            if short >= SHORT_ONES:
                error += f"; does another client call itself {self._plan.client_id}?"
            repeated = error == self._last_error
            self._set_down(error)
            if self._stopping.is_set() or (self._once and not self.generation):
                return
            failures = 0 if lasted >= STABLE_SECONDS else failures + 1
            pause = self._pause(failures)
            log.log(
                logging.DEBUG if repeated else logging.WARNING,
                "broker %s: %s; trying again in %.1f s", self.shown, error, pause,
            )  # fmt: skip
            self._stopping.wait(pause)

    def _pause(self, failures: int) -> float:
        """Doubling from shortest to longest, times 0.5 to 1: many clients must not come back at once."""
        doubled = self.broker.reconnect_min_seconds * 2.0 ** min(max(failures - 1, 0), 20)
        return min(self.broker.reconnect_max_seconds, doubled) * self._jitter.uniform(0.5, 1.0)

    def _connect(self) -> str:
        """One session from beginning to end; why it ended."""
        told = Told(up=self._set_up, came=self._came, published=self._published)
        self._session = session = Session(self._plan, told)
        try:
            return session.run()
        finally:
            self._session = None

    def _came(self, messages: Sequence[Incoming]) -> None:
        if self._handlers.messages is not None:
            self._handlers.messages(messages)
            return
        for message in messages:
            self._handlers.message(message)

    def _published(self, number: int, code: ReasonCode) -> None:
        with self._changed:
            self._last_delivered = number
            self._changed.notify_all()
        if code.is_failure:
            self._handlers.refused(number, str(code).lower())
        elif code.value == NO_SUBSCRIBER:
            self._handlers.unheard(number)
        else:
            self._handlers.delivered(number)

    def _set_up(self) -> None:
        with self._changed:
            self._connected = True
            self.generation += 1
            self._up_since = time.monotonic()
            self._last_error = None
            self._changed.notify_all()
        log.info("broker %s: connected as %s", self.shown, self._plan.client_id)
        self._handlers.up()

    def _set_down(self, error: str | None) -> None:
        with self._changed:
            was_up, self._connected = self._connected, False
            self._last_error = error if error is not None else self._last_error
            self._changed.notify_all()
        if was_up:
            self._handlers.down()


def _close_sockets(error: Exception) -> None:
    """Close what paho leaves open when a TLS handshake or a Unix socket fails; only its frames know it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, socket.socket):
                value.close()
