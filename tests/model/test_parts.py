"""The parts of a beat: what is early, what lies where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.ecg.types import R_INDEX, WINDOW
from ecgmon.model.parts import REGIONS, RHYTHM, K, earliness, lie_on, measure, move

intervals = st.floats(0.2, 3.0)


@given(intervals, intervals)
def test_early_beats_are_above_zero_and_late_ones_below(rr: float, basic: float) -> None:
    assert np.sign(earliness(rr, basic, 0.0)) == np.sign(np.log(basic / rr))


@given(intervals, intervals, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_an_irregular_rhythm_excuses_early_beats(rr: float, basic: float, a: float, b: float) -> None:
    less, more = sorted((a, b))
    assert abs(earliness(rr, basic, more)) <= abs(earliness(rr, basic, less)) + 1e-12


def test_a_regular_rhythm_excuses_nothing() -> None:
    assert earliness(0.6, 0.8, 0.03) == pytest.approx(np.log(0.8 / 0.6), rel=0.01)


@pytest.mark.parametrize(("rr", "basic"), [(np.nan, 0.8), (0.8, np.nan), (0.0, 0.8)])
def test_an_interval_that_is_not_known_has_no_earliness(rr: float, basic: float) -> None:
    assert np.isnan(earliness(rr, basic, 0.02))


@pytest.mark.parametrize("by", [-3, -1, 0, 2, 3])
def test_a_shifted_beat_is_found_and_laid_back(by: int) -> None:
    n = np.arange(WINDOW)
    reference = np.exp(-((n - R_INDEX) ** 2) / 20.0)
    x = np.exp(-((n - R_INDEX - by) ** 2) / 20.0).astype(np.float32)
    shift, distance = lie_on(x, reference, 3, (R_INDEX - 12, R_INDEX + 13))
    assert shift == by
    move(x, shift)
    assert distance < 1e-6
    np.testing.assert_allclose(x[10:-10], reference[10:-10], atol=1e-4)


@given(st.integers(0, 2), st.floats(0.1, 2.0))
def test_an_error_shows_in_its_own_part_alone(part: int, size: float) -> None:
    regions = REGIONS["centred"]
    x, restored, raw, clean = (
        np.zeros(n, t) for n, t in ((WINDOW, "f4"), (WINDOW, "f4"), (K, "f8"), (K, "f8"))
    )
    measure(x, restored, regions, 0.0, clean)
    first, end = regions[part]
    x[first:end:2] = size
    measure(x, restored, regions, 0.0, raw)
    assert raw[part] > clean[part] + 0.5
    others = [k for k in range(RHYTHM) if k != part]
    np.testing.assert_array_equal(raw[others], clean[others])
