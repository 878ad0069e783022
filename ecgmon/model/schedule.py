"""The rate that a training learns with, by epoch."""

from __future__ import annotations

import math

LOWEST = 0.01
"""Share of the highest rate that the last step has."""


def rate_at(epoch: float, *, epochs: int, warmup: float, highest: float) -> float:
    """Linear up to ``highest``, then half a cosine down to 1 % of it (Loshchilov and Hutter 2017, without
    restarts).

    ``epoch`` counts from 0, parts of one included; the rise takes ``warmup`` of the ``epochs``, half of them
    at most.
    """
    warm = min(warmup, epochs / 2)
    if epoch < warm:
        return highest * (0.02 + 0.98 * epoch / warm)
    done = (epoch - warm) / (epochs - warm)
    return highest * (LOWEST + (1 - LOWEST) * 0.5 * (1 + math.cos(math.pi * done)))
