"""The simulator is what it says it is: same seed, same hearts, and truth that the samples bear out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ecgmon.ecg.simulated_events import EventKind, EventRates, ScriptedEvent, Truth
from ecgmon.ecg.simulator import BLOCK_SECONDS, Simulator, simulate
from ecgmon.ecg.types import Samples

CALM = EventRates(pvc=0, pac=0, run=0, pause=0, noise=0, motion=0, lead_off=0)
ALL = EventRates(
    pvc=400,
    pac=400,
    run=100,
    pause=60,
    asystole=20,
    bradycardia=20,
    tachycardia=20,
    noise=60,
    motion=100,
    lead_off=30,
)


def told(kind: EventKind, at: float = 20.0, seconds: float | None = None) -> list[ScriptedEvent]:
    return [ScriptedEvent(kind=kind, at=at, seconds=seconds)]


def play(
    script: Sequence[ScriptedEvent] = (), *, seconds: float = 60, fs: float = 250, index: int = 1
) -> tuple[Samples, Truth]:
    return simulate(seconds, fs, seed=7, index=index, rates=CALM, script=script)


def rr(truth: Truth) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.diff([beat.t for beat in truth.beats])


def test_the_same_seed_gives_the_same_samples_and_another_patient_others() -> None:
    first, again = (simulate(30, 250, seed=3, index=2, rates=ALL) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert not np.array_equal(first[0], simulate(30, 250, seed=3, index=3, rates=ALL)[0])
    assert not np.array_equal(first[0], simulate(30, 250, seed=4, index=2, rates=ALL)[0])


def test_a_longer_recording_begins_like_a_shorter_one() -> None:
    short, long = (simulate(seconds, 257, seed=3, rates=ALL) for seconds in (33.3, 90))
    np.testing.assert_array_equal(short[0], long[0][:, : short[0].shape[1]])
    assert [beat for beat in long[1].beats if beat.t < 33.3] == short[1].beats


@pytest.mark.parametrize("fs", [100, 128, 257, 360, 500, 1000])
def test_the_rate_changes_neither_beats_nor_events(fs: float) -> None:
    x, truth = simulate(60, fs, seed=5, rates=ALL)
    assert x.shape == (2, 60 * fs)
    assert truth == simulate(60, 250, seed=5, rates=ALL)[1]


@pytest.mark.parametrize("fs", [250.0, 257.0, 333.3])
def test_blocks_follow_without_seam(fs: float) -> None:
    simulator = Simulator(fs, seed=1, rates=ALL)
    blocks = [simulator.block() for _ in range(9)]
    assert sum(block.shape[1] for block in blocks) == round(9 * BLOCK_SECONDS * fs)
    quiet = Simulator(fs, seed=1, rates=CALM)
    x = np.concatenate([quiet.block() for _ in range(9)], axis=1)[0]
    edges = np.array([round(n * BLOCK_SECONDS * fs) for n in range(1, 9)])
    steps = np.abs(np.diff(x))
    assert steps[edges - 1].max() <= steps.max()
    assert np.median(steps[edges - 1]) < 5 * np.median(steps) + 0.01


@pytest.mark.parametrize("index", range(6))
def test_a_calm_heart_beats_as_hearts_do(index: int) -> None:
    _, truth = play(seconds=300, index=index)
    assert {beat.symbol for beat in truth.beats} == {"N"}
    assert truth.spans == []
    intervals = rr(truth)
    assert 60 / 105 < intervals.mean() < 60 / 50
    assert 0.01 < intervals.std() / intervals.mean() < 0.15
    assert 0.35 < intervals.min() < intervals.max() < 1.8


@pytest.mark.parametrize("index", range(6))
def test_the_largest_deflection_of_lead_ii_is_at_each_r_peak(index: int) -> None:
    x, truth = play(seconds=120, fs=360, index=index)
    found = []
    for beat in truth.beats[1:-1]:
        at = round(beat.t * 360)
        around = x[0, at - 36 : at + 37]
        found.append(int(np.argmax(around)) - 36)
        assert 0.4 < around.max() - np.median(x[0]) < 2.6
    assert np.abs(found).max() <= 2


def test_a_pvc_is_early_wide_and_followed_by_a_compensatory_pause() -> None:
    x, truth = play(told("pvc"), fs=360)
    at = next(n for n, beat in enumerate(truth.beats) if beat.symbol == "V")
    before, after = rr(truth)[at - 1 : at + 1]
    usual = np.median(rr(truth))
    assert before < 0.8 * usual
    assert after > 1.15 * usual
    assert before + after == pytest.approx(2 * usual, rel=0.12)
    assert width(x, truth.beats[at].t) > 1.8 * width(x, truth.beats[at - 2].t)


def test_a_pac_is_early_and_as_narrow_as_its_neighbours() -> None:
    x, truth = play(told("pac"), fs=360)
    at = next(n for n, beat in enumerate(truth.beats) if beat.symbol == "A")
    assert rr(truth)[at - 1] < 0.85 * np.median(rr(truth))
    assert width(x, truth.beats[at].t) == pytest.approx(width(x, truth.beats[at - 2].t), rel=0.3)


def width(x: Samples, t: float) -> float:
    """Time, s, that lead II at 360 Hz spends beyond half its largest deflection within 100 ms of ``t``."""
    at = round(t * 360)
    around = np.abs(x[0, at - 36 : at + 37] - np.median(x[0]))
    return float(np.sum(around > around.max() / 2)) / 360


def test_a_run_is_three_or_more_ventricular_beats_within_its_span() -> None:
    for index in range(8):
        _, truth = play(told("run"), index=index)
        beats = [beat.t for beat in truth.beats if beat.symbol == "V"]
        (span,) = truth.spans
        assert len(beats) >= 3
        assert (span.kind, span.start, span.end) == ("run", beats[0], beats[-1])
        assert 120 < 60 / np.mean(np.diff(beats)) < 185


@pytest.mark.parametrize(("kind", "seconds"), [("pause", 3.0), ("asystole", 9.0)])
def test_the_heart_stands_still_for_as_long_as_told(kind: EventKind, seconds: float) -> None:
    x, truth = play(told(kind, seconds=seconds))
    (span,) = truth.spans
    assert span.kind == kind
    assert span.end - span.start == pytest.approx(seconds)
    assert rr(truth).max() == pytest.approx(seconds)
    still = x[0, round((span.start + 0.7) * 250) : round((span.end - 0.4) * 250)]
    assert np.ptp(still) < 0.5 * np.ptp(x[0])
    assert np.ptp(still) > 0.02


@pytest.mark.parametrize(("kind", "low", "high"), [("bradycardia", 30, 40), ("tachycardia", 140, 170)])
def test_the_rate_goes_where_it_is_told(kind: EventKind, low: float, high: float) -> None:
    _, truth = play(told(kind, seconds=25.0))
    (span,) = truth.spans
    during = [beat.t for beat in truth.beats if span.start + 2 < beat.t < span.end]
    assert low < 60 / np.mean(np.diff(during)) < high


def test_a_lead_that_is_off_is_flat_for_its_span_alone() -> None:
    x, truth = play(told("lead-off", seconds=10.0))
    (span,) = truth.spans
    assert (span.kind, span.start, span.end) == ("lead-off", 20.0, 30.0)
    assert np.ptp(x[:, 5000:7500]) <= 0.021
    assert np.ptp(x[0, 7500:8000]) > 0.4
    assert np.ptp(x[0, 4500:5000]) > 0.4


@pytest.mark.parametrize("kind", ["noise", "motion"])
def test_artefacts_disturb_their_span_and_leave_the_beats(kind: EventKind) -> None:
    x, truth = play(told(kind, seconds=6.0))
    calm, calm_truth = play()
    assert truth.beats == calm_truth.beats
    assert np.abs(x - calm)[:, 5000:6500].max() > 0.3
    np.testing.assert_array_equal(x[:, :4700], calm[:, :4700])


def test_events_come_as_often_as_asked() -> None:
    _, truth = simulate(18_000, 50, seed=11, rates=EventRates(pvc=120, run=24, noise=40, pause=0, motion=0))
    kinds = [span.kind for span in truth.spans]
    runs = kinds.count("run")
    single = sum(beat.symbol == "V" for beat in truth.beats) - sum(
        1
        for beat in truth.beats
        for span in truth.spans
        if span.kind == "run" and span.start <= beat.t <= span.end
    )
    assert single == pytest.approx(600, rel=0.15)
    assert runs == pytest.approx(120, rel=0.3)
    assert kinds.count("noise") == pytest.approx(200, rel=0.25)


def test_one_rate_leaves_the_other_kinds_where_they_were() -> None:
    few, many = (simulate(3600, 50, seed=2, rates=EventRates(pvc=rate)) for rate in (10, 500))
    for kind in ("noise", "motion", "lead-off"):
        assert [s for s in few[1].spans if s.kind == kind] == [s for s in many[1].spans if s.kind == kind]


def test_values_are_those_of_a_converter_of_200_units_per_millivolt() -> None:
    x, _ = simulate(20, 250, rates=ALL)
    np.testing.assert_array_equal(x, (np.rint(x * 200) / 200).astype(np.float32))
    assert np.isfinite(x).all()


@pytest.mark.parametrize("fs", [0, 49, 1e6, float("nan")])
def test_rates_out_of_range_are_refused(fs: float) -> None:
    with pytest.raises(ValueError, match="50 to 10000"):
        Simulator(fs)
