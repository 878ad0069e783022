"""Samples of a message as float32 millivolts, compiled: what numpy does in ten passes, here in one.

The results are those of numpy, to the bit.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.types import Samples

MISSING: Final = -32_768
"""A step that stands for no sample."""


def from_steps(steps: NDArray[np.int16], leads: int, step: float) -> Samples:
    """[leads * n] converter steps of ``step`` microvolts, lead by lead, to mV [leads, n]; :data:`MISSING` to
    NaN."""
    samples = np.empty(len(steps), np.float32)
    _from_steps(steps, float(step), samples)
    return samples.reshape(leads, -1)


def from_numbers(values: NDArray[np.float64], scale: float) -> tuple[Samples, float]:
    """[leads, n] numbers times ``scale`` as mV, and the largest of their amounts, NaN aside."""
    samples = np.empty(values.shape, np.float32)
    return samples, _from_numbers(values.reshape(-1), scale, samples.reshape(-1))


@cache
def ready() -> None:
    """Compile, or read from the cache, everything now rather than at the first message."""
    from_steps(np.frombuffer(b"\0\0", "<i2"), 1, 1.0)
    from_numbers(np.zeros((1, 1)), 1.0)


@compiled
def _from_steps(steps: NDArray[np.int16], step: float, samples: Samples) -> None:
    for i in range(len(steps)):
        samples[i] = np.nan if steps[i] == MISSING else np.float32(steps[i] * step / 1e3)


@compiled
def _from_numbers(values: NDArray[np.float64], scale: float, samples: Samples) -> float:
    largest = 0.0
    for i in range(len(values)):
        value = values[i] * scale
        largest = max(largest, abs(value)) if value == value else largest  # noqa: PLR0124 - NaN
        samples[i] = np.float32(value)
    return largest
