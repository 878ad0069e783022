"""Devices that send, in a process of their own: each stream one message a second, spread over the second."""

from __future__ import annotations

import struct
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final

import msgspec

from ecgmon.bench.material import first_lead
from ecgmon.ecg.types import Chunk
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Message
from ecgmon.transport.payloads import encode_binary
from ecgmon.transport.topics import SampleTopics

SEQ: Final = struct.Struct("<I")  # at byte 8 of the binary form
TIME: Final = struct.Struct("<d")  # at byte 20
APART: Final = 37
"""Seconds between the places at which two streams play one recording."""

TICK: Final = 0.002
"""Seconds between two looks at what is due: how late a message may be without anybody being slow."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: recordings (paths), and how. Streams come one after the other for ``ramp`` s."""

    url: str
    records: list[str]
    streams: int
    ramp: float
    qos: int


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent so far, and how well the generator kept up.

    start       UTC time of the first stream's first sample, s
    messages    handed to the connection
    refused     not taken by it: there was none
    waiting     not acknowledged by the broker yet (QoS 1), or not written yet
    late        how long after its time the latest message was handed over, s
    """

    start: float
    messages: int
    refused: int
    waiting: int
    late: float


class Devices:
    """The schedule: message ``k`` is stream ``k % streams``'s for second ``k // streams``, and due at its
    end."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._played = [payloads(Path(path)) for path in load.records]
        self._topics = [SampleTopics().topic(name_of(i)) for i in range(load.streams)]
        self._first = [int(i * load.ramp / load.streams) for i in range(load.streams)]
        self._next = 0
        self.begin()

    def begin(self) -> None:
        """The first sample of the first stream is taken now."""
        self._began, self.start = time.monotonic(), time.time()

    def next(self, now: float) -> tuple[float, Message] | None:
        """The next message whose time has come, and its time; None where none's has. Both are monotonic."""
        while (due := self._began + 1.0 + self._next / self._load.streams) <= now:
            k, self._next = self._next, self._next + 1
            second, stream = divmod(k, self._load.streams)
            seq = second - self._first[stream]
            if seq >= 0:
                return due, self._message(stream, seq, self.start + k / self._load.streams)
        return None

    def _message(self, stream: int, seq: int, stamp: float) -> Message:
        played = self._played[stream % len(self._played)]
        payload = played[(stream // len(self._played) * APART + seq) % len(played)]
        SEQ.pack_into(payload, 8, seq)
        TIME.pack_into(payload, 20, stamp)
        return Message(self._topics[stream], bytes(payload), qos=self._load.qos)


def name_of(stream: int) -> str:
    return f"bed-{stream:05d}"


def stream_of(name: str) -> int:
    """The number of the stream ``name``."""
    return int(name.removeprefix("bed-"))


def payloads(path: Path) -> list[bytearray]:
    """A recording's first lead in messages of one second each, binary; what is left over is not played."""
    x, fs = first_lead(path)
    size = round(fs)
    return [
        bytearray(encode_binary(Chunk("", fs, ("I",), x[None, at : at + size], 0.0, 0)))
        for at in range(0, len(x) - size + 1, size)
    ]


def generate(pipe: Pipe, load: Load) -> None:
    """Send from the first question on, until the question is ``stop``.

    Each question is answered with :class:`Sent`; ``late`` then counts anew.
    """
    Sender(load).serve(pipe)


class Sender:
    """Sends what is due, and answers."""

    def __init__(self, load: Load) -> None:
        self._devices = Devices(load)
        self._messages = self._refused = self._delivered = 0
        self._late = 0.0
        self._connection = Connection(BrokerSettings(url=load.url), "load", Handlers(delivered=self._count))

    def serve(self, pipe: Pipe) -> None:
        """Until ``stop``, or until nobody can ask any more."""
        self._connection.start(must_connect=True)
        try:
            pipe.recv()
            self._devices.begin()
            pipe.send(self._sent())
            while not self._stopped(pipe):
                self._send()
                time.sleep(TICK)
        except EOFError:
            return  # the parent is gone
        finally:
            self._connection.stop(1.0)

    def _send(self) -> None:
        now = time.monotonic()
        while (item := self._devices.next(now)) is not None:
            due, message = item
            self._messages += 1
            self._refused += self._connection.publish(message) is None
            self._late = max(self._late, time.monotonic() - due)

    def _stopped(self, pipe: Pipe) -> bool:
        while pipe.poll():
            stop = pipe.recv() == "stop"
            pipe.send(self._sent())
            self._late = 0.0
            if stop:
                return True
        return False

    def _sent(self) -> Sent:
        waiting = self._messages - self._refused - self._delivered
        return Sent(
            start=self._devices.start, messages=self._messages, refused=self._refused,
            waiting=waiting, late=self._late,
        )  # fmt: skip

    def _count(self, _: int) -> None:
        self._delivered += 1
