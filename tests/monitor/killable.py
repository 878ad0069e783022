"""A pipeline that keeps its streams and can be killed, and the broker beside it."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from ecgmon.config import convert
from ecgmon.ecg.types import Alert, Beat, Chunk, Layout, ModelRef, Score
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.keeper import Keeper
from ecgmon.monitor.kept import terms_of
from ecgmon.monitor.observers import Observer
from ecgmon.monitor.pipeline import Pipeline, PipelineSettings, Scorer
from ecgmon.sinks.memory import MemorySink

Ward = Callable[..., list[Chunk]]

SICK = {"pvc": 600.0, "run": 240.0, "lead-off": 200.0, "noise": 200.0}
WHOLE = {
    "batch": {"size": 4096, "seconds": 0.0},
    "alerts": {"anomalous_beats": {"clear_beats": 8, "clear_seconds": 15.0}},
}
"""Alerts come and go. Beats are scored chunk by chunk: the last digits depend on what is scored together."""


class Recorder(Observer):
    """Beats and seconds by stream, the last word on each."""

    def __init__(self) -> None:
        self.beats: dict[tuple[str, float], tuple[Any, ...]] = {}
        self.restarts: list[str] = []

    def beat(self, stream: str, beat: Beat, score: Score | None, latency: float) -> None:  # noqa: ARG002
        what = None if score is None else (score.score, score.p_value, score.reconstruction.tobytes())
        numbers = beat.index, beat.ready, beat.scale, repr(beat.rr), repr(beat.irregularity), beat.good
        self.beats[stream, beat.r] = (*numbers, beat.window.tobytes(), what)

    def restarted(self, stream: str, reason: str) -> None:  # noqa: ARG002
        self.restarts.append(reason)


class Daemon:
    """A pipeline that can be killed, and a broker that sends again what was not acknowledged."""

    def __init__(
        self, folder: Path | None, scorer: Scorer, seconds: float = 20.0, *, anew: bool = False, **keys: Any
    ) -> None:
        self.folder, self.scorer, self.seconds, self.anew = folder, scorer, seconds, anew
        self.settings = convert({**WHOLE, **keys}, PipelineSettings, where="test")
        self.sink, self.recorder = MemorySink(), Recorder()
        self.now = self.wall = 1000.0
        self.waiting: dict[tuple[str, int | None, float], Chunk] = {}
        self.start()

    def start(self, go_on: Callable[[], bool] = lambda: True) -> None:
        self.keeper = None
        if self.folder is not None:
            scorer, options = self.scorer, self.settings
            terms = terms_of(scorer.model_ref.hash, options.lead, scorer.layout)
            path = self.folder / "state.sqlite"
            self.keeper = Keeper(path, terms, self.seconds, lambda: self.now, lambda: self.wall)
        self.pipeline = Pipeline(
            self.scorer, self.settings, [self.sink], [self.recorder], lambda: self.now, keeper=self.keeper
        )
        self.whole = self.pipeline.resume(go_on, anew=self.anew)

    def play(self, pieces: Sequence[Chunk]) -> None:
        for chunk in pieces:
            self.now += 0.03
            key = chunk.stream, chunk.seq, chunk.t
            self.waiting[key] = chunk
            self.pipeline.feed(replace(chunk, ack=partial(self.acknowledge, key)))

    def acknowledge(self, key: tuple[str, int | None, float]) -> None:
        self.waiting.pop(key, None)

    def kill(self) -> None:
        """The process is gone with all it had in memory; the broker sends again."""
        assert self.keeper is not None
        self.keeper.close()
        self.start()
        self.play(list(self.waiting.values()))

    def stop(self) -> None:
        """SIGTERM, and a new start; what was not acknowledged the broker sends again."""
        self.pipeline.suspend()
        self.start()
        self.play(list(self.waiting.values()))

    @property
    def alerts(self) -> list[Alert]:
        """Without the repeats."""
        return list({(a.stream, a.id, a.state): a for a in self.sink.alerts}.values())

    def keep(self) -> Keeper:
        assert self.keeper is not None
        return self.keeper


class CountingScorer:
    """Stateless: how large the QRS is; enough where only the way of the chunks counts."""

    layout: Layout = "centred"
    threshold = 0.02

    def __init__(self, hash_: str = "0123456789abcdef") -> None:
        self.model_ref = ModelRef(name="size", hash=hash_)

    def new_baseline(self) -> Baseline:
        return Baseline()

    def score(self, items: Sequence[tuple[Beat, Baseline]]) -> list[Score]:
        scores = []
        for beat, baseline in items:
            state = baseline.state
            state[1] += 1  # a baseline that learns
            baseline.state = state
            odd = beat.irregularity > 0.05 or beat.window.max() > 1.6 * beat.scale
            p = 0.001 if odd else 0.5
            scores.append(Score(-math.log(p), p, odd, odd, {"qrs": 1.0}, np.zeros_like(beat.window)))
        return scores


def ended(pieces: Sequence[Chunk]) -> list[Chunk]:
    """What tells of the end of each stream."""
    last = {chunk.stream: chunk for chunk in pieces}
    return [
        replace(
            c, samples=c.samples[:, :0], t=c.t + c.samples.shape[1] / c.fs, seq=(c.seq or 0) + 1, end=True
        )
        for c in last.values()
    ]


def more(pieces: Sequence[Chunk]) -> list[Chunk]:
    """What the patients would have sent next, without the fault: the first twenty seconds again."""
    last = {chunk.stream: chunk for chunk in pieces}
    first = [chunk for chunk in pieces if chunk.t < pieces[0].t + 20.0]
    return [
        replace(
            c,
            t=c.t - pieces[0].t + last[c.stream].t + last[c.stream].samples.shape[1] / c.fs,
            seq=(c.seq or 0) + (last[c.stream].seq or 0) + 1,
        )
        for c in first
    ]


def rows(folder: Path) -> tuple[int, int]:
    database = sqlite3.connect(folder / "state.sqlite")
    counts = "SELECT (SELECT count(*) FROM streams), (SELECT count(*) FROM chunks)"
    streams, journal = database.execute(counts).fetchone()
    database.close()
    return streams, journal


def words(daemon: Daemon) -> list[tuple[str, str]]:
    return [(alert.kind, alert.state) for alert in daemon.sink.alerts]
