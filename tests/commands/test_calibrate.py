"""``calibrate``, and what is said of patients that trained, on real recordings."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ecgmon.cli import run
from ecgmon.commands.summary import calibration_lines
from ecgmon.model.bundle import load


def cut_record(record: Path, target: Path, seconds: float) -> None:
    """Write the first ``seconds`` of a two-lead record of format 212, and its annotations, as ``target``."""
    samples = round(seconds * 360)
    target.with_suffix(".dat").write_bytes(record.with_suffix(".dat").read_bytes()[: 3 * samples])
    header = [line.split() for line in record.with_suffix(".hea").read_text().splitlines()[:3]]
    lines = [f"{target.name} 2 360 {samples}"]
    lines += [f"{target.name}.dat 212 200 11 1024 0 0 0 {words[-1]}" for words in header[1:]]
    target.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    target.with_suffix(".atr").write_bytes(record.with_suffix(".atr").read_bytes())


def test_calibrate_moves_the_threshold_and_nothing_else(
    trained: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new.safetensors"
    words = ["--model", str(trained), "--data", str(mitdb), "--records", "101,105", "--out", str(out)]
    assert run(["calibrate", *words, "--false-alerts-per-hour", "5", "--method", "quantile"]) == 0
    old, new = load(trained), load(out)
    info = new.metadata.calibration
    assert info is not None
    assert (info.method, info.requested, info.patients) == ("quantile", 5.0, 2)
    data = new.metadata.data
    assert (data.calibration, data.folds, data.calibration_source) == (["101", "105"], 0, "mitdb")
    assert 4000 < data.calibration_beats < 5000
    assert (data.source, data.train) == (old.metadata.data.source, old.metadata.data.train)
    assert info.realised <= 5
    assert old.metadata.training == new.metadata.training
    for part in ("autoencoder", "scoring"):
        for name, tensor in old.part(part).items():
            np.testing.assert_array_equal(tensor, new.part(part)[name])
    assert "quantile" in capsys.readouterr().out


def test_a_threshold_of_the_best_f_beta_claims_no_rate(
    trained: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "f.safetensors"
    words = ["--data", str(mitdb), "--records", "105"]
    assert run(["calibrate", "--model", str(trained), *words, "--out", str(out), "--method", "f-beta"]) == 0
    assert "of the best F-beta; here" in capsys.readouterr().out
    info = load(out).metadata.calibration
    assert info is not None
    assert info.requested is None
    assert run(["evaluate", "--model", str(out), *words, "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["alerts"]["requested_false_per_hour"] is None
    assert figures["beats"]["requested_false_positive_rate"] is None
    assert figures["alerts"]["threshold"] == figures["beats"]["threshold"] == info.threshold


def test_calibrating_on_patients_that_trained_is_warned_of(
    trained: Path, mitdb: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [
        "--model",
        str(trained),
        "--data",
        str(mitdb),
        "--records",
        "119,101",
        "--out",
        str(tmp_path / "x"),
    ]
    assert run(["calibrate", *words]) == 0
    assert "the model was trained on patients of 119:" in caplog.text


def test_measuring_on_patients_that_trained_is_warned_of(
    trained: Path, mitdb: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", str(trained), "--data", str(mitdb), "--records", "119,105"]
    assert run(["evaluate", *words, "--json", "-"]) == 0
    assert "the model was trained on patients of 119:" in caplog.text
    assert json.loads(capsys.readouterr().out)["data"]["seen_in_training"] == ["119"]


def test_a_recording_that_ends_while_learning_cannot_calibrate(
    trained: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_record(mitdb / "100", tmp_path / "short", seconds=120)
    words = ["--model", str(trained), "--data", str(tmp_path), "--out", str(tmp_path / "x")]
    assert run(["calibrate", *words]) == 1
    assert (
        "longer than the 300 s of learning time, calibration.learning_seconds: short"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("words", [["--false-alerts-per-hour", "0"], ["--false-positive-rate", "1"]])
def test_requests_out_of_range_are_one_line(
    trained: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    common = ["--model", str(trained), "--data", str(mitdb), "--out", str(tmp_path / "x")]
    assert run(["calibrate", *common, *words]) == 2
    assert f"{words[0]} {words[1]}: must be above 0" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--false-alerts-per-hour", "--false-positive-rate"])
def test_what_is_no_number_is_called_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    common = ["--model", "default", "--data", str(tmp_path), "--out", str(tmp_path / "x")]
    with pytest.raises(SystemExit, match="2"):
        run(["calibrate", *common, option, "few"])
    assert f"{option}: 'few': must be a number" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--data", "nowhere"], ["--false-positive-rate", "2"], ["--records", "x"]])
def test_no_folder_is_made_for_a_command_that_is_refused(
    trained: Path, mitdb: Path, tmp_path: Path, words: list[str]
) -> None:
    out = tmp_path / "new" / "x.safetensors"
    assert run(["calibrate", "--model", str(trained), "--data", str(mitdb), "--out", str(out), *words]) == 2
    assert not out.parent.exists()


def test_a_target_that_cannot_be_written_is_refused_before_the_work(
    trained: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    common = ["--model", str(trained), "--data", str(mitdb), "--out", str(tmp_path / "file" / "x")]
    assert run(["calibrate", *common]) == 2
    printed = capsys.readouterr()
    assert "not a folder that can be written to" in printed.err
    assert "reading" not in printed.err


def test_requested_against_realised_on_patients_held_out_is_shown_and_kept(
    trained: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new.safetensors"
    words = [
        "--model",
        str(trained),
        "--data",
        str(mitdb),
        "--records",
        "101,105,201,202,207",
        "--out",
        str(out),
    ]
    assert run(["calibrate", *words, "--exclude", "106"]) == 0
    text = capsys.readouterr().out
    assert "held out: 4 patients, each judged by what the others calibrate" in text  # 201 and 202 are one
    info = load(out).metadata.calibration
    assert info is not None
    assert info.held_out is not None
    assert info.held_out.alerts is not None
    assert [row.requested for row in info.held_out.alerts] == [row.requested for row in info.table]
    assert [row.requested for row in info.held_out.false_positives] == [0.001, 0.01, 0.05]
    for row in (*info.held_out.alerts, *info.held_out.false_positives):
        assert row.patients is not None
        assert row.patients.n == 4
    percent = info.held_out.false_positives[1]
    assert text.splitlines()[-3].split()[:3] == ["0.01", f"{percent.realised:.3g}", f"{percent.ratio:.2f}"]
    assert run(["info", str(out)]) == 0
    assert text.rpartition("bundle")[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "says"),
    [("trained", "held out: 4 patients, each"), ("two", "held out: nobody, 2 patient(s) are too few")],
)
def test_info_says_whom_it_held_out(
    trained: Path, mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, says: str
) -> None:
    bundle = trained
    if path == "two":
        bundle = tmp_path / "two.safetensors"
        words = ["--model", str(trained), "--data", str(mitdb), "--records", "101,105", "--out", str(bundle)]
        assert run(["calibrate", *words]) == 0
        capsys.readouterr()
    assert run(["info", str(bundle)]) == 0
    assert says in capsys.readouterr().out


def test_a_calibration_from_before_has_no_figures_held_out(trained: Path) -> None:
    info = load(trained).metadata.calibration
    assert info is not None
    lines = calibration_lines(msgspec.structs.replace(info, held_out=None))
    assert any(line.startswith("held out: not known; calibrate again") for line in lines)
    assert not any("quartiles" in line for line in lines)
