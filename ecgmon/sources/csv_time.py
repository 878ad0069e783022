"""What the time column of a CSV tells: which it is, the rate, and where samples are missing."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

_NAMES: Final = "t|time|seconds?|secs?|elapsed(?:[ _]time)?|timestamp"
_HEADER: Final = re.compile(rf"(?:{_NAMES})\s*(?:[\[(_ ]\s*(\w+)\s*[\])]?)?", re.IGNORECASE)
_UNITS: Final = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_COARSE: Final = 0.05
"""Share of steps that may be far from the usual one before the column is thought too coarse to show gaps."""


def seconds_per_unit(header: str) -> float | None:
    """How many seconds a unit of a column is, by name (``time``, ``t (ms)``); None when it holds no times.

    Raises ValueError for a unit that is not known.
    """
    match = _HEADER.fullmatch(header.strip())
    if match is None:
        return None
    unit = (match[1] or "s").lower()
    if unit not in _UNITS:
        raise ValueError(f"the unit of column '{header}' is unknown; write s, ms or us")
    return _UNITS[unit]


def is_coarse(times: NDArray[np.float64]) -> bool:
    """Whether times (s) are rounded so much that a missing sample would not show."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    return usual <= 0 or float(np.mean(np.abs(steps / usual - 1) > 0.5)) > _COARSE


def measured_rate(times: NDArray[np.float64]) -> float | None:
    """Samples per second from times (s) in order; gaps do not count; None when they do not move.

    A rate within 0.2 % of a whole number is that number: times are written with few digits.
    """
    steps = np.diff(times)
    if not is_coarse(times):
        steps = steps[np.abs(steps / np.median(steps) - 1) <= 0.5]
    mean = float(np.mean(steps)) if len(steps) else 0.0
    if not mean > 0:
        return None
    rate = 1 / mean
    return float(round(rate)) if abs(round(rate) / rate - 1) < 2e-3 else rate


def missing_before(times: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
    """How many samples at ``fs`` are missing between each time (s) and the one before it: [n - 1]."""
    return np.maximum(np.rint(np.diff(times) * fs).astype(np.int64) - 1, 0)
