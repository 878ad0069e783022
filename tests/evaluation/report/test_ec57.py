"""Gross statistics add counts, average ones add patients, and what is undefined is left out."""

from __future__ import annotations

from ecgmon.evaluation.report.ec57 import averages, row, total
from tests.evaluation.report.made import Made


def test_every_beat_is_counted_once(two: Made) -> None:
    a = row(two.tallies["a"])
    assert {name: a.counts[name] for name in ("N", "S", "V", "F", "Q")} == {
        "N": 4,
        "S": 1,
        "V": 4,
        "F": 0,
        "Q": 0,
    }
    assert {name: a.counts[f"{name}*"] for name in "NSV"} == {"N": 1, "S": 1, "V": 2}
    assert (a.counts["not detected"], a.counts["not scored"]) == (1, 1)
    assert (a.counts["QRS TP"], a.counts["QRS FN"], a.counts["QRS FP"]) == (8, 1, 0)
    assert (a.counts["no beat"], a.counts["no beat*"]) == (0, 0)


def test_a_flag_on_another_class_counts_neither_for_nor_against_a_class(two: Made) -> None:
    a = row(two.tallies["a"])
    assert a.rate("V Se") == 2 / 4  # one quiet, one not detected
    assert a.rate("V +P") == 2 / 3  # the flagged N, and not the flagged S
    assert a.rate("S +P") == 1 / 2
    assert a.rate("any +P") == 3 / 4
    assert a.rate("any FPR") == 1 / 3  # the unscored N is no part of it


def test_gross_and_average_differ_as_ec57_has_it(two: Made) -> None:
    rows = [row(counted) for counted in two.tallies.values()]
    gross, average = total(rows), averages(rows)
    assert gross.rate("any Se") == 3 / 6
    assert average["any Se"] == ((3 / 5 + 0 / 1) / 2, 2)
    assert gross.rate("V Se") == 2 / 4
    assert average["V Se"] == (2 / 4, 1)  # b has no V: undefined, left out
    assert gross.rate("V +P") == 2 / 4
    assert average["V +P"] == ((2 / 3 + 0) / 2, 2)  # b has false flags: 0, and counts
    assert gross.rate("QRS Se") == 13 / 14
    assert average["QRS Se"] == ((8 / 9 + 1) / 2, 2)


def test_what_no_recording_defines_has_no_average(two: Made) -> None:
    b = row(two.tallies["b"])
    assert b.rate("S Se") is None
    assert averages([b])["S Se"] == (None, 0)


def test_gross_statistics_are_the_figures_of_the_evaluation(two: Made) -> None:
    gross, beats = total([row(counted) for counted in two.tallies.values()]), two.result.beats
    assert gross.rate("any Se") == beats.sensitivity
    assert gross.rate("any +P") == beats.ppv
    assert gross.rate("any FPR") == beats.realised_false_positive_rate
    assert beats.per_class_sensitivity is not None
    assert gross.rate("F Se") == beats.per_class_sensitivity["F"]
    assert two.result.qrs is not None
    assert gross.rate("QRS +P") == two.result.qrs["150ms"].ppv
