"""``ecgmon compare``: real processes, stopped and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
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
    """Five cells on simulated recordings."""
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
                "max_beats_per_patient": 60,
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


def test_everything_is_run_measured_and_written(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree["experiments"]["networks"]["methods"]["ours"] = {
        "type": "ecgmon",
        "fit": {
            "architecture": {"type": "conv", "channels": [4], "latent": 2, "context": 2},
            "training": {"epochs": 1},
        },
    }
    tree["seeds"] = [0]
    out = tmp_path / "out"
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 0
    said = capsys.readouterr().out
    assert "Networks" in said
    assert "4 of 4 cells" in said
    found = cells(out)
    assert {cell.method["type"] for cell in found.values()} == {"autoencoder", "classical", "ecgmon"}
    tests = []
    for key, cell in found.items():
        assert cell.key == key
        ((name, reading),) = cell.readings.items()
        with np.load(out / "cells" / f"{key}.npz") as file:
            scores, label = file[f"test_score_{name}"].astype(np.float64), file["test_label"]
            assert len(file[f"validation_score_{name}"]) == len(file["validation_label"])
            restored = cell.method["type"] != "classical" or cell.method["detector"]["type"] == "pca"
            assert ("example_restored" in file) == restored
        tests.append(label.tolist())
        assert len(label) == sum(cell.n_test.values())
        assert reading.auroc == pytest.approx(auroc(scores[label != "N"], scores[label == "N"]), abs=1e-4)
        (at,) = reading.thresholds.values()
        odd = scores >= at.high
        assert at.recall == pytest.approx(odd[label != "N"].mean(), abs=0.02)
        assert at.accuracy_normal == pytest.approx(1 - odd[label == "N"].mean(), abs=0.02)
        assert at.accuracy == pytest.approx((odd == (label != "N")).mean(), abs=0.02)
        if at.precision and at.recall:
            assert at.f1 == pytest.approx(2 * at.precision * at.recall / (at.precision + at.recall))
            assert at.f_beta == pytest.approx(5 * at.precision * at.recall / (4 * at.precision + at.recall))
    assert tests[0] == tests[1] == tests[2] == tests[3]  # the same beats in the same order
    tree = json.loads((out / "compare.json").read_text())
    assert list(tree["experiments"]) == ["networks", "detectors"]
    assert sorted(sum(tree["experiments"]["networks"]["cells"].values(), [])) == sorted(
        key for key, cell in found.items() if "F1" in next(iter(cell.readings.values())).thresholds
    )
    assert "<title>" in (out / "index.html").read_text()


def test_what_is_finished_is_not_run_again_and_what_is_damaged_is(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = write(tree, tmp_path), tmp_path / "out"
    assert run(["compare", "--config", str(config), "--only", "networks"]) == 0
    first = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    assert len(first) == 8
    key = next(iter(cells(out)))
    (out / "cells" / f"{key}.json").write_text("{")
    other = [path for path in first if path.suffix == ".npz" and path.stem != key][0]
    other.write_bytes(other.read_bytes()[:100])
    (out / "cells" / ".half.npz.123").write_bytes(b"half")
    caplog.clear()
    assert run(["compare", "--config", str(config)]) == 0
    again = {path for path, at in first.items() if path.stat().st_mtime_ns != at}
    assert {path.stem for path in again} == {key, other.stem}
    assert len(list((out / "cells").iterdir())) == 12
    damaged = [record for record in caplog.messages if "damaged" in record]
    assert len(damaged) == 2
    assert "6 cells, 2 of them finished before" in caplog.text
    assert "6 of 6 cells" in capsys.readouterr().out


def _start(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ecgmon.cli", "compare", "--config", str(config)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_goes_on_with_what_is_finished(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: signal.Signals
) -> None:
    long = {"epochs": 10_000, "patience": 10_000, "batch": 8}
    tree["experiments"]["networks"]["vary"] = [{"long": long}]
    tree["experiments"] = dict(reversed(tree["experiments"].items()))  # the long one last
    tree["seeds"] = [0]
    config, out = write(tree, tmp_path), tmp_path / "out"
    with _start(config) as process:
        deadline = time.monotonic() + 120
        while not (out / "cells").exists() or len(list((out / "cells").glob("*.json"))) < 1:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        children = _children(process.pid)
        os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
        _, err = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "finished and kept: the same command goes on with the others" in err
        assert "Traceback" not in err
    deadline = time.monotonic() + 30
    while any(_alive(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}
    assert before
    tree["experiments"]["networks"]["vary"] = [{"long": {}}]
    caplog.clear()
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 0
    assert f"3 cells, {len(before)} of them finished before" in caplog.text
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())


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


def test_a_cell_that_fails_is_one_line_and_the_others_go_on(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {"type": "classical", "detector": {"type": "knn-mean", "neighbours": 1000}}
    tree["experiments"]["networks"]["methods"]["too many"] = many
    tree["seeds"] = [0]
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 1
    failures = [message for message in caplog.messages if " failed: " in message]
    assert len(failures) == 1
    assert "networks: too many (seed 0, fold 0) failed: " in failures[0]
    assert "too few for 1000 neighbours" in failures[0]
    assert "3 of 4 cells" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert list(results["failed"]) == ["networks: too many (seed 0, fold 0)"]


def test_a_worker_that_is_killed_takes_only_its_cell(tree: Tree, tmp_path: Path) -> None:
    tree["experiments"]["networks"]["vary"] = [
        {"endless": {"epochs": 10_000, "patience": 10_000, "batch": 2}}
    ]
    tree["seeds"] = [0]
    out = tmp_path / "out"
    with _start(write(tree, tmp_path)) as process:
        deadline = time.monotonic() + 120
        while not (out / "data").exists() or not list((out / "data").glob("*.npz")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        victim = None
        while victim is None:
            assert time.monotonic() < deadline
            busy = [
                pid for pid in _children(process.pid)
                if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
            ]  # fmt: skip
            victim = busy[0] if busy else None
        time.sleep(0.2)
        os.kill(victim, signal.SIGKILL)
        printed, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "networks: endless (seed 0, fold 0) failed: its process was killed by SIGKILL" in err
    assert "2 of 3 cells" in printed


def test_quick_runs_every_row_in_a_folder_of_its_own(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree["experiments"]["networks"]["base"]["epochs"] = 5000
    assert run(["compare", "--config", str(write(tree, tmp_path)), "--quick"]) == 0
    assert not (tmp_path / "out").exists()
    results = json.loads((tmp_path / "out-quick" / "compare.json").read_text())
    assert results["quick"] is True
    assert [row["variant"] for row in results["experiments"]["networks"]["rows"]]
    assert "3 of 3 cells" in capsys.readouterr().out


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


def test_somebody_elses_page_is_not_overwritten(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "out" / "index.html"
    page.parent.mkdir()
    page.write_text("<html>mine</html>")
    assert run(["compare", "--config", str(write(tree, tmp_path))]) == 2
    assert "is no page of ecgmon compare" in capsys.readouterr().err
    assert page.read_text() == "<html>mine</html>"
