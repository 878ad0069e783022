"""What can happen in a simulated recording, how often, and the record of what did.

Random events come as Poisson processes, one per kind with a generator of its own, so that changing one rate
leaves the times of all other kinds as they were. Scripted events come at set times, for tests and
demonstrations.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, get_args

import numpy as np
from msgspec import Meta

from ecgmon.config import Settings

BeatEvent = Literal["pvc", "pac", "run", "pause", "asystole", "bradycardia", "tachycardia", "standstill"]
Artefact = Literal["noise", "motion", "lead-off"]
EventKind = BeatEvent | Artefact

BEAT_EVENTS: Final[tuple[EventKind, ...]] = get_args(BeatEvent)
ARTEFACTS: Final[tuple[EventKind, ...]] = get_args(Artefact)

PerHour = Annotated[float, Meta(ge=0, le=10_000, description="events per stream-hour")]


class EventRates(Settings, frozen=True, kw_only=True, rename="kebab"):
    """How often each kind of event begins, per stream-hour."""

    pvc: PerHour = 60.0
    pac: PerHour = 20.0
    run: PerHour = 6.0
    pause: PerHour = 2.0
    asystole: PerHour = 0.0
    bradycardia: PerHour = 0.0
    tachycardia: PerHour = 0.0
    standstill: PerHour = 0.0
    noise: PerHour = 4.0
    motion: PerHour = 10.0
    lead_off: PerHour = 1.0

    def of(self, kind: EventKind) -> float:
        """The rate of one kind, per hour."""
        return float(getattr(self, kind.replace("-", "_")))


class ScriptedEvent(Settings, frozen=True, kw_only=True):
    """An event at a set time; beat events begin with the first sinus beat due after it."""

    kind: EventKind
    """What happens."""
    at: Annotated[float, Meta(ge=0, description="stream time, s")]
    seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    """How long it lasts; drawn at random when left out; without meaning for a single beat."""
    rate: Annotated[float, Meta(gt=0, le=300, description="beats/min")] | None = None
    """Of a bradycardia (default 36) or tachycardia (155); without meaning for other kinds."""


_SECONDS: Final[dict[EventKind, tuple[float, float]]] = {
    "pvc": (0.0, 0.0),
    "pac": (0.0, 0.0),
    "run": (1.3, 5.0),
    "pause": (2.2, 3.5),
    "asystole": (6.0, 12.0),
    "bradycardia": (30.0, 90.0),
    "tachycardia": (30.0, 90.0),
    "standstill": (6.0, 12.0),
    "noise": (3.0, 12.0),
    "motion": (1.0, 4.0),
    "lead-off": (6.0, 25.0),
}
"""Shortest and longest random length, s."""

_NUMBERS: Final[dict[EventKind, int]] = {
    "pvc": 0, "pac": 1, "run": 2, "pause": 3, "asystole": 4, "bradycardia": 5, "tachycardia": 6,
    "noise": 7, "motion": 8, "lead-off": 9, "standstill": 11,
}  # fmt: skip
"""Which generator draws the events of a kind; 10 draws the lengths of scripted ones. A new kind gets a new
number, so that old seeds keep their events."""

_SCRIPT: Final = 10


@dataclass(frozen=True, slots=True)
class Event:
    """Something begins at stream time ``at`` (s) and lasts ``seconds``."""

    at: float
    kind: EventKind
    seconds: float
    rate: float | None = None


def events(
    kinds: Sequence[EventKind], rates: EventRates, script: Sequence[ScriptedEvent], seed: Sequence[int]
) -> Iterator[Event]:
    """Random and scripted events of ``kinds`` in order of time, endless where a rate is above 0."""
    planned = sorted((entry for entry in script if entry.kind in kinds), key=lambda entry: entry.at)
    rng = np.random.default_rng([*seed, _SCRIPT])
    told = [Event(e.at, e.kind, e.seconds or float(rng.uniform(*_SECONDS[e.kind])), e.rate) for e in planned]
    random = [
        _poisson(kind, rates.of(kind), np.random.default_rng([*seed, _NUMBERS[kind]]))
        for kind in kinds
        if rates.of(kind) > 0
    ]
    return heapq.merge(told, *random, key=lambda event: event.at)


def _poisson(kind: EventKind, per_hour: float, rng: np.random.Generator) -> Iterator[Event]:
    at = 0.0
    while True:
        at += float(rng.exponential(3600 / per_hour))
        yield Event(at, kind, float(rng.uniform(*_SECONDS[kind])))


Symbol = Literal["N", "A", "V"]
"""As in MIT-BIH: normal, atrial premature, ventricular."""


@dataclass(frozen=True, slots=True)
class TrueBeat:
    """A simulated beat: stream time of its R-peak, s, and what it is."""

    t: float
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class TrueSpan:
    """A simulated event as it came out, from ``start`` to ``end`` in stream time, s.

    A run spans its first to its last R-peak; pause, asystole and standstill (P waves go on, no QRS follows)
    the two R-peaks around them.
    """

    start: float
    end: float
    kind: EventKind


@dataclass(slots=True)
class Truth:
    """What really happened: beats in order of time, and spans in the order they began."""

    beats: list[TrueBeat] = field(default_factory=list)
    spans: list[TrueSpan] = field(default_factory=list)
