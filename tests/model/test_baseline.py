"""A stream's baseline: how a reference begins, what it learns from, when it gives up."""

from __future__ import annotations

import numpy as np
import pytest

from ecgmon.ecg.types import R_INDEX, WINDOW, Samples
from ecgmon.errors import DataError
from ecgmon.model import baseline as bl
from ecgmon.model.baseline import BOOT, Baseline
from ecgmon.model.scoring import GUESS

REGIONS = bl.REGIONS["centred"]
QRS = (int(REGIONS[1, 0]), int(REGIONS[1, 1]))


def beat(width: float = 4.0, size: float = 1.0, at: int = R_INDEX) -> Samples:
    """[187] mV: a QRS complex as a Gaussian of ``width`` samples, and a small T wave."""
    n = np.arange(WINDOW)
    shape = size * np.exp(-((n - at) ** 2) / (2 * width**2)) + 0.2 * np.exp(-((n - at - 35) ** 2) / 200)
    return shape.astype(np.float32)


def judge(baseline: Baseline, window: Samples, early: float = 0.0, error: float = 0.0) -> float:
    """Score a window as the template alone would, plus ``error`` mV of made-up reconstruction error."""
    x = np.empty(WINDOW, np.float32)
    bl.prepare(baseline.state, window, 1.0, 3, QRS, x)
    restored = baseline.reference if baseline.warm else beat()
    raw, z = np.empty(bl.K), np.empty(bl.K)
    bl.measure(x, restored + np.float32(error), REGIONS, early, raw)
    return bl.advance(baseline.state, GUESS, bl.WEIGHTS, x, raw, z)


def warmed(beats: int = 64) -> Baseline:
    """A baseline that has seen normal beats with a little noise."""
    baseline, rng = Baseline(), np.random.default_rng(1)
    for _ in range(beats):
        judge(baseline, beat() + rng.normal(0, 0.02, WINDOW).astype(np.float32))
    return baseline


def test_a_reference_appears_after_sixteen_beats() -> None:
    baseline = Baseline()
    seen = []
    for _ in range(BOOT):
        seen.append(baseline.warm)
        judge(baseline, beat())
    assert not any(seen)
    assert baseline.warm


def test_the_reference_is_the_usual_beat() -> None:
    expected = beat() - np.median(beat())
    assert np.abs(warmed().reference - expected).max() < 0.04


def test_a_patient_in_bigeminy_is_not_known_by_the_extrasystoles() -> None:
    baseline = Baseline()
    for i in range(BOOT):
        odd = i % 2 == 0
        judge(baseline, beat(width=12.0, size=-1.5) if odd else beat(), early=0.5 if odd else -0.3)
    normal = beat() - np.median(beat())
    assert np.abs(baseline.reference - normal).max() < 0.05


def test_a_wide_early_beat_scores_high_and_leaves_the_reference_alone() -> None:
    baseline = warmed()
    before = baseline.state.copy()
    score = judge(baseline, beat(width=12.0, size=-1.5), early=0.4)
    assert score > 3.0
    assert baseline.accepted == int(before[2])
    assert np.array_equal(baseline.state[12:199], before[12:199])


def test_usual_beats_score_low() -> None:
    baseline, rng = warmed(), np.random.default_rng(2)
    scores = [judge(baseline, beat() + rng.normal(0, 0.02, WINDOW).astype(np.float32)) for _ in range(200)]
    assert np.quantile(scores, 0.95) < 2.0


def test_a_jittered_r_peak_costs_nothing() -> None:
    straight, moved = warmed(), warmed()
    assert judge(moved, beat(at=R_INDEX + 2)) == pytest.approx(judge(straight, beat()), abs=0.15)


def test_a_rhythm_that_changes_for_good_is_learned_in_the_end() -> None:
    baseline = warmed()
    scores = [judge(baseline, beat(width=9.0, size=1.3)) for _ in range(1200)]
    assert scores[0] > 2.0
    assert max(scores[-100:]) < 1.0


def test_undefined_parts_do_not_count() -> None:
    baseline = warmed()
    assert judge(baseline, beat(), early=float("nan")) < 1.0


def test_storage_keeps_every_bit() -> None:
    baseline = warmed()
    assert np.array_equal(Baseline.from_bytes(baseline.to_bytes()).state, baseline.state)


@pytest.mark.parametrize("raw", [b"", b"x" * 100, bytes(len(Baseline().to_bytes()))])
def test_damaged_storage_is_refused(raw: bytes) -> None:
    with pytest.raises(DataError, match="learn anew"):
        Baseline.from_bytes(raw)


def test_not_a_number_in_storage_is_refused() -> None:
    baseline = warmed()
    baseline.state[50] = np.nan
    with pytest.raises(DataError, match="damaged"):
        Baseline.from_bytes(baseline.to_bytes())


def test_snapshots_are_renewed_at_fixed_counts() -> None:
    counts, seen = [], 0
    for _ in range(8):
        seen += bl.room(seen)
        counts.append(seen)
    assert counts == [16, 24, 32, 64, 96, 128, 160, 192]
