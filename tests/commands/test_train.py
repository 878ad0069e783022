"""``train``, ``calibrate``, ``info`` through the command line, on real recordings and a CSV of windows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from ecgmon import config
from ecgmon.cli import run
from ecgmon.commands.training_data import TrainSettings
from ecgmon.ecg.types import WINDOW
from ecgmon.model.bundle import load

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = {
    "layout": "kachuee",
    "architecture": {"type": "conv", "channels": [4, 8], "latent": 4, "context": 0},
    "training": {"epochs": 6, "batch": 16, "device": "cpu"},
}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(data: Path, base: dict[str, object], /, **changes: object) -> Path:
        path = tmp_path / "train.yaml"
        path.write_text(yaml.safe_dump({"data": str(data)} | base | changes))
        return path

    return _write


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 normal windows (0) and 40 wide ones (2), as in the Kaggle files."""
    rng = np.random.default_rng(0)
    t = np.arange(WINDOW) / 125

    def beats(n: int, width: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        at = 0.9 + 0.02 * rng.standard_normal((n, 1))
        x = np.exp(-0.5 * (t / width) ** 2) + np.exp(-0.5 * ((t - at) / width) ** 2)
        return np.asarray(np.clip(x + 0.01 * rng.random((n, WINDOW)), 0, 1))

    rows = np.concatenate([beats(300, 0.02), beats(40, 0.06)])
    labels = np.repeat([0.0, 2.0], [300, 40])
    path = tmp_path_factory.mktemp("windows") / "windows.csv"
    np.savetxt(path, np.column_stack([rows, labels]), delimiter=",", fmt="%.6f")
    return path


def one_line_error(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecgmon ")]
    assert len(lines) == 1
    return lines[0]


def test_training_on_recordings_gives_a_calibrated_bundle_and_a_picture(
    trained: Path, small: dict[str, object]
) -> None:
    metadata = load(trained, layout="centred").metadata
    assert sorted((*metadata.data.train, *metadata.data.validation)) == str(small["records"]).split(",")
    assert metadata.data.train == metadata.data.calibration
    assert metadata.calibration is not None
    assert metadata.calibration.requested == 1.0
    assert metadata.calibration.realised <= 1.0
    assert metadata.calibration.hours == pytest.approx(4 * 25 / 60, abs=0.1)
    assert metadata.window_calibration is not None
    assert sorted(path.name for path in trained.parent.iterdir()) == [
        "a.loss.png",
        "a.safetensors",
        "train.yaml",
    ]


def test_training_twice_gives_the_same_file(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.safetensors"
    assert run(["train", "--config", str(trained.parent / "train.yaml"), "--out", str(out)]) == 0
    assert out.read_bytes() == trained.read_bytes()


def test_info_tells_a_person_and_a_program(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(trained)]) == 0
    text = capsys.readouterr().out
    assert "by patient, 2 folds" in text
    assert load(trained).hash in text
    assert run(["info", str(trained), "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["hash"] == load(trained).hash
    assert tree["architecture"]["type"] == "conv"
    assert tree["tensors"]["calibration.grid"].startswith("float64")


def test_training_on_windows_works_end_to_end(
    csv: Path,
    tmp_path: Path,
    write: Write,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "w.safetensors"
    assert run(["train", "--config", str(write(csv, WINDOWS)), "--out", str(out)]) == 0
    assert "divided by row" in caplog.text
    bundle = load(out, layout="kachuee")
    assert bundle.metadata.data.split_by == "row"
    assert bundle.metadata.calibration is None
    capsys.readouterr()
    assert run(["evaluate", "--model", str(out), "--data", str(csv), "--json", "-"]) == 0
    beats = json.loads(capsys.readouterr().out)["beats"]
    assert beats["auroc"] > 0.95
    assert beats["mean_record_auroc"] is None

    again = tmp_path / "again.safetensors"
    words = ["--model", str(out), "--data", str(csv), "--out", str(again)]
    assert run(["calibrate", *words, "--false-positive-rate", "0.05"]) == 0
    info = load(again).metadata.window_calibration
    assert info is not None
    assert info.threshold == 0.05
    assert load(again).metadata.data.calibration_source == "windows.csv"

    # Recordings are refused before any of them is read: this one does not exist as data.
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "100.hea").touch()
    for words in (
        ["evaluate", "--data", str(tmp_path / "r")],
        ["calibrate", "--data", str(tmp_path / "r"), "--out", str(again)],
        ["scan", str(tmp_path / "r"), "--out", str(tmp_path / "s")],
    ):
        capsys.readouterr()
        assert run([words[0], "--model", str(out), *words[1:]]) == 1
        assert "trained on single windows, and cannot judge recordings" in capsys.readouterr().err


def test_a_training_without_matplotlib_lacks_the_picture_alone(
    csv: Path,
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as the import system sees what is not installed
    out = tmp_path / "w.safetensors"
    assert run(["train", "--config", str(write(csv, WINDOWS)), "--out", str(out)]) == 0
    assert "no curve without matplotlib (pip install 'ecgmon[report]')" in capsys.readouterr().out
    assert load(out, layout="kachuee").metadata.training.epochs > 0
    assert not out.with_suffix(".loss.png").exists()


def test_an_interrupted_training_is_gone_on_with(
    csv: Path, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(csv, WINDOWS)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert run(["train", "--config", str(path), "--out", str(whole)]) == 0

    from ecgmon.model import checkpoint

    save, saved = checkpoint.save, []

    def interrupt(*args: object) -> None:
        save(*args)  # type: ignore[arg-type]
        saved.append(args)
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupt)
    assert run(["train", "--config", str(path), "--out", str(resumed)]) == 130
    assert not resumed.exists()
    monkeypatch.setattr(checkpoint, "save", save)
    assert run(["train", "--config", str(path), "--out", str(resumed), "--resume"]) == 0
    assert resumed.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.training*"))


def test_a_training_interrupted_in_a_fold_is_gone_on_with(
    mitdb: Path,
    tmp_path: Path,
    write: Write,
    small: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from ecgmon.model import checkpoint

    path = write(mitdb, small)
    save = checkpoint.save

    def interrupt(*args: object) -> None:
        save(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", interrupt)
    words = ["train", "--config", str(path), "--out", str(tmp_path / "x")]
    assert run(words) == 130
    assert run([*words, "--resume"]) == 130
    assert "no interrupted training" not in caplog.text


def test_patients_of_records_that_are_not_there_are_refused(
    mitdb: Path, tmp_path: Path, write: Write, small: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(mitdb, small, patients={"2O2": "201"})
    assert run(["train", "--config", str(path), "--out", str(tmp_path / "x")]) == 2
    assert "patients: there is no record '2O2' in" in one_line_error(capsys)


def test_records_of_one_name_in_folders_below_are_patients_of_their_own(
    mitdb: Path,
    tmp_path: Path,
    write: Write,
    small: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ecgmon.model import judging, restorer

    devices: list[str] = []

    class Noted(restorer.Restorer):
        def __init__(self, model: Any, device: Any = "auto") -> None:
            devices.append(device)
            super().__init__(model, device)

    monkeypatch.setattr(judging, "Restorer", Noted)
    below = {"p1/100": "100", "p2/100": "103", "p3/100": "119"}
    for name, record in below.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.atr").symlink_to(mitdb / f"{record}.atr")
        (tmp_path / f"{name}.hea").symlink_to(mitdb / f"{record}.hea")
        (tmp_path / name).with_name(f"{record}.dat").symlink_to(mitdb / f"{record}.dat")
    path = write(tmp_path, small, records=",".join(below), split={"folds": 0})
    assert run(["train", "--config", str(path), "--out", str(tmp_path / "x")]) == 0
    data = load(tmp_path / "x").metadata.data
    assert sorted((*data.train, *data.validation, *data.calibration)) == list(below)
    assert devices == ["cpu"]  # the one configured, not whatever there is


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"layout": "centred"}, 2, "has the layout 'kachuee'"),
        ({"records": "100"}, 2, "names no records"),
        ({"trainning": {}}, 2, "unknown key 'trainning'; did you mean 'training'"),
        ({"training": {"epochs": 0}}, 2, "training.epochs"),
        ({"architecture": {"type": "conv", "kernel": 4}}, 2, "kernel 4 is even"),
        ({"calibration": {"method": "guess"}}, 2, "calibration.method"),
        ({"data": "nowhere"}, 2, "nowhere: no such file or folder"),
        ({"name": "a/b"}, 2, "name"),
        ({"seed": -1}, 2, "seed"),
        ({"seed": 2**63}, 2, "seed"),
    ],
)
def test_bad_configurations_are_one_line(
    csv: Path, tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str],
    changes: dict[str, object], code: int, message: str,
) -> None:  # fmt: skip
    assert (
        run(["train", "--config", str(write(csv, WINDOWS, **changes)), "--out", str(tmp_path / "x")]) == code
    )
    assert message in one_line_error(capsys)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "windows.csv"),
        ("a,b,c\n1,2,3\n", "windows.csv"),
        (",".join(["0.5"] * 187 + ["1"]) + "\n", "labelled normal"),
    ],
    ids=["empty", "text", "nothing normal"],
)
def test_bad_windows_are_one_line(
    tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str], rows: str, message: str
) -> None:
    data = tmp_path / "windows.csv"
    data.write_text(rows)
    assert run(["train", "--config", str(write(data, WINDOWS)), "--out", str(tmp_path / "x")]) == 1
    assert message in one_line_error(capsys)


def test_too_few_patients_are_one_line(
    mitdb: Path, tmp_path: Path, write: Write, small: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(mitdb, small, records="100,101")
    assert run(["train", "--config", str(path), "--out", str(tmp_path / "x")]) == 2
    assert "at least 3 are needed" in one_line_error(capsys)


def test_two_recordings_of_one_patient_stay_together(
    mitdb: Path, tmp_path: Path, write: Write, small: dict[str, object]
) -> None:
    path = write(mitdb, small, records="100,101,201,202,103", patients={"202": "201"}, split={"folds": 0})
    assert run(["train", "--config", str(path), "--out", str(tmp_path / "x")]) == 0
    data = load(tmp_path / "x").metadata.data
    assert sorted((*data.train, *data.validation, *data.calibration)) == ["100", "101", "103", "201"]


def test_windows_cannot_calibrate_a_model_of_another_layout(
    trained: Path, csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibrate", "--model", str(trained), "--data", str(csv), "--out", str(tmp_path / "x")]) == 2
    assert "layout 'centred'" in one_line_error(capsys)


def test_the_shipped_configuration_says_what_the_defaults_are() -> None:
    path = ROOT / "configs" / "train.yaml"
    shipped = config.load(path, TrainSettings)
    tree = yaml.safe_load(path.read_text())
    bare = config.convert({"data": tree["data"], "records": tree["records"]}, TrainSettings, where="test")
    assert msgspec.to_builtins(shipped) == msgspec.to_builtins(bare)
