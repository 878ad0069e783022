"""``ecgmon windows``: recordings to the CSV of the public heartbeat files, and back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from ecgmon.cli import run
from ecgmon.commands.recordings import labelled
from ecgmon.sources.windows import read_windows

CLASSES = "NSVFQ"


def test_windows_come_back_as_they_were_cut(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "a.csv"
    assert run(["windows", "--data", str(ward), "--records", "a,b", "--out", str(out)]) == 0
    expected = [
        (beat.window, label)
        for name in "ab"
        for record in [labelled(ward / name, layout="kachuee")]
        for beat, label in zip(record.beats, record.labels, strict=True)
        if beat.good and label
    ]
    found = read_windows(out)
    assert found.labels is not None
    assert [CLASSES[label] for label in found.labels] == [label for _, label in expected]
    assert np.abs(found.x - np.stack([window for window, _ in expected])).max() <= 5.1e-7
    by_hand = [
        [*(f"{value:.6f}" for value in np.clip(window, 0, 1).astype(float)), f"{CLASSES.index(label)}.0"]
        for window, label in expected[:50]
    ]
    assert [line.split(",") for line in out.read_text().splitlines()[:50]] == by_hand
    line = out.read_text().splitlines()[0].split(",")
    assert len(line) == 188
    assert line[-1] == "0.0"
    said = capsys.readouterr().out
    counts = Counter(label for _, label in expected)
    assert (
        f"windows   {len(expected)} of 2 records: {counts['N']} N, {counts['S']} S, {counts['V']} V" in said
    )
    assert list(out.parent.iterdir()) == [out]


def test_what_is_left_out_is_counted(ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.csv"
    assert run(["windows", "--data", str(ward), "--records", "x", "--out", str(out), "--skip-learning"]) == 0
    record = labelled(ward / "x", layout="kachuee")
    early = sum(beat.r < 300 for beat in record.beats)
    late = [
        (beat.good, label) for beat, label in zip(record.beats, record.labels, strict=True) if beat.r >= 300
    ]
    bad = sum(not good for good, label in late if label)
    said = capsys.readouterr().out
    assert early > 100
    assert f"{early} in the first five minutes" in said
    assert bad > 0
    assert f"{bad} in bad signal" in said
    assert len(read_windows(out).x) == sum(good and bool(label) for good, label in late)


def test_the_annotators_r_peaks_leave_nothing_without_annotation(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["windows", "--data", str(ward), "--out", str(tmp_path / "w.csv")]
    assert run([*words, "--exclude", "b,c,d,x,y", "--beats", "reference", "--lead", "II"]) == 0
    said = capsys.readouterr().out
    assert "of 1 records" in said
    assert "without annotation" not in said


def test_a_model_can_be_trained_on_it(ward: Path, tmp_path: Path) -> None:
    out = tmp_path / "w.csv"
    assert run(["windows", "--data", str(ward), "--records", "a,b,c", "--out", str(out)]) == 0
    config = {
        "data": str(out), "layout": "kachuee",
        "architecture": {"type": "conv", "channels": [4, 8], "latent": 4, "context": 0},
        "training": {"epochs": 1, "batch": 64, "device": "cpu"},
    }  # fmt: skip
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    model = tmp_path / "w.safetensors"
    assert run(["train", "--config", str(tmp_path / "train.yaml"), "--out", str(model)]) == 0
    assert run(["evaluate", "--model", str(model), "--data", str(out)]) == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--records", "nobody"], 2, "--records: record 'nobody' is not in"),
        (["--lead", "V9"], 1, "a: no lead 'V9'"),
        (["--out", "."], 2, ".: is a folder; --out names a file"),
    ],
)
def test_a_wrong_command_is_one_line_and_leaves_no_file(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    out = tmp_path / "w.csv"
    assert run(["windows", "--data", str(ward), "--records", "a", "--out", str(out), *words]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ecgmon windows")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not list(tmp_path.iterdir())
