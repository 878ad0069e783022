"""``ecgmon compare``: what it runs, refuses and leaves behind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ecgmon.cli import run
from ecgmon.evaluation.ranking import auroc
from tests.commands.compared import Tree, cells, small, write


@pytest.fixture
def tree(ward: Path, tmp_path: Path) -> Tree:
    return small(ward, tmp_path / "out")


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
