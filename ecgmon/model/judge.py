"""Beats against their baselines: restore with the autoencoder, measure, score, learn.

The autoencoder works on batches over many streams; what is relative to one patient is in
:mod:`ecgmon.model.oddness`. Scores do not depend on how beats were batched, up to the last digits of the
batched arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import WINDOW, Beat, Layout, Samples
from ecgmon.model import oddness as odd
from ecgmon.model.baseline import Baseline
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.oddness import Population, ScoreSettings
from ecgmon.model.parts import (
    FIBRILLATING,
    MAX_SHIFT,
    QRS,
    REGIONS,
    Floats,
    K,
    earliness,
    measure,
    regularity,
)
from ecgmon.model.restorer import Restorer


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
            yield from zip(taken, self._round([items[i] for i in taken]), strict=True)

    def _round(self, items: Sequence[tuple[Beat, Baseline]]) -> Iterator[Judged]:
        x = np.empty((len(items), WINDOW), np.float32)
        reference = np.zeros((len(items), WINDOW), np.float32)
        laid = []
        for i, (beat, baseline) in enumerate(items):
            scale = beat.scale if self.layout == "centred" else 0.0
            shift, which = odd.prepare(
                baseline.state, beat.window, scale, MAX_SHIFT[self.layout], self._qrs, x[i]
            )
            laid.append((shift, which))
            if baseline.warm:
                reference[i] = baseline.reference(which)
        restored = self._restore(x, reference, np.array([baseline.warm for _, baseline in items]))
        statistics, level = self.population.parts, self.population.level
        for i, ((beat, baseline), (shift, which)) in enumerate(zip(items, laid, strict=True)):
            raw, z, warm = np.empty(K), np.empty(K), baseline.warm
            early = earliness(beat.rr, beat.rr_local, beat.irregularity)
            fibrillating = 1.0 - regularity(beat.irregularity, FIBRILLATING)
            measure(x[i], restored[i], self.regions, early, raw)
            score, plain = odd.advance(
                baseline.state, statistics, level, self._rule, self._qrs,
                x[i], beat.rr, fibrillating, raw, which, z,
            )  # fmt: skip
            yield Judged(score, plain, z, raw, warm, x[i], reference[i], restored[i], shift)

    def _restore(self, x: Samples, reference: Samples, warm: NDArray[np.bool_]) -> Samples:
        """What the autoencoder makes of ``x`` [n, 187], drawn half-way back to the reference where there is
        one."""
        if self.restorer is None:
            return reference
        drawn = self.restorer(x, reference)
        if not self.restorer.sees_reference:
            return drawn
        drawn[warm] = reference[warm] + np.float32(odd.BELIEVED) * (drawn[warm] - reference[warm])
        return drawn


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
