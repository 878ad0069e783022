"""A bed whose beats and seconds are made by hand, handed on in the order in which the pipeline would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from ecgmon.ecg.types import WINDOW, Alert, Beat, ModelRef, Quality, Score
from ecgmon.monitor.alerting import StreamAlerts
from ecgmon.monitor.policies import AlertSettings

Bed = Callable[..., list[Alert]]

BEAT_DELAY = 1.4
SECOND_DELAY = 1.53
LOUD, QUIET, REST = 1.0, 0.03, 0.004
"""Range of a fifth of a second, mV: with a QRS, of a skin without one, of a converter."""


def second(k: int, mark: str) -> Quality:
    """``.`` good; ``q`` noise and no QRS; ``f`` flat beside the QRS and no converter's rest; ``r`` at rest;
    ``n`` noisy; ``c`` clipped; ``m`` samples missing; ``g`` a gap; ``s`` good and the baseline runs away."""
    loud = (0.02, LOUD, 0.3, 0.02, 0.02)
    match mark:
        case "q":
            return Quality(k, noisy=True, extents=(QUIET,) * 5)
        case "f":
            return Quality(k, flat=True, extents=(QUIET,) * 5)
        case "r":
            return Quality(k, flat=True, extents=(REST,) * 5)
        case "g":
            return Quality(k, missing=True)
        case "s":
            return Quality(k, extents=loud, wander=2.0)
        case _:
            return Quality(k, noisy=mark == "n", clipped=mark == "c", missing=mark == "m", extents=loud)


def beats_at(
    times: Sequence[float], sizes: Mapping[int, float], bad: Sequence[int], end: float
) -> list[Beat]:
    """Beats of 1 mV but those in ``sizes``; those in ``bad`` are not good. The stream ends at ``end``."""
    found: list[Beat] = []
    window = np.zeros(WINDOW, np.float32)
    for i, r in enumerate(times):
        known = i > 0 and i - 1 not in bad
        rr = r - times[i - 1] if known else float("nan")
        one = Beat(i, r, min(r + BEAT_DELAY, end), window, 1.0, rr, rr, i not in bad, size=sizes.get(i, 1.0))
        found.append(one)
    return found


def score_of(beat: Beat, odd: Sequence[int] | None) -> Score | None:
    """Of a good beat, where beats are scored."""
    if odd is None or not beat.good:
        return None
    return Score(9.0, 0.5, beat.index in odd, beat.index in odd, {}, beat.window)


def play(
    signal: str,
    times: Sequence[float],
    *,
    settings: AlertSettings | None = None,
    sizes: Mapping[int, float] | None = None,
    bad: Sequence[int] = (),
    odd: Sequence[int] | None = None,
    each: Callable[[StreamAlerts], None] = lambda _: None,
) -> list[Alert]:
    """All alerts, and what the end clears. ``signal`` has one mark a second. Without ``odd`` beats are not
    scored, with it all good ones."""
    stream = StreamAlerts("bed-1", settings or AlertSettings(), ModelRef(name="m", hash="abc"), None)
    line: list[tuple[float, Any]] = [(b.ready, b) for b in beats_at(times, sizes or {}, bad, len(signal))]
    line += [(k + 1 + SECOND_DELAY, second(k, mark)) for k, mark in enumerate(signal)]
    found: list[Alert] = []
    for _, what in sorted(line, key=lambda item: item[0]):
        if isinstance(what, Beat):
            found += stream.beat(what, score_of(what, odd), 0.0)
        else:
            found += stream.second(what, 0.0)
        each(stream)
    return found + stream.end(float(len(signal)), 0.0)


@pytest.fixture
def bed() -> Bed:
    """Plays a bed: see :func:`play`."""
    return play
