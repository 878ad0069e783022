"""By turns, the same work, and what comes out of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ecgmon.bench.contest import Contender, Row, contest
from ecgmon.bench.machine import machine
from ecgmon.bench.report import Report, cost_table, spread


class Clock:
    """Work takes as long as it says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns: list[str] = []

    def contender(self, name: str, took: Iterator[float], units: float = 2.0) -> Contender:
        def run() -> float:
            self.turns.append(name)
            self.now += next(took)
            return units

        return Contender(name, "", run, lambda: self.turns.append(f"{name} warm"))


def test_contenders_run_by_turns_and_the_warm_up_is_not_counted() -> None:
    clock = Clock()
    pair = [clock.contender("a", iter([2.0, 4.0, 3.0])), clock.contender("b", iter([10.0, 10.0, 13.0]))]
    a, b = contest(pair, 3, clock=lambda: clock.now)
    assert clock.turns == ["a warm", "b warm", "a", "b", "a", "b", "a", "b"]
    assert a.runs == [1.0, 2.0, 1.5]
    assert b.tree(a)["ratio"] == pytest.approx(5.0 / 1.5)
    assert (b.tree(a)["min"], b.tree(a)["max"]) == (5.0, 6.5)


def test_one_that_is_not_installed_is_named_and_not_run() -> None:
    clock = Clock()
    rows = contest(
        [clock.contender("ours", iter([1.0])), Contender("theirs", "", None)], 1, clock=lambda: clock.now
    )
    table = cost_table("s", rows, rows[0])
    assert table[2][:2] == ["theirs", "not installed"]
    assert rows[1].tree(rows[0]) == {"name": "theirs", "scope": "", "missing": "not installed"}


def test_warnings_of_others_do_not_end_the_run() -> None:
    def run() -> float:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return 1.0

    assert contest([Contender("loud", "", run)], 2)[0].runs


def test_a_spread_passes_over_what_is_not_known() -> None:
    assert spread([3.0, float("nan"), 1.0], 1) == ["2.0", "1.0-3.0"]
    assert spread([float("nan")], 1) == ["-", "-"]


def test_the_report_tells_the_machine_in_text_and_json(tmp_path: Path) -> None:
    where = machine()
    row = Row("ours", "all of it", runs=[1.0])
    report = Report("scan", {"runs": 1}, [cost_table("s", [row], row)], {"rows": [row.tree(row)]}, ["note"])
    path = tmp_path / "bench.json"
    report.write(path, where)
    tree = msgspec.json.decode(path.read_bytes())
    assert tree["machine"]["cores"] >= 1
    assert tree["machine"]["packages"]["torch"] in report.text(where)
    assert tree["rows"][0]["median"] == 1.0
    assert "note" in report.text(where)
