"""Many devices before a daemon, and what its process costs: shared by the pressure and the soak test."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgmon.bench.generator import SEQ, TIME
from ecgmon.bench.processes import resident_bytes
from ecgmon.config import convert
from ecgmon.sources.base import chunks
from ecgmon.sources.simulator import SimulatorSettings, SimulatorSource
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Message
from ecgmon.transport.payloads import encode_binary
from tests.integration.test_serve_mqtt import Daemon, daemon


class Devices:
    """``streams`` patients who send a minute again and again, in chunks of ``chunk_seconds``, without end."""

    def __init__(self, url: str, streams: int, chunk_seconds: float, *, patients: int = 10) -> None:
        tree = {
            "streams": patients, "seconds": 60, "speed": 0, "chunk_seconds": chunk_seconds, "start_time": 0.0,
            "rates": {"pvc": 120, "run": 20, "lead-off": 0},
        }  # fmt: skip
        made: dict[str, list[bytearray]] = {}
        for chunk in chunks(SimulatorSource(convert(tree, SimulatorSettings, where="load"))):
            made.setdefault(chunk.stream, []).append(bytearray(encode_binary(chunk)))
        self._recorded = list(made.values())
        self._streams = streams
        self._seconds = chunk_seconds
        self._start = time.time()
        self._connection = Connection(BrokerSettings(url=url), "load")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._messages = self._all()
        self.sent = 0

    def open(self) -> None:
        self._connection.start(must_connect=True)

    def send_at(self, per_second: float) -> None:
        """From here on, in a thread of its own."""
        self.pause()
        self._stop.clear()
        self._thread = threading.Thread(target=self._send, args=(per_second,), daemon=True)
        self._thread.start()

    def pause(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def close(self) -> None:
        self.pause()
        self._connection.stop(2.0)

    def _send(self, per_second: float) -> None:
        began, sent = time.monotonic(), 0
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * per_second)
            for message in itertools.islice(self._messages, max(0, due - sent)):
                if self._connection.publish(message) is not None:
                    self.sent += 1
                sent += 1
            self._stop.wait(0.01)

    def _all(self) -> Iterator[Message]:
        """One chunk of each stream, then the next of each."""
        for seq in itertools.count():
            stamp = self._start + seq * self._seconds
            for stream in range(self._streams):
                recorded = self._recorded[stream % len(self._recorded)]
                payload = recorded[seq % len(recorded)]
                SEQ.pack_into(payload, 8, seq)
                TIME.pack_into(payload, 20, stamp)
                yield Message(f"ecg/bed-{stream:04d}/samples", bytes(payload), qos=0)


@contextmanager
def loaded(
    folder: Path, url: str, streams: int, chunk_seconds: float, **source: Any
) -> Iterator[tuple[Daemon, Devices]]:
    """A daemon that is ready at the broker ``url``, and devices that are connected and do not send yet;
    ``source``: keys of the daemon's source beside the defaults."""
    devices = Devices(url, streams, chunk_seconds)
    keys = {"source": {"type": "mqtt", "broker": {"url": url}, **source}} if source else {}
    with daemon(folder, url, **keys) as served:
        served.wait_ready()
        devices.open()
        try:
            yield served, devices
        finally:
            devices.close()


def verdict(problems: Sequence[str]) -> int:
    """Says what did not hold; the exit status."""
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


@dataclass(frozen=True)
class Cost:
    """What a process takes now."""

    megabytes: float
    threads: int
    files: int


def cost(pid: int) -> Cost:
    folder = Path(f"/proc/{pid}")
    return Cost(
        resident_bytes(pid) / 1e6,
        len(list((folder / "task").iterdir())),
        len(list((folder / "fd").iterdir())),
    )
