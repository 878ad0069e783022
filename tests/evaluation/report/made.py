"""Small recordings whose figures can be reckoned by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ecgmon.ecg.types import Quality, Samples
from ecgmon.evaluation.alarms import Raised
from ecgmon.evaluation.reference import reference
from ecgmon.evaluation.report.examples import Example
from ecgmon.evaluation.report.material import Material
from ecgmon.evaluation.statistics import Evaluation, Requested, evaluation
from ecgmon.evaluation.tally import Scored, Tally, tally

THRESHOLD = 4.0


def record(name: str, symbols: str, scores: list[float], *alerts: Raised) -> Scored:
    """A beat a second; ``scores`` NaN: not scored, -1: not detected."""
    truth = reference(np.arange(len(symbols), dtype=np.int64) * 360, list(symbols), 360.0)
    score = np.array(scores)
    beats = np.array([symbol not in "[!]" for symbol in symbols])
    t = (np.arange(len(symbols)) / 1.0)[beats]
    found = score != -1
    t, score = t[found], score[found]
    p = np.where(np.isnan(score), np.nan, 10.0 ** -np.nan_to_num(score))
    odd = np.nan_to_num(score, nan=-math.inf) >= THRESHOLD
    return Scored(name, len(symbols) / 3600, truth, t, score, p, odd, alerts)


@dataclass(frozen=True)
class Made:
    """Material, the tallies it was made of, and the evaluation of these."""

    material: Material
    tallies: dict[str, Tally]
    result: Evaluation


def made(*records: Scored) -> Made:
    material, tallies = Material(), {}
    for one in records:
        counted = tally(one, learning=0.0, qrs_from=0.0)
        tallies[one.name] = counted

        def example(i: int, one: Scored = one) -> Example:
            return Example(one.name, f"0:{one.t[i]:04.1f}", float(one.score[i]), float(one.p[i]),
                           {"qrs": 2.5, "rhythm": -0.01}, wave(1.0), wave(0.6), wave(0.8))  # fmt: skip

        material.add_record(
            one, counted, lead="MLII", quality=[Quality(3, noisy=True)], example=example, learning=0.0
        )
    requested = Requested(
        threshold=1e-4, false_positive_rate=1e-4, alert_threshold=1e-5, false_alerts_per_hour=1.0
    )
    result = evaluation(
        tallies, dict.fromkeys(tallies, requested), model={"name": "m", "hash": "abc"},
        data={"path": "somewhere", "leads": dict.fromkeys(tallies, "MLII"), "seen_in_training": ["a"]},
    )  # fmt: skip
    return Made(material, tallies, result)


def wave(height: float) -> Samples:
    return (height * np.exp(-(((np.arange(187) - 93) / 4) ** 2))).astype(np.float32)
