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
from numpy.typing import NDArray

from ecgmon.ecg import shapes
from ecgmon.ecg.compiled import compiled
from ecgmon.ecg.resample import Flags, Signal
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

Peaks = NDArray[np.int64]


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
def detect(e: Signal, y: Signal, blocked: Flags, ends: bool, d: Any, out: Peaks) -> int:
    """The next samples [n] of the envelope, those of the signal, mV, that belong to them, and which of them
    are ``blocked`` (0 or 1). ``ends``: the stream does so behind them, and what is open is decided.

    Writes the peaks that these decide to ``out``, in order: index of the hump, and index of the sample of
    the envelope that decided it. Returns how many.
    """
    s = d.proper
    s[_FOUND] = 0.0
    _follow(e, y, blocked, shapes.DELAY if ends else 0, d, out)
    if ends:
        now = s[_K] - shapes.DELAY
        _candidate(now, d, out)
        s[_RISING] = 0.0
        if not s[_LEARNED]:
            _learn(now, d, out)
    return int(s[_FOUND])


@compiled
def _follow(e: Signal, y: Signal, blocked: Flags, behind: int, d: Any, out: Peaks) -> None:
    """Sample by sample; so many ``behind`` them hold the signal's last value, and their envelope is 0."""
    s, known = d.proper, d.known
    for i in range(len(e) + behind):
        newest = int(s[_K])
        if i < len(e):
            shapes.push(newest, s[_K] == s[_START], e[i], y[i], blocked[i], known)
        else:
            last = known[shapes.SIGNAL + ((newest - 1) & shapes.MASK)]
            shapes.push(newest, s[_K] == s[_START], 0.0, last, 0, known)
        k = s[_K] - shapes.DELAY  # the sample that is looked at
        s[_K] += 1.0
        if k < s[_START]:
            continue
        at = int(k)
        value = background = known[shapes.ENVELOPE + (at & shapes.MASK)]
        s[_PART] = shapes.follow_noise(at, s[_SIGNAL], known)
        if shapes.noise_is_due(at):
            shapes.learn_noise(known)
        if s[_PART] > 0.0:
            value, background = _matched(at, value, s, known)
        _follow_background(background, known[shapes.BLOCKED + (at & shapes.MASK)] > 0.0, s)
        if value > s[_TOP]:
            s[_TOP] = value
            s[_TOP_AT] = k
            s[_RISING] = value > s[_PREVIOUS]
        elif k - s[_TOP_AT] >= SEPARATION:
            _candidate(k, d, out)
            s[_TOP] = value
            s[_TOP_AT] = k
            s[_RISING] = 0.0
        s[_PREVIOUS] = value
        if s[_LEARNED]:
            if _is_late(k - SEPARATION, s):
                _search_back(k - SEPARATION, k, d, out)
        elif k - s[_START] >= LEARNING:
            _learn(k, d, out)


@compiled
def _matched(k: int, envelope: float, s: Signal, known: Signal) -> tuple[float, float]:
    """In noise: how high sample ``k`` stands, mostly by what of it the known shapes explain, and what it
    counts for the background."""
    height = shapes.matched(k, known)
    if np.isnan(height):
        s[_PART] = 0.0
        return envelope, envelope
    mixed = (1.0 - s[_PART]) * envelope + s[_PART] * height
    return max(shapes.LEAST * envelope, mixed), abs(mixed)


@compiled
def _follow_background(value: float, blocked: bool, s: Signal) -> None:
    """A running median by small steps: it settles where as many samples lie above as below. A flat line is
    no background; the signal behind it has the one before."""
    s[_BLOCKED] = s[_BLOCKED] + 1.0 if blocked else 0.0
    if s[_BLOCKED] > LOST:
        s[_LAST] = -1.0
    before = s[_BACKGROUND]
    # both are made: which one it is nobody could foresee, and a wrong guess costs more
    up, down = before * BACKGROUND_STEP, before / BACKGROUND_STEP
    down = down if not blocked and value > shapes.LEAST_HEIGHT else before
    s[_BACKGROUND] = value if before == 0.0 else up if value > before else down


@compiled
def _candidate(now: float, d: Any, out: Peaks) -> None:
    """The highest sample so far, when it is a hump, becomes a candidate; it is decided at once, except
    while learning.
    """
    s, pending = d.proper, d.pending
    at, height = s[_TOP_AT], s[_TOP]
    if not s[_RISING] or height < shapes.LEAST_HEIGHT or at - s[_START] < ONSET:
        return
    if s[_PENDING] == len(pending):
        _drop_pending(1, d)
    _append_pending(at, height, d)
    if s[_LEARNED]:
        _decide(now, d, out)


@compiled
def _decide(now: float, d: Any, out: Peaks) -> None:
    """Is the last of the pending candidates a beat? If not it counts as noise, and stays for the
    search-back.
    """
    s, pending = d.proper, d.pending
    i = int(s[_PENDING]) - 1
    if _log_odds(pending[i, 0], pending[i, 1], s) > 0.0:
        _accept(i, now, d, out)
    else:
        s[_NOISE] += NOISE_RATE * (min(pending[i, 1], s[_SIGNAL]) - s[_NOISE])


@compiled
def _log_odds(at: float, height: float, s: Signal) -> float:
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
def _is_late(until: float, s: Signal) -> bool:
    """Whether a beat is missing up to sample ``until`` that a candidate might be."""
    if s[_PENDING] == 0.0 or s[_RR] <= 0.0 or s[_LAST] < 0.0:
        return False
    return (until - s[_LAST]) / s[_RR] - SEARCH_AFTER >= 0.0  # type: ignore[no-any-return]


@compiled
def _search_back(until: float, now: float, d: Any, out: Peaks) -> None:
    """Beats missing up to sample ``until`` are looked for among the rejected candidates."""
    s, pending = d.proper, d.pending
    while _is_late(until, s):
        late = (until - s[_LAST]) / s[_RR] - SEARCH_AFTER
        top = max(SEARCH_LOWEST, SEARCH_FIRST - SEARCH_FALL * late)
        best = -1
        for i in range(int(s[_PENDING])):
            if until - pending[i, 0] > OLDEST or pending[i, 1] < SEARCH_STANDS_OUT * s[_BACKGROUND]:
                continue
            odds = _log_odds(pending[i, 0], pending[i, 1], s)
            if odds > top:
                top = odds
                best = i
        if best < 0:
            return
        _accept(best, now, d, out)


@compiled
def _accept(i: int, now: float, d: Any, out: Peaks) -> None:
    """Pending candidate ``i`` is a beat; those before it are done with."""
    s, recent = d.proper, d.recent
    at, height = d.pending[i, 0], d.pending[i, 1]
    if s[_LAST] >= 0.0:
        recent[_INTERVALS, int(s[_RRS]) % _RECENT] = at - s[_LAST]
        s[_RRS] += 1.0
        s[_RR] = median(recent[_INTERVALS], min(int(s[_RRS]), _RECENT))
    recent[_HEIGHTS, int(s[_BEATS]) % _RECENT] = height
    s[_BEATS] += 1.0
    s[_SIGNAL] = median(recent[_HEIGHTS], min(int(s[_BEATS]), _RECENT))
    in_time = s[_LAST] < 0.0 or at - s[_LAST] >= shapes.IN_TIME * s[_RR]
    if in_time and s[_PART] <= shapes.LEARNS:
        shapes.learn(int(at), height, int(s[_START]), int(s[_K]) - 1, d.known)
    s[_LAST] = at
    s[_LAST_HEIGHT] = height
    _drop_pending(i + 1, d)
    n = int(s[_FOUND])
    out[n, 0] = int(at)
    out[n, 1] = int(now) + shapes.DELAY
    s[_FOUND] += 1.0


@compiled
def _append_pending(at: float, height: float, d: Any) -> None:
    s, pending = d.proper, d.pending
    i = int(s[_PENDING])
    pending[i, 0] = at
    pending[i, 1] = height
    s[_PENDING] += 1.0


@compiled
def _drop_pending(n: int, d: Any) -> None:
    """Forget the first ``n`` pending candidates."""
    s, pending = d.proper, d.pending
    left = int(s[_PENDING]) - n
    for j in range(left):
        pending[j, 0] = pending[n + j, 0]
        pending[j, 1] = pending[n + j, 1]
    s[_PENDING] = left


@compiled
def _learn(now: float, d: Any, out: Peaks) -> None:
    """End of the learning phase: first levels from the candidates held back, which are then decided in
    order. Without a single one (a flat line) it begins anew.
    """
    s, pending = d.proper, d.pending
    held = pending[: int(s[_PENDING])].copy()
    s[_PENDING] = 0.0
    if len(held) == 0:
        s[_START] = now
        return
    s[_LEARNED] = 1.0
    _first_levels(held, now, d)
    for i in range(len(held)):
        _search_back(held[i, 0] + SEPARATION, now, d, out)
        _append_pending(held[i, 0], held[i, 1], d)
        _decide(now, d, out)
    for j in range(int(s[_FOUND])):
        out[j, 1] = int(now) + shapes.DELAY


@compiled
def _first_levels(held: Signal, now: float, d: Any) -> None:
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
