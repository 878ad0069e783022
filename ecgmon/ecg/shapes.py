"""A patient's QRS complexes, known by their shape: a second measure of height, for noise.

The envelope (:func:`ecgmon.ecg.filters.envelope`) takes whatever lies in the QRS band for QRS. Once the
complexes of a patient are known, a matched filter sees through noise that hides them from it (North 1943;
Turin, IRE Trans. Information Theory 6:311, 1960):

shapes    up to ``SHAPES`` running means of the slopes around accepted beats while the stream is quiet, or no
          shape is known yet, each beat going to the shape that it resembles most (correlation of at least
          ``ALIKE``) or founding a new one in place of the rarest. A shape counts from ``KNOWN`` beats on: the
          normal beat, and the ectopic ones that come again and again.
noise     autocorrelation of the slopes wherever the envelope is low, over some seconds; from it, once a
          second, the linear predictor that whitens the noise (Levinson 1946). It tells electrode motion,
          which is slow, from muscle, which is fast, and takes what lies between the beats, T waves too, for
          noise.
height    of the best shape, as the envelope has it for that shape's beats: 1 x its usual height where the
          signal is the shape itself, positive or negative where there is noise alone.

*In noise only*: ``QUANTILE`` of the envelope over some seconds, as a share of the beats' height, measures the
noise; below ``QUIET`` the envelope stands as it is, from ``NOISY`` on the matched height stands in its place,
between them a mixture. ``LEAST`` of the envelope always stays: a beat of a shape that is new may still be
found, and by the search-back a heart whose beats change all their shape.

The limits were chosen on the DS1 half of MIT-BIH without 118 and 119, as it is and with recorded noise
(:mod:`ecgmon.ecg.noise`: em, ma and bw at 24 to 0 dB) and with T waves made 2 to 4 times as tall or drawn in,
up to 1.2 times as tall as the QRS. Everything is a ratio of heights: amplitude and polarity play no part.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal
from ecgmon.ecg.types import FS

LEAST_HEIGHT: Final = 1e-4
"""mV: an envelope that is lower is arithmetic, not signal."""

SHAPES: Final = 4
REACH: Final = 9
"""A complex is compared within so many samples of its hump, 72 ms."""

ORDER: Final = 4
"""Of the predictor that whitens the noise."""

DELAY: Final = REACH + ORDER // 2
"""Samples behind the hump that its height takes to know."""

SHIFT: Final = 3
"""A complex may lie so many samples beside the hump when it is compared with a shape."""

ALIKE: Final = 0.8
KNOWN: Final = 8
FORGET: Final = 0.998
SLOWNESS: Final = 16
"""Least correlation with a shape; beats that make it known; what stays of their number with every further
beat of any shape; beats over which a shape is averaged."""

QUANTILE: Final = 0.3
QUANTILE_STEP: Final = 0.02
QUIET: Final = 0.04
NOISY: Final = 0.07
LEAST: Final = 0.3
"""Where the matched height comes in: see above."""

LOW: Final = 0.5
NOISE_RATE: Final = 0.002
STEADY: Final = 0.01
SMALL: Final = 1e-30
"""Share of the beats' height below which the envelope is noise; rate of its running means, per sample; white
noise added, as a share, so that the predictor stays stable; mV^2, against a division by 0."""

LEARNS: Final = 0.01
IN_TIME: Final = 0.7
"""Shapes are learned while the matched height's part is no more than the one, from beats that come no sooner
than the other of the usual RR: a T wave that is taken for a beat now and then must not become a shape."""

# State of one stream, one array. What was lately: rows of ``ROOM`` samples.
ROOM: Final = 128
MASK: Final = ROOM - 1
ENVELOPE, BLOCKED, _SLOPE, _LOW_SLOPE, SIGNAL = range(0, 5 * ROOM, ROOM)
# the noise: quantile of the envelope, autocorrelation, predictor
_LEVEL: Final = 5 * ROOM
_LAGS: Final = _LEVEL + 1
_PREDICTOR: Final = _LAGS + ORDER + 1
_FIRST: Final = _PREDICTOR + ORDER + 1
# each shape: beats, their height, power of the whitened slopes, slopes, whitened slopes
_BEATS, _HEIGHT, _POWER, _SLOPES = range(4)
_SIDE: Final = REACH + ORDER
_WHITE: Final = _SLOPES + 2 * _SIDE + 1
_WIDTH: Final = _WHITE + 2 * REACH + 1
_SIZE: Final = _FIRST + SHAPES * _WIDTH


def state() -> Signal:
    """Nothing known yet."""
    known = np.zeros(_SIZE)
    known[_PREDICTOR] = 1.0
    return known


@compiled
def push(k: int, first: bool, envelope: float, signal: float, blocked: int, x: Signal) -> None:
    """Sample ``k`` of the envelope and of the signal, mV; ``first`` of the stream."""
    slope = 0.0 if first else signal - x[SIGNAL + ((k - 1) & MASK)]
    i = k & MASK
    x[ENVELOPE + i] = 0.0 if blocked else envelope
    x[BLOCKED + i] = blocked
    x[_SLOPE + i] = slope
    x[SIGNAL + i] = signal


@compiled
def follow_noise(k: int, usual: float, x: Signal) -> float:
    """Take in sample ``k``, ``DELAY`` samples late, where beats have the height ``usual`` (0: not known).

    Returns the part that the matched height has: 0 to 1.
    """
    i = k & MASK
    height = x[ENVELOPE + i]
    x[_LOW_SLOPE + i] = 0.0
    if not x[BLOCKED + i] and height > LEAST_HEIGHT:
        before = x[_LEVEL]
        up = before * (1.0 + QUANTILE_STEP * QUANTILE)
        down = before / (1.0 + QUANTILE_STEP * (1.0 - QUANTILE))
        x[_LEVEL] = height if before == 0.0 else up if height > before else down
        slope = x[_SLOPE + i]
        if height < LOW * usual and slope != 0.0:
            x[_LOW_SLOPE + i] = slope
            for j in range(ORDER + 1):
                now = slope * x[_LOW_SLOPE + ((k - j) & MASK)]
                x[_LAGS + j] += NOISE_RATE * (now - x[_LAGS + j])
    if usual == 0.0 or x[BLOCKED + i] or x[_LEVEL] <= QUIET * usual:
        return 0.0
    return min(1.0, (x[_LEVEL] / usual - QUIET) / (NOISY - QUIET))  # type: ignore[no-any-return]


@compiled
def noise_is_due(k: int) -> bool:
    """Whether :func:`learn_noise` is to follow sample ``k``: once a second."""
    return k % FS == 0


@compiled
def learn_noise(x: Signal) -> None:
    """The predictor and the whitened shapes, from the noise of the last seconds."""
    _predict(x)
    for shape in range(_FIRST, _SIZE, _WIDTH):
        _whiten(shape, x)


@compiled
def matched(k: int, x: Signal) -> float:
    """The matched height at sample ``k``, mV, of either sign; NaN while no shape is known."""
    white = np.empty(2 * REACH + 1)
    for j in range(2 * REACH + 1):
        white[j] = 0.0
        for lag in range(ORDER + 1):
            at = k + j - REACH + ORDER // 2 - lag
            white[j] += x[_PREDICTOR + lag] * x[_SLOPE + (at & MASK)]
    best = np.nan
    for i in range(_FIRST, _SIZE, _WIDTH):
        if x[i + _BEATS] < KNOWN or x[i + _POWER] <= 0.0:
            continue
        product = 0.0
        for j in range(2 * REACH + 1):
            product += x[i + _WHITE + j] * white[j]
        height = product * x[i + _HEIGHT] / x[i + _POWER]
        if not height <= best:
            best = height
    return best


@compiled
def learn(at: int, height: float, start: int, newest: int, x: Signal) -> None:
    """A beat of ``height`` at sample ``at``; the stream is known from ``start`` to ``newest``. One that lies
    too near to either, or too far back, teaches nothing.
    """
    reach = _SIDE + SHIFT
    if at + reach > newest or at - reach <= max(newest - ROOM, start):
        return
    best, which, shift = _closest(at, x)
    for i in range(_FIRST, _SIZE, _WIDTH):
        x[i + _BEATS] *= FORGET
    if best < ALIKE:
        which, shift = _FIRST, 0
        for i in range(_FIRST, _SIZE, _WIDTH):
            if x[i + _BEATS] < x[which + _BEATS]:
                which = i
        for j in range(_WIDTH):
            x[which + j] = 0.0
    share = 1.0 / (min(x[which + _BEATS], SLOWNESS) + 1.0)
    for j in range(2 * _SIDE + 1):
        slope = x[_SLOPE + ((at + shift + j - _SIDE) & MASK)]
        x[which + _SLOPES + j] += share * (slope - x[which + _SLOPES + j])
    x[which + _HEIGHT] += share * (height - x[which + _HEIGHT])
    x[which + _BEATS] += 1.0
    _whiten(which, x)


@compiled
def _closest(at: int, x: Signal) -> tuple[float, int, int]:
    """The shape that the slopes around sample ``at`` resemble most: their correlation, which shape, and how
    many samples later they lie than it.
    """
    best, which, shift = -2.0, _FIRST, 0
    for i in range(_FIRST, _SIZE, _WIDTH):
        if x[i + _BEATS] == 0.0:
            continue
        own = 0.0
        for j in range(-REACH, REACH + 1):
            own += x[i + _SLOPES + _SIDE + j] ** 2
        for d in range(-SHIFT, SHIFT + 1):
            product, power = 0.0, 0.0
            for j in range(-REACH, REACH + 1):
                slope = x[_SLOPE + ((at + d + j) & MASK)]
                product += slope * x[i + _SLOPES + _SIDE + j]
                power += slope * slope
            correlation = product / np.sqrt(power * own) if power * own > 0.0 else 0.0
            if correlation > best:
                best, which, shift = correlation, i, d
    return best, which, shift


@compiled
def _predict(x: Signal) -> None:
    """Levinson's recursion: the predictor that leaves of the noise what is white."""
    before = np.empty(ORDER + 1)
    error = x[_LAGS] * (1.0 + STEADY) + SMALL
    for m in range(1, ORDER + 1):
        total = x[_LAGS + m]
        for j in range(1, m):
            total += before[j] * x[_LAGS + m - j]
        reflection = max(-0.97, min(0.97, -total / error))  # of an estimate; in theory within 1
        for j in range(1, m):
            x[_PREDICTOR + j] = before[j] + reflection * before[m - j]
        x[_PREDICTOR + m] = reflection
        for j in range(1, m + 1):
            before[j] = x[_PREDICTOR + j]
        error *= 1.0 - reflection * reflection


@compiled
def _whiten(shape: int, x: Signal) -> None:
    x[shape + _POWER] = 0.0
    for j in range(2 * REACH + 1):
        value = 0.0
        for lag in range(ORDER + 1):
            value += x[_PREDICTOR + lag] * x[shape + _SLOPES + j + ORDER + ORDER // 2 - lag]
        x[shape + _WHITE + j] = value
        x[shape + _POWER] += value * value
