"""What normal beats of many patients show: the statistics that scores begin with, and what trains on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgmon.ecg.types import WINDOW, Layout, Samples
from ecgmon.errors import EcgmonError
from ecgmon.model import oddness as odd
from ecgmon.model.dataset import RecordBeats
from ecgmon.model.judge import Judge, Judged, judge_records
from ecgmon.model.learning import ACCEPT
from ecgmon.model.oddness import GUESS, Population, ScoreSettings
from ecgmon.model.parts import Floats, K
from ecgmon.model.restorer import Restorer

FIT_ROUNDS: Final = 2
"""The statistics decide which beats enter a baseline and so themselves; two rounds settle them."""

LEAST_BEATS: Final = 30
"""Normal beats of a patient that make statistics,"""
LEAST_COLD: Final = 5
"""and normal beats without a reference, of all patients."""
LEAST_SPREAD: Final = 0.1
"""Of a part, in units of the guess: a record whose intervals are all the same has none."""


def reference_pairs(records: Sequence[RecordBeats], layout: Layout) -> list[tuple[Samples, Samples]]:
    """What an autoencoder trains on: each recording's good normal beats and their references, [n, 187] each.

    References grow as they do in service, from the beats before; for the first beats they are zeros. Which
    beats enter them is decided without an autoencoder, by distance and rhythm alone.
    """
    judge = Judge(None, GUESS, layout)
    pairs = []
    for record, found in zip(records, judge_records(judge, records), strict=True):
        kept = [j for j, label in zip(found, record.labels, strict=True) if j is not None and label == "N"]
        x = np.stack([j.x for j in kept]) if kept else np.empty((0, WINDOW), np.float32)
        reference = np.stack([j.reference for j in kept]) if kept else np.empty((0, WINDOW), np.float32)
        pairs.append((x, reference))
    return pairs


def fit_scoring(
    restorer: Restorer | None,
    records: Sequence[RecordBeats],
    layout: Layout,
    settings: ScoreSettings | None = None,
) -> Population:
    """Statistics of normal beats over patients.

    Only beats annotated normal count; the baselines see all beats, as in service. Each patient weighs the
    same. Raises :class:`EcgmonError` when no record has enough normal beats.
    """
    population = GUESS
    for _ in range(FIT_ROUNDS):
        found = judge_records(Judge(restorer, population, layout, settings), records)
        population = _population(found, records)
    return population


def _population(found: Sequence[Sequence[Judged | None]], records: Sequence[RecordBeats]) -> Population:
    rows: dict[tuple[bool, str], list[Judged]] = {}
    for judged_beats, record in zip(found, records, strict=True):
        for judged, label in zip(judged_beats, record.labels, strict=True):
            if judged is not None and label == "N":
                rows.setdefault((judged.warm, record.patient), []).append(judged)
    warm = [beats for (is_warm, _), beats in rows.items() if is_warm and len(beats) >= LEAST_BEATS]
    cold = [judged for (is_warm, _), beats in rows.items() if not is_warm for judged in beats]
    if not warm or not cold:
        raise EcgmonError(
            f"no recording has {LEAST_BEATS} good normal beats, too few for statistics; name more"
        )
    table = GUESS.parts.copy()
    for k in range(K):
        columns = [_finite([judged.raw[k] for judged in beats]) for beats in warm]
        columns = [column for column in columns if len(column) >= LEAST_BEATS]
        if not columns:
            continue  # a part that this layout does not have
        middles = np.array([np.median(column) for column in columns])
        table[odd.MEAN, k] = middles.mean()
        table[odd.SD, k] = max(
            np.median([column.std() for column in columns]), LEAST_SPREAD * GUESS.parts[odd.SD, k]
        )
        table[odd.BETWEEN, k] = middles.std() if len(columns) > 1 else table[odd.SD, k]
        first = _finite([judged.raw[k] for judged in cold])
        known = len(first) >= LEAST_COLD
        table[odd.COLD_MEAN, k] = first.mean() if known else table[odd.MEAN, k]
        table[odd.COLD_SD, k] = max(first.std(), table[odd.SD, k]) if known else table[odd.SD, k]
    accepted = [[judged.plain for judged in beats if judged.plain < ACCEPT] for beats in warm]
    levels = [np.median(plain) for plain in accepted if plain]
    return Population(table, float(np.mean(levels)) if levels else GUESS.level)


def _finite(values: Sequence[float]) -> Floats:
    array = np.array(values, np.float64)
    return array[np.isfinite(array)]
