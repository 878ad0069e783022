"""Annotations become classes, flutter and episodes."""

from __future__ import annotations

import math

import numpy as np

from ecgmon.evaluation.reference import Reference, reference


def annotated(text: str) -> Reference:
    """One annotation a second, one symbol each; a blank is a second without."""
    marks = [(k, symbol) for k, symbol in enumerate(text) if symbol != " "]
    return reference(np.array([k * 360 for k, _ in marks], dtype=np.int64), [s for _, s in marks], 360.0)


def test_beats_get_their_aami_class_and_other_marks_are_no_beats() -> None:
    truth = annotated("+NLRejSAaJVEF/fQ~|x!")
    assert "".join(truth.label) == "NNNNNSSSSVVFQQQ"
    assert truth.t.tolist() == list(range(1, 16))


def test_annotations_out_of_order_are_sorted() -> None:
    truth = reference(np.array([720, 360], dtype=np.int64), ["V", "N"], 360.0)
    assert truth.t.tolist() == [1.0, 2.0]
    assert truth.label.tolist() == ["N", "V"]


def test_flutter_runs_from_bracket_to_bracket() -> None:
    truth = annotated("NN[!!]NN[!]N")
    assert truth.flutter == ((2.0, 5.0), (8.0, 10.0))
    inside = truth.in_flutter(np.array([1.9, 2.0, 3.5, 5.0, 5.1, 9.0]))
    assert inside.tolist() == [False, True, True, True, False, True]


def test_flutter_that_is_not_closed_holds_to_the_end() -> None:
    assert annotated("NN[!!").flutter == ((2.0, math.inf),)


def test_flutter_that_was_never_opened_holds_from_the_beginning() -> None:
    assert annotated("!!]NN").flutter == ((0.0, 2.0),)


def test_a_second_closing_bracket_says_nothing() -> None:
    assert annotated("N[!]N]N").flutter == ((1.0, 3.0),)


def test_an_episode_is_three_or_more_v_beats_in_a_row() -> None:
    episodes = annotated("NVVNVVVNVEVVN").episodes()
    assert [run.tolist() for run in episodes] == [[4.0, 5.0, 6.0], [8.0, 9.0, 10.0, 11.0]]


def test_flutter_between_v_beats_ends_the_run() -> None:
    assert annotated("VV[!]VVN").episodes() == []


def test_marks_that_are_no_beats_do_not_end_a_run() -> None:
    assert [run.tolist() for run in annotated("V+V~V").episodes()] == [[0.0, 2.0, 4.0]]


def test_a_recording_without_annotations_is_an_empty_truth() -> None:
    truth = annotated("")
    assert truth.t.shape == (0,)
    assert truth.flutter == ()
    assert truth.episodes() == []
