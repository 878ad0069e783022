"""``ecgmon evaluate --report`` on real recordings and on ready windows, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgmon import cli
from ecgmon.model.fitting import FitSettings, Origin, Resume, fit_windows
from ecgmon.model.training import TrainingSettings
from tests.evaluation.report.parsed import Page, figure_at


def evaluate(*arguments: object) -> int:
    return cli.run(["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(mitdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on a record with flutter and bad signal and one that is nearly normal, and its JSON."""
    folder = tmp_path_factory.mktemp("report")
    out = folder / "new" / "report"
    words = ("--model", "default", "--data", mitdb, "--records", "207,230")
    assert evaluate(*words, "--report", out, "--json", folder / "figures.json") == 0
    return folder


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The options that name ready windows, 300 normal and 100 of class V, and a model trained on them."""
    folder = tmp_path_factory.mktemp("windows")
    rng = np.random.default_rng(5)
    bump = np.exp(-(((np.arange(187) - 30) / 8) ** 2))
    x = np.clip(0.5 * bump + 0.1 + rng.normal(0, 0.02, (400, 187)), 0, 1).astype(np.float32)
    x[300:] += np.float32(0.3) * np.roll(bump, 60).astype(np.float32)  # class V: a second bump
    x[395:] = x[:5]  # which the last ones lack
    label = np.repeat([0, 2], [300, 100])
    rows = (",".join([*(f"{v:.4f}" for v in window), str(n)]) for window, n in zip(x, label, strict=True))
    (folder / "windows.csv").write_text("\n".join(rows))
    settings = FitSettings(layout="kachuee", training=TrainingSettings(epochs=3))
    fitted = fit_windows(x, label, settings, Origin("w", ""), Resume(folder / "state", progress=False))
    fitted.bundle.save(folder / "w.safetensors")
    return ["--model", folder / "w.safetensors", "--data", folder / "windows.csv"]


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "new" / "report" / "index.html").read_text())


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "figures.json").read_bytes())
    return found


def test_the_page_stands_alone_and_its_pictures_lie_beside_it(folder: Path, page: Page) -> None:
    out = folder / "new" / "report"
    assert (page.unclosed, page.addresses) == ([], [])
    assert sorted(path.name for path in out.iterdir()) == sorted(["index.html", *page.pictures])
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in page.pictures)
    assert (out / "index.html").stat().st_size < 4_000_000
    assert {"roc.png", "precision-recall.png", "scores.png", "timeline-207.png", "timeline-230.png"} <= set(
        page.pictures
    )
    assert any(name.startswith(("missed-", "false-")) for name in page.pictures)


def test_all_figures_by_recording_are_those_of_the_json(page: Page, figures: dict[str, Any]) -> None:
    rows = page.tables["All figures by recording"]
    assert list(rows) == ["207", "230", "all pooled"]
    for name, cells in rows.items():
        known = figures if name == "all pooled" else figures["records"][name]
        assert {key: figure_at(known, key) for key in cells} == cells


def test_gross_statistics_and_areas_are_those_of_the_json(page: Page, figures: dict[str, Any]) -> None:
    gross, beats = page.tables["Statistics"]["gross"], figures["beats"]
    assert gross["any Se"] == beats["sensitivity"]
    assert gross["any +P"] == beats["ppv"]
    assert gross["any FPR"] == beats["realised_false_positive_rate"]
    assert gross["V Se"] == beats["per_class_sensitivity"]["V"]
    assert gross["QRS Se"] == figures["qrs"]["150ms"]["sensitivity"]
    counts = page.tables["Counts, beat by beat"]["sum"]
    assert {name: counts[name] for name in beats["n_per_class"]} == beats["n_per_class"]
    words = dict(zip(page.pictures, page.labels, strict=True))
    assert f" {beats['auroc']:.4f}, S" in words["roc.png"]
    assert f" {beats['per_class_auroc']['V']:.4f};" in words["roc.png"]
    assert f" {beats['auprc']:.4f}, S" in words["precision-recall.png"]


def test_timelines_agree_with_the_counts_of_alerts(page: Page, figures: dict[str, Any]) -> None:
    words = dict(zip(page.pictures, page.labels, strict=True))
    for name, known in figures["records"].items():
        alerts = known["alerts"]
        assert f"{alerts['n_true']} true and {alerts['n_false']} false" in words[f"timeline-{name}.png"]
        runs = f"{alerts['n_episodes_found']} of {alerts['n_episodes']} runs"
        assert runs in words[f"timeline-{name}.png"]
    assert "143 s of flutter" in words["timeline-207.png"]


def test_a_newer_report_takes_the_place_of_the_older_and_leaves_the_rest(
    mitdb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "--model",
        "default",
        "--data",
        mitdb,
        "--beats",
        "reference",
        "--json",
        "-",
        "--report",
        tmp_path,
    )
    assert evaluate(*words, "--records", "230") == 0
    (tmp_path / "notes.png").write_bytes(b"mine")
    assert evaluate(*words, "--records", "119") == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert "timeline-119.png" in names
    assert "timeline-230.png" not in names
    assert "notes.png" in names
    page = Page((tmp_path / "index.html").read_text())
    assert names == {"index.html", "notes.png", *page.pictures}
    assert "QRS Se" not in page.tables["Statistics"]["119"]  # R-peaks were given: no detector to judge
    assert "{" in capsys.readouterr().out


def test_what_cannot_be_a_report_is_refused_before_any_work(
    windows: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<html>mine</html>")
    for name, says in (
        ("file", "not a folder"),
        ("file/below", "not a folder"),
        ("site", "no report of ecgmon"),
    ):
        assert evaluate(*windows, "--report", tmp_path / name) == 2
        captured = capsys.readouterr()
        assert says in captured.err
        assert captured.err.count("\n") == 1
    assert (tmp_path / "site" / "index.html").read_text() == "<html>mine</html>"


def test_a_report_without_a_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate("--model", "default", "--data", tmp_path, "--report", "")
    assert stopped.value.code == 2
    assert "'' names no folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["index.html", "roc.png", "../report/Index.html", "."])
def test_figures_do_not_go_where_the_report_goes(
    name: str, windows: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report").mkdir()
    target = str(tmp_path / "report") + ("" if name == "." else f"/{name}")
    assert evaluate(*windows, "--report", tmp_path / "report", "--json", target) == 2
    captured = capsys.readouterr()
    assert ("a folder; --json" if name == "." else "--json names a file of the report") in captured.err
    assert captured.err.count("\n") == 1
    assert list((tmp_path / "report").iterdir()) == []


def test_figures_do_not_go_where_the_folder_of_the_report_is_to_be(
    windows: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*windows, "--report", tmp_path / "new", "--json", tmp_path / "new") == 2
    assert "--json names the folder of --report" in capsys.readouterr().err


def test_figures_may_lie_beside_the_page(windows: list[object], tmp_path: Path) -> None:
    assert evaluate(*windows, "--report", tmp_path, "--json", tmp_path / "figures.json") == 0
    assert {"index.html", "roc.png", "figures.json"} <= {path.name for path in tmp_path.iterdir()}


def test_without_matplotlib_there_is_one_line_that_says_how_to_get_it(
    windows: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as the import system sees what is not installed
    assert evaluate(*windows, "--report", tmp_path / "new") == 2
    captured = capsys.readouterr()
    assert "pip install 'ecgmon[report]'" in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_only_a_report_loads_matplotlib() -> None:
    code = (
        "import sys, ecgmon.commands.evaluate, ecgmon.commands.serve, ecgmon.commands.train\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_windows_have_a_report_of_what_they_have(
    windows: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*windows, "--report", tmp_path / "report", "--json", "-") == 0
    known = json.loads(capsys.readouterr().out)
    page = Page((tmp_path / "report" / "index.html").read_text())
    assert (page.unclosed, page.addresses, page.tables) == ([], [], {})
    words_of = dict(zip(page.pictures, page.labels, strict=True))
    assert f"V (100) {known['beats']['per_class_auroc']['V']:.4f}" in words_of["roc.png"]
    assert any(name.startswith("missed-V-row-39") for name in page.pictures)
