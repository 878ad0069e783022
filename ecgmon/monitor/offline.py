"""The daemon's pipeline over recordings: as fast as possible, everything kept, no threads, no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Alert, Beat, Chunk, Layout, Quality, Score
from ecgmon.monitor.line import Scorer
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.pipeline import Pipeline
from ecgmon.monitor.pipeline_settings import PipelineSettings
from ecgmon.sources.base import Source, chunks


@dataclass(slots=True)
class StreamResult:
    """Everything that one stream gave, in its order. ``scores`` [i] belongs to ``beats`` [i]."""

    beats: list[Beat] = field(default_factory=list)
    scores: list[Score | None] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    quality: list[Quality] = field(default_factory=list)
    seconds: float = 0.0
    """Length of the stream, s, gaps included."""
    lead: str = ""
    """The lead that was analysed."""
    fs: float = 0.0
    """Its rate, Hz."""


class Recorder(Observer):
    """Keeps what a pipeline produces, by stream."""

    def __init__(self) -> None:
        self.results: dict[str, StreamResult] = {}
        self._rates: dict[str, float] = {}

    def chunk(self, chunk: Chunk) -> None:
        self._rates[chunk.stream] = chunk.fs

    def _of(self, stream: str) -> StreamResult:
        return self.results.setdefault(stream, StreamResult())

    def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:  # noqa: ARG002 - all hear
        result = self._of(stream)
        result.beats.append(beat)
        result.scores.append(score)

    def quality(self, stream: str, quality: Quality) -> None:
        self._of(stream).quality.append(quality)

    def alert(self, alert: Alert, latency: float) -> None:  # noqa: ARG002 - Observer
        self._of(alert.stream).alerts.append(alert)

    def ended(self, stream: str, seconds: float, lead: str | None) -> None:
        result = self._of(stream)
        result.seconds = seconds
        result.lead = lead or ""
        result.fs = self._rates[stream]


def run(
    source: Source,
    scorer: Scorer | None,
    settings: PipelineSettings | None = None,
    *,
    r_peaks: Mapping[str, NDArray[np.float64]] | None = None,
    layout: Layout = "centred",
) -> dict[str, StreamResult]:
    """Run ``source`` to its end; returns stream name to its result, in the order of their first results.

    ``scorer`` None: beats only, cut in ``layout``. ``r_peaks``: stream to R-peaks in s of stream time, to use
    instead of the detector's. Input that cannot be used raises its :class:`~ecgmon.errors.EcgmonError`.
    """
    recorder = Recorder()
    pipeline = Pipeline(
        scorer,
        settings or PipelineSettings(),
        observers=(recorder,),
        clock=lambda: 0.0,
        strict=True,
        layout=layout,
        r_peaks=r_peaks,
    )
    for chunk in chunks(source):
        pipeline.feed(chunk)
    pipeline.flush()
    if pipeline.observer_failures:
        raise RuntimeError("results were lost: see the log")
    return recorder.results
