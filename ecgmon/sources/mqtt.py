"""Chunks from an MQTT broker.

The connection's thread decodes each message and puts the chunk into a bounded queue; the compute thread takes
it out and acknowledges it when its beats are scored (QoS 1, ``manual_ack``). So a broker with a persistent
session delivers again what was not finished when the program was killed.

At each bound: a message that is no valid chunk is counted by reason, logged at most once a minute for each
reason, and acknowledged, since it would be no better the next time. When the queue is full the oldest chunk
is dropped, counted and acknowledged: a monitor that falls behind must see the present. A retained message is
counted and acknowledged and goes no further: it is old, and comes again at each reconnection.

A broker has bounds of its own. Mosquitto sends 20 messages ahead of our acknowledgements
(``max_inflight_messages``; with protocol 5 this source asks for 1000), keeps 1000 more
(``max_queued_messages``) and then drops silently; what it dropped shows as gaps in ``seq``. Raise both on a
ward's broker. With protocol 5 it also drops what is larger than ``limits.max_bytes``, before it costs us
memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Chunk
from ecgmon.errors import PayloadError
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.limits import REASONS, Limits
from ecgmon.transport.messages import Handlers, Incoming
from ecgmon.transport.payloads import decode
from ecgmon.transport.samples import ready
from ecgmon.transport.topics import MAX_TOPIC_BYTES, SAMPLES_TEMPLATE, SampleTopics

log = logging.getLogger(__name__)

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two log lines about malformed messages of one reason."""

PACE: Final = 0.01
"""Seconds between two looks at what the broker sent: a thousand streams send ten messages meanwhile, which
then share the calls of the system, the locks and the hand-over to the compute thread."""

PROPERTY_BYTES: Final = 4096
"""Room in an MQTT 5 packet beside payload and topic; a broker does not send us larger packets."""


class MqttSettings(Settings, frozen=True, kw_only=True, tag_field="type", tag="mqtt"):
    """Live streams from an MQTT broker."""

    broker: BrokerSettings = BrokerSettings()
    topic: Annotated[str, Meta(description="where chunks arrive; {stream} is one whole level")] = (
        SAMPLES_TEMPLATE
    )
    qos: Annotated[Literal[0, 1], Meta(description="1: acknowledged after processing")] = 1
    persistent_session: Annotated[
        bool, Meta(description="the broker keeps what arrives while we are away; needs broker.client_id")
    ] = False
    queue_chunks: Annotated[
        int, Meta(ge=1, le=1_000_000, description="chunks waiting; then the oldest goes")
    ] = 2000
    queue_bytes: Annotated[
        int, Meta(ge=1_000_000, le=100_000_000_000, description="bytes of samples waiting; then likewise")
    ] = 64_000_000
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if self.persistent_session and self.broker.client_id is None:
            raise ValueError("persistent_session needs broker.client_id, the same at every start")


class MqttSource:
    """The streams of one broker; never exhausted before it is closed."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._topics = SampleTopics(settings.topic)
        self._connection = Connection(
            settings.broker,
            "in",
            Handlers(messages=self._on_messages),
            subscribe=(self._topics.filter, settings.qos),
            persistent=settings.persistent_session,
            manual_ack=True,
            max_packet=settings.limits.max_bytes + MAX_TOPIC_BYTES + PROPERTY_BYTES,
            pace=PACE,
        )
        self._most_chunks, self._most_bytes = settings.queue_chunks, settings.queue_bytes
        self._queue: deque[Chunk] = deque()
        self._bytes = 0
        self._filled = threading.Condition()
        self._taking = threading.Event()
        self._taking.set()
        self._closed = False
        self._received: Counter[str] = Counter(messages=0, bytes=0)
        self._rejected: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        self._dropped: Counter[str] = Counter({"queue-full": 0, "retained": 0})
        self._complaints: dict[str, tuple[float, int]] = {}

    def open(self) -> None:
        """Connect; a first failure is tried again, or TransportError with ``broker.fail_at_start``."""
        ready()
        self._connection.start()

    def get(self, timeout: float) -> Chunk | None:
        with self._filled:
            if not self._queue and timeout > 0:
                self._filled.wait_for(lambda: self._queue or self._closed, timeout)
            return self._take() if self._queue else None

    @property
    def exhausted(self) -> bool:
        return self._closed and not self._queue

    @property
    def connected(self) -> bool:
        """The broker has accepted us and granted the subscription."""
        return self._connection.connected

    @property
    def last_error(self) -> str | None:
        """Why there is no connection, None while there is one."""
        return self._connection.last_error

    def stop_intake(self) -> None:
        """Take nothing more in; what is queued can still be had and acknowledged, for the connection stays.

        What arrives from here on is not acknowledged, so that a persistent session delivers it at the next
        start. To unsubscribe instead would end what such a session collects while we are away.
        """
        with self._filled:
            self._taking.clear()

    def close(self) -> None:
        """Disconnect; what is queued stays unacknowledged, so that a persistent session delivers it again."""
        self._connection.stop(1.0)
        with self._filled:
            self._closed = True
            self._queue.clear()
            self._bytes = 0
            self._filled.notify_all()

    def stats(self) -> dict[str, dict[str, int]]:
        """Running totals by what became of it and why, for the metrics; every key is from a bounded set.

        ``received``: ``messages``, ``bytes``; ``rejected``: a reason of
        :data:`~ecgmon.transport.limits.REASONS`; ``dropped``: ``queue-full``, ``retained``; ``now``:
        ``queued`` chunks, ``connected`` 0 or 1, ``attempts`` to connect.
        """
        return {
            "received": dict(self._received),
            "rejected": dict(self._rejected),
            "dropped": dict(self._dropped),
            "now": {
                "queued": len(self._queue),
                "connected": int(self._connection.connected),
                "attempts": self._connection.attempts,
            },
        }

    def _on_messages(self, messages: Sequence[Incoming]) -> None:
        if not self._taking.is_set():
            return
        now = time.monotonic()
        self._received["messages"] += len(messages)
        chunks = [chunk for message in messages if (chunk := self._chunk(message, now)) is not None]
        dropped = self._put(chunks) if chunks else []
        self._dropped["queue-full"] += len(dropped)
        for old in dropped:
            if old.ack is not None:
                old.ack()

    def _chunk(self, message: Incoming, now: float) -> Chunk | None:
        """What came at ``now`` as a chunk; None, and acknowledged, where it is none of use."""
        self._received["bytes"] += len(message.payload)
        if message.retained:
            self._dropped["retained"] += 1
            message.acknowledge()
            return None
        try:
            return decode(
                message.payload, stream=self._topics.stream(message.topic), limits=self._settings.limits,
                ack=message.acknowledge, received=now,
            )  # fmt: skip
        except PayloadError as error:
            self._rejected[error.reason] += 1
            self._complain(message.topic, error)
            message.acknowledge()
            return None

    def _put(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Queue ``chunks``, unless the intake has stopped; which had to go for them."""
        dropped: list[Chunk] = []
        with self._filled:
            if not self._taking.is_set():
                return dropped
            for chunk in chunks:
                self._queue.append(chunk)
                self._bytes += chunk.samples.nbytes
                while self._bytes > self._most_bytes or len(self._queue) > self._most_chunks:
                    if len(self._queue) == 1:
                        break
                    dropped.append(self._take())
            self._filled.notify()
        return dropped

    def _take(self) -> Chunk:
        """The oldest chunk; the caller holds the lock."""
        chunk = self._queue.popleft()
        self._bytes -= chunk.samples.nbytes
        return chunk

    def _complain(self, topic: str, error: PayloadError) -> None:
        now = time.monotonic()
        last, unsaid = self._complaints.get(error.reason, (-COMPLAIN_EVERY, 0))
        if now - last < COMPLAIN_EVERY:
            self._complaints[error.reason] = (last, unsaid + 1)
            return
        self._complaints[error.reason] = (now, 0)
        also = f" ({unsaid} more of this kind since the last line)" if unsaid else ""
        log.warning("message on %a rejected as '%s': %s%s", topic[:200], error.reason, error, also)
