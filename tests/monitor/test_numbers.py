"""Numbers that wrap, begin anew, or say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.monitor.numbers import DOUBTS, WRAPS, Numbers, agree


@given(st.sampled_from(WRAPS), st.integers(0, 100), st.integers(1, 100))
def test_a_number_behind_a_wrap_is_ahead_where_the_time_says_so(modulus: int, last: int, step: int) -> None:
    numbers = Numbers(modulus - 1 - last)
    seq = (modulus - 1 - last + step) % modulus
    assert numbers.ahead(seq, float(step - 1), 1.0, 0.25) == step
    numbers.follow(seq, step, reset=False, doubtful=False)
    numbers.seq = seq
    assert numbers.count == step
    if seq < step <= 30:  # what came before the wrap is behind
        assert numbers.ahead(modulus - 1, -5.0, 1.0, 0.25) == -seq - 1


def test_a_number_that_went_back_without_the_time_of_a_wrap_began_anew() -> None:
    assert Numbers(250).ahead(3, 0.0, 1.0, 0.25) == -247
    assert Numbers(250).ahead(3, 8.0, 1.0, 0.25) == 9
    assert Numbers(300).ahead(3, 8.0, 1.0, 0.25) == -297


@pytest.mark.parametrize("seq", [None, 5])
def test_no_number_says_nothing(seq: int | None) -> None:
    assert Numbers(None).ahead(seq, 0.0, 1.0, 0.25) is None
    assert Numbers(seq).ahead(None, 0.0, 1.0, 0.25) is None


def test_doubts_on_end_and_no_fewer_make_numbers_useless() -> None:
    numbers = Numbers(0)
    for doubtful in [*[True] * (DOUBTS - 1), False, *[True] * (DOUBTS - 1)]:
        numbers.follow(0, 0, reset=True, doubtful=doubtful)
        assert not numbers.ignored
    numbers.follow(0, 0, reset=True, doubtful=True)
    assert numbers.ignored
    assert numbers.ahead(1, 0.0, 1.0, 0.25) is None


def test_lost_chunks_agree_with_a_time_to_half_a_chunk() -> None:
    assert agree(2.4, 2, 1.0, 0.25)
    assert not agree(2.6, 2, 1.0, 0.25)
    assert agree(0.2, 1, 0.025, 0.25)
