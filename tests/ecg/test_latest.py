"""The running median and order are those of sorting anew, to the bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecgmon.ecg.latest import Latest

ROWS = st.lists(st.one_of(st.floats(0.2, 10.0), st.sampled_from([0.5, 0.8, 0.8 + 1e-9])), max_size=60)


@given(st.integers(2, 16), ROWS, st.sets(st.integers(0, 59), max_size=2))
def test_median_and_smallest_are_those_of_the_last_numbers(n: int, row: list[float], clear: set[int]) -> None:
    latest, kept = Latest(n), list[float]()
    for i, value in enumerate(row):
        if i in clear:
            latest.clear()
            kept.clear()
        latest.append(value)
        kept = [*kept, value][-n:]
        assert latest.size == len(kept)
        assert latest.median == np.median(kept)
        assert latest.smallest(0) == min(kept)
        assert latest.smallest(len(kept) // 2) == sorted(kept)[len(kept) // 2]
