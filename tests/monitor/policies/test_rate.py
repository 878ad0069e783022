"""Bradycardia and tachycardia: told of within 10 s, cleared with hysteresis, and not by single beats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecgmon.ecg.types import Alert
from ecgmon.monitor.policies import AlertSettings
from ecgmon.monitor.policies.rate import BradycardiaSettings, TachycardiaSettings

Bed = Callable[..., list[Alert]]


def rhythm(*stretches: tuple[float, float]) -> list[float]:
    """Beats at so many a minute until so many seconds, stretch by stretch."""
    times = [0.3]
    for rate, until in stretches:
        while times[-1] + 60 / rate < until:
            times.append(times[-1] + 60 / rate)
    return times


def of(found: list[Alert], kind: str) -> list[Alert]:
    return [a for a in found if a.kind == kind]


@pytest.mark.parametrize("rate", [39, 36, 30, 25, 21])
@pytest.mark.parametrize("before", [55, 75, 110])
def test_a_slow_heart_is_told_of_within_ten_seconds(bed: Bed, rate: float, before: float) -> None:
    times = rhythm((before, 30), (rate, 70), (75, 100))
    crossing = max(t for t in times if t < 30)
    raised, cleared = of(bed("." * 100, times), "bradycardia")
    assert crossing < raised.time <= crossing + 10
    assert raised.severity == "warning"
    assert raised.beats == 4
    assert 70 < cleared.time < 80


@pytest.mark.parametrize("rate", [141, 160, 200])
@pytest.mark.parametrize("before", [55, 75, 110])
def test_a_fast_heart_is_told_of_within_ten_seconds(bed: Bed, rate: float, before: float) -> None:
    times = rhythm((before, 30), (rate, 70), (75, 100))
    crossing = max(t for t in times if t < 30)
    raised, cleared = of(bed("." * 100, times), "tachycardia")
    assert crossing < raised.time <= crossing + 10
    assert 70 < cleared.time < 80


def test_a_rate_at_the_limit_is_not_beyond_it(bed: Bed) -> None:
    assert bed("." * 60, np.arange(0.3, 60, 60 / 40).tolist()) == []
    assert bed("." * 60, np.arange(0.25, 60, 60 / 140 + 1e-9).tolist()) == []


def test_a_rate_that_comes_back_to_the_limit_clears_nothing_without_the_hysteresis(bed: Bed) -> None:
    found = of(bed("." * 120, rhythm((36, 40), (43, 80), (46, 119))), "bradycardia")
    assert [a.state for a in found] == ["raised", "cleared"]
    assert 80 < found[1].time < 95
    found = of(bed("." * 120, rhythm((150, 40), (135, 80), (128, 119))), "tachycardia")
    assert [a.state for a in found] == ["raised", "cleared"]
    assert 80 < found[1].time < 95


def test_single_pauses_are_no_bradycardia(bed: Bed) -> None:
    times = np.cumsum(np.tile([0.8, 0.8, 0.8, 2.9], 20)).tolist()
    assert of(bed("." * 110, times), "bradycardia") == []


def test_bigeminy_is_neither_fast_nor_slow(bed: Bed) -> None:
    for short, long in [(0.4, 1.2), (0.5, 2.2), (0.35, 0.9)]:
        times = np.cumsum(np.tile([short, long], 60)).tolist()
        assert bed("." * 60, [t for t in times if t < 60]) == []


def test_a_short_run_is_no_tachycardia(bed: Bed) -> None:
    times = [*np.arange(0.3, 20, 0.8), *(19.5 + 0.35 * np.arange(1, 6)), *np.arange(22.5, 60, 0.8)]
    assert bed("." * 60, times) == []


def test_beats_that_are_not_good_have_no_rate(bed: Bed) -> None:
    times = rhythm((75, 30), (200, 60))
    bad = [i for i, t in enumerate(times) if t > 30]
    assert of(bed("." * 30 + "n" * 30, times, bad=bad), "tachycardia") == []


def test_a_rate_that_is_not_known_any_more_clears(bed: Bed) -> None:
    raised, cleared = of(bed("." * 40 + "n" * 40, rhythm((36, 40))), "bradycardia")
    assert 47 < cleared.time <= 51
    assert raised.id == cleared.id


def test_t_waves_counted_as_beats_are_no_tachycardia(bed: Bed) -> None:
    beats = np.arange(0.3, 60, 0.7)
    early = [t for t in beats if t < 20]
    both = sorted([*early, *[t for t in beats if t >= 20], *[t + 0.25 for t in beats if t >= 20]])
    sizes = {i: 0.35 for i, t in enumerate(both) if t not in beats}
    assert bed("." * 60, both, sizes=sizes) == []


def test_limits_are_those_of_the_settings(bed: Bed) -> None:
    wide = AlertSettings(
        bradycardia=BradycardiaSettings(below=30), tachycardia=TachycardiaSettings(above=180, hysteresis=0)
    )
    assert bed("." * 100, rhythm((36, 50), (160, 99)), settings=wide) == []
    off = AlertSettings(
        bradycardia=BradycardiaSettings(enabled=False), tachycardia=TachycardiaSettings(enabled=False)
    )
    assert bed("." * 100, rhythm((25, 50), (200, 99)), settings=off) == []
