"""Beats against their baselines: restore with the autoencoder, measure, score, learn.

The autoencoder works on batches over many streams; what is relative to one patient is in
:mod:`ecgmon.model.oddness`. Scores do not depend on how beats were batched: on a CPU to the bit, on a GPU up
to the last digits of the batched arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Beat, Layout, Samples
from ecgmon.model.baseline import SIZE, Baseline
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.oddness import Population, ScoreSettings
from ecgmon.model.parts import MAX_SHIFT, QRS, REGIONS, Floats, K
from ecgmon.model.restorer import Restorer
from ecgmon.model.runs import SCALE, SHIFT, Integers, advance_runs, believe, prepare_runs


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
        queues: dict[Baseline, list[int]] = {}
        for i, (_, baseline) in enumerate(items):
            queues.setdefault(baseline, []).append(i)
        while queues:
            taken: list[int] = []
            runs: list[tuple[Baseline, int]] = []
            left: dict[Baseline, list[int]] = {}
            for baseline, queue in queues.items():
                n = 1 if len(queue) == 1 else min(baseline.room(), len(queue))
                taken += queue[:n]
                runs.append((baseline, n))
                if n < len(queue):
                    left[baseline] = queue[n:]
            yield taken, self._round([items[i][0] for i in taken], runs)
            queues = left

    def _round(self, beats: Sequence[Beat], runs: Sequence[tuple[Baseline, int]]) -> Round:
        """Beats side by side as ``runs`` say: so many of each stream, as its baseline has room for."""
        n = len(beats)
        windows = np.concatenate([beat.window for beat in beats], dtype=np.float32).reshape(n, WINDOW)
        known = np.array([(beat.scale, beat.rr, beat.rr_local, beat.irregularity) for beat in beats])
        if self.layout != "centred":
            known[:, SCALE] = 0.0
        firsts = np.array([0, *accumulate(beats for _, beats in runs)])
        places = np.array([0, *accumulate(len(baseline.raw) // 8 for baseline, _ in runs)])[:-1]
        packed = np.frombuffer(bytearray().join([baseline.raw for baseline, _ in runs]))
        x, reference = np.empty_like(windows), np.empty_like(windows)
        laid, middle, warm = np.empty((n, 2), np.int64), np.empty(n), np.empty(n, np.bool_)
        prepare_runs(
            packed, places, firsts, windows, known, MAX_SHIFT[self.layout], self._qrs,
            x, reference, laid, middle, warm,
        )  # fmt: skip
        restored = self._restore(x, reference, warm)
        raw, z, scores = np.empty((n, K)), np.empty((n, K)), np.empty((n, 2))
        after, ends = np.empty(len(runs) * SIZE), np.empty(len(runs), np.int64)
        advance_runs(
            packed, places, firsts, self.population.parts, self.population.level, self._rule, self._qrs,
            self.regions, known, laid, x, restored, raw, z, scores, after, ends,
        )  # fmt: skip
        _hand_back(runs, after, ends)
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


def _hand_back(runs: Sequence[tuple[Baseline, int]], after: Floats, ends: Integers) -> None:
    """To each baseline what it has become."""
    whole, first = after[: ends[-1]].tobytes(), 0
    for (baseline, _), end in zip(runs, (8 * ends).tolist(), strict=True):
        baseline.raw = whole[first:end]
        first = end


def judge_records(judge: Judge, records: Sequence[RecordBeats]) -> list[list[Judged | None]]:
    """Run recordings side by side, which fills the batches, each from an empty baseline; ``None`` for beats
    that are not good."""
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
