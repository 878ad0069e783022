"""``ecgmon evaluate`` on real recordings and on ready windows, from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgmon import cli
from ecgmon.commands.recordings import labelled
from ecgmon.model.fitting import FitSettings, Origin, Resume, fit_windows
from ecgmon.model.training import TrainingSettings


def evaluate(*arguments: object) -> int:
    return cli.run(["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def result(mitdb: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The shipped bundle on one record with many ventricular beats and one that is nearly normal."""
    target = tmp_path_factory.mktemp("evaluate") / "figures.json"
    assert evaluate("--model", "default", "--data", mitdb, "--records", "100,200", "--json", target) == 0
    found: dict[str, Any] = json.loads(target.read_bytes())
    return found


def test_the_shipped_bundle_tells_ventricular_beats_of_patients_it_has_not_seen(
    result: dict[str, Any],
) -> None:
    assert result["qrs"]["150ms"]["f1"] > 0.995
    assert result["qrs"]["50ms"]["f1"] > 0.985
    assert result["beats"]["per_class_auroc"]["V"] > 0.9
    assert result["records"]["100"]["beats"]["auroc"] > 0.95
    assert 0 < result["beats"]["threshold"] < 0.1


def test_every_annotated_beat_after_five_minutes_is_accounted_for(result: dict[str, Any]) -> None:
    assert result["records"]["100"]["beats"]["n"] == 1902
    assert result["beats"]["n"] == sum(record["beats"]["n"] for record in result["records"].values())
    assert result["alerts"]["hours"] == pytest.approx(2 * (650_000 / 360 - 300) / 3600)


def test_delays_are_no_shorter_than_a_beat_takes_to_be_complete(result: dict[str, Any]) -> None:
    delay = result["alerts"]["median_delay_s"]
    assert delay is None or delay == 0 or delay > 0.3


def test_model_and_data_are_named(result: dict[str, Any]) -> None:
    assert len(result["model"]["hash"]) == 64
    assert result["data"]["leads"] == {"100": "MLII", "200": "MLII"}
    assert (result["data"]["learning_s"], result["data"]["beats"]) == (300, "own")


CONTRACT: dict[str, Any] = {
    "qrs": {at: {"sensitivity", "ppv", "f1"} for at in ("150ms", "50ms")},
    "beats": {
        "n", "n_anomalous", "auroc", "auprc", "mean_record_auroc", "per_class_auroc", "threshold",
        "sensitivity", "specificity", "ppv", "f1", "requested_false_positive_rate",
        "realised_false_positive_rate",
    },
    "alerts": {
        "n", "false_per_hour", "requested_false_per_hour", "episode_sensitivity", "median_delay_s",
        "p99_delay_s",
    },
}  # fmt: skip
"""What DESIGN.md promises of ``evaluate --json``; there may be more."""


def test_every_key_of_the_contract_is_there(result: dict[str, Any]) -> None:
    assert list(result) == ["qrs", "beats", "alerts", "records", "model", "data"]
    assert list(result["records"]) == ["100", "200"]
    for part in (result, *result["records"].values()):
        assert list(part["qrs"]) == list(CONTRACT["qrs"])
        for at, keys in CONTRACT["qrs"].items():
            assert keys <= part["qrs"][at].keys()
        assert CONTRACT["beats"] <= part["beats"].keys()
        assert list(part["beats"]["per_class_auroc"]) == ["S", "V", "F", "Q"]
        assert CONTRACT["alerts"] <= part["alerts"].keys()
    assert {"name", "hash"} <= result["model"].keys()
    assert result["data"]["seen_in_training"] == []


def test_false_positives_are_reported_at_three_rates_with_their_spread(result: dict[str, Any]) -> None:
    rates = result["beats"]["false_positive_rates"]
    assert [rate["requested"] for rate in rates] == [0.001, 0.01, 0.05]
    assert rates[0]["realised"] <= rates[1]["realised"] <= rates[2]["realised"]
    for i, rate in enumerate(rates):
        own = [record["beats"]["false_positive_rates"][i] for record in result["records"].values()]
        assert rate["ratio"] == pytest.approx(rate["realised"] / rate["requested"])
        assert min(r["realised"] for r in own) <= rate["realised"] <= max(r["realised"] for r in own)
        assert (rate["patients"]["n"], own[0]["patients"]["n"]) == (2, 1)
        assert rate["patients"]["max"] == max(r["realised"] for r in own)
        assert rate["patients"]["quartiles"][0] <= rate["patients"]["median"]


def test_records_of_one_name_in_folders_below_are_both_there(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for patient in ("p1", "p2"):
        (tmp_path / patient).mkdir()
        for suffix in ("hea", "dat", "atr"):
            (tmp_path / patient / f"100.{suffix}").symlink_to(mitdb / f"100.{suffix}")
    (tmp_path / "RECORDS").write_text("p1/100\np2/100\n")
    words = ["--model", "default", "--data", tmp_path, "--beats", "reference", "--json", "-"]
    assert evaluate(*words) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures["records"]) == list(figures["data"]["leads"]) == ["p1/100", "p2/100"]
    assert figures["records"]["p1/100"] == figures["records"]["p2/100"]


def test_reference_beats_leave_the_detector_unjudged(mitdb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(
        "--model", "default", "--data", mitdb, "--records", "100", "--beats", "reference", "--json", "-"
    ) == 0  # fmt: skip
    figures = json.loads(capsys.readouterr().out)
    assert figures["qrs"] is None
    assert figures["beats"]["n_missed"] + figures["beats"]["n_invented"] == 0


def test_the_detector_is_judged_over_whole_records_on_request(
    mitdb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        evaluate("--model", "default", "--data", mitdb, "--records", "100", "--from-start", "--json", "-")
        == 0
    )
    figures = json.loads(capsys.readouterr().out)
    assert figures["qrs"]["150ms"]["n"] == 2273
    assert figures["beats"]["n"] == 1902


def test_a_smaller_rate_of_false_alerts_gives_alerts_a_smaller_threshold_and_leaves_beats_theirs(
    mitdb: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts, beats = [], []
    for rate in ("0.1", "0.5", "5"):
        evaluate(
            "--model",
            "default",
            "--data",
            mitdb,
            "--records",
            "100",
            "--json",
            "-",
            "--false-alerts-per-hour",
            rate,
        )
        figures = json.loads(capsys.readouterr().out)
        assert figures["alerts"]["requested_false_per_hour"] == float(rate)
        alerts.append(figures["alerts"]["threshold"])
        beats.append(figures["beats"]["threshold"])
    assert alerts[0] < alerts[1] < alerts[2]
    assert beats[0] == beats[1] == 0.01
    assert beats[2] == alerts[2] > 0.01  # a beat that counts towards an alert is odd


def test_without_json_a_table_is_printed(mitdb: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--model", "default", "--data", mitdb, "--records", "100") == 0
    out = capsys.readouterr().out
    assert "within 150 ms" in out
    assert "1902 annotated" in out


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--records", "999"), 2, "record '999' is not in"),
        (("--records", "100", "--lead", "aVR"), 1, "MLII"),
        (("--records", "100", "--json", "/dev/null/x.json"), 2, "not a folder that can be written to"),
        (("--records", "100", "--model", "nowhere.safetensors"), 1, "nowhere.safetensors"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    mitdb: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int, says: str
) -> None:
    assert evaluate("--model", "default", "--data", mitdb, *options) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    "wrong",
    [
        ("--data", "nowhere"),
        ("--records", "999"),
        ("--model", "nowhere"),
        ("--noise-data", "."),
        ("--config", "x"),
    ],
)
def test_no_folder_is_made_for_a_command_that_is_refused(
    trained: Path, mitdb: Path, tmp_path: Path, wrong: tuple[str, str]
) -> None:
    words = {"--model": trained, "--data": mitdb, "--records": "100"} | dict([wrong])
    targets = ["--json", tmp_path / "a" / "x.json", "--report", tmp_path / "b"]
    assert evaluate(*(word for pair in words.items() for word in pair), *targets) in {1, 2}
    assert list(tmp_path.iterdir()) == []


def test_missing_annotations_are_one_line(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in ("hea", "dat"):
        shutil.copy(mitdb / f"100.{suffix}", tmp_path)
    assert evaluate("--model", "default", "--data", tmp_path) == 1
    assert "100.atr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rate", "says"),
    [
        ("0", "must be above 0"),
        ("-1", "must be above 0"),
        ("nan", "must be above 0"),
        ("many", "must be a number"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: str, says: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        evaluate("--model", "default", "--data", tmp_path, "--false-alerts-per-hour", rate)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


# Ready windows


@pytest.fixture(scope="module")
def windows(mitdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Windows in the layout of the Kaggle file, cut from record 208: its normal and its ventricular beats."""
    record = labelled(mitdb / "208", layout="kachuee")
    path = tmp_path_factory.mktemp("windows") / "windows.csv"
    codes = {"N": 0, "V": 2}
    rows = [
        ",".join([*(f"{value:.5f}" for value in beat.window), f"{codes[label]}.0"])
        for beat, label in zip(record.beats, record.labels, strict=True)
        if label in codes and beat.good
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def window_bundle(windows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small autoencoder, trained for a moment on the normal ones of these windows."""
    folder = tmp_path_factory.mktemp("bundle")
    table = np.loadtxt(windows, delimiter=",", dtype=np.float32)
    settings = FitSettings(layout="kachuee", training=TrainingSettings(epochs=8))
    origin = Origin(source="208", lead="0")
    fitted = fit_windows(
        table[:, :187],
        table[:, 187].astype(np.int64),
        settings,
        origin,
        Resume(folder / "state", progress=False),
    )
    path = folder / "windows.safetensors"
    fitted.bundle.save(path)
    return path


def test_windows_are_ranked_and_have_neither_detector_nor_alerts(
    windows: Path, window_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--model", window_bundle, "--data", windows, "--json", "-") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["qrs"], figures["alerts"]) == (None, None)
    assert figures["beats"]["per_class_auroc"]["V"] > 0.8
    assert figures["beats"]["requested_false_positive_rate"] == pytest.approx(0.01)
    assert figures["beats"]["realised_false_positive_rate"] == pytest.approx(0.01, abs=0.02)
    assert figures["beats"]["n_anomalous"] > 900
    percent = figures["beats"]["false_positive_rates"][1]
    assert percent["realised"] == figures["beats"]["realised_false_positive_rate"]
    assert percent["patients"] is None


def test_labels_of_two_kinds_name_no_class(
    windows: Path, window_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = np.loadtxt(windows, delimiter=",", dtype=np.float32)
    table[:, 187] = table[:, 187] > 0
    np.savetxt(tmp_path / "two.csv", table, delimiter=",", fmt="%.5f")
    assert evaluate("--model", window_bundle, "--data", tmp_path / "two.csv", "--json", "-") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["beats"]["per_class_auroc"] is None
    assert figures["beats"]["auroc"] > 0.8
    assert evaluate("--model", window_bundle, "--data", tmp_path / "two.csv") == 0
    assert "AUROC" in capsys.readouterr().out


def test_windows_without_labels_cannot_be_evaluated(
    windows: Path, window_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row.rpartition(",")[0] for row in windows.read_text().splitlines()]
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    assert evaluate("--model", window_bundle, "--data", tmp_path / "bare.csv") == 1
    assert "no labels in column 188" in capsys.readouterr().err


def test_options_for_recordings_are_refused_for_windows(
    windows: Path, window_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--model", window_bundle, "--data", windows, "--lead", "0") == 2
    assert "--lead is for recordings" in capsys.readouterr().err
