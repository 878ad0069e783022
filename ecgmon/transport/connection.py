"""One connection to an MQTT broker that keeps itself alive.

paho's client is made anew for every attempt. Its own reconnection keeps unacknowledged messages and their
numbers from before, so that an acknowledgement given late could go to another message, and a message could be
sent by it and by us; here a lost connection takes all of that with it. What was in flight is the caller's to
send again, and an acknowledgement for a message of an earlier connection is dropped (the broker delivers that
message once more).

Callbacks run on the connection's own thread and must not block. No call into paho is made under a lock that a
callback takes. That thread alone writes, too, for paho's writing takes no lock: a publication or an
acknowledgement of another thread is queued and wakes it.
"""

from __future__ import annotations

import logging
import random
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ecgmon.errors import EcgmonError, TransportError
from ecgmon.transport.acknowledger import Acknowledger
from ecgmon.transport.bounded import BoundedClient
from ecgmon.transport.broker import BrokerSettings, explain, explain_alert, explain_refusal
from ecgmon.transport.messages import Handlers, Incoming, Message, Presence

log = logging.getLogger(__name__)

STABLE_SECONDS: Final = 5.0
"""A connection that lasted this long was a good one: the next pause is the shortest again."""

SESSION_EXPIRY_SECONDS: Final = 3600
"""How long an MQTT 5 broker keeps a persistent session; one of 3.1.1 decides by itself."""

RECEIVE_MAXIMUM: Final = 1000
"""Unacknowledged messages that an MQTT 5 broker may send us at once; a 3.1.1 broker has its own limit."""

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
    send us, and what is kept of a larger one of 3.1.1.
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
    ) -> None:
        if persistent and broker.client_id is None:
            raise TransportError("a persistent session needs broker.client_id, the same at every start")
        self.broker = broker
        self.shown = broker.address.shown
        self._client_id = f"{broker.client_id or f'ecgmon-{secrets.token_hex(4)}'}-{role}"
        self._role = role
        self._jitter = random.Random()  # of its own: a seed that the program sets must not line clients up
        self._handlers = handlers or Handlers()
        self._subscribe = subscribe
        self._persistent = persistent
        self._manual_ack = manual_ack
        self._presence = presence
        self._max_packet = max_packet
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._once = False
        self._changed = threading.Condition()
        self._client: Client | None = None
        self._acks: Acknowledger | None = None
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
        client = self._client
        if client is None or not self._connected:
            return None
        info = client.publish(message.topic, message.payload, message.qos, message.retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def stop(self, timeout: float) -> None:
        """Say goodbye, wait at most ``timeout`` s for the broker to take it, disconnect, end the thread."""
        deadline = time.monotonic() + timeout
        if self._presence is not None and self._connected:
            goodbye = self.publish(Message(self._presence.topic, self._presence.offline, retain=True))
            with self._changed:
                self._changed.wait_for(
                    lambda: self._last_delivered == goodbye or not self._connected, timeout
                )
        self._stopping.set()
        deadline = max(deadline, time.monotonic() + 0.5)
        while self._thread is not None and self._thread.is_alive() and time.monotonic() < deadline:
            client = self._client
            if client is not None:
                client.disconnect()  # again and again: an attempt that just begins does not hear the first
            self._thread.join(0.05)
        if self._thread is not None and self._thread.is_alive():
            log.warning("broker %s: the connection did not end in time and is abandoned", self.shown)
        self._set_down(None)

    def _run(self) -> None:
        failures = short = 0
        while not self._stopping.is_set():
            self.attempts += 1
            try:
                error = self._session()
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
                error += f"; does another client call itself {self._client_id}?"
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

    def _session(self) -> str:
        """One connection from beginning to end; why it ended."""
        reasons: list[str] = []
        client = self._new_client(reasons)
        self._client = client
        self._acks = Acknowledger(partial(self._acknowledge, client)) if self._manual_ack else None
        try:
            address = self.broker.address
            options: dict[str, Any] = {}
            if self.broker.protocol == "5":
                options["clean_start"] = not self._persistent
                options["properties"] = properties = _properties(PacketTypes.CONNECT)
                properties.ReceiveMaximum = RECEIVE_MAXIMUM
                properties.MaximumPacketSize = self._max_packet
                if self._persistent:
                    properties.SessionExpiryInterval = SESSION_EXPIRY_SECONDS
            client.connect(address.host, address.port, self.broker.keepalive_seconds, **options)
            patience = time.monotonic() + self.broker.connect_timeout_seconds
            code = MQTTErrorCode.MQTT_ERR_SUCCESS
            while code == MQTTErrorCode.MQTT_ERR_SUCCESS:
                code = client.loop(0.5)  # unlike loop_forever it can be woken
                if not (self._connected or reasons) and time.monotonic() > patience:
                    client.disconnect()
                    return "it took the connection and does not answer"
        finally:
            self._client = None
        if reasons:
            return reasons[0]
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL:  # also how paho takes a refusal of our version
            return f"it does not speak MQTT {self.broker.protocol}; see broker.protocol"
        port = (
            "TLS port, and does it ask for our certificate"
            if address.encrypted
            else "MQTT port, its protocol"
        )
        return f"it closed the connection before answering; is this its {port}?"

    def _new_client(self, reasons: list[str]) -> Client:
        address, v5 = self.broker.address, self.broker.protocol == "5"
        client = BoundedClient(
            CallbackAPIVersion.VERSION2,
            largest=self._max_packet,
            client_id=self._client_id,
            clean_session=None if v5 else not self._persistent,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            transport={"ws": "websockets", "wss": "websockets", "unix": "unix"}.get(address.scheme, "tcp"),
            reconnect_on_failure=False,
            manual_ack=self._manual_ack,
        )
        client.connect_timeout = self.broker.connect_timeout_seconds
        username, password = self.broker.credentials()
        if username is not None:
            client.username_pw_set(username, password)
        if address.encrypted:
            client.tls_set_context(self.broker.tls.context())
        if address.scheme in {"ws", "wss"}:
            client.ws_set_options(path=address.path)
        if self._presence is not None:
            client.will_set(self._presence.topic, self._presence.lost, qos=1, retain=True)
        client.on_socket_register_write = _leave_writing_to_the_loop
        client.on_log = partial(_on_log, reasons)  # until we are connected: see _set_up
        client.on_connect = partial(self._on_connect, reasons)
        client.on_subscribe = partial(self._on_subscribe, reasons)
        client.on_disconnect = partial(self._on_disconnect, reasons)
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _on_connect(
        self,
        reasons: list[str],
        client: Client,
        _data: Any,
        _flags: Any,
        code: ReasonCode,
        properties: Properties,
    ) -> None:
        if code.is_failure:
            detail = getattr(properties, "ReasonString", None)
            reasons.append(explain_refusal(str(code)) + (f" ({detail[:200]!a})" if detail else ""))
        elif self._subscribe is not None:
            client.subscribe(*self._subscribe)
        else:
            self._set_up(client)

    def _on_subscribe(
        self,
        reasons: list[str],
        client: Client,
        _data: Any,
        _mid: int,
        codes: list[ReasonCode],
        _properties: Any,
    ) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused and self._subscribe is not None:
            reasons.append(f"it refused the subscription to {self._subscribe[0]}: {str(refused[0]).lower()}")
            client.disconnect()
        else:
            self._set_up(client)

    def _on_disconnect(
        self, reasons: list[str], _client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if self._connected and not reasons:
            reasons.append(f"the connection was lost ({str(code).lower()})")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # no topic that we subscribe to; the owner counts it among those that name no stream
        acknowledge: Callable[[], None] = _nothing
        if message.qos and self._acks is not None:
            acknowledge = self._acks.arrived(message.mid, message.qos)
        self._handlers.message(Incoming(topic, bytes(message.payload), acknowledge, message.retain))

    def _acknowledge(self, client: Client, mid: int, qos: int) -> None:
        if client is self._client:
            client.ack(mid, qos)

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        with self._changed:
            self._last_delivered = mid
            self._changed.notify_all()
        if code.is_failure:
            self._handlers.refused(mid, str(code).lower())
        elif code.value == NO_SUBSCRIBER:
            self._handlers.unheard(mid)
        else:
            self._handlers.delivered(mid)

    def _set_up(self, client: Client) -> None:
        client.on_log = None  # it costs time with each message
        if self._presence is not None:
            client.publish(self._presence.topic, self._presence.online, qos=1, retain=True)
        with self._changed:
            self._connected = True
            self.generation += 1
            self._up_since = time.monotonic()
            self._last_error = None
            self._changed.notify_all()
        log.info("broker %s: connected as %s", self.shown, self._client_id)
        self._handlers.up()

    def _set_down(self, error: str | None) -> None:
        with self._changed:
            was_up, self._connected = self._connected, False
            self._last_error = error if error is not None else self._last_error
            self._changed.notify_all()
        if was_up:
            self._handlers.down()


def _nothing() -> None:
    """Acknowledges a message that wants no acknowledgement of ours."""


def _leave_writing_to_the_loop(_client: Client, _data: Any, _socket: Any) -> None:
    """While paho knows such a function, it does not write on whatever thread has something to send."""


def _on_log(reasons: list[str], _client: Client, _data: Any, _level: int, text: str) -> None:
    """paho tells nobody else that TLS failed after its handshake."""
    told = explain_alert(text)
    if told is not None:
        reasons.append(told)


def _close_sockets(error: Exception) -> None:
    """Close what paho leaves open when a TLS handshake or a Unix socket fails; only its frames know it."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, socket.socket):
                value.close()


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]
