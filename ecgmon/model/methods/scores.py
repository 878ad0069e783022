"""How far a window is from what an autoencoder made of it: four ways, higher is odder.

All are computed in double precision and finite for any finite float32 windows, flat ones included.
"""

from __future__ import annotations

import numpy as np

from ecgmon.ecg.types import WINDOW, Samples
from ecgmon.model.methods.base import Floats, ScoreName

SMOOTHING = 9
"""Samples (72 ms, about a narrow QRS) that the error map is averaged over."""
LEAST = 1e-3
"""Smallest usual error of a sample, as a share of the mean over all samples: where normal windows have no
error at all, such as a zero padding, the quotient stays a number."""


def usual_error(x: Samples, restored: Samples) -> Floats:
    """[187]: the mean squared error at each sample of normal windows [n, 187], never zero."""
    error = _squared(x, restored).mean(axis=0)
    floor = LEAST * float(error.mean())
    usual: Floats = np.maximum(error, floor if floor > 0 else LEAST)
    return usual


def score(name: ScoreName, x: Samples, restored: Samples, usual: Floats) -> Floats:
    """[n] from windows and restored windows [n, 187]; ``usual`` [187] is for the error map."""
    match name:
        case "squared-error":
            return squared_error(x, restored)
        case "l2":
            return l2(x, restored)
        case "cosine":
            return cosine(x, restored)
        case "sample-map":
            return sample_map(x, restored, usual)


def squared_error(x: Samples, restored: Samples) -> Floats:
    """[n]: mean over the samples of the squared difference."""
    mean: Floats = _squared(x, restored).mean(axis=1)
    return mean


def l2(x: Samples, restored: Samples) -> Floats:
    """[n]: Euclidean norm of the difference.

    It orders single windows as the squared error does, and differs where scores are averaged over variations.
    """
    norm: Floats = np.sqrt(_squared(x, restored).sum(axis=1))
    return norm


def cosine(x: Samples, restored: Samples) -> Floats:
    """[n], 0..2: 1 less the cosine of the angle between the two; size does not matter.

    A window of zeros has no direction: 0 if it was restored as zeros, 1 otherwise.
    """
    a, b = _unit(x), _unit(restored)
    angle = np.clip(1.0 - np.einsum("ij,ij->i", a, b), 0.0, 2.0)
    nothing = ~a.any(axis=1) & ~b.any(axis=1)
    return np.where(nothing, 0.0, angle)


def error_map(x: Samples, restored: Samples, usual: Floats) -> Floats:
    """[n, 187]: each sample's squared error in units of that sample's ``usual`` one [187], averaged over 9
    samples about it (fewer at the ends)."""
    relative = _squared(x, restored) / usual
    half = SMOOTHING // 2
    total = np.cumsum(np.pad(relative, ((0, 0), (1, 0))), axis=1)
    first = np.maximum(np.arange(WINDOW) - half, 0)
    last = np.minimum(np.arange(WINDOW) + half + 1, WINDOW)
    smooth: Floats = np.maximum(total[:, last] - total[:, first], 0.0) / (last - first)
    return smooth


def sample_map(x: Samples, restored: Samples, usual: Floats) -> Floats:
    """[n]: the highest value of :func:`error_map`."""
    highest: Floats = error_map(x, restored, usual).max(axis=1)
    return highest


def _squared(x: Samples, restored: Samples) -> Floats:
    difference: Floats = x.astype(np.float64) - restored.astype(np.float64)
    return difference**2


def _unit(x: Samples) -> Floats:
    """Rows scaled to length 1; rows of zeros stay."""
    y = x.astype(np.float64)
    length = np.sqrt((y**2).sum(axis=1, keepdims=True))
    unit: Floats = np.divide(y, length, out=np.zeros_like(y), where=length > 0)
    return unit
