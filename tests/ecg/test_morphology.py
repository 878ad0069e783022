"""Measures of a beat against the usual one: on drawn beats whose answer is known, and on real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ecgmon.commands.recordings import labelled
from ecgmon.ecg.frontend import Frontend
from ecgmon.ecg.morphology import Morphology, compare, qrs_limits
from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Beat, Samples
from ecgmon.model.dataset import RecordBeats

T = (np.arange(WINDOW) - R_INDEX) / FS

RELATIVE = (0, 1, 4, 5, 6, 7, 8)
"""Measures that gain and polarity leave alone; 2 and 3 are sizes, mV."""


def drawn(width: float = 0.08, *, p: float = 0.12, t: float = 0.25, pr: float = 0.17) -> Samples:
    """A beat of smooth waves; its QRS is one period of a raised cosine, ``width`` s from foot to foot."""
    qrs = np.where(np.abs(T) < width / 2, 0.5 + 0.5 * np.cos(2 * np.pi * T / width), 0.0)
    waves = p * np.exp(-0.5 * ((T + pr) / 0.022) ** 2) + t * np.exp(-0.5 * ((T - 0.29) / 0.045) ** 2)
    return (qrs + waves).astype(np.float32)


def limits_ms(window: NDArray[np.float64]) -> float:
    found = qrs_limits(window)
    assert found is not None
    return (found[1] - found[0]) * 1000 / FS


def measured(window: Samples, reference: Samples, rr: float = 0.8) -> Morphology:
    found = compare(window, reference, rr)
    assert found is not None
    return found


@pytest.mark.parametrize("width", [0.08, 0.1, 0.12, 0.14, 0.18])
def test_qrs_duration_of_a_drawn_complex(width: float) -> None:
    # The feet of the cosine are flatter than the threshold: the answer is short by up to 15 ms.
    assert width * 1000 - 15 < limits_ms(drawn(width).astype(np.float64)) < width * 1000 + 10


def test_a_notched_complex_and_one_with_a_plateau_are_measured_whole() -> None:
    notched = drawn(0.08, p=0, t=0) + np.roll(drawn(0.08, p=0, t=0), 8)
    assert 125 < limits_ms(notched.astype(np.float64)) < 150
    plateau = np.clip(3 * drawn(0.16, p=0, t=0), 0, 2).astype(np.float64)
    assert 125 < limits_ms(plateau) < 165


def test_noise_gives_no_answer_rather_than_a_wrong_one() -> None:
    rng = np.random.default_rng(1)
    noisy = drawn() + rng.normal(0, 0.3, WINDOW).astype(np.float32)
    assert compare(noisy, drawn(), 0.8) is None
    assert compare(drawn(), noisy, 0.8) is None
    assert compare(np.zeros(WINDOW, np.float32), drawn(), 0.8) is None


def test_flutter_has_no_qrs_duration() -> None:
    flutter = np.sin(2 * np.pi * 4.5 * T)
    assert qrs_limits(flutter) is None


def test_a_beat_like_the_usual_one_shows_nothing() -> None:
    same = measured(drawn(), drawn())
    assert same.correlation == pytest.approx(1)
    assert same.p == pytest.approx(1)
    assert same.usual_p > 0.05
    assert same.st_t == pytest.approx(0, abs=1e-6)
    assert same.qrs_ms == same.usual_qrs_ms
    assert same.size == same.usual_size == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("pr", [0.14, 0.2])
def test_a_p_wave_may_come_a_little_earlier_or_later(pr: float) -> None:
    assert measured(drawn(pr=pr), drawn()).p > 0.8


def test_a_missing_p_wave_is_measured_and_a_small_one_is_not_missing() -> None:
    assert measured(drawn(p=0), drawn()).p < 0.1
    assert 0.4 < measured(drawn(p=0.06), drawn()).p < 0.6


def test_a_p_wave_covered_by_the_qrs_complex_is_not_called_missing() -> None:
    early = np.roll(drawn(0.2, p=0), -6)  # its onset lies where the usual P wave is
    assert np.isnan(measured(early, drawn(pr=0.13)).p)


def test_a_complex_upside_down_is_opposed_and_not_alike() -> None:
    upside_down = measured(drawn(p=0, t=0) * np.float32(-1), drawn(p=0, t=0))
    assert upside_down.opposition < -0.95
    assert upside_down.correlation < 0.8


def test_st_t_is_compared_up_to_the_next_beat_and_not_at_all_where_there_is_no_room() -> None:
    other = drawn(t=-0.3)
    assert measured(other, drawn(), 1.0).st_t > 0.1
    assert measured(other, drawn(), float("nan")).st_t == measured(other, drawn(), 1.0).st_t
    assert np.isnan(measured(other, drawn(), 0.3).st_t)


def test_a_window_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="187"):
        compare(np.zeros(100, np.float32), drawn(), 0.8)


@pytest.fixture(scope="module")
def record(mitdb: Path) -> RecordBeats:
    """MIT-BIH 119: sinus beats and ventricular ones."""
    return labelled(mitdb / "119")


@settings(deadline=None, max_examples=60)
@given(
    i=st.integers(0, 1900),
    gain=st.floats(0.05, 20),
    offset=st.floats(-2, 2),
    sign=st.sampled_from([-1.0, 1.0]),
)
def test_gain_offset_and_polarity_of_the_lead_change_nothing(
    record: RecordBeats, i: int, gain: float, offset: float, sign: float
) -> None:
    beat, reference = record.beats[i].window, record.beats[100].window
    was = compare(beat, reference, 0.8)
    size = float(np.ptp(beat))
    by = np.float32(sign * gain), np.float32(offset * size)
    now = compare(beat * by[0] + by[1], reference * by[0] + by[1], 0.8)
    assert (was is None) == (now is None)
    if was is None or now is None:
        return
    for k in RELATIVE:
        assert now[k] == pytest.approx(was[k], rel=2e-3, abs=2e-3, nan_ok=True)
    assert now.size == pytest.approx(was.size * gain, rel=1e-3)


def test_ventricular_beats_of_a_patient_are_wider_than_the_normal_ones(record: RecordBeats) -> None:
    found: dict[str, list[float]] = {"N": [], "V": []}
    for beat, label in zip(record.beats, record.labels, strict=True):
        at = qrs_limits(beat.window.astype(np.float64)) if beat.good and label else None
        if at is not None:
            found[label].append((at[1] - at[0]) * 1000 / FS)
    normal, ventricular = np.array(found["N"]), np.array(found["V"])
    assert np.nanmedian(normal) < 90
    assert np.nanmedian(ventricular) > 120
    assert np.nanquantile(ventricular, 0.05) > np.nanquantile(normal, 0.95)


def test_the_window_path_takes_part_of_an_st_shift_which_is_why_no_level_is_given(mitdb: Path) -> None:
    x = wfdb.rdrecord(str(mitdb / "115"), channels=[0], sampto=360 * 120).p_signal[:, 0].astype(np.float32)
    beats = run_frontend(x)
    shifted = x.copy()
    for beat in beats:
        at = np.arange(round((beat.r + 0.04) * 360), min(len(x), round((beat.r + 0.34) * 360)))
        shifted[at] += np.interp(at / 360 - beat.r, [0.04, 0.06, 0.24, 0.34], [0, 0.2, 0.2, 0]).astype(
            np.float32
        )
    levels = [
        float(b.window[R_INDEX + 12] - b.window[R_INDEX - 8] - a.window[R_INDEX + 12] + a.window[R_INDEX - 8])
        for a, b in zip(beats, run_frontend(shifted), strict=True)
    ]
    assert np.median(levels) < 0.15


def run_frontend(x: Samples) -> list[Beat]:
    frontend = Frontend(360.0)
    return frontend.feed(x).beats + frontend.flush().beats
