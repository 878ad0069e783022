"""The monitor that one writes first: for each message a detector over the last seconds, and the network on
each new beat, on the broker's callback. What the daemon is measured against."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

import msgspec
import numpy as np
from numpy.typing import NDArray

from ecgmon.bench import beat_by_beat
from ecgmon.bench.detectors import NEUROKIT, XQRS, Detector
from ecgmon.model import bundle
from ecgmon.model.plain import PlainRestorer
from ecgmon.transport.broker import BrokerSettings
from ecgmon.transport.connection import Connection
from ecgmon.transport.messages import Handlers, Incoming
from ecgmon.transport.payloads import decode
from ecgmon.transport.topics import SampleTopics

SECONDS = 10.0
"""Of signal that the detector sees: enough for it to find its thresholds."""

LEAST = 5.0
"""Of signal before it is asked."""


def detector() -> Detector:
    """NeuroKit2's where it is installed, else XQRS."""
    return NEUROKIT if NEUROKIT.installed else XQRS


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """So far: chunks worked off, beats restored, and calls in which the detector raised an error."""

    chunks: int
    beats: int
    failures: int


@dataclass(slots=True)
class Stream:
    """``signal``: its last seconds, mV; ``end``: number of the sample behind them; ``last``: of the last
    beat."""

    fs: float
    signal: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    end: int = 0
    last: float = -1.0


class Loop:
    """All of it, for any number of streams."""

    def __init__(self, find: Detector) -> None:
        self._detector = find
        self._restorer = PlainRestorer(bundle.load("default").autoencoder(), "cpu")
        self._topics = SampleTopics()
        self._streams: dict[str, Stream] = {}
        self.chunks = self.beats = self.failures = 0

    def message(self, message: Incoming) -> None:
        """What the broker's thread calls."""
        chunk = decode(message.payload, stream=self._topics.stream(message.topic))
        stream = self._streams.setdefault(chunk.stream, Stream(chunk.fs))
        x = chunk.samples[0].astype(np.float64)
        stream.signal = np.concatenate([stream.signal, np.nan_to_num(x)])[-int(SECONDS * chunk.fs) :]
        stream.end += len(x)
        if len(stream.signal) >= LEAST * chunk.fs:
            self._beats(stream)
        self.chunks += 1

    def _beats(self, stream: Stream) -> None:
        try:
            peaks = self._detector.find(stream.signal, stream.fs)
        except Exception:  # noqa: BLE001 - NeuroKit2 raises whatever it meets on flat or noisy signal; counted
            self.failures += 1
            return
        first = stream.end - len(stream.signal)
        for peak in peaks.tolist():
            complete = peak + beat_by_beat.AHEAD * stream.fs <= len(stream.signal)
            if complete and first + peak > stream.last + 0.2 * stream.fs:
                beat_by_beat.error(self._restorer, stream.signal, stream.fs, peak)
                stream.last = first + peak
                self.beats += 1


def watch(pipe: Pipe, url: str, qos: int) -> None:
    """Watch until the question is ``stop``; each is answered with :class:`Done`."""
    warnings.simplefilter("ignore")
    loop = Loop(detector())
    connection = Connection(
        BrokerSettings(url=url),
        "loop",
        Handlers(message=loop.message),
        subscribe=(SampleTopics().filter, qos),
    )
    connection.start(must_connect=True)
    try:
        question = ""
        while question != "stop":
            question = pipe.recv()
            pipe.send(Done(chunks=loop.chunks, beats=loop.beats, failures=loop.failures))
    except EOFError:
        return  # the parent is gone
    finally:
        connection.stop(1.0)
