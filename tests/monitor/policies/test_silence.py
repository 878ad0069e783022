"""Silence through losses, and the intervals of a heart whose beats the gate does not call good."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecgmon.ecg.types import Alert

Bed = Callable[..., list[Alert]]


def times_of(found: list[Alert], kind: str) -> list[float]:
    return [a.time for a in found if a.kind == kind]


BEATS = np.arange(0.3, 20, 0.8).tolist()  # the last one at 19.5


@pytest.mark.parametrize("loss", ["g", "m"])
@pytest.mark.parametrize(
    ("pattern", "raised"), [("qqXqqq", 25), ("qXqqqq", 25), ("qqqqXX", 24), ("qqXXqqq", 26)]
)
def test_what_was_lost_is_taken_off_a_silence(bed: Bed, pattern: str, raised: float, loss: str) -> None:
    """Four seconds must have been seen, and twice as much as was lost."""
    found = bed("." * 20 + (pattern + "q" * 12).replace("X", loss), BEATS)
    assert times_of(found, "asystole")[0] == raised


def test_a_gap_longer_than_is_bridged_begins_the_silence_anew(bed: Bed) -> None:
    assert times_of(bed("." * 20 + "q" + "g" * 3 + "q" * 20, BEATS), "asystole")[0] == 29  # 6.5 of 9.5 s seen
    assert times_of(bed("." * 20 + "q" + "g" * 4 + "q" * 20, BEATS), "asystole")[0] == 25 + 6 + 4


def test_of_a_silence_two_thirds_must_have_been_seen(bed: Bed) -> None:
    assert times_of(bed("." * 20 + "qg" * 20, BEATS), "asystole") == []
    assert times_of(bed("." * 20 + "qqg" * 13, BEATS), "asystole")[0] == 25


def test_behind_a_loss_a_second_in_which_a_beat_could_hide_begins_the_silence_anew(bed: Bed) -> None:
    found = bed("." * 20 + "qqg" + "." + "q" * 20, BEATS)  # the detector learns, and tells of no beat
    assert times_of(found, "asystole")[0] == 28
    told = bed("." * 20 + "qqg" + "." + "q" * 20, [*BEATS, 23.3])
    assert times_of(told, "asystole")[0] == 28
    assert next(a for a in told if a.kind == "asystole").onset == pytest.approx(23.3)


@pytest.mark.parametrize("mark", ["n", "r", "s"])
def test_nothing_but_losses_is_bridged(bed: Bed, mark: str) -> None:
    found = bed("." * 20 + "qq" + mark * 2 + "q" * 20, BEATS)
    assert times_of(found, "asystole")[0] == 24 + 6 + 4


def slow(rr: float, n: int) -> tuple[str, list[float], list[int]]:
    """A heart of ``rr`` s after 20 s of a faster one: its beats are not good, the gate is closed. A beat
    falls 0.3 s into its second, where a loud one has its QRS."""
    times = [*BEATS[:-1], *(20.3 + rr * np.arange(n))]
    signal = ["q"] * round(20 + rr * n)
    for t in times[len(BEATS) - 1 :]:
        signal[int(t)] = "n"
    signal[:20] = ["."] * 20
    return "".join(signal), times, list(range(len(BEATS) - 1, len(times)))


@pytest.mark.parametrize("rr", [2.0, 3.0])
def test_beats_on_a_quiet_line_count_though_they_are_not_good(bed: Bed, rr: float) -> None:
    signal, times, bad = slow(rr, 12)
    found = bed(signal, times, bad=bad)
    kinds = [(a.kind, a.state) for a in found]
    assert kinds.count(("bradycardia", "raised")) == 1
    assert kinds.count(("pause", "raised")) == (1 if rr == 3.0 else 0)
    assert not {"noise", "asystole"} & {kind for kind, _ in kinds}
    raised = next(a for a in found if a.kind == "bradycardia")
    assert raised.time <= 20.3 + 10
    assert raised.heart_rate is None or raised.heart_rate <= 76
    cleared = next(a for a in found if a.kind == "bradycardia" and a.state == "cleared")
    assert cleared.heart_rate == pytest.approx(60 / rr)


def test_beats_of_a_slow_heart_across_a_loss_have_no_interval(bed: Bed) -> None:
    signal, times, bad = slow(3.0, 12)
    lost = "".join("g" if mark == "q" and i % 3 == 1 else mark for i, mark in enumerate(signal))
    assert times_of(bed(lost, times, bad=bad), "bradycardia") == []


def test_a_slow_heart_ends_asystole_and_one_at_its_limit_does_not(bed: Bed) -> None:
    for rr, ends in ((2.1, True), (2.9, True), (3.5, False)):
        times = [*BEATS[:-1], *(30.3 + rr * np.arange(10))]
        signal = list("." * 20 + "q" * 50)
        for t in times[len(BEATS) - 1 :]:
            signal[int(t)] = "n" if t % 1 < 0.5 else "q"
        told = bed("".join(signal)[: int(times[-1]) + 2], times, bad=list(range(len(BEATS) - 1, len(times))))
        cleared = [a.time for a in told if a.kind == "asystole" and a.state == "cleared"]
        assert (cleared[0] < 36) is ends
