"""From odd beats to episodes: raise on k of n, clear with hysteresis, then a pause before the next.

A single odd beat is common in healthy hearts and says little; a few of them close together are what a
person is called for. The rule is used twice, by calibration (how often would this threshold have raised a
false alert?) and by the running monitor; both go through the same compiled step and cannot drift apart.

The rule, beat by beat:

1. No beat for ``gap_seconds``: what was counted before is forgotten, and so is the row of calm beats.
2. An odd beat that makes ``raise_beats`` odd ones among the last ``of_beats`` raises an episode. Its onset is
   the first of the odd beats counted, its end the last odd beat so far.
3. ``clear_beats`` beats in a row that are not odd clear it; so do ``clear_seconds`` without an odd beat,
   whether or not beats arrive (a lead that falls off must not leave an alert standing for ever).
4. ``run_beats`` (3) odd beats in a row at ``run_rate`` (100/min) or faster are a *run*, which is the usual
   definition of one of ventricular tachycardia, and make an episode *critical*. A run while an episode stands
   ends it and raises another, unless it is critical itself and had a run in the ``clear_seconds`` before: a
   run must not pass unheard because something lesser was called out, or a run of long ago. The new one begins
   with the run, the old one ends with the last odd beat before this one: they share the run's first beats.
5. For ``refractory_seconds`` after clearing nothing is raised but for a run. Odd beats are counted meanwhile:
   what goes on is raised by the first odd beat after the pause.

A beat without a score, too noisy for one, is neither odd nor calm; but it ends a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from ecgmon.config import Settings
from ecgmon.ecg.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class EpisodeSettings(Settings, frozen=True):
    """When odd beats become an episode, and when it is over."""

    raise_beats: Annotated[int, Meta(ge=1, le=64, description="odd beats that raise an episode")] = 3
    of_beats: Annotated[int, Meta(ge=1, le=64, description="among this many last beats")] = 8
    clear_beats: Annotated[int, Meta(ge=1, le=1000, description="calm beats in a row that clear it")] = 32
    clear_seconds: Annotated[float, Meta(gt=0, le=3600, description="or s without an odd beat")] = 60.0
    refractory_seconds: Annotated[float, Meta(ge=0, le=3600, description="s without a new one")] = 10.0
    gap_seconds: Annotated[float, Meta(gt=0, le=3600, description="s without a beat: count anew")] = 10.0
    run_beats: Annotated[int, Meta(ge=2, le=64, description="odd beats in a row are a run")] = 3
    run_rate: Annotated[float, Meta(gt=0, le=600, description="at this rate or faster, beats/min")] = 100.0

    def __post_init__(self) -> None:
        if self.raise_beats > self.of_beats:
            raise ValueError(f"raise_beats ({self.raise_beats}) is more than of_beats ({self.of_beats})")


class Event(NamedTuple):
    """An episode that was raised, or one that was cleared. Times are stream times, s."""

    state: Literal["raised", "cleared"]
    time: float
    """When it was decided: the beat that decided it, or the moment ``clear_seconds`` ran out."""
    onset: float
    """R-peak of the first odd beat counted."""
    end: float
    """R-peak of the last odd beat so far."""
    odd: int
    """Odd beats from onset to end."""
    critical: bool
    """There was a run."""


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """Every episode of one stream, one entry each; all arrays have shape [m]."""

    onset: FloatArray
    """Time of the first odd beat, s."""
    end: FloatArray
    """Time of the last odd beat, s."""
    raised: IntArray
    """Index of the beat that raised it; the times given to :func:`count_episodes` [raised] is when."""
    odd: IntArray
    """Odd beats from onset to end."""

    def __len__(self) -> int:
        return int(self.onset.size)


class EpisodeRule:
    """The rule for one live stream, fed beat by beat."""

    def __init__(self, settings: EpisodeSettings | None = None) -> None:
        self._rule = _rule(settings or EpisodeSettings())
        self._state, self._ring = _fresh(self._rule)

    @property
    def active(self) -> bool:
        """An episode was raised and is not cleared yet."""
        return bool(self._state[_ACTIVE])

    def feed(self, t: float, odd: bool) -> list[Event]:
        """Take the next scored beat, at stream time ``t`` (s, never before the last one).

        Returns what it changed, at most two events: ``clear_seconds`` may have run out before a beat that
        raises, or a run ends an episode and begins another.
        """
        events = self.tick(t)
        code = _step(self._state, self._ring, self._rule, t, odd)
        if code == _WORSENED:
            events.append(self._event(_CLEARED))
            _begin_run(self._state, t)
            code = _RAISED
        if code != _NOTHING:
            events.append(self._event(code))
        return events

    def tick(self, t: float) -> list[Event]:
        """Time goes on to ``t`` (s) without a beat: clears an episode whose ``clear_seconds`` ran out."""
        if not self._state[_ACTIVE]:  # nothing that could: spared the call
            return []
        return [self._event(_CLEARED)] if _expire(self._state, self._ring, self._rule, t) else []

    def unknown(self) -> None:
        """A beat that was not scored: no run goes on over it."""
        _break_run(self._state)

    def reset(self) -> None:
        """Forget everything, as for a new stream; an active episode is not reported as cleared."""
        self._state, self._ring = _fresh(self._rule)

    def _event(self, code: int) -> Event:
        s = self._state
        return Event(
            state="raised" if code == _RAISED else "cleared",
            time=float(s[_DECIDED]),
            onset=float(s[_ONSET]),
            end=float(s[_LAST_ODD]),
            odd=int(s[_COUNT]),
            critical=bool(s[_CRITICAL]),
        )


def count_episodes(
    t: ArrayLike, odd: ArrayLike, settings: EpisodeSettings | None = None, scored: ArrayLike | None = None
) -> Episodes:
    """Run the rule over one stream's beats at once.

    ``t`` [n] are the R-peaks' times in s, in order; ``odd`` [n] says which beats are odd, ``scored`` [n]
    which have a score (None: all). A hundred thousand beats take a few milliseconds: calibration can try
    many thresholds. Raises :class:`ValueError` when the shapes differ or time runs backwards.
    """
    times = np.ascontiguousarray(t, dtype=np.float64)
    flags = np.ascontiguousarray(odd, dtype=np.bool_)
    known = np.ascontiguousarray(np.ones(times.shape) if scored is None else scored, dtype=np.bool_)
    if times.ndim != 1 or not times.shape == flags.shape == known.shape:
        raise ValueError(
            f"t, odd and scored must all have shape [n], not {times.shape}, {flags.shape} and {known.shape}"
        )
    if times.size and not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
        raise ValueError("t must be finite and must not decrease")
    found = np.empty((4, times.size), np.float64)
    m = _run(times, flags, known, _rule(settings or EpisodeSettings()), found)
    onset, end, raised, odd_beats = found[:, :m].copy()
    return Episodes(onset, end, raised.astype(np.int64), odd_beats.astype(np.int64))


# The compiled rule. The state of a stream is one array of floats, its places named here; the ring holds the
# times of the last ``of_beats`` beats, NaN for those that were not odd.

_ACTIVE: Final = 0
_ONSET: Final = 1
_LAST_ODD: Final = 2
_COUNT: Final = 3
_CALM: Final = 4
_LAST_BEAT: Final = 5
_CLEARED_AT: Final = 6
_SEEN: Final = 7
_DECIDED: Final = 8
_CRITICAL: Final = 9
_RUN: Final = 10
_RUN_ONSET: Final = 11
_WAS_ODD: Final = 12
_LAST_RUN: Final = 13
_SIZE: Final = 14

_NOTHING: Final = 0
_RAISED: Final = 1
_CLEARED: Final = 2
_WORSENED: Final = 3


class _Rule(NamedTuple):
    raise_beats: int
    of_beats: int
    clear_beats: int
    clear_seconds: float
    refractory_seconds: float
    gap_seconds: float
    run_beats: int
    run_interval: float


def _rule(settings: EpisodeSettings) -> _Rule:
    return _Rule(
        settings.raise_beats,
        settings.of_beats,
        settings.clear_beats,
        float(settings.clear_seconds),
        float(settings.refractory_seconds),
        float(settings.gap_seconds),
        settings.run_beats,
        60.0 / settings.run_rate,
    )


@compiled
def _fresh(rule: _Rule) -> tuple[FloatArray, FloatArray]:
    """State and ring of a stream that has no beats yet."""
    state = np.zeros(_SIZE)
    state[_LAST_BEAT] = state[_CLEARED_AT] = state[_LAST_RUN] = -np.inf
    return state, np.full(rule.of_beats, np.nan)


@compiled
def _expire(s: FloatArray, ring: FloatArray, rule: _Rule, t: float) -> bool:
    """Clear an episode whose ``clear_seconds`` ran out before ``t``; says whether it did."""
    over = s[_LAST_ODD] + rule.clear_seconds
    if s[_ACTIVE] == 0.0 or t <= over:
        return False
    s[_ACTIVE] = 0.0
    s[_CLEARED_AT] = s[_DECIDED] = over
    ring[:] = np.nan
    return True


@compiled
def _step(s: FloatArray, ring: FloatArray, rule: _Rule, t: float, odd: bool) -> int:
    """Take one beat; returns what it changed."""
    if t - s[_LAST_BEAT] > rule.gap_seconds:
        ring[:] = np.nan
        s[_CALM] = 0.0
        _break_run(s)
    _follow_run(s, rule, t, odd)
    s[_LAST_BEAT] = t
    ring[int(s[_SEEN]) % rule.of_beats] = t if odd else np.nan
    s[_SEEN] += 1.0
    changed = _go_on(s, ring, rule, t, odd) if s[_ACTIVE] != 0.0 else _raise(s, ring, rule, t, odd)
    if s[_RUN] >= rule.run_beats:
        s[_LAST_RUN] = t
    return changed


@compiled
def _raise(s: FloatArray, ring: FloatArray, rule: _Rule, t: float, odd: bool) -> int:
    """Take one beat while no episode stands."""
    run = s[_RUN] >= rule.run_beats
    if not odd or (t - s[_CLEARED_AT] < rule.refractory_seconds and not run):
        return _NOTHING
    count = 0
    onset = t
    for beat in ring:
        if not np.isnan(beat):
            count += 1
            onset = min(onset, beat)
    if count < rule.raise_beats:
        return _NOTHING
    s[_ACTIVE] = 1.0
    s[_ONSET] = onset
    s[_LAST_ODD] = s[_DECIDED] = t
    s[_COUNT] = count
    s[_CALM] = 0.0
    s[_CRITICAL] = 1.0 if run or s[_LAST_RUN] >= onset else 0.0
    return _RAISED


@compiled
def _go_on(s: FloatArray, ring: FloatArray, rule: _Rule, t: float, odd: bool) -> int:
    """Take one beat while an episode stands."""
    if odd:
        news = s[_CRITICAL] == 0.0 or s[_RUN_ONSET] - s[_LAST_RUN] > rule.clear_seconds
        if s[_RUN] == rule.run_beats and news:
            s[_DECIDED] = t
            return _WORSENED  # see _begin_run
        s[_LAST_ODD] = t
        s[_COUNT] += 1.0
        s[_CALM] = 0.0
        return _NOTHING
    s[_CALM] += 1.0
    if s[_CALM] < rule.clear_beats:
        return _NOTHING
    s[_ACTIVE] = 0.0
    s[_CLEARED_AT] = s[_DECIDED] = t
    ring[:] = np.nan
    return _CLEARED


@compiled
def _follow_run(s: FloatArray, rule: _Rule, t: float, odd: bool) -> None:
    """Count the odd beats that follow each other fast enough."""
    if not odd:
        _break_run(s)
        return
    if s[_WAS_ODD] != 0.0 and t - s[_LAST_BEAT] <= rule.run_interval:
        s[_RUN] += 1.0
    else:
        s[_RUN] = 1.0
        s[_RUN_ONSET] = t
    s[_WAS_ODD] = 1.0


@compiled
def _break_run(s: FloatArray) -> None:
    """No run goes on."""
    s[_RUN] = s[_WAS_ODD] = 0.0


@compiled
def _begin_run(s: FloatArray, t: float) -> None:
    """An episode of its own for the run that is complete at ``t``. It has another onset than the one before,
    which may have begun with this very run."""
    s[_ONSET] = s[_RUN_ONSET] if s[_RUN_ONSET] > s[_ONSET] else t
    s[_LAST_ODD] = t
    s[_COUNT] = s[_RUN]
    s[_CALM] = 0.0
    s[_CRITICAL] = 1.0


@compiled
def _run(
    t: FloatArray, odd: NDArray[np.bool_], scored: NDArray[np.bool_], rule: _Rule, found: FloatArray
) -> int:
    """Fill ``found`` [4, n] with onset, end, index of the raising beat and odd beats; returns how many."""
    s, ring = _fresh(rule)
    m = 0
    for i in range(t.size):
        _expire(s, ring, rule, t[i])
        if not scored[i]:
            _break_run(s)
            continue
        code = _step(s, ring, rule, t[i], odd[i])
        if code == _WORSENED:
            _begin_run(s, t[i])
            code = _RAISED
        if code == _RAISED:
            found[0, m] = s[_ONSET]
            found[2, m] = i
            m += 1
        if s[_ACTIVE] != 0.0 and odd[i]:
            found[1, m - 1] = s[_LAST_ODD]
            found[3, m - 1] = s[_COUNT]
    return m
