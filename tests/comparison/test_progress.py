"""How long a run will still take."""

from __future__ import annotations

import pytest

from ecgmon.comparison.progress import Progress, duration

KINDS = {
    "a1": ("a", "slow"), "a2": ("a", "slow"), "b1": ("b", "slow"), "c1": ("c", "fast"), "c2": ("c", "fast"),
}  # fmt: skip


def test_nothing_is_known_at_first() -> None:
    assert Progress(KINDS, 1).left() is None
    assert Progress({}, 1).left() == 0.0


def test_a_cell_takes_as_long_as_the_nearest_kind_of_which_one_is_known() -> None:
    progress = Progress(KINDS, 1)
    progress.finish("a1", 10.0)
    progress.finish("c1", 1.0)
    assert progress.left() == pytest.approx(10 + 10 + 1)  # a2 as a1, b1 as the slow ones, c2 as c1
    assert (progress.finished, progress.total) == (2, 5)


def test_of_what_is_not_known_the_middle_of_all_is_expected() -> None:
    progress = Progress(KINDS, 1)
    progress.finish("a1", 4.0)
    assert progress.left() == pytest.approx(4 + 4 + 4 + 4)


def test_workers_share_what_is_left() -> None:
    progress = Progress(KINDS, 2)
    progress.finish("a1", 10.0)
    progress.finish("c1", 1.0)
    assert progress.left() == pytest.approx(10.5)
    progress.finish("c2", 1.0)
    progress.finish("b1", 10.0)
    assert progress.left() == pytest.approx(10.0)  # one cell cannot be shared


def test_earlier_runs_tell_and_failures_do_not() -> None:
    progress = Progress({"a2": KINDS["a2"], "c1": KINDS["c1"]}, 1)
    progress.learn(KINDS["a1"], 8.0)
    progress.learn(KINDS["c2"], 2.0)
    assert progress.left() == pytest.approx(10.0)
    progress.drop("a2")
    assert progress.left() == pytest.approx(2.0)
    progress.finish("c1", 2.0)
    assert progress.left() == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3540, "59 min"), (3600, "1 h 00 min"), (4830, "1 h 20 min")],
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
