"""Which beats are shown: few, the worst and a fair sample, spread over the recordings."""

from __future__ import annotations

import numpy as np

from ecgmon.evaluation.report.examples import DRAWN, EXTREME, UNCOUNTED, Example, Group, classes, collect
from tests.evaluation.report.made import Made, record, wave


def groups(n_records: int, beats: int = 200) -> dict[str, Group]:
    """V beats of which all but the first ten of each recording were missed; record k scores k higher."""
    found: dict[str, Group] = {}
    for k in range(n_records):
        score = np.arange(beats) / beats + k
        odd = np.arange(beats) < 10

        def example(i: int, k: int = k, score: np.ndarray = score) -> Example:
            return Example(f"r{k}", f"{i}", float(score[i]), 0.5, {}, wave(1.0), wave(0.5))

        collect(found, f"r{k}", np.full(beats, "V"), score, odd, example)
    return found


def test_what_is_shown_is_bounded_and_counted() -> None:
    found = groups(9)
    assert list(found) == ["missed-V"]
    group = found["missed-V"]
    assert group.n == 9 * 190
    assert max(len(kept) for kept in group.drawn + group.extreme) <= EXTREME + DRAWN
    why = [why for why, _ in group.chosen("missed-V")]
    assert why == ["extreme"] * EXTREME + ["random"] * DRAWN


def test_each_recording_has_its_turn_before_one_has_a_second() -> None:
    chosen = groups(9)["missed-V"].chosen("missed-V")
    assert [e.record for why, e in chosen if why == "extreme"] == ["r0", "r1", "r2", "r3"]
    assert [e.place for why, e in chosen if why == "extreme"] == ["10"] * 4
    assert len({e.record for why, e in chosen if why == "random"}) == DRAWN


def test_one_recording_fills_the_places_alone_and_no_beat_twice() -> None:
    chosen = groups(1)["missed-V"].chosen("missed-V")
    assert [e.place for why, e in chosen if why == "extreme"] == ["10", "11", "12", "13"]
    assert len({e.place for _, e in chosen}) == EXTREME + DRAWN


def test_the_sample_is_the_same_each_time() -> None:
    first, second = (
        [(e.record, e.place) for _, e in groups(5)["missed-V"].chosen("missed-V")] for _ in range(2)
    )
    assert first == second


def test_missed_and_false_beats_come_into_their_groups(two: Made) -> None:
    shown = {
        key: sorted((e.record, e.place, e.label) for _, e in group.chosen(key))
        for key, group in two.material.groups.items()
    }
    assert shown == {
        "missed-V": [("a", "0:03.0", "V")],
        "missed-F": [("b", "0:03.0", "F")],
        "false-N": [("a", "0:04.0", "N"), ("b", "0:01.0", "N")],
    }


def test_the_highest_score_is_the_most_extreme_of_the_false() -> None:
    found: dict[str, Group] = {}
    score = np.array([4.0, 9.0, 5.0, 1.0])
    collect(
        found, "r", np.array(["", "", "", ""]), score, score > 3,
        lambda i: Example("r", f"{i}", float(score[i]), 0.5, {}, wave(1.0), wave(0.5)),
    )  # fmt: skip
    assert [e.score for _, e in found["false-none"].chosen("false-none")] == [9, 5, 4]


def test_learning_and_flutter_are_not_counted() -> None:
    one = record("r", "NNV[!]NS", [0.0, 0.0, 5.0, 1.0, 1.0])
    assert classes(one, learning=1.0).tolist() == [UNCOUNTED, "N", "V", "N", "S"]
    invented = record("r", "NN", [0.0, 0.0])
    late = np.array([0.0, 0.5, 1.0])
    shifted = type(invented)("r", 1.0, invented.truth, late, late, late, late > 9, ())
    assert classes(shifted, learning=0.0).tolist() == ["N", "", "N"]
