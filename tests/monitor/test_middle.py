"""Means and medians of a few numbers are those of numpy, to the bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.monitor.middle import mean, median

FEW = st.lists(st.floats(0.2, 10.0), min_size=1, max_size=8)


@given(FEW)
def test_the_mean_is_numpys(values: list[float]) -> None:
    assert mean(values) == np.mean(values)


@given(FEW)
def test_the_median_is_numpys(values: list[float]) -> None:
    assert median(values) == np.median(values)
