"""R-peaks from the QRS envelope, as a stream.

Every hump of the envelope (:func:`ecgmon.ecg.filters.envelope`) that stands highest within 0.2 s is a
candidate. Where Pan and Tompkins (1985) and Hamilton and Tompkins (1986) put a threshold between signal
and noise level, a second rule against T waves and a third for the search-back, one sum of evidence decides
here: the log-odds that the hump is a beat,

    height against that of recent beats           log(h / signal level)
    and against the last beat's                   log(h / last height): a T wave is small beside its own QRS
    how noisy the stream is                       log(noise level / signal level),
                                                  log(background / signal level)
    how soon it comes                             below 0.4 s, below 0.3 s, and below 0.8 of the usual RR
    how late it comes                             RR over the usual RR, up to 2.5

Signal level: median height of the last 8 beats; noise level: running mean of rejected candidates;
background: running median of the envelope. All are ratios or times, so that amplitude and polarity play no
part. The weights are those of a logistic regression on the candidates of the DS1 half of MIT-BIH, clean
(weight 4) and with electrode-motion noise at 12 and 6 dB (weight 1 each), rounded. Fitted
weights take the place of hand-set rules: fewer numbers and half the errors.

*In noise* the height that the patient's known QRS shapes explain takes the envelope's place by degrees
(:mod:`ecgmon.ecg.shapes`), and the weights change with it by ``N_``: a beat that comes soon or early is held
against much less, since the hump is rarely noise now. They too are those of a logistic regression, on the
candidates in noise of DS1 without 118 and 119, with the weights above held: clean (weight 20), with electrode
motion at 24, 12 and 6 dB and muscle noise at 12 and 6 dB (weight 1 each), and with tall T waves
(:mod:`ecgmon.ecg.shapes`; weight 1.5). The constant is 0.2 below the fit, between it and fewer inventions in
noise; no error is added on the clean records. Where there is no noise nothing changes, but a decision takes
88 ms longer.

*Search-back*: when no beat came for 1.6 usual RR, the likeliest rejected candidate since the last beat is
taken after all if its log-odds pass a limit that falls by 1 with every further RR of silence. It must
stand 4 times above the background, so that when the heart has stopped, noise does not become beats however
long the silence.

*Learning*: the first 5 s are held back until usual heights are known, then decided from the start; no beat
is lost to it. The intervals between the higher humps give the first usual RR: without it, a stream that
begins with tall T waves would find them to come at the usual time, and go on so.

*Missing samples*: no hump beside a long run of them is a candidate (``blocked``), and behind them the
rhythm starts anew.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ecgmon.ecg import shapes
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Signal
from ecgmon.ecg.rr import median
from ecgmon.ecg.types import FS

SEPARATION: Final = 25
"""A candidate is the highest point within this many samples (0.2 s) to either side: the heart's refractory
time."""

LEARNING: Final = 5 * FS
"""Samples that are seen before the first decision."""

LOST: Final = FS // 2
"""Blocked samples after which a beat may have been lost."""

OLDEST: Final = 10 * FS
"""No decision reaches further back than this."""

ONSET: Final = FS // 10
"""A hump within 0.1 s of the start is half unseen, and no candidate."""

W_HEIGHT: Final = 3.4
W_LAST_HEIGHT: Final = 2.1
W_NOISE: Final = -1.35
W_BACKGROUND: Final = -2.2
W_SOON: Final = -3.7
W_SOONER: Final = -63.5
W_EARLY: Final = -11.1
W_LATE: Final = 1.3
W_CONSTANT: Final = -1.6
"""Weights of the evidence, in the order of the module's text; times in s."""

N_HEIGHT: Final = 0.04
N_LAST_HEIGHT: Final = -0.06
N_BACKGROUND: Final = 0.25
N_SOON: Final = 19.05
N_EARLY: Final = 4.09
N_LATE: Final = -0.57
N_CONSTANT: Final = -2.04
"""What is added to the weights in noise, times the part that the matched height has."""

SEARCH_AFTER: Final = 1.6
SEARCH_FIRST: Final = 1.0
SEARCH_FALL: Final = 1.0
SEARCH_LOWEST: Final = -12.0
SEARCH_STANDS_OUT: Final = 4.0
"""Search-back: its start in usual RR, its limit on the log-odds then, the limit's fall per RR, its floor,
height over background."""

NOISE_RATE: Final = 0.125
BACKGROUND_STEP: Final = 1.008
LEARNING_HIGH: Final = 0.5
"""Share of the signal level above which a hump of the learning phase counts for the first usual RR."""

LEARNING_PART: Final = 1.25 * FS

# places in the state of one stream
_K, _TOP, _TOP_AT, _RISING, _PREVIOUS, _START, _BLOCKED, _LEARNED = range(8)
_LAST, _LAST_HEIGHT, _BEATS, _SIGNAL, _NOISE, _BACKGROUND, _RR, _RRS, _PENDING, _FOUND = range(8, 18)
_PART: Final = 18
_SIZE: Final = 19
_HEIGHTS, _INTERVALS = 0, 1  # rows of what is known of recent beats
_RECENT: Final = 8
_ROOM: Final = 128  # candidates that wait: at least 0.2 s apart, for longer than ``OLDEST``


FORM: Final = np.dtype(
    [
        ("proper", "f8", (_SIZE,)),
        ("recent", "f8", (2, _RECENT)),  # beats: heights, intervals
        ("pending", "f8", (_ROOM, 2)),  # candidates that were rejected since the last beat: place, height
        ("known", "f8", (len(shapes.state()),)),  # the shapes
    ],
    align=True,
)
"""State of one stream."""


def restart(at: int, d: Any) -> None:
    """Forget everything; the next sample has index ``at``."""
    s = d["proper"]
    s[:] = 0.0
    s[_K] = at
    s[_START] = at
    s[_LAST] = -1.0
    d["known"] = shapes.state()


@compiled
def log_odds(at: float, height: float, s: Signal) -> float:
    """The evidence of the module's text for a hump of ``height`` at ``at``."""
    signal = s[_SIGNAL]
    tiny = 1e-3 * signal + 1e-9
    noisy = s[_PART]
    odds = W_CONSTANT + noisy * N_CONSTANT + (W_HEIGHT + noisy * N_HEIGHT) * np.log(height / signal)
    odds += W_NOISE * np.log((s[_NOISE] + tiny) / signal)
    odds += (W_BACKGROUND + noisy * N_BACKGROUND) * np.log((s[_BACKGROUND] + tiny) / signal)
    part = 1.0
    if s[_LAST] >= 0.0:
        rr = (at - s[_LAST]) / FS
        odds += (W_LAST_HEIGHT + noisy * N_LAST_HEIGHT) * np.log(height / s[_LAST_HEIGHT])
        odds += (W_SOON + noisy * N_SOON) * max(0.0, 0.4 - rr) + W_SOONER * max(0.0, 0.3 - rr)
        if s[_RR] > 0.0:
            part = rr * FS / s[_RR]
    odds += (W_EARLY + noisy * N_EARLY) * max(0.0, 0.8 - part)
    return odds + (W_LATE + noisy * N_LATE) * min(part, 2.5)  # type: ignore[no-any-return]


@compiled
def is_late(until: float, s: Signal) -> bool:
    """Whether a beat is missing up to sample ``until`` that a candidate might be."""
    if s[_PENDING] == 0.0 or s[_RR] <= 0.0 or s[_LAST] < 0.0:
        return False
    return (until - s[_LAST]) / s[_RR] - SEARCH_AFTER >= 0.0  # type: ignore[no-any-return]


@compiled
def first_levels(held: Signal, now: float, d: Any) -> None:
    """Signal level: median of the highest humps of each 1.25 s; noise: mean of low ones; RR: between high
    ones.
    """
    s = d.proper
    tops = np.zeros(int((now - s[_START]) / LEARNING_PART) + 1)
    for i in range(len(held)):
        part = int((held[i, 0] - s[_START]) / LEARNING_PART)
        tops[part] = max(tops[part], held[i, 1])
    known = 0
    for part in range(len(tops)):
        if tops[part] > 0.0:
            tops[known] = tops[part]
            known += 1
    s[_SIGNAL] = median(tops, known)

    intervals = np.empty(len(held))
    last, beats, low, total = 0.0, 0, 0, 0.0
    for i in range(len(held)):
        if held[i, 1] < LEARNING_HIGH * s[_SIGNAL]:
            low += 1
            total += held[i, 1]
            continue
        if beats > 0:
            intervals[beats - 1] = held[i, 0] - last
        last = held[i, 0]
        beats += 1
    if low > 0:
        s[_NOISE] = total / low
    if beats > 2:
        s[_RR] = median(intervals, beats - 1)
        for i in range(_RECENT):
            d.recent[_INTERVALS, i] = s[_RR]
        s[_RRS] = _RECENT
