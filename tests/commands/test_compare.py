"""``ecgmon compare``: real processes, stopped and gone on with."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from ecgmon.cli import run
from ecgmon.comparison.results import CellResult
from ecgmon.evaluation.ranking import auroc

Tree = dict[str, Any]


@pytest.fixture
def tree(ward: Path, tmp_path: Path) -> Tree:
    """Four fits on simulated recordings; that of PCA is in both experiments, with another threshold."""
    pca = {"type": "classical", "detector": {"type": "pca", "kept": 4}}
    return {
        "out": str(tmp_path / "out"),
        "workers": 1,
        "seeds": [0, 1],
        "folds": 2,
        "thresholds": {"F1": {"type": "f-beta", "steps": 50}},
        "datasets": {
            "ward": {
                "type": "records", "data": str(ward), "train": "a,b,c,d", "test": "x,y",
                "learning_seconds": 30.0, "max_beats_per_patient": 60,
            }
        },
        "experiments": {
            "networks": {
                "title": "Networks",
                "dataset": "ward",
                "base": {
                    "type": "autoencoder", "epochs": 2,
                    "network": {"type": "mlp", "sizes": [8], "latent": 2},
                },
                "methods": {"PCA": pca},
            },
            "detectors": {"dataset": "ward", "methods": {"PCA": pca}, "thresholds": {"MAD": {"type": "mad"}}},
        },
    }  # fmt: skip


def write(tree: Tree, folder: Path) -> Path:
    path = folder / "compare.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def cells(out: Path) -> dict[str, CellResult]:
    return {
        path.stem: msgspec.json.decode(path.read_bytes(), type=CellResult)
        for path in sorted((out / "cells").glob("*.json"))
    }


def test_everything_is_run_measured_and_written_and_a_cell_that_fails_is_one_line(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    many = {"type": "classical", "detector": {"type": "knn-mean", "neighbours": 1000}}
    tree["experiments"]["networks"]["methods"]["too many"] = many
    tree["experiments"]["networks"]["methods"]["ours"] = {
        "type": "ecgmon",
        "fit": {
            "architecture": {"type": "conv", "channels": [4], "latent": 2, "context": 2},
            "training": {"epochs": 1},
        },
    }
    tree["seeds"], tree["cross"] = [0], True
    out = tmp_path / "out"
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 1
    said = capsys.readouterr().out
    assert "Networks" in said
    assert "6 of 8 cells" in said
    failures = [message for message in caplog.messages if " failed: " in message]
    assert len(failures) == 2
    for fold, failure in enumerate(failures):
        assert f"networks: too many (seed 0, fold {fold}) failed: " in failure
        assert "too few for 1000 neighbours" in failure
    found = cells(out)
    assert {cell.method["type"] for cell in found.values()} == {"autoencoder", "classical", "ecgmon"}
    tests = []
    for key, cell in found.items():
        assert cell.key == key
        ((name, reading),) = cell.readings.items()
        with np.load(out / "cells" / f"{key}.npz") as file:
            scores, label = file[f"test_score_{name}"].astype(np.float64), file["test_label"]
            assert len(file[f"validation_score_{name}"]) == len(file["validation_label"])
            assert ("example_restored" in file) == (cell.fold == 0)  # all of these restore
        tests.append(label.tolist())
        assert len(label) == sum(cell.n_test.values())
        assert reading.auroc == pytest.approx(auroc(scores[label != "N"], scores[label == "N"]), abs=1e-4)
        at = reading.thresholds["F1"]
        odd = scores >= at.high
        assert at.recall == pytest.approx(odd[label != "N"].mean(), abs=0.02)
        assert at.accuracy_normal == pytest.approx(1 - odd[label == "N"].mean(), abs=0.02)
        assert at.accuracy == pytest.approx((odd == (label != "N")).mean(), abs=0.02)
        if at.precision and at.recall:
            assert at.f1 == pytest.approx(2 * at.precision * at.recall / (at.precision + at.recall))
            assert at.f_beta == pytest.approx(5 * at.precision * at.recall / (4 * at.precision + at.recall))
    assert tests.count(tests[0]) == 6  # the same beats in the same order
    tree = json.loads((out / "compare.json").read_text())
    assert list(tree["experiments"]) == ["networks", "detectors"]
    assert list(tree["experiments"]["networks"]["cells"]) == ["base", "PCA", "too many", "ours"]
    assert {row["variant"] for row in tree["experiments"]["networks"]["rows"]} == {"base", "PCA", "ours"}
    assert list(tree["failed"]) == [f"networks: too many (seed 0, fold {fold})" for fold in range(2)]
    pca = {name: next(row for row in each["rows"] if row["variant"] == "PCA")
           for name, each in tree["experiments"].items()}  # fmt: skip
    assert {name: row["threshold_name"] for name, row in pca.items()} == {
        "networks": "F1",
        "detectors": "MAD",
    }
    assert pca["networks"]["auroc"] == pca["detectors"]["auroc"]
    assert pca["networks"]["threshold"] != pca["detectors"]["threshold"]
    assert tree["not_tested"]["ward"]["in bad signal"]
    assert (
        "Beats of these recordings that are not tested: in bad signal: " in (out / "index.html").read_text()
    )
    assert "<title>" in (out / "index.html").read_text()


Start = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def started() -> Iterator[Start]:
    """Starts ``ecgmon compare``; what a failed test leaves running is ended."""
    processes = []

    def start(config: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "ecgmon.cli", "compare", "--config", str(config)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def _busy(process: subprocess.Popen[str], out: Path, since: set[Path]) -> int:
    """Wait until a cell is finished that was not there; the process id of the worker, on the next one."""
    _wait_until(lambda: bool(set((out / "cells").glob("*.json")) - since), process)
    (worker,) = [
        pid for pid in _children(process.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    time.sleep(0.3)
    return worker


def test_what_is_finished_stays_whatever_happens(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture, started: Start
) -> None:
    """A worker is killed, the run is interrupted, the run is killed, files are damaged: each run adds a
    finished cell, and then hangs on an endless one."""
    caplog.set_level(logging.INFO)
    out = tmp_path / "out"
    endless = {"epochs": 10_000, "patience": 10_000, "batch": 2}
    networks = tree["experiments"]["networks"] | {"methods": {}, "vary": [{"endless": endless}]}
    detectors = tree["experiments"]["detectors"]
    tree["experiments"] = {"detectors": detectors, "networks": networks}
    tree["seeds"] = [0]

    def start(rows: int) -> tuple[subprocess.Popen[str], int, set[Path]]:
        since = set((out / "cells").glob("*.json"))
        detectors["methods"] = {
            f"PCA {kept}": {"type": "classical", "detector": {"type": "pca", "kept": kept}}
            for kept in range(1, rows + 1)
        }
        process = started(write(tree, tmp_path))
        return process, _busy(process, out, since), since

    process, worker, _ = start(1)
    os.kill(worker, signal.SIGKILL)
    printed, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "networks: endless (seed 0, fold 0) failed: its process was killed by SIGKILL" in err
    assert "1 of 2 cells" in printed

    process, worker, since = start(2)
    assert len(since) == 1
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: the workers get it too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; 2 of 3 cells are finished and kept: the same command goes on" in err
    assert "Traceback" not in err
    assert not _alive(worker)
    results = json.loads((out / "compare.json").read_text())
    rows = {name: [row["variant"] for row in each["rows"]] for name, each in results["experiments"].items()}
    assert {name: sorted(found) for name, found in rows.items()} == {
        "detectors": ["PCA 1", "PCA 2"], "networks": [],
    }  # fmt: skip
    assert "PCA 2" in (out / "index.html").read_text()

    process, worker, since = start(3)
    assert len(since) == 2
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while _alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    before = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    first, second, third = before
    assert set(cells(out)) == {path.stem for path in before}
    first.write_text("{")
    arrays = second.with_suffix(".npz")
    arrays.write_bytes(arrays.read_bytes()[:100])
    (out / "cells" / ".half.npz.123").write_bytes(b"half")
    networks["vary"] = [{"short": {}}]
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 0
    assert "4 cells, 1 of them finished before" in caplog.text
    damaged = [message for message in caplog.messages if "damaged, and run again" in message]
    assert len(damaged) == 2
    assert all("\n" not in message for message in damaged)
    assert third.stat().st_mtime_ns == before[third]
    assert first.stat().st_mtime_ns != before[first]
    assert sorted(path.suffix for path in (out / "cells").iterdir()) == [".json"] * 4 + [".npz"] * 4


def test_only_some_are_run_and_what_was_finished_of_the_others_stays(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    tree["experiments"]["networks"]["dataset"] = "other"
    tree["datasets"]["other"] = tree["datasets"]["ward"] | {"layout": "kachuee"}
    tree["experiments"]["third"] = tree["experiments"]["detectors"]
    config = str(write(tree, tmp_path))
    assert run(["compare", "--config", config, "--only", "detectors"]) == 0
    assert "2 of 2 cells" in capsys.readouterr().out
    assert len(list((out / "data").iterdir())) == 1  # the other data set was not read
    assert list(json.loads((out / "compare.json").read_text())["experiments"]) == ["detectors", "third"]
    assert run(["compare", "--config", config, "--only", "networks"]) == 0
    said = capsys.readouterr().out
    assert "4 of 4 cells" in said
    assert "detectors" not in said
    rows = json.loads((out / "compare.json").read_text())["experiments"]
    assert [len(rows[name]["rows"]) for name in ("networks", "detectors", "third")] == [2, 1, 1]
    assert run(["compare", "--config", config]) == 0
    assert "6 of 6 cells" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": {"strict": {"type": "conformal", "rate": 0.0001}}}, "thresholds.strict: .* too few"),
        ({"folds": 5, "seeds": [0]}, "5"),
    ],
)
def test_what_would_fail_in_every_cell_fails_before_the_first(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Tree, message: str
) -> None:
    assert run(["compare", "--config", str(write(tree | change, tmp_path))]) == 2
    said = capsys.readouterr().err.strip()
    assert re.search(message, said)
    assert "\n" not in said
    assert not list((tmp_path / "out" / "cells").iterdir())


def test_two_runs_do_not_share_a_folder(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import fcntl

    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(["compare", "--config", str(write(tree, tmp_path))]) == 2
    assert "another ecgmon compare is writing there" in capsys.readouterr().err


def test_quick_runs_every_row_in_a_folder_of_its_own(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree["experiments"]["networks"]["base"]["epochs"] = 5000
    assert run(["compare", "--config", str(write(tree, tmp_path)), "--quick"]) == 0
    assert not (tmp_path / "out").exists()
    results = json.loads((tmp_path / "out-quick" / "compare.json").read_text())
    assert results["quick"] is True
    assert [row["variant"] for row in results["experiments"]["networks"]["rows"]]
    assert "2 of 2 cells" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "nothing"], "--only: there is no experiment 'nothing'"),
        (["--workers", "0"], "--workers 0: must be from 1 to 256"),
    ],
)
def test_a_wrong_command_is_one_line(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(["compare", "--config", str(write(tree, tmp_path)), *words]) == 2
    assert message in capsys.readouterr().err


def test_somebody_elses_figures_are_not_overwritten(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "out" / "compare.json"
    results.parent.mkdir()
    for content in ('{"mine": 1}', "[1]", "not even JSON"):
        results.write_text(content)
        assert run(["compare", "--config", str(write(tree, tmp_path))]) == 2
        assert "holds no figures of ecgmon compare" in capsys.readouterr().err
        assert results.read_text() == content


def test_somebody_elses_page_is_not_overwritten(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out" / "index.html"
    page.parent.mkdir()
    page.write_text("<html>mine</html>")
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 2
    assert "is no page of ecgmon compare" in capsys.readouterr().err
    assert page.read_text() == "<html>mine</html>"
