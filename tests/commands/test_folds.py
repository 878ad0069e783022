"""``evaluate --folds`` on real recordings: every patient judged once, by a model that did not see them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecgmon import cli

RECORDS = "100,103,119,201,202,208"


def evaluate(*arguments: object) -> int:
    return cli.run(["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def config(small: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small training without folds of its own; its data and records are not there to be used."""
    path = tmp_path_factory.mktemp("config") / "train.yaml"
    path.write_text(yaml.safe_dump(small | {"data": "nowhere", "records": "999", "split": {"folds": 0}}))
    return path


@pytest.fixture(scope="module")
def result(mitdb: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three folds of five patients; nothing of the trainings may be left over."""
    folder = tmp_path_factory.mktemp("folds")
    target = folder / "figures.json"
    scratch = folder / "scratch"
    scratch.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        words = ["--folds", 3, "--config", config, "--data", mitdb, "--records", f"{RECORDS},105"]
        assert evaluate(*words, "--exclude", "105,106", "--json", target) == 0
    assert list(scratch.glob("ecgmon*")) == []
    found: dict[str, Any] = json.loads(target.read_bytes())
    return found


def test_every_record_is_in_one_fold_and_one_heart_in_one(result: dict[str, Any]) -> None:
    folds = result["data"]["folds"]
    assert len(folds) == 3
    assert sorted(name for fold in folds for name in fold) == RECORDS.split(",")
    assert [("201" in fold, "202" in fold) for fold in folds].count((True, True)) == 1
    assert result["data"]["patients"] == {"202": "201"}
    assert list(result["records"]) == list(result["data"]["leads"]) == RECORDS.split(",")


def test_no_model_saw_the_patients_it_judged(result: dict[str, Any]) -> None:
    models = result["model"]["folds"]
    patient = result["data"]["patients"]
    for held_out, model in zip(result["data"]["folds"], models, strict=True):
        seen = {*model["train"], *model["validation"], *model["calibration"]}
        judged = {patient.get(name, name) for name in held_out}
        assert not seen & judged
        assert seen | judged == {"100", "103", "119", "201", "208"}
        for name in held_out:
            found = result["records"][name]
            assert found["alerts"]["threshold"] == model["threshold"]
            assert found["beats"]["threshold"] == max(model["beat_threshold"], model["threshold"])
    assert len({model["hash"] for model in models}) == 3
    assert result["model"]["settings"]["training"]["epochs"] == 2


def test_the_figures_have_the_shape_of_one_model(result: dict[str, Any]) -> None:
    assert list(result) == ["qrs", "beats", "alerts", "records", "model", "data"]
    assert {"path", "name", "hash", "layout"} <= result["model"].keys()
    assert result["data"]["seen_in_training"] == []
    assert result["beats"]["n"] == sum(record["beats"]["n"] for record in result["records"].values())
    thresholds = [record["beats"]["threshold"] for record in result["records"].values()]
    assert result["beats"]["threshold"] == pytest.approx(sum(thresholds) / len(thresholds))
    assert result["beats"]["thresholds"] == [min(thresholds), max(thresholds)]
    of_alerts = [record["alerts"]["threshold"] for record in result["records"].values()]
    assert result["alerts"]["threshold"] == pytest.approx(sum(of_alerts) / len(of_alerts))
    assert result["alerts"]["thresholds"] == [min(of_alerts), max(of_alerts)]
    low, high = result["beats"]["thresholds"]
    assert low < result["beats"]["requested_false_positive_rate"] < high
    assert result["beats"]["per_class_auroc"]["V"] > 0.9
    assert result["alerts"]["requested_false_per_hour"] == 1.0


@pytest.mark.parametrize(
    ("words", "changes", "says"),
    [
        (["--folds", "6"], {}, "--folds 6: there are 5 patient(s)"),
        (["--folds", "2"], {}, "fold 1 of 2: split: 2 patient(s) cannot be divided"),
        (
            ["--folds", "5"],
            {"split": {"folds": 4}},
            "fold 1 of 5: split: 3 patient(s) cannot be divided into 4",
        ),
        (
            ["--folds", "3"],
            {"split": {"validation_patients": ["100"], "calibration_patients": ["103"]}},
            "names validation_patients, who would be held out by turns",
        ),
        (["--folds", "3"], {"patients": {"2O2": "201"}}, "there is no record '2O2'"),
        (["--folds", "3"], {"epochs": 3}, "unknown key 'epochs'"),
        (["--model", "default"], {}, "says what --folds trains"),
    ],
)
def test_what_cannot_be_divided_is_one_line_before_any_training(
    mitdb: Path,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    changes: dict[str, object],
    says: str,
) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | changes))
    assert evaluate(*words, "--config", path, "--data", mitdb, "--records", RECORDS) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecgmon ")]
    assert len(lines) == 1
    assert says in lines[0]


def test_a_fold_without_normal_beats_to_stop_by_is_named_before_any_training(
    mitdb: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 107 is paced throughout: three of the other four patients are left to train, one of them to stop by.
    words = ["--config", config, "--data", mitdb, "--records", "100,107,118,124", "--folds", 4]
    assert evaluate(*words) == 1
    assert "(107) has a normal beat of good quality; --exclude them" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--model", "default", "--folds", "3"], ["--folds", "1"]])
def test_one_model_or_folds_must_be_asked_for(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        evaluate(*words, "--data", tmp_path)
    assert caught.value.code == 2


def test_ready_windows_name_no_patients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w.csv").write_text(",".join(["0.5"] * 187 + ["0"]) + "\n")
    assert evaluate("--folds", 3, "--data", tmp_path / "w.csv") == 2
    assert "--folds is for recordings" in capsys.readouterr().err
