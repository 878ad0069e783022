"""What a second of signal is, by its ranges: the rule for a flat line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ecgmon.ecg.types import WINDOW, Beat, Quality
from ecgmon.monitor.policies.line import Line

FLAT = (0.003,) * 5
SKIN = (0.03,) * 5
QRS = (0.02, 1.0, 0.2, 0.02, 0.02)


def line(beats: int = 10) -> Line:
    """One that knows beats of 1 mV."""
    found = Line(0.01)
    for i in range(beats):
        found.beat(beat(i, 0.8 * i), None)
    return found


def beat(index: int, r: float, *, size: float = 1.0, good: bool = True) -> Beat:
    return Beat(index, r, r + 1.4, np.zeros(WINDOW, np.float32), 1.0, 0.8, 0.8, good, size=size)


def judged(one: Line, *seconds: Quality) -> list[str | None]:
    found: list[str | None] = []
    for quality in seconds:
        one.second(quality)
        found.append(one.signal)
    return found


@pytest.mark.parametrize(
    ("quality", "signal"),
    [
        (Quality(9, extents=QRS), "good"),
        (Quality(9, flat=True, extents=SKIN), "quiet"),
        (Quality(9, noisy=True, extents=SKIN), "quiet"),
        (Quality(9, noisy=True, extents=QRS), "noise"),
        (Quality(9, clipped=True, extents=SKIN), "noise"),
        (Quality(9, flat=True, extents=QRS), "closed"),
        (Quality(9, missing=True, extents=SKIN), "missing"),
        (Quality(9, missing=True), "gap"),
        (Quality(9, extents=QRS, wander=0.8), "shift"),
        (Quality(9, noisy=True, extents=SKIN, wander=0.8), "shift"),
        (Quality(9, noisy=True, extents=QRS, wander=0.8), "noise"),
        (Quality(9, extents=QRS, wander=0.5), "good"),
        (Quality(9, flat=True), "lead-off"),
        (Quality(9, noisy=True), "noise"),
    ],
)
def test_a_second_is_one_thing(quality: Quality, signal: str) -> None:
    assert judged(line(), quality) == [signal]


def test_a_line_as_quiet_as_a_converter_is_lead_off_after_1_6_seconds() -> None:
    moved = (*QRS[:2], *FLAT[:3])
    rest = Quality(11, flat=True, extents=FLAT)
    assert judged(line(), Quality(10, extents=moved), rest) == ["good", "lead-off"]
    assert judged(line(), Quality(9, extents=FLAT), rest) == ["good", "lead-off"]
    late = (*QRS[:3], *FLAT[:2])
    assert judged(line(), Quality(10, extents=late), rest, rest) == ["good", "quiet", "lead-off"]


def test_rest_is_broken_by_a_single_movement_and_by_missing_samples() -> None:
    twitch = Quality(10, flat=True, extents=(0.003, 0.003, 0.012, 0.003, 0.003))
    rest = Quality(11, flat=True, extents=FLAT)
    assert judged(line(), rest, twitch, rest, rest) == ["quiet", "quiet", "quiet", "lead-off"]
    hole = Quality(12, missing=True, extents=FLAT)
    assert judged(line(), rest, rest, hole, rest, rest) == [
        "quiet",
        "lead-off",
        "missing",
        "quiet",
        "lead-off",
    ]


def test_nothing_is_quiet_before_the_size_of_beats_is_known() -> None:
    assert judged(line(7), Quality(9, noisy=True, extents=SKIN)) == ["noise"]
    assert judged(line(8), Quality(9, noisy=True, extents=SKIN)) == ["quiet"]


def heart(one: Line, what: Beat) -> bool:
    one.beat(what, None)
    return one.heart


def test_what_is_far_smaller_than_the_usual_qrs_is_no_beat() -> None:
    one = line()
    assert not heart(one, beat(10, 9.0, size=0.15))
    assert not heart(one, beat(11, 9.8, size=0.15, good=False))
    assert heart(one, beat(12, 10.6, size=0.25))
    assert heart(one, beat(13, 11.4, size=math.nan))
    assert not heart(one, beat(14, 11.65, size=0.4))  # a T wave
    assert heart(one, beat(15, 11.7, size=0.6))  # an early beat


def test_a_gain_that_changed_is_taken_for_usual_after_two_minutes() -> None:
    one = line()
    told = [heart(one, beat(10 + i, 8.0 + 0.8 * i, size=0.1)) for i in range(200)]
    assert told.index(True) == pytest.approx(120 / 0.8, abs=2)
    assert all(told[told.index(True) :])


def test_p_waves_of_a_standstill_do_not_become_usual_meanwhile() -> None:
    one = line()
    assert not any(heart(one, beat(10 + i, 8.0 + i, size=0.12)) for i in range(110))
    assert heart(one, beat(200, 119.0))


@pytest.mark.parametrize(
    ("r", "since", "extents", "signal"),
    [
        (9.32, 2.5, (0.02, 1.0, 0.2, 0.3, 0.02), "quiet"),  # QRS and T wave of a slow heart
        (9.32, 1.9, (0.02, 1.0, 0.2, 0.3, 0.02), "noise"),  # the gate has the beat before to go by
        (9.15, 2.5, (1.0, 0.3, 0.3, 0.02, 0.3), "noise"),  # something behind the T wave
        (9.32, 2.5, (0.3, 1.0, 0.2, 0.3, 0.02), "noise"),  # and before the QRS
        (9.32, 2.5, (0.02, 3.5, 0.2, 0.3, 0.02), "noise"),  # no beat is so high
    ],
)
def test_a_noisy_second_is_quiet_where_it_holds_but_the_beat_of_a_slow_heart(
    r: float, since: float, extents: tuple[float, ...], signal: str
) -> None:
    one = line()
    one.beat(beat(10, r - since, good=False), None)
    one.beat(beat(11, r, good=False), None)
    assert judged(one, Quality(9, noisy=True, extents=extents)) == [signal]
    assert not one.silent
    clipped = Quality(9, noisy=True, clipped=True, extents=extents)
    assert judged(one, clipped) == ["noise"]
