"""When is so much lost that a stream is not analysed?"""

from __future__ import annotations

import pytest

from ecgmon.ecg.types import Quality
from ecgmon.monitor.policies.condition import NOT_ANALYSING, Condition, ConditionSettings
from ecgmon.monitor.policies.line import Line
from ecgmon.monitor.policies.losses import BLIND_HEAVY, HEAVY, LEARN, RUN, SPAN, Losses

LOUD = (0.02, 1.0, 0.3, 0.02, 0.02)


def told(pattern: str) -> list[tuple[str, float, float]]:
    """What ``noise`` says: state, onset, time. ``.`` good; ``g`` a gap; ``p`` a second that a gap cuts;
    ``m`` missing samples alone, ``t`` some of them."""
    line = Line(0.01)
    noise = Condition("noise", NOT_ANALYSING, ConditionSettings(), line, Losses())
    found: list[tuple[str, float, float]] = []
    for k, mark in enumerate(pattern):
        extents = () if mark in "gp" else LOUD
        quality = Quality(k, missing=mark != ".", extents=extents, partial=mark in "pt")
        line.second(quality)
        found += [(c.state, c.onset, c.time) for c in noise.second(quality)]
    return found


@pytest.mark.parametrize("whole", range(1, 12))
def test_a_stream_in_which_a_detector_cannot_learn_is_not_analysed(whole: int) -> None:
    found = told("." * 40 + ("g" + "." * whole) * 20)
    if whole >= LEARN:
        assert found == []
    else:
        assert found[0][:2] == ("raised", 40.0)
        assert 40 + HEAVY < found[0][2] <= 40 + BLIND_HEAVY + LEARN


def test_a_few_losses_close_to_each_other_are_not_too_much() -> None:
    assert told("." * 40 + "g.....g" + "." * 40) == []
    assert told("." * 40 + "g...g...g" + "." * 40) == []
    assert told("g" + "." * 40) == []


def test_one_gap_however_long_is_not() -> None:
    assert told("." * 40 + "p" + "g" * 58 + "p" + "." * 40) == []
    assert 2 + RUN < HEAVY


def test_a_cut_in_each_second_is() -> None:
    assert told("." * 40 + "p" * 40)[0] == ("raised", 40.0, 40.0 + HEAVY)


def test_it_is_over_when_little_is_lost_for_half_a_minute() -> None:
    states = told("." * 40 + "g.." * 20 + "." * 60)
    assert [state for state, _, _ in states] == ["raised", "cleared"]
    assert 100 + 15 < states[1][2] <= 100 + SPAN + 5


def test_at_the_limit_it_does_not_come_and_go() -> None:
    assert [state for state, _, _ in told("." * 40 + "g..." * 10 + "g...." * 20)] == ["raised"]


def test_single_missing_samples_are_no_loss() -> None:
    assert told("." * 40 + "t.." * 30) == []
    assert told("." * 40 + "m.." * 30)[0][0] == "raised"


@pytest.mark.parametrize("seconds", range(10, 40))
def test_a_second_time_has_an_onset_of_its_own(seconds: int) -> None:
    states = told("." * 40 + "g." * 20 + "." * seconds + "g." * 30)
    onsets = [onset for state, onset, _ in states if state == "raised"]
    assert onsets == sorted(set(onsets))
    assert states[-1][0] == "raised"
