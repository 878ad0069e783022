"""``ecgmon bench`` from the command line: each part small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecgmon import cli
from ecgmon.bench.detectors import DETECTORS
from ecgmon.commands.training_data import TrainSettings
from ecgmon.config import load

ROOT = Path(__file__).resolve().parent.parent.parent


def bench(path: Path, *arguments: object) -> dict[str, Any]:
    """The JSON of a run that has to end well."""
    assert cli.run(["bench", *map(str, arguments), "--quick", "--json", str(path)]) == 0
    found: dict[str, Any] = json.loads(path.read_text())
    assert found["schema"] == "ecgmon.bench/1"
    assert found["machine"]["cores"] >= 1
    return found


def test_scan_measures_ours_beside_the_peers_that_are_installed(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = bench(tmp_path / "scan.json", "scan", "--data", ward, "--records", "a,b", "--repeat", 2)
    rows = {row["name"]: row for row in found["rows"]}
    assert found["settings"]["hours"] == pytest.approx(4 / 60, abs=0.01)
    assert len(rows["ecgmon scan"]["runs"]) == len(rows["wfdb XQRS"]["runs"]) == 2
    assert 0 < rows["ecgmon frontend"]["median"] < rows["ecgmon scan"]["median"]
    assert rows["wfdb XQRS"]["ratio"] == pytest.approx(
        rows["wfdb XQRS"]["median"] / rows["ecgmon scan"]["median"]
    )
    text = capsys.readouterr().out
    for detector in DETECTORS:
        line = next(line for line in text.splitlines() if line.startswith(detector.name))
        assert ("not installed" in line) is not detector.installed
    assert found["beats"]["wfdb XQRS"] == found["beats"]["XQRS + conv AE"] > 200


def test_without_recordings_simulated_patients_are_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECGMON_DATA", raising=False)
    found = bench(tmp_path / "scan.json", "scan")
    assert found["settings"]["data"] == "simulated"
    assert found["rows"][0]["median"] > 0


def test_scorer_measures_each_net_and_all_of_scoring(tmp_path: Path) -> None:
    found = bench(tmp_path / "scorer.json", "scorer")
    rows = {(row["net"], row["batch"], row["name"]): row["median"] for row in found["rows"]}
    for net in ("conv", "lstm", "conv-lstm"):
        assert rows[net, 32, "ecgmon"] > rows[net, 1, "ecgmon"] > 0
        assert rows[net, 32, "plain torch"] > 0
    assert 0 < rows["Scorer.score", 32, "Scorer.score"] < rows["conv", 32, "ecgmon"] * 1.5
    assert found["cuda"] is None


def test_train_is_a_process_of_its_own(
    mitdb: Path, small: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump({"data": "elsewhere"} | small))
    found = bench(
        tmp_path / "train.json", "train", "--config", config, "--data", mitdb, "--records", "100,103,119,200"
    )
    (row,) = found["rows"]
    assert row["median"] > 1.0
    assert row["megabytes"][0] > 50
    assert "2 epochs" in capsys.readouterr().out


def test_train_without_a_configuration_is_the_shipped_one() -> None:
    shipped = load(ROOT / "configs" / "train.yaml", TrainSettings)
    assert TrainSettings(data=shipped.data, records="DS1") == shipped


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scan", "--repeat", "0"], "--repeat 0"),
        (["live", "--streams", "10,many"], "--streams 10,many"),
        (["live", "--streams", "0"], "streams"),
        (["live", "--plot", "growth.pdf"], "growth.pdf"),
        (["scan", "--data", "nowhere"], "nowhere"),
        (["train", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert said in error[0]


def test_records_without_a_folder_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ECGMON_DATA", raising=False)
    assert cli.run(["bench", "scan", "--records", "100"]) == 2
    assert "--data" in capsys.readouterr().err
