"""Two small recordings whose figures can be reckoned by hand."""

from __future__ import annotations

import math

import pytest

from ecgmon.evaluation.alarms import Raised
from tests.evaluation.report.made import Made, made, record


@pytest.fixture(scope="session")
def two() -> Made:
    """Record ``a`` has V, S and flutter; record ``b`` is normal but for one F, and is flagged once wrongly.

    a: N V V V N S N [ ! ] N V   scores 0 5 6 1 5 4.5 NaN . . . 0.5 -1 (the last V is not detected)
    b: N N N F N                 scores 0 4.2 1 2 0
    """
    alerts = (Raised("anomalous-beats", 1.0, 2.0, 3.5), Raised("noise", 5.0, 6.0, 6.0))
    false = Raised("anomalous-beats", 0.9, 1.1, 3.0)
    nan = math.nan
    a = record("a", "NVVVNSN[!]NV", [0, 5, 6, 1, 5, 4.5, nan, 0.5, -1], *alerts)
    b = record("b", "NNNFN", [0, 4.2, 1, 2, 0], false)
    return made(a, b)
