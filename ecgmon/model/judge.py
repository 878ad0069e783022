"""Beats against their baselines: restore with the autoencoder, measure, score, learn.

The autoencoder works on batches over many streams; what is relative to one patient is in
:mod:`ecgmon.model.oddness`. Scores do not depend on how beats were batched: on a CPU to the bit, on a GPU up
to the last digits of the batched arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import Beat, Layout, Samples
from ecgmon.model.baseline import Baseline
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.oddness import Population, ScoreSettings
from ecgmon.model.parts import MAX_SHIFT, QRS, REGIONS, Floats, K
from ecgmon.model.restorer import Restorer
from ecgmon.model.runs import SCALE, SHIFT, Integers, advance_run, believe, prepare_run


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One beat and what was found of it.

    score       larger is odder
    plain       0..8, what the baseline learns by: the score before it was set against the patient's usual one
                and before what the last beats had in common was taken off
    z           [4] standard deviations from what is usual, by part
    raw         [4] what z was computed from
    warm        there was a reference
    x           [187] the normalised window, laid on the reference by ``shift`` samples
    reference   [187] zeros where there was none
    restored    [187] what the autoencoder made of x, half-way back to the reference where there is one
    """

    score: float
    plain: float
    z: Floats
    raw: Floats
    warm: bool
    x: Samples
    reference: Samples
    restored: Samples
    shift: int


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Beats that were restored together, a row each; what :class:`Judged` has, under its names, and

    scores   [n, 2] score and plain score
    laid     [n, 2] shift, and which reference
    middle   [n] what was taken off the windows, mV
    """

    x: Samples
    reference: Samples
    restored: Samples
    warm: NDArray[np.bool_]
    raw: Floats
    z: Floats
    scores: Floats
    laid: Integers
    middle: Floats

    def beats(self) -> Iterator[Judged]:
        """One by one."""
        for i, (score, plain) in enumerate(self.scores.tolist()):
            yield Judged(
                score, plain, self.z[i], self.raw[i], bool(self.warm[i]), self.x[i], self.reference[i],
                self.restored[i], int(self.laid[i, SHIFT]),
            )  # fmt: skip


class Judge:
    """Restores beats and takes their baselines over them; without an autoencoder the reference stands in."""

    def __init__(
        self,
        restorer: Restorer | None,
        population: Population,
        layout: Layout,
        settings: ScoreSettings | None = None,
    ) -> None:
        self.restorer = restorer
        self.population = population
        self.layout = layout
        self.regions = REGIONS[layout]
        self._rule = (settings or ScoreSettings()).rule()
        self._qrs = (int(self.regions[QRS, 0]), int(self.regions[QRS, 1]))

    def judge(self, items: Sequence[tuple[Beat, Baseline]]) -> Iterator[tuple[int, Judged]]:
        """Yield (index into ``items``, what was found) for each beat; each stream's beats in their order."""
        for taken, found in self.rounds(items):
            yield from zip(taken, found.beats(), strict=True)

    def rounds(self, items: Sequence[tuple[Beat, Baseline]]) -> Iterator[tuple[list[int], Round]]:
        """The same by batches of the autoencoder: indices into ``items``, and what was found of those."""
        queues: dict[int, list[int]] = {}
        for i, (_, baseline) in enumerate(items):
            queues.setdefault(id(baseline), []).append(i)
        waiting = list(queues.values())
        while waiting:
            taken: list[int] = []
            for queue in waiting:
                n = min(items[queue[0]][1].room(), len(queue))
                taken += queue[:n]
                del queue[:n]
            waiting = [queue for queue in waiting if queue]
            yield taken, self._round([items[i] for i in taken])

    def _round(self, items: Sequence[tuple[Beat, Baseline]]) -> Round:
        """Beats that their baselines have room for, those of a stream side by side."""
        n = len(items)
        windows = np.array([beat.window for beat, _ in items], np.float32)
        known = np.array([(beat.scale, beat.rr, beat.rr_local, beat.irregularity) for beat, _ in items])
        if self.layout != "centred":
            known[:, SCALE] = 0.0
        x, reference = np.empty_like(windows), np.empty_like(windows)
        laid, middle, warm = np.empty((n, 2), np.int64), np.empty(n), np.empty(n, np.bool_)
        runs = _runs([baseline for _, baseline in items])
        for baseline, run in runs:
            warm[run] = prepare_run(
                baseline.state, windows[run], known[run], MAX_SHIFT[self.layout], self._qrs,
                x[run], reference[run], laid[run], middle[run],
            )  # fmt: skip
        restored = self._restore(x, reference, warm)
        raw, z, scores = np.empty((n, K)), np.empty((n, K)), np.empty((n, 2))
        for baseline, run in runs:
            advance_run(
                baseline.state, self.population.parts, self.population.level, self._rule, self._qrs,
                self.regions, known[run], laid[run], x[run], restored[run], raw[run], z[run], scores[run],
            )  # fmt: skip
        return Round(x, reference, restored, warm, raw, z, scores, laid, middle)

    def _restore(self, x: Samples, reference: Samples, warm: NDArray[np.bool_]) -> Samples:
        """What the autoencoder makes of ``x`` [n, 187], drawn half-way back to the reference where there is
        one."""
        if self.restorer is None:
            return reference
        drawn = self.restorer(x, reference)
        if self.restorer.sees_reference:
            believe(drawn, reference, warm)
        return drawn


def _runs(baselines: Sequence[Baseline]) -> list[tuple[Baseline, slice]]:
    """Each baseline once, and which beats are its own."""
    runs, first = [], 0
    for _, run in groupby(baselines, key=id):
        members = list(run)
        runs.append((members[0], slice(first, first + len(members))))
        first += len(members)
    return runs


def judge_record(judge: Judge, record: RecordBeats) -> list[Judged | None]:
    """Run one recording from an empty baseline; ``None`` for beats that are not good."""
    return judge_records(judge, [record])[0]


def judge_records(judge: Judge, records: Sequence[RecordBeats]) -> list[list[Judged | None]]:
    """Run recordings side by side, which fills the batches, each from an empty baseline."""
    items: list[tuple[Beat, Baseline]] = []
    places: list[tuple[int, int]] = []
    for r, record in enumerate(records):
        baseline = Baseline()
        for b, beat in enumerate(record.beats):
            if beat.good:
                items.append((beat, baseline))
                places.append((r, b))
    found: list[list[Judged | None]] = [[None] * len(record.beats) for record in records]
    for i, judged in judge.judge(items):
        r, b = places[i]
        found[r][b] = judged
    return found
