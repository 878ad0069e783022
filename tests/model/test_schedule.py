from __future__ import annotations

import math

import numpy as np
import pytest

from ecgmon.model.schedule import rate_at


def test_it_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    rates = [rate_at(epoch, epochs=11, warmup=1.0, highest=2.0) for epoch in (0.0, 0.5, 1.0, 6.0, 11.0)]
    assert rates == pytest.approx([0.04, 1.02, 2.0, 2.0 * 0.505, 0.02])
    course = [rate_at(e, epochs=11, warmup=1.0, highest=2.0) for e in np.linspace(0, 11, 100).tolist()]
    top = int(np.argmax(course))
    assert (np.diff(course[: top + 1]) > 0).all()
    assert (np.diff(course[top:]) < 0).all()


@pytest.mark.parametrize("warmup", [0.0, 1.0, 1000.0])
@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_it_is_never_nothing_and_never_above_the_highest(epochs: int, warmup: float) -> None:
    course = [
        rate_at(e, epochs=epochs, warmup=warmup, highest=1.0) for e in np.linspace(0, epochs, 50).tolist()
    ]
    assert min(course) >= 0.01 - 1e-12
    assert max(course) <= 1.0
    assert math.isclose(course[-1], 0.01)
