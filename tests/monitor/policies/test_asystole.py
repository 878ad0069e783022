"""Asystole and pause: every long silence is one of them, and nothing that only hides beats is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecgmon.ecg.types import Alert
from ecgmon.monitor.policies import AlertSettings
from ecgmon.monitor.policies.asystole import AsystoleSettings, PauseSettings
from ecgmon.monitor.policies.condition import ConditionSettings

Bed = Callable[..., list[Alert]]


def regular(first: float, last: float, rr: float = 0.8) -> list[float]:
    return np.arange(first, last, rr).tolist()


def kinds(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(a.kind, a.state) for a in alerts]


PAUSE = [("pause", "raised"), ("pause", "cleared")]
ASYSTOLE = [("asystole", "raised"), ("asystole", "cleared")]
BOTH = [PAUSE[0], PAUSE[1], *ASYSTOLE]


@pytest.mark.parametrize("line", ["q", "f", "."])
def test_a_heart_that_stops_raises_a_pause_and_then_asystole_which_beats_clear(bed: Bed, line: str) -> None:
    times = [*regular(0.3, 20), *regular(31.2, 60)]
    found = bed("." * 21 + line * 10 + "." * 29, times)
    assert kinds(found) == BOTH
    _, _, raised, cleared = found
    last = max(t for t in times if t < 20)
    assert raised.onset == pytest.approx(last)
    assert raised.onset + 4 <= raised.time <= raised.onset + 5
    assert raised.severity == "critical"
    assert cleared.id == raised.id
    assert 32 < cleared.time < 35


@pytest.mark.parametrize("phase", [0.0, 0.1, 0.35, 0.6, 0.85, 0.99])
@pytest.mark.parametrize("length", [4.1, 4.5, 5.0, 7.7])
def test_a_silence_beyond_the_limit_is_asystole_whenever_it_begins(
    bed: Bed, phase: float, length: float
) -> None:
    last = 19.0 + phase
    times = [*(last - 0.8 * np.arange(20)[::-1]).tolist(), *regular(last + length, 50)]
    found = [a for a in bed("." * 50, times) if a.kind == "asystole"]
    assert kinds(found) == ASYSTOLE
    assert found[0].onset == pytest.approx(last)
    assert found[0].time + 1.53 <= last + 7


@pytest.mark.parametrize("phase", [0.0, 0.1, 0.35, 0.6, 0.85, 0.99])
@pytest.mark.parametrize("line", [".", "q", "f"])
def test_a_long_interval_is_a_pause_and_stands_for_ten_seconds(bed: Bed, phase: float, line: str) -> None:
    last = 19.0 + phase
    times = [*(last - 0.8 * np.arange(20)[::-1]).tolist(), *regular(last + 3.4, 60)]
    first, end = int(last) + 1, int(last + 3.4)
    found = bed("." * first + line * (end - first) + "." * (60 - end), times)
    assert kinds(found) == PAUSE
    assert found[0].onset == pytest.approx(last)
    assert found[1].end == pytest.approx(last + 3.4)
    assert 10 <= found[1].time - found[1].end < 11


def test_the_gate_may_close_for_the_second_in_which_a_pause_ends(bed: Bed) -> None:
    times = [*regular(0.3, 19.6), *regular(22.75, 60)]  # 19.5 to 22.75
    found = bed("." * 21 + "q" + "n" + "." * 37, times)
    assert kinds(found) == []  # the beat may be the noise's own
    quiet = bed("." * 21 + "qq" + "." * 37, times)
    assert kinds(quiet) == PAUSE


def test_intervals_up_to_the_limit_raise_nothing(bed: Bed) -> None:
    found = [a for a in bed("." * 60, regular(0.3, 60, 2.9)) if a.kind != "bradycardia"]
    assert found == []


def test_two_pauses_soon_after_another_are_one_alert(bed: Bed) -> None:
    times = [*regular(0.3, 20), 22.8, 23.6, 27.0, *regular(27.8, 60)]
    found = [a for a in bed("." * 60, times) if a.kind == "pause"]
    assert kinds(found) == PAUSE
    assert found[1].end == pytest.approx(27.0)


@pytest.mark.parametrize("mark", ["n", "c", "m", "g", "r", "s"])
@pytest.mark.parametrize("length", [2, 3, 8, 30])
def test_beats_that_cannot_be_seen_are_not_missed(bed: Bed, mark: str, length: int) -> None:
    times = [*regular(0.3, 20), *regular(20.0 + length + 5.0, 80)]  # the detector needs its 5 s again
    found = bed("." * 20 + mark * length + "." * (60 - length), times)
    assert {a.kind for a in found} <= {"noise", "lead-off"}


@pytest.mark.parametrize("mark", ["n", "c", "m", "g", "r", "s"])
def test_a_heart_that_stopped_meanwhile_is_told_of(bed: Bed, mark: str) -> None:
    found = [a for a in bed("." * 20 + mark * 5 + "q" * 25, regular(0.3, 20)) if a.kind == "asystole"]
    assert kinds(found) == ASYSTOLE
    assert found[0].time == pytest.approx(25 + 6 + 4)


def test_learning_at_the_start_is_no_silence_and_none_is_begun_before_it(bed: Bed) -> None:
    assert bed("." * 30, regular(5.5, 30)) == []
    found = [a for a in bed("." * 30, []) if a.kind == "asystole"]
    assert found[0].time == pytest.approx(10.0)


def test_noise_with_no_beat_before_it_is_not_known_to_be_quiet(bed: Bed) -> None:
    assert {a.kind for a in bed("q" * 30, [])} == {"noise"}


def test_noise_and_missing_samples_leave_asystole_standing_and_a_lead_off_clears_it(bed: Bed) -> None:
    found = bed("." * 20 + "q" * 6 + "n" * 4 + "g" * 4 + "q" * 4 + "r" * 4, regular(0.3, 20))
    (raised, cleared) = [a for a in found if a.kind == "asystole"]
    assert (raised.time, cleared.time) == (24.0, 40.0)  # the rest is lead-off from its second second on
    assert found.index(cleared) < found.index(next(a for a in found if a.kind == "lead-off"))


def test_p_waves_and_noise_taken_for_beats_do_not_hide_asystole(bed: Bed) -> None:
    times = regular(0.3, 40)
    small = {i: 0.12 for i, t in enumerate(times) if t > 20}
    found = bed("." * 40, times, sizes=small)
    assert kinds(found) == BOTH


def test_the_last_t_wave_taken_for_a_beat_does_not_put_asystole_off(bed: Bed) -> None:
    times = [*regular(0.3, 20), 19.8]
    found = bed("." * 30, times, sizes={len(times) - 1: 0.3})
    assert [a.onset for a in found if a.kind == "asystole"] == pytest.approx([times[-2]] * 2)


def test_a_smaller_qrs_from_some_moment_on_is_a_beat(bed: Bed) -> None:
    times = regular(0.3, 60)
    assert bed("." * 60, times, sizes={i: 0.3 for i in range(len(times)) if i > 25}) == []


def test_one_agonal_beat_ends_no_asystole(bed: Bed) -> None:
    found = [a for a in bed("." * 60, [*regular(0.3, 20), 28.0, 36.0, 44.0]) if a.kind != "bradycardia"]
    assert kinds(found) == BOTH
    assert found[-1].time == 60.0


def test_beats_in_noise_end_no_asystole(bed: Bed) -> None:
    times = [*regular(0.3, 20), *regular(30, 35)]
    bad = [i for i, t in enumerate(times) if t > 20]
    found = bed("." * 20 + "q" * 10 + "n" * 5 + "q" * 5, times, bad=bad)
    assert [a.time for a in found if a.kind == "asystole"] == [24.0, 40.0]


def test_limits_are_those_of_the_settings(bed: Bed) -> None:
    settings = AlertSettings(asystole=AsystoleSettings(seconds=8), pause=PauseSettings(seconds=2))
    times = [*regular(0.3, 20), *regular(26.5, 50)]
    assert kinds(bed("." * 50, times, settings=settings)) == PAUSE
    off = AlertSettings(asystole=AsystoleSettings(enabled=False), pause=PauseSettings(enabled=False))
    assert bed("." * 50, times, settings=off) == []
    pause = AlertSettings(asystole=AsystoleSettings(enabled=False))
    assert kinds(bed("." * 50, times, settings=pause)) == PAUSE


def test_asystole_is_not_noise(bed: Bed) -> None:
    settings = AlertSettings(noise=ConditionSettings(raise_seconds=3))
    found = bed("." * 20 + "q" * 40, regular(0.3, 20), settings=settings)
    assert "noise" not in {a.kind for a in found}
