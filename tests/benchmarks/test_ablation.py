"""The ablation's table is what the evaluation says, and its trainings are shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SCRIPT = Path(__file__).with_name("ablation.py")
SMALL = {
    "data": "nowhere",
    "architecture": {"type": "conv", "channels": [4, 8], "latent": 4, "context": 4},
    "training": {"epochs": 2, "max_beats_per_patient": 150, "device": "cpu"},
    "split": {"folds": 2},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "train.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    return path


def ablation(mitdb: Path, out: Path, config: Path, *words: str) -> list[list[str]]:
    """The cells of the rows that it prints."""
    command = [sys.executable, SCRIPT, "--data", mitdb, "--out", out, "--config", config, *words]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    assert rows[0][:3] == ["step", "AUROC", "V"]
    return rows[2:]


def test_rows_are_evaluated_and_those_of_one_autoencoder_share_its_trainings(
    mitdb: Path, tmp_path: Path, config: Path
) -> None:
    words = ["--train", "100,103,119,208", "--test", "200", "--rows", "restore,rhythm,plain"]
    rows = ablation(mitdb, tmp_path, config, *words)
    # Two folds and the model: once for the first two rows, once for the plain autoencoder.
    assert len(list(tmp_path.glob("*.training*"))) == 6
    result = json.loads((tmp_path / "ds2-rhythm.json").read_bytes())
    assert list(result["records"]) == ["200"]
    assert result["alerts"]["requested_false_per_hour"] == 1.0
    beats, alerts = result["beats"], result["alerts"]
    expected = [
        beats["auroc"], beats["per_class_auroc"]["V"], beats["per_class_auroc"]["S"],
        beats["mean_record_auroc"], beats["auprc"], beats["f1"], alerts["false_per_hour"],
        alerts["episode_sensitivity"],
    ]  # fmt: skip
    assert rows[1] == ["+ rhythm", *(f"{value:.3f}" for value in expected)]
    table = json.loads((tmp_path / "ds2.json").read_bytes())
    assert list(table) == ["restore", "rhythm", "plain"]
    assert list(table["rhythm"].values()) == expected
    assert table["restore"]["AUROC"] != table["rhythm"]["AUROC"]

    plain = json.loads((tmp_path / "ds2-plain.json").read_bytes())
    assert plain["model"]["settings"]["architecture"]["context"] == 0
    assert plain["beats"]["auroc"] < beats["auroc"]


def test_by_folds_each_patient_is_measured_once_and_ranking_shows_no_threshold(
    mitdb: Path, tmp_path: Path, config: Path
) -> None:
    words = ["--train", "100,103,119,201,202,208,233", "--on", "ds1-folds", "--ranking", "--rows", "rhythm"]
    (row,) = ablation(mitdb, tmp_path, config, *words)
    assert row[-3:] == ["-", "-", "-"]
    assert float(row[2]) > 0.8
    assert len(list(tmp_path.glob("*.training*"))) == 2  # one for each half
    halves = json.loads((tmp_path / "ds1-folds-ranking-rhythm.json").read_bytes())["data"]["measured"]
    assert sorted(name for half in halves for name in half) == words[1].split(",")
    assert [("201" in half, "202" in half) for half in halves] in (
        [(True, True), (False, False)],
        [(False, False), (True, True)],
    )


def test_a_row_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--data", tmp_path, "--out", tmp_path, "--rows", "plain,best"]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no row 'best'" in done.stderr.splitlines()[-1]
