"""One connection to a broker, from the attempt to its end: paho's client and what is said over it.

paho's client is made anew for every attempt. Its own reconnection keeps unacknowledged messages and their
numbers from before, so that an acknowledgement given late could go to another message, and a message could be
sent by it and by us; here a lost connection takes all of that with it. What was in flight is the caller's to
send again, and an acknowledgement for a message of an earlier connection is dropped (the broker delivers that
message once more).

The thread that calls :meth:`Session.run` alone reads and writes, for paho's writing takes no lock: a
publication or an acknowledgement of another thread is queued and wakes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ecgmon.transport.acknowledger import Acknowledger
from ecgmon.transport.bounded import BoundedClient
from ecgmon.transport.broker import BrokerSettings, explain_alert, explain_refusal
from ecgmon.transport.messages import Incoming, Message, Presence
from ecgmon.transport.publishes import Publish

SESSION_EXPIRY_SECONDS: Final = 3600
"""How long an MQTT 5 broker keeps a persistent session; one of 3.1.1 decides by itself."""

RECEIVE_MAXIMUM: Final = 1000
"""Unacknowledged messages that an MQTT 5 broker may send us at once; a 3.1.1 broker has its own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every session of a connection is to be; see :class:`~ecgmon.transport.connection.Connection`."""

    broker: BrokerSettings
    client_id: str
    subscribe: tuple[str, int] | None
    persistent: bool
    manual_ack: bool
    presence: Presence | None
    max_packet: int
    pace: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom a session tells, on its own thread: that it is ready, what came, what became of a publication."""

    up: Callable[[], None]
    came: Callable[[Sequence[Incoming]], None]
    published: Callable[[int, ReasonCode], None]


class Session:
    """One attempt, and what becomes of it."""

    def __init__(self, plan: Plan, told: Told) -> None:
        self._plan = plan
        self._told = told
        self._reasons: list[str] = []
        self._client = self._new_client()
        self._acks = Acknowledger(self._client.wake)
        self._up = False
        self._leaving = False

    def run(self) -> str:
        """Connect and stay so; why it ended. What connecting raises, TLS included, is raised."""
        plan, client = self._plan, self._client
        self._connect()
        patience = time.monotonic() + plan.broker.connect_timeout_seconds
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            began = time.monotonic()
            code = client.loop(0.5)  # unlike loop_forever it can be woken
            if self._up:
                if plan.pace and not client.hurried:
                    time.sleep(max(0.0, began + plan.pace - time.monotonic()))
            elif not self._reasons and time.monotonic() > patience:
                client.disconnect()
                return "it took the connection and does not answer"
        if self._reasons:
            return self._reasons[0]
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL:  # also how paho takes a refusal of our version
            return f"it does not speak MQTT {plan.broker.protocol}; see broker.protocol"
        port = (
            "TLS port, and does it ask for our certificate"
            if plan.broker.address.encrypted
            else "MQTT port, its protocol"
        )
        return f"it closed the connection before answering; is this its {port}?"

    def publish(self, message: Message) -> int | None:
        """Queue a message; its number, or None where that cannot be."""
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def tell(self, topic: str, payload: bytes) -> bool:
        """Queue a retained message at QoS 0 whose way nobody follows; whether that could be."""
        return self._client.tell(topic, payload, retain=True)

    def disconnect(self) -> None:
        """Acknowledge what is done, then say goodbye to the broker; :meth:`run` then ends."""
        self._leaving = True
        self._client.wake()

    def _connect(self) -> None:
        plan, address = self._plan, self._plan.broker.address
        options: dict[str, Any] = {}
        if plan.broker.protocol == "5":
            options["clean_start"] = not plan.persistent
            options["properties"] = properties = _properties(PacketTypes.CONNECT)
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = plan.max_packet
            if plan.persistent:
                properties.SessionExpiryInterval = SESSION_EXPIRY_SECONDS
        self._client.connect(address.host, address.port, plan.broker.keepalive_seconds, **options)

    def _new_client(self) -> BoundedClient:
        plan, broker = self._plan, self._plan.broker
        address, v5 = broker.address, broker.protocol == "5"
        client = BoundedClient(
            CallbackAPIVersion.VERSION2,
            largest=plan.max_packet,
            client_id=plan.client_id,
            clean_session=None if v5 else not plan.persistent,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            transport={"ws": "websockets", "wss": "websockets", "unix": "unix"}.get(address.scheme, "tcp"),
            reconnect_on_failure=False,
            manual_ack=plan.manual_ack,
        )
        client.connect_timeout = broker.connect_timeout_seconds
        username, password = broker.credentials()
        if username is not None:
            client.username_pw_set(username, password)
        if address.encrypted:
            client.tls_set_context(broker.tls.context())
        if address.scheme in {"ws", "wss"}:
            client.ws_set_options(path=address.path)
        if plan.presence is not None:
            client.will_set(plan.presence.topic, plan.presence.lost, qos=1, retain=True)
        client.on_log = partial(_on_log, self._reasons)  # until we are connected: see _set_up
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publishes = self._on_publishes
        client.on_publish = self._on_publish
        client.before_writing = self._before_writing
        return client

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            detail = getattr(properties, "ReasonString", None)
            self._reasons.append(explain_refusal(str(code)) + (f" ({detail[:200]!a})" if detail else ""))
        elif self._plan.subscribe is not None:
            client.subscribe(*self._plan.subscribe)
        else:
            self._set_up(client)

    def _on_subscribe(
        self, client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        refused = [code for code in codes if code.is_failure]
        if refused and self._plan.subscribe is not None:
            topic, _ = self._plan.subscribe
            self._reasons.append(f"it refused the subscription to {topic}: {str(refused[0]).lower()}")
            client.disconnect()
        else:
            self._set_up(client)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if self._up and not self._reasons:
            self._reasons.append(f"the connection was lost ({str(code).lower()})")

    def _set_up(self, client: Client) -> None:
        client.on_log = None  # it costs time with each message
        presence = self._plan.presence
        if presence is not None:
            client.publish(presence.topic, presence.online, qos=1, retain=True)
        self._up = True
        self._told.up()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        """One that is out of the ordinary: see :mod:`ecgmon.transport.publishes`."""
        raw = message._topic  # noqa: SLF001 - its public name raises where the topic is no text
        self._on_publishes([Publish(raw, bytes(message.payload), message.mid, message.qos, message.retain)])

    def _on_publishes(self, publishes: Sequence[Publish]) -> None:
        self._told.came([self._incoming(publish) for publish in publishes])

    def _incoming(self, publish: Publish) -> Incoming:
        raw, payload, number, qos, retained = publish
        try:
            topic = raw.decode()
        except UnicodeDecodeError:
            topic = ""  # no topic that we subscribe to; the owner counts it among those that name no stream
        acknowledge = self._acks.arrived(number, qos) if qos and self._plan.manual_ack else _nothing
        return Incoming(topic, payload, acknowledge, retained)

    def _before_writing(self) -> None:
        """Queue the acknowledgements that are ready, and the goodbye behind them."""
        leaving = self._leaving  # before we look: all that was done by then has to go out
        ready = self._acks.take()
        numbers = [slot.number for slot in ready if slot.qos == 1]
        if numbers:
            self._client.acknowledge(numbers)
        for slot in ready:
            if slot.qos == 2:
                self._client.ack(slot.number, slot.qos)
        if leaving:
            self._client.disconnect()

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        self._told.published(mid, code)


def _nothing() -> None:
    """Acknowledges a message that wants no acknowledgement of ours."""


def _on_log(reasons: list[str], _client: Client, _data: Any, _level: int, text: str) -> None:
    """paho tells nobody else that TLS failed after its handshake."""
    told = explain_alert(text)
    if told is not None:
        reasons.append(told)


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]
