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
from typing import Annotated, Literal, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from ecgmon.config import Settings
from ecgmon.ecg import episode_rule
from ecgmon.ecg.episode_rule import FloatArray

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

    __slots__ = ("_settings", "_state", "active")

    def __init__(self, settings: EpisodeSettings | None = None) -> None:
        self._settings = settings or EpisodeSettings()
        self._state = episode_rule.fresh(_rule(self._settings))
        self.active = False
        """An episode was raised and is not cleared yet."""

    def feed(self, t: float, odd: bool) -> list[Event]:
        """Take the next scored beat, at stream time ``t`` (s, never before the last one).

        Returns what it changed, at most two events: ``clear_seconds`` may have run out before a beat that
        raises, or a run ends an episode and begins another.
        """
        code = episode_rule.beat(self._state, t, odd)
        if code == episode_rule.NOTHING:
            return []
        events: list[Event] = []
        if code == episode_rule.EXPIRED:
            events.append(self._event(episode_rule.CLEARED))
            code = episode_rule.beat(self._state, t, odd)
        if code == episode_rule.WORSENED:
            events.append(self._event(episode_rule.CLEARED))
            episode_rule.begin_run(self._state, t)
            code = episode_rule.RAISED
        if code != episode_rule.NOTHING:
            events.append(self._event(code))
        return events

    def tick(self, t: float) -> list[Event]:
        """Time goes on to ``t`` (s) without a beat: clears an episode whose ``clear_seconds`` ran out."""
        if not self.active:  # nothing that could: spared the call
            return []
        return [self._event(episode_rule.CLEARED)] if episode_rule.expire(self._state, t) else []

    def unknown(self) -> None:
        """A beat that was not scored: no run goes on over it."""
        episode_rule.break_run(self._state)

    def reset(self) -> None:
        """Forget everything, as for a new stream; an active episode is not reported as cleared."""
        self._state = episode_rule.fresh(_rule(self._settings))
        self.active = False

    def _event(self, code: int) -> Event:
        s = self._state
        self.active = code == episode_rule.RAISED
        return Event(
            state="raised" if code == episode_rule.RAISED else "cleared",
            time=float(s[episode_rule.DECIDED]),
            onset=float(s[episode_rule.ONSET]),
            end=float(s[episode_rule.LAST_ODD]),
            odd=int(s[episode_rule.COUNT]),
            critical=bool(s[episode_rule.CRITICAL]),
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
    m = episode_rule.run(times, flags, known, episode_rule.fresh(_rule(settings or EpisodeSettings())), found)
    onset, end, raised, odd_beats = found[:, :m].copy()
    return Episodes(onset, end, raised.astype(np.int64), odd_beats.astype(np.int64))


def _rule(settings: EpisodeSettings) -> episode_rule.Rule:
    return episode_rule.Rule(
        settings.raise_beats,
        settings.of_beats,
        settings.clear_beats,
        settings.clear_seconds,
        settings.refractory_seconds,
        settings.gap_seconds,
        settings.run_beats,
        60.0 / settings.run_rate,
    )
