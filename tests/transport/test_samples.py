"""The compiled way to samples gives what numpy gives, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.transport import samples

samples.ready()  # compiling is no part of a test's time


@pytest.mark.parametrize("step", [5.0, 4.882813, 0.1, 2.44140625])
def test_steps_are_scaled_as_numpy_does(step: float) -> None:
    steps = np.arange(-32768, 32768, dtype="<i2").reshape(2, -1)
    expected = (steps * step / 1e3).astype(np.float32)
    expected[steps == samples.MISSING] = np.nan
    assert samples.from_steps(steps.reshape(-1), len(steps), step).tobytes() == expected.tobytes()


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1), st.sampled_from([1.0, 1e-3, 1e3]))
def test_numbers_are_scaled_as_numpy_does(numbers: list[float], scale: float) -> None:
    values = np.array([numbers])
    made, largest = samples.from_numbers(values, scale)
    np.testing.assert_array_equal(made, (values * scale).astype(np.float32))
    assert largest == np.nanmax(np.abs(values * scale), initial=0.0)
