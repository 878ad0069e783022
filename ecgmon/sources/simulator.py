"""The simulator as a source: a ward of patients, one stream each, paced like devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from msgspec import Meta

from ecgmon.ecg.simulated_events import EventRates, ScriptedEvent, Truth
from ecgmon.ecg.simulator import Simulator, until
from ecgmon.ecg.types import Chunk, Samples
from ecgmon.sources.annotations import Annotations
from ecgmon.sources.base import Clock, Playback, PlaybackSettings, cut, start_of


class ScriptEntry(ScriptedEvent, frozen=True, kw_only=True):
    """An event at a set time in one stream, or in all."""

    stream: Annotated[int, Meta(ge=1, description="number of the stream, from 1; default: all")] | None = None


class SimulatorSettings(PlaybackSettings, frozen=True, kw_only=True, tag_field="type", tag="simulator"):
    """Made-up patients: for demonstrations, tests and load."""

    streams: Annotated[int, Meta(ge=1, le=10_000, description="patients, one stream each")] = 4
    seconds: Annotated[float, Meta(ge=0, description="length of each stream, s; 0: endless")] = 0.0
    fs: Annotated[float, Meta(ge=50, le=10_000, description="samples per second")] = 250.0
    seed: Annotated[int, Meta(ge=0, description="same seed, same patients and events")] = 0
    speed: Annotated[float, Meta(ge=0, le=10_000, description="as for files")] = 1.0
    rates: EventRates = EventRates()
    script: tuple[ScriptEntry, ...] = ()
    """Events at set times, beside those that come by chance."""


class SimulatorSource(Playback):
    """Streams ``sim-001``, ``sim-002``, ... with the leads II and V1, different in all but the seed."""

    def __init__(self, settings: SimulatorSettings, clock: Clock | None = None) -> None:
        super().__init__(settings.speed, clock)
        self._settings = settings
        self._simulators: dict[str, Simulator] = {}

    @property
    def truth(self) -> dict[str, Truth]:
        """What happens in each stream of a finite source, as far as it was played; else empty."""
        if not self._settings.seconds:
            return {}
        return {stream: until(one.truth, self._settings.seconds) for stream, one in self._simulators.items()}

    def _open_streams(self) -> Iterator[Iterator[Chunk]]:
        settings = self._settings
        start = start_of(settings, None, self._clock)
        for number in range(1, settings.streams + 1):
            script = [entry for entry in settings.script if entry.stream in {None, number}]
            simulator = Simulator(
                settings.fs, seed=settings.seed, index=number, rates=settings.rates, script=script
            )
            stream = f"sim-{number:03d}"
            self._simulators[stream] = simulator
            yield cut(
                _endless(simulator) if not settings.seconds else _finite(simulator, settings.seconds),
                stream=stream, fs=settings.fs, leads=simulator.leads, start=start,
                seconds=settings.chunk_seconds,
            )  # fmt: skip


def _endless(simulator: Simulator) -> Iterator[Samples]:
    while True:
        yield simulator.block()
        simulator.truth.beats.clear()
        simulator.truth.spans.clear()


def _finite(simulator: Simulator, seconds: float) -> Iterator[Samples]:
    left = round(seconds * simulator.fs)
    while left > 0:
        block = simulator.block()[:, :left]
        left -= block.shape[1]
        yield block


def annotations_of(truth: Truth, fs: float) -> Annotations:
    """Truth as reference annotations: beats with their symbols, ``~`` for other events, ``(VT`` for runs."""
    marks: list[tuple[float, int, str, str]] = [(beat.t, 1, beat.symbol, "") for beat in truth.beats]
    for span in truth.spans:
        if span.kind == "run":
            marks += [(span.start, 0, "+", "(VT"), (span.end, 2, "+", "(N")]
        else:
            marks += [(span.start, 0, "~", span.kind)]
    marks.sort()
    samples = np.array([round(t * fs) for t, *_ in marks], np.int64)
    return Annotations(samples, [mark[2] for mark in marks], [mark[3] for mark in marks], fs)
