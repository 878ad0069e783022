"""The noise stress test: recorded noise added to a clean ECG in calibrated amounts.

Source: Moody, Muldrow and Mark, "A noise stress test for arrhythmia detectors", Computers in Cardiology
11:381-384 (1984), and the programs ``nst`` and ``sigamp`` of the WFDB Software Package by the same author,
with which the records of the MIT-BIH Noise Stress Test Database were made:

protocol    5 minutes without noise to learn in, then 2 minutes with noise and 2 without by turns to the
            end. Noise sample k meets ECG sample k, whether or not it is added; a noise record that ends
            begins anew. Wherever noise sets in, ends or begins anew its offset is chosen so that the signal
            does not leap: what is added are the noise's *changes*, and the last value stays.
signal      S = A^2 / 8, the power of a sine of A from peak to peak; A is the mean QRS from peak to peak,
            within 50 ms of the annotation, of the first 300 beats that are neither ventricular nor fusion,
            less the largest and the smallest twentieth.
noise       N = R^2; R is the mean root mean square, each second's own mean taken out, of the noise record's
            first 300 s, less the largest and the smallest twentieth.
gain        a = sqrt(S / (N 10^(SNR/10))), for each lead its own. Lead i gets noise signal i modulo their
            number.

The ratio is nominal. Record ``em`` grows after the 300 s that are measured: on the first lead its noisy parts
have a mean root mean square of 0.55 mV where 0.33 mV were measured, 4.5 dB less than they are named for. The
database's own records are made like that, and so are ours.

Deviations: all in millivolt and without rounding (``sigamp`` measures noise in whole converter steps); noise
is resampled with a low-pass whenever rates differ (``nst`` interpolates linearly, and takes rates within 10 %
for the same), after its power was measured; several kinds may be added, each calibrated by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ecgmon.ecg.resample import Signal
from ecgmon.ecg.types import Samples

CLEAN_START: Final = 300.0
PERIOD: Final = 120.0
"""Length of the clean start, and of each part behind it, in s."""

QRS_REACH: Final = 0.05
"""A QRS is measured this far to either side of its annotation, in s."""

MOST: Final = 300
"""QRS complexes, and seconds of noise, that are measured."""

Span = tuple[float, float]
"""Stream times, s: first moment, first moment behind."""


def spans(seconds: float) -> tuple[list[Span], list[Span]]:
    """(noisy, clean) parts of a recording of ``seconds`` s; the clean start is in neither."""
    parts: tuple[list[Span], list[Span]] = ([], [])
    begin, which = CLEAN_START, 0
    while begin < seconds:
        parts[which].append((begin, min(begin + PERIOD, seconds)))
        begin, which = begin + PERIOD, 1 - which
    return parts


def noisy(times: Signal) -> NDArray[np.bool_]:
    """Which of the stream times [n], s, lie in a noisy part."""
    inside: NDArray[np.bool_] = (times >= CLEAN_START) & (np.floor((times - CLEAN_START) / PERIOD) % 2 == 0)
    return inside


def trimmed_mean(values: Signal) -> float:
    """Mean of ``values`` [n] less the largest and the smallest twentieth (n // 20 each); NaN of nothing."""
    cut = len(values) // 20
    kept = np.sort(values)[cut : len(values) - cut]
    return float(kept.mean()) if len(kept) else float("nan")


def qrs_amplitude(x: Samples, fs: float, beats: Sequence[float] | Signal) -> float:
    """Mean QRS from peak to peak, mV, of one lead [n] at ``fs`` Hz with beats at these stream times, s.

    Of the first ``MOST`` beats those count that lie in ``x`` as a whole with no sample missing; NaN when none
    does.
    """
    reach = round(QRS_REACH * fs)
    heights: list[float] = []
    for beat in beats[:MOST]:
        at = round(float(beat) * fs)
        part = x[max(0, at - reach) : at + reach + 1]
        if len(part) == 2 * reach + 1 and np.isfinite(part).all():
            heights.append(float(part.max()) - float(part.min()))
    return trimmed_mean(np.array(heights))


def noise_rms(noise: Signal, fs: float) -> float:
    """Mean root mean square over a second, mV, of one noise signal [n] at ``fs`` Hz; NaN below one second."""
    second = round(fs)
    n = min(MOST, len(noise) // second)
    parts = noise[: n * second].reshape(n, second)
    return trimmed_mean(parts.std(axis=1))


def gain(amplitude: float, rms: float, snr: float) -> float:
    """What a noise of this ``rms`` must be multiplied by, beside QRS complexes of this ``amplitude`` (mV
    both), for a signal-to-noise ratio of ``snr`` dB."""
    return float(amplitude / np.sqrt(8.0) / rms / 10.0 ** (snr / 20.0))


def resampled(noise: Signal, fs: float, to: float) -> Signal:
    """Noise [k, n] at ``fs`` Hz as [k, n'] at ``to`` Hz, low-pass filtered where it must be."""
    ratio = Fraction(to / fs).limit_denominator(1000)
    if ratio == 1:
        return noise
    return np.asarray(resample_poly(noise, ratio.numerator, ratio.denominator, axis=1, padtype="line"))


class Mixer:
    """Adds noise to one recording, piece by piece; the result does not depend on the pieces.

    fs      rate of the recording, Hz
    noises  one entry a kind of noise: the noise [k, m] at ``fs``, m > 0, and the gain of each lead [leads]
    """

    def __init__(self, fs: float, noises: Sequence[tuple[Signal, Signal]]) -> None:
        self._fs = fs
        self._gains = [gains for _, gains in noises]
        # changes from sample to sample; none where the record begins, and so none where it begins anew
        self._changes = [np.diff(noise, axis=1, prepend=noise[:, :1]) for noise, _ in noises]
        self._at = 0
        self._level = [np.zeros(len(gains)) for gains in self._gains]

    def feed(self, x: Samples) -> Samples:
        """The next samples, [leads, n] mV, with what is added to them; a missing one (NaN) stays missing."""
        index = np.arange(self._at, self._at + x.shape[1])
        self._at += x.shape[1]
        on = noisy(index / self._fs)
        total = x.astype(np.float64)
        for changes, gains, level in zip(self._changes, self._gains, self._level, strict=True):
            for lead in range(len(x)):
                step = changes[lead % len(changes)][index % changes.shape[1]] * on
                added = np.cumsum(np.concatenate(([level[lead]], step)))
                level[lead] = added[-1]
                total[lead] += gains[lead] * added[1:]
        return total.astype(np.float32)
