"""A detector and a network from the shelf, put together as one would on the first day: cut a window around
each R-peak, restore it, take the error; one beat a call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Samples
from ecgmon.model.plain import PlainRestorer

AHEAD = (WINDOW - R_INDEX) / FS
"""Seconds of signal that a window needs behind its R-peak."""


def window(signal: NDArray[np.float64], fs: float, peak: float) -> Samples:
    """[187] at 125 Hz around sample ``peak`` of ``signal`` [n], without its median, in units of its height;
    the signal's ends are held."""
    at = peak + (np.arange(WINDOW) - R_INDEX) * (fs / FS)
    cut = np.interp(at, np.arange(len(signal)), signal)
    normalised: Samples = ((cut - np.median(cut)) / (np.ptp(cut) or 1.0)).astype(np.float32)
    return normalised


def error(restorer: PlainRestorer, signal: NDArray[np.float64], fs: float, peak: float) -> float:
    """Root mean square error of the beat at sample ``peak``, restored."""
    x = window(signal, fs, peak)[None]
    return float(np.sqrt(np.mean((x - restorer.alone(x)) ** 2)))
