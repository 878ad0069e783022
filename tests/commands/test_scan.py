"""``ecgmon scan`` on real recordings, from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from ecgmon import cli
from ecgmon.commands.recordings import truth

OFTEN = ("--false-alerts-per-hour", 20)
"""So many that record 200, a third of whose beats are ventricular, raises alerts whatever the bundle."""


def scan(*arguments: object) -> int:
    return cli.run(["scan", *map(str, arguments)])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def out(mitdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scan") / "deep" / "out"
    assert scan(mitdb / "200", f"{mitdb}/100.hea", "--out", folder, "--lead", "0", *OFTEN) == 0
    return folder


def test_each_record_has_three_files_and_nothing_is_left_over(out: Path) -> None:
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}.{kind}" for name in ("100", "200") for kind in ("alerts.jsonl", "beats.jsonl", "ecgmon")
    ]


def test_annotations_stand_on_the_annotated_beats_of_the_record(out: Path, mitdb: Path) -> None:
    marks = wfdb.rdann(str(out / "200"), "ecgmon")
    beats = np.array([s for s, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol in "NQ?"])
    annotated = truth(mitdb / "200").t * 360
    assert marks.fs == 360
    assert len(beats) == pytest.approx(len(annotated), rel=0.01)
    assert (np.abs(beats[:, None] - annotated[None, :]).min(axis=1) <= 54).mean() > 0.99


def test_annotations_and_json_lines_tell_the_same(out: Path) -> None:
    marks = wfdb.rdann(str(out / "200"), "ecgmon")
    rows = lines(out / "200.beats.jsonl")
    meaning = {None: "?", False: "N", True: "Q"}
    assert [symbol for symbol in marks.symbol if symbol != '"'] == [meaning[row["odd"]] for row in rows]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert all((row["p_value"] is None) == (row["score"] is None) for row in rows)


def test_alerts_are_those_of_the_monitor(out: Path) -> None:
    alerts = lines(out / "200.alerts.jsonl")
    assert {alert["schema"] for alert in alerts} == {"ecgmon.alert/1"}
    assert {alert["stream"] for alert in alerts} == {"200"}
    raised = [alert["id"] for alert in alerts if alert["state"] == "raised"]
    assert sorted(raised) == sorted(alert["id"] for alert in alerts if alert["state"] == "cleared")


def test_the_summary_counts_and_times_and_compares_with_xqrs(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(mitdb / "100", "--out", tmp_path, "--compare-xqrs") == 0
    title, record, total = capsys.readouterr().out.splitlines()
    assert title.split()[:4] == ["record", "lead", "hours", "beats"]
    assert title.endswith("XQRS wall s  XQRS CPU s")
    assert record.split()[:4] == ["100", "MLII", "0.50", "2273"]
    assert total.split()[0] == "total"
    assert float(total.split()[-1]) > 0


def test_a_damaged_record_does_not_stop_the_others(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name in ("100", "101"):
        for suffix in ("hea", "dat"):
            shutil.copy(mitdb / f"{name}.{suffix}", data)
    (data / "100.dat").write_bytes((mitdb / "100.dat").read_bytes()[:100_000])
    assert scan(data, "--out", out) == 1
    captured = capsys.readouterr()
    assert "1 of 2 records could not be scanned" in captured.err
    assert captured.out.splitlines()[1].split()[0] == "101"
    assert not list(out.glob("100.*"))


def test_one_damaged_record_is_one_line(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(mitdb / "100.hea", tmp_path)
    (tmp_path / "100.dat").write_bytes((mitdb / "100.dat").read_bytes()[:100_000])
    assert scan(tmp_path / "100", "--out", tmp_path) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("record", "options", "code", "says"),
    [
        ("999", (), 2, "no such record"),
        ("100", ("--lead", "aVR"), 1, "MLII"),
        ("100", ("--out", "/dev/null/out"), 2, "not a folder that can be written to"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    record: str, options: tuple[str, ...], code: int, says: str,
) -> None:  # fmt: skip
    assert scan(mitdb / record, "--out", tmp_path, *options) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1


def test_two_records_of_one_name_are_refused(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(mitdb / "100", mitdb, "--out", tmp_path) == 2
    assert "two records of one name" in capsys.readouterr().err
