"""The compiled way to samples gives what numpy and msgspec give, to the bit."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecgmon.transport import samples

samples.ready()  # compiling is no part of a test's time

NUMBERS = st.one_of(
    st.integers(-(2**60), 2**60),
    st.floats(-6000, 6000),
    st.decimals(-6000, 6000, places=4).map(float),
    st.floats(-5, 5, width=32).map(lambda x: round(x, 6)),
    st.just(-0.0),
    st.none(),
)


def plainly(text: bytes, n: int) -> list[float] | None:
    """What msgspec reads; None for no array of ``n`` numbers."""
    try:
        values = msgspec.json.decode(text, type=list[float | None])
    except msgspec.MsgspecError:
        return None
    return [np.nan if value is None else value for value in values] if len(values) == n else None


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.sampled_from([b",", b", ", b" ,\n\t"]))
def test_what_is_read_as_a_list_is_what_msgspec_reads(numbers: list[float | None], comma: bytes) -> None:
    text = b"[" + comma.join(msgspec.json.encode(number) for number in numbers) + b"]"
    values = np.empty(len(numbers))
    if samples.read_list(text, values):
        assert values.tobytes() == np.array(plainly(text, len(numbers)), np.float64).tobytes()


@given(st.text("0123456789+-.eE, []nul\t", min_size=1, max_size=12), st.integers(1, 4))
@example("01", 1)
@example("1.", 1)
@example("-", 1)
@example("nul", 1)
@example("1,", 2)
def test_nothing_is_read_that_msgspec_refuses(inside: str, n: int) -> None:
    values, text = np.empty(n), f"[{inside}]".encode()
    if samples.read_list(text, values):
        np.testing.assert_array_equal(values, plainly(text, n))


def test_the_usual_is_read_without_msgspec() -> None:
    values = np.empty(5)
    assert samples.read_list(b"[0.145, -1.0 ,null,12,-0.000001]", values)
    np.testing.assert_array_equal(values, [0.145, -1.0, np.nan, 12.0, -0.000001])


@pytest.mark.parametrize("step", [5.0, 4.882813, 0.1, 2.44140625])
def test_steps_are_scaled_as_numpy_does(step: float) -> None:
    steps = np.arange(-32768, 32768, dtype="<i2").reshape(2, -1)
    expected = (steps * step / 1e3).astype(np.float32)
    expected[steps == samples.MISSING] = np.nan
    assert samples.from_steps(steps, step).tobytes() == expected.tobytes()


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1), st.sampled_from([1.0, 1e-3, 1e3]))
def test_numbers_are_scaled_as_numpy_does(numbers: list[float], scale: float) -> None:
    values = np.array([numbers])
    made, largest = samples.from_numbers(values, scale)
    np.testing.assert_array_equal(made, (values * scale).astype(np.float32))
    assert largest == np.nanmax(np.abs(values * scale), initial=0.0)
