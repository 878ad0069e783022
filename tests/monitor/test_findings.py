"""What is said of single beats: intervals made by hand, shapes made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from ecgmon.ecg.types import FS, R_INDEX, WINDOW, Beat, Samples, Score
from ecgmon.monitor.findings import Noted, Rhythm, shape_of

T = (np.arange(WINDOW) - R_INDEX) / FS


def drawn(width: float = 0.012, p: float = 0.12, size: float = 1.0) -> Samples:
    qrs = size * np.exp(-0.5 * (T / width) ** 2)
    p_wave = p * np.exp(-0.5 * ((T + 0.17) / 0.022) ** 2)
    return (qrs + p_wave + 0.25 * np.exp(-0.5 * ((T - 0.29) / 0.045) ** 2)).astype(np.float32)


def score(*, odd: bool = False, reference: Samples | None = None) -> Score:
    return Score(1.0, 0.001 if odd else 0.5, odd, odd, {"qrs": 1.0}, drawn(), reference)


def beat(r: float, rr: float, window: Samples | None = None) -> Beat:
    return Beat(0, r, r + 1.3, drawn() if window is None else window, 1.0, rr, 0.8, good=True)


def play(intervals: Sequence[float], odd: set[int], bad: frozenset[int] = frozenset()) -> list[Noted | None]:
    rhythm, t, found = Rhythm(), 0.0, []
    for i, rr in enumerate(intervals):
        t += rr if math.isfinite(rr) else 10.0
        found.append(rhythm.note(beat(t, rr), None if i in bad else score(odd=i in odd)))
    return found


def shown(found: Sequence[Noted | None]) -> dict[int, list[str]]:
    return {i: list(noted.shown) for i, noted in enumerate(found) if noted is not None and noted.shown}


REGULAR = [math.nan, *[0.8] * 9]


def test_an_early_beat_and_its_compensatory_pause() -> None:
    found = play([*REGULAR, 0.5, 1.1, 0.8], odd={10})
    assert shown(found) == {10: ["early-beat", "compensatory-pause"]}
    noted = found[10]
    assert noted is not None
    assert noted.shown["early-beat"] == pytest.approx((0.5, 0.8))
    assert noted.shown["compensatory-pause"] == pytest.approx((1.1, 0.8))


def test_the_pause_is_not_known_before_it_is_over() -> None:
    assert shown(play([*REGULAR, 0.5], odd={10})) == {10: ["early-beat"]}


def test_an_early_beat_without_a_full_pause_is_early_only() -> None:
    assert shown(play([*REGULAR, 0.5, 0.85], odd={10})) == {10: ["early-beat"]}


@pytest.mark.parametrize(("rr", "code"), [(1.3, "late-beat"), (2.1, "pause")])
def test_a_late_beat_and_a_pause(rr: float, code: str) -> None:
    assert shown(play([*REGULAR, rr], odd={10})) == {10: [code]}


@pytest.mark.parametrize("rr", [0.7, 0.8, 1.1])
def test_intervals_near_the_usual_one_are_not_named(rr: float) -> None:
    assert shown(play([*REGULAR, rr], odd={10})) == {}


def test_bigeminy_does_not_change_what_is_usual() -> None:
    found = play([*REGULAR, *[0.5, 1.1] * 30], odd=set(range(10, 70, 2)))
    assert all(noted is not None and "early-beat" in noted.shown for noted in found[10::2])
    assert found[-2] is not None
    assert found[-2].shown["early-beat"] == pytest.approx((0.5, 0.8))


def test_in_an_irregular_rhythm_short_intervals_are_not_called_early() -> None:
    irregular = [math.nan, *[0.9, 0.6, 1.0, 0.55, 0.5, 0.8, 0.7, 0.52] * 4]
    found = shown(play(irregular, odd=set()))
    assert [i for i, codes in found.items() if i > 16 and "early-beat" in codes] == []


def test_nothing_is_said_of_intervals_beside_a_beat_that_was_not_scored() -> None:
    assert shown(play([*REGULAR, 0.4, 0.4, 0.8], odd={11}, bad=frozenset({10}))) == {}


def test_nothing_is_said_before_eight_intervals_are_known() -> None:
    assert shown(play([math.nan, *[0.8] * 7, 0.5], odd={8})) == {}
    assert shown(play([math.nan, *[0.8] * 8, 0.5], odd={9})) == {9: ["early-beat"]}


def test_nothing_is_said_across_a_gap() -> None:
    assert shown(play([*REGULAR, math.nan, 0.8], odd={10})) == {}


def test_a_beat_like_the_usual_one_shows_nothing() -> None:
    assert shape_of(beat(1.0, 0.8), score(reference=drawn())) == {}


def test_without_a_reference_beat_nothing_is_said_of_shape() -> None:
    assert shape_of(beat(1.0, 0.8, drawn(0.04)), score()) == {}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (drawn(0.035, p=0.0), {"wide-qrs"}),
        (drawn(p=0.0), {"no-p-wave"}),
        (drawn(size=2.0), {"large-qrs"}),
        (-drawn(), {"inverted-qrs"}),
    ],
)
def test_shapes_have_names(window: Samples, expected: set[str]) -> None:
    assert expected <= set(shape_of(beat(1.0, 0.8, window), score(reference=drawn())))


def test_a_wide_qrs_says_both_durations() -> None:
    value, usual = shape_of(beat(1.0, 0.8, drawn(0.035)), score(reference=drawn()))["wide-qrs"]
    assert 130 < value < 200
    assert 45 < usual < 80


def test_a_beat_as_wide_as_usual_is_not_wide() -> None:
    assert "wide-qrs" not in shape_of(beat(1.0, 0.8, drawn(0.036)), score(reference=drawn(0.034)))


def test_a_normal_beat_without_p_wave_is_no_finding_in_a_patient_without_one() -> None:
    assert shape_of(beat(1.0, 0.8, drawn(p=0.0)), score(reference=drawn(p=0.0))) == {}
