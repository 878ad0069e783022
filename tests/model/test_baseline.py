"""A stream's baseline: how a reference begins, what it learns from, when it gives up."""

from __future__ import annotations

import numpy as np
import pytest

from ecgmon.ecg.types import R_INDEX, WINDOW, Samples
from ecgmon.errors import DataError
from ecgmon.model.baseline import (
    A_REFERENCES,
    A_SNAPSHOTS,
    A_SPREAD,
    BOOT,
    LATELY,
    OFTEN,
    V_LEVEL,
    V_SEEN,
    Baseline,
    room,
)
from ecgmon.model.learning import IDLE, LEVEL_RANGE, SECOND
from ecgmon.model.oddness import GUESS, LEAST_LEVEL, MOST_LEVEL, ScoreSettings, advance, prepare
from ecgmon.model.parts import MAX_SHIFT, QRS, REGIONS, Floats, K, measure

SHAPES = REGIONS["centred"]
COMPLEX = (int(SHAPES[QRS, 0]), int(SHAPES[QRS, 1]))


def beat(width: float = 4.0, size: float = 1.0, at: int = R_INDEX) -> Samples:
    """[187] mV: a QRS complex as a Gaussian of ``width`` samples, and a small T wave."""
    n = np.arange(WINDOW)
    shape = size * np.exp(-((n - at) ** 2) / (2 * width**2)) + 0.2 * np.exp(-((n - at - 35) ** 2) / 200)
    return shape.astype(np.float32)


def judge(
    baseline: Baseline,
    window: Samples,
    early: float = 0.0,
    error: float = 0.0,
    settings: ScoreSettings | None = None,
    rr: float | None = None,
    fibrillating: float = 0.0,
) -> float:
    """Score a window as the template alone would, plus ``error`` mV of made-up reconstruction error."""
    state = baseline.state
    score = judge_unpacked(state, window, early, error, settings, rr, fibrillating)
    baseline.state = state
    return score


def judge_unpacked(
    state: Floats,
    window: Samples,
    early: float = 0.0,
    error: float = 0.0,
    settings: ScoreSettings | None = None,
    rr: float | None = None,
    fibrillating: float = 0.0,
) -> float:
    """The same with a baseline's state as it is."""
    x = np.empty(WINDOW, np.float32)
    _, which, _ = prepare(state, window, 1.0, MAX_SHIFT["centred"], COMPLEX, x)
    start = A_SNAPSHOTS + which * WINDOW
    restored = state[start : start + WINDOW].astype(np.float32) if state[V_SEEN] >= BOOT else beat()
    raw, z = np.empty(K), np.empty(K)
    measure(x, restored + np.float32(error), SHAPES, early, raw)
    rule = (settings or ScoreSettings()).rule()
    interval = 0.8 * np.exp(-early) if rr is None else rr
    known = (GUESS.parts, GUESS.level, rule, COMPLEX)
    return advance(state, *known, x, interval, fibrillating, raw, which, z)[0]


def change(baseline: Baseline, at: int, value: float) -> None:
    """One number of its state."""
    state = baseline.state
    state[at] = value
    baseline.state = state


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
    assert np.abs(warmed().reference() - expected).max() < 0.04


def test_a_patient_in_bigeminy_is_not_known_by_the_extrasystoles() -> None:
    baseline = Baseline()
    for i in range(BOOT):
        odd = i % 2 == 0
        judge(baseline, beat(width=12.0, size=-1.5) if odd else beat(), early=0.5 if odd else -0.3)
    normal = beat() - np.median(beat())
    assert np.abs(baseline.reference() - normal).max() < 0.05


def test_a_wide_early_beat_scores_high_and_leaves_the_reference_alone() -> None:
    baseline = warmed()
    before, accepted = baseline.state.copy(), baseline.accepted
    score = judge(baseline, beat(width=12.0, size=-1.5), early=0.4)
    assert score > 3.0
    assert baseline.accepted == accepted
    learned = slice(A_SPREAD, A_REFERENCES + WINDOW)
    assert np.array_equal(baseline.state[learned], before[learned])


def test_usual_beats_score_low() -> None:
    baseline, rng = warmed(), np.random.default_rng(2)
    scores = [judge(baseline, beat() + rng.normal(0, 0.02, WINDOW).astype(np.float32)) for _ in range(200)]
    assert np.quantile(scores, 0.95) < 2.0


def test_a_jittered_r_peak_costs_nothing() -> None:
    straight, moved = warmed(), warmed()
    assert judge(moved, beat(at=R_INDEX + 2)) == pytest.approx(judge(straight, beat()), abs=0.15)


def test_a_second_shape_in_time_is_known_after_a_while() -> None:
    baseline = warmed()
    scores = [judge(baseline, beat(width=9.0, size=1.3)) for _ in range(200)]
    assert min(scores[: int(SECOND)]) > 2.0
    assert max(scores[-100:]) < 1.0
    assert baseline.references == 2
    assert judge(baseline, beat()) < 1.0  # and the first shape is still known


@pytest.mark.parametrize("early", [0.3, 0.5])
def test_a_second_shape_that_comes_early_is_never_known(early: float) -> None:
    baseline = warmed()
    scores = [judge(baseline, beat(width=9.0, size=1.3), early=early) for _ in range(200)]
    assert min(scores) > 2.0
    assert baseline.references == 1


@pytest.mark.parametrize("rate", [120, 150, 180, 220])
def test_a_tachycardia_is_odd_to_its_end(rate: int) -> None:
    """Its rhythm soon is the basic one, as the frontend sees it; the baseline remembers the one before."""
    baseline = warmed(200)
    scores = [judge(baseline, beat(width=9.0, size=1.3), early=0.0, rr=60 / rate) for _ in range(350)]
    assert min(scores) > 2.0
    assert baseline.references == 1


def test_a_second_shape_whose_interval_is_not_known_is_never_known() -> None:
    baseline = warmed()
    nan = float("nan")
    assert min(judge(baseline, beat(width=9.0, size=1.3), early=nan, rr=nan) for _ in range(200)) > 1.8
    assert baseline.references == 1


@pytest.mark.parametrize("every", [2, 10, 30])
def test_late_extrasystoles_and_a_short_run_of_them_are_never_known(every: int) -> None:
    baseline = warmed()
    for i in range(900):
        judge(baseline, beat(width=9.0, size=1.3) if i % every == 0 else beat(), rr=0.76)
    for _ in range(11):
        judge(baseline, beat(width=9.0, size=1.3))
    judge(baseline, beat())
    assert baseline.references == 1


def test_a_second_reference_that_is_not_met_any_more_is_given_up() -> None:
    baseline = warmed()
    for _ in range(100):
        judge(baseline, beat(width=9.0, size=1.3))
    assert baseline.references == 2
    for _ in range(int(IDLE) + OFTEN + 1):
        judge(baseline, beat())
    assert baseline.references == 1


def test_windows_that_are_not_finite_teach_nothing() -> None:
    baseline = warmed()
    for _ in range(50):
        judge(baseline, np.full(WINDOW, np.nan, np.float32))
    judge(baseline, beat(), rr=float("inf"))
    assert np.isfinite(baseline.state).all()
    assert judge(baseline, beat()) < 1.0


def test_the_level_of_a_very_clean_stream_recovers() -> None:
    baseline = warmed()
    for _ in range(5000):
        judge(baseline, baseline.reference())
    assert baseline.state[V_LEVEL] >= GUESS.level / LEVEL_RANGE


def test_scattered_odd_shapes_are_never_known() -> None:
    baseline = warmed()
    scores = [judge(baseline, beat(width=9.0, size=1.3) if i % 4 == 0 else beat()) for i in range(800)]
    assert min(scores[::4]) > 2.0
    assert baseline.references == 1


def test_without_a_second_reference_a_change_for_good_is_learned_in_the_end() -> None:
    baseline, settings = warmed(), ScoreSettings(second_reference=False)
    scores = [judge(baseline, beat(width=9.0, size=1.3), settings=settings) for _ in range(1200)]
    assert min(scores[:200]) > 2.0
    assert max(scores[-100:]) < 1.0
    assert baseline.references == 1


def test_mostly_early_beats_are_not_learned_as_normal() -> None:
    baseline = Baseline()
    early = [judge(baseline, beat(), early=0.35 if i % 5 else 0.0) for i in range(1000)]
    assert np.median([score for i, score in enumerate(early) if i % 5 and i > BOOT]) > 2.0


def test_an_early_beat_is_not_learned_however_usual_its_shape() -> None:
    baseline = warmed()
    accepted = baseline.accepted
    judge(baseline, beat(), early=0.2)
    assert baseline.accepted == accepted
    judge(baseline, beat())
    assert baseline.accepted == accepted + 1


def test_the_level_moves_the_score_within_its_limits() -> None:
    quiet, restless = warmed(), warmed()
    change(quiet, V_LEVEL, 0.01)
    change(restless, V_LEVEL, 5.0)
    plain = judge(warmed(), beat(width=6.0), settings=ScoreSettings(own_level=False))
    assert plain < judge(quiet, beat(width=6.0)) <= MOST_LEVEL * plain
    assert LEAST_LEVEL * plain <= judge(restless, beat(width=6.0)) < plain


def test_what_is_switched_off_does_not_count() -> None:
    assert judge(warmed(), beat(), early=0.5) > 2.0
    assert judge(warmed(), beat(), early=0.5, settings=ScoreSettings(rhythm=False)) < 1.0


def test_waves_between_the_complexes_are_forgiven_in_an_irregular_rhythm_alone() -> None:
    """Fibrillatory waves in all beats from now on; a wide complex among them stays odd."""
    waves = (0.08 * np.sin(np.arange(WINDOW))).astype(np.float32)
    waves[COMPLEX[0] : COMPLEX[1]] = 0.0
    scores = {}
    for fibrillating in (0.0, 1.0):
        baseline = warmed()
        scores[fibrillating] = [
            judge(baseline, beat() + waves, fibrillating=fibrillating) for _ in range(LATELY)
        ][-1]
        assert judge(baseline, beat(width=12.0) + waves, fibrillating=fibrillating) > 2.0
    assert scores[1.0] < 0.5
    assert scores[0.0] > 1.0


def test_a_baseline_that_starts_anew_forgets_what_the_last_beats_had_in_common() -> None:
    baseline, rng = warmed(), np.random.default_rng(5)
    other = beat(width=9.0, size=-1.3) + (0.3 * np.sin(np.arange(WINDOW))).astype(np.float32)
    while baseline.accepted:
        judge(baseline, other, early=0.5, fibrillating=1.0)
    fresh = Baseline()
    for _ in range(60):
        window = other + rng.normal(0, 0.05, WINDOW).astype(np.float32)
        assert judge(baseline, window, fibrillating=1.0) == judge(fresh, window, fibrillating=1.0)


@pytest.mark.parametrize("pattern", [(3, 2), (12, 4)])
def test_a_second_shape_that_comes_and_goes_in_time_is_known(pattern: tuple[int, int]) -> None:
    """A bundle branch that blocks for a few beats, conducts for a few, and so on."""
    blocked, conducted = pattern
    baseline = warmed()
    for _ in range(40):
        for _ in range(blocked):
            last = judge(baseline, beat(width=9.0, size=1.3))
        for _ in range(conducted):
            judge(baseline, beat())
    assert baseline.references == 2
    assert last < 1.0


def test_undefined_parts_do_not_count() -> None:
    baseline = warmed()
    assert judge(baseline, beat(), early=float("nan")) < 1.0


def test_storage_keeps_every_bit() -> None:
    baseline = warmed()
    assert np.array_equal(Baseline.from_bytes(baseline.to_bytes()).state, baseline.state)


@pytest.mark.parametrize(
    "raw",
    [b"", b"x" * 100, bytes(len(Baseline().to_bytes())), Baseline().raw[:-8], Baseline().raw + bytes(8),
     Baseline().raw[:-1], Baseline().raw[: 8 * BOOT]],
)  # fmt: skip
def test_damaged_storage_is_refused(raw: bytes) -> None:
    with pytest.raises(DataError, match="learn anew"):
        Baseline.from_bytes(raw)


def test_not_a_number_in_storage_is_refused() -> None:
    baseline = warmed()
    change(baseline, 50, np.nan)
    with pytest.raises(DataError, match="damaged"):
        Baseline.from_bytes(baseline.to_bytes())


def test_what_is_packed_is_all_that_matters() -> None:
    """A heart of one shape, then of two, then of another until the baseline starts anew, and again: with its
    state packed behind each beat, and never."""
    rng = np.random.default_rng(3)
    usual, blocked = [beat()] * 9, [beat(width=9.0, size=1.3)] * 9
    other = beat(width=14.0, size=-1.3) + (0.4 * np.sin(np.arange(WINDOW))).astype(np.float32)
    life = [*usual * 10, *(usual + blocked) * 30, *([other] * 900), *(usual + blocked) * 30]
    packed, never = Baseline(), Baseline().state
    sizes, references = set(), set()
    for shape in life:
        window = shape + rng.normal(0, 0.03, WINDOW).astype(np.float32)
        early = 0.5 if shape[R_INDEX] < 0 else rng.normal(0, 0.02)
        score = judge(packed, window, early, fibrillating=0.5)
        assert score == judge_unpacked(never, window, early, fibrillating=0.5)
        sizes.add(len(packed.raw))
        references.add((packed.references, packed.warm))
    assert references == {(0, False), (1, True), (2, True)}
    assert max(sizes) < 8_000
    assert len(sizes) == 4  # starters; one reference; a candidate; two references
    assert len(packed.raw) < len(never.tobytes()) / 2


def test_snapshots_are_renewed_at_fixed_counts() -> None:
    counts, seen = [], 0
    for _ in range(8):
        seen += room(seen)
        counts.append(seen)
    assert counts == [16, 24, 32, 64, 96, 128, 160, 192]
