"""The page stands alone, holds every picture, and breaks on nothing that is missing."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from ecgmon.comparison.report.material import Cell, Experiment, Variant
from ecgmon.comparison.report.page import Report, build
from ecgmon.comparison.report.tables import json_rows
from ecgmon.evaluation.report.style import COLOURS
from tests.comparison.report.made import everything, methods, variant
from tests.comparison.report.test_tables import undefined
from tests.evaluation.report.parsed import Page


def test_the_page_is_well_formed_and_asks_for_nothing_from_outside(report: Report) -> None:
    page = Page(report.html)
    assert page.unclosed == []
    assert page.addresses == []
    assert "://" not in report.html


def test_every_picture_is_on_the_page_with_words_and_as_a_png(report: Report) -> None:
    page = Page(report.html)
    assert page.pictures == [picture.file for picture in report.pictures]
    assert len(page.labels) == len(page.pictures) == len(set(page.pictures))
    assert all(len(label) > 40 for label in page.labels)
    assert all(len(p.caption) > 100 for p in report.pictures if "restored" not in p.name)
    files = report.files()
    assert list(files)[-1] == "index.html"
    assert {name for name in files if name != "index.html"} == {f"pictures/{name}" for name in page.pictures}
    assert all(files[f"pictures/{name}"].startswith(b"\x89PNG") for name in page.pictures)


def test_each_kind_of_experiment_has_its_pictures(report: Report) -> None:
    assert [picture.name for picture in report.pictures] == [
        "methods-auroc", "methods-roc", "methods-distributions", "methods-confusion", "methods-losses",
        "methods-restored-conv1d", "methods-restored-mlp", "methods-latent",
        "tutorial-auroc", "tutorial-roc", "tutorial-distributions", "tutorial-confusion",
        "thresholds-decisions", "thresholds-distributions", "thresholds-confusion",
        "scores-auroc", "scores-roc", "scores-distributions", "scores-confusion",
        "augmentation-augmentation", "learning-rate-sweep",
    ]  # fmt: skip


def test_the_contents_lead_to_every_experiment_and_name_what_validates_best(report: Report) -> None:
    page = Page(report.html)
    links = re.findall(r'<li><a href="#([^"]+)">([^<]+)</a> <small>([^<]+)</small>', report.html)
    assert [title for _, title, _ in links] == [
        "Methods on DS1/DS2", "The tutorial&#x27;s protocol", "Thresholds", "Scores", "Augmentation",
        "Learning rate",
    ]  # fmt: skip
    assert {anchor for anchor, _, _ in links} <= set(page.ids)
    assert re.fullmatch(r"conv1d: 0\.9\d\d±0\.\d{3}", links[0][2])
    assert links[-1][2].startswith("conv1d, rate 0.01: ")  # 0.001 is better on the test


def test_names_within_the_page_are_used_once(report: Report) -> None:
    page = Page(report.html)
    assert len(page.ids) == len(set(page.ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', report.html))
    assert used <= set(page.ids)


def test_every_colour_follows_the_reader(report: Report) -> None:
    drawings = "".join(picture.svg for picture in report.pictures)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\"])", drawings) == []
    assert set(re.findall(r"var\(--([^)]+)\)", drawings)) <= {*COLOURS, "font"}


def test_every_experiment_has_its_table_and_note(report: Report) -> None:
    tables = Page(report.html).tables
    for experiment in everything():
        (table,) = (table for caption, table in tables.items() if caption.startswith(experiment.title))
        assert len(table) == len(json_rows(experiment))
    assert "<p>Which method?</p><p>All learn from the same windows.</p>" in report.html
    assert "<p>Quick run.</p><p>Two seeds &amp; one fold.</p>" in report.html
    assert "9 fits of 3 variants, trained for 105 s in all; each learned from 5000 windows." in report.html
    assert "Test windows by class: 300 N, 40 S, 60 V." in report.html
    assert "1 more failed and are in no figure." in report.html


def test_the_same_experiments_give_the_same_bytes() -> None:
    first, again = (build([Experiment("m", "M", [variant("conv1d", 1.0, n=2)])]) for _ in range(2))
    assert first.files() == again.files()


@pytest.mark.parametrize(
    "missing",
    ["test_score_squared-error", "test_label", "example_x", "example_label", "embedding", "embedding_label"],
)
def test_arrays_that_are_missing_cost_only_their_picture(missing: str) -> None:
    parts = [
        Cell(c.result, {k: a for k, a in c.arrays.items() if k != missing})
        for c in methods().variants[1].cells
    ]
    pictures = {p.name for p in build([Experiment("m", "M", [Variant("v", parts[:1])])]).pictures}
    lost = {"test": {"m-roc", "m-distributions"}, "example": {"m-restored-v"}, "embedding": {"m-latent"}}
    every = {"m-auroc", "m-roc", "m-distributions", "m-confusion", "m-losses", "m-restored-v", "m-latent"}
    assert pictures == every - lost[missing.partition("_")[0]]


def test_nothing_measured_at_all_is_still_a_page() -> None:
    bare = Experiment("bare", "Bare", [Variant("none", []), Variant("undefined", [undefined()])], failed=3)
    report = build([bare, Experiment("empty", "Empty", [])])
    page = Page(report.html)
    assert page.unclosed == []
    assert page.pictures == []
    assert "No fit is finished." in report.html
    assert "nothing to rank" in report.html


def test_scores_of_one_value_or_one_class_are_drawn() -> None:
    one = variant("flat", 1.0, n=1, learned=False).cells[0]
    flat = {**one.arrays, "test_score_squared-error": np.zeros(400)}
    alone = {**one.arrays, "test_label": np.full(400, "N")}
    wild = {**one.arrays, "test_score_squared-error": np.where(np.arange(400) % 7, np.nan, np.inf)}
    for arrays, has_roc in ((flat, True), (alone, False), (wild, False)):
        names = {
            p.name for p in build([Experiment("m", "M", [Variant("v", [Cell(one.result, arrays)])])]).pictures
        }
        assert ("m-roc" in names) is has_roc


def test_names_are_shown_as_they_are_and_break_nothing() -> None:
    name = "<b>_$x$ & \"q\" '|'</b>"
    cells = variant("x", 1.0, n=2).cells
    odd = Experiment(
        "<i>", "<script>t</script> $a$", [Variant(name, cells), Variant(f"{name}2", cells)], note="<u>n</u>"
    )
    report = build([odd], title="<h1>T")
    page = Page(report.html)
    assert page.unclosed == []
    for tag in ("<b>", "<i>", "<u>", "<script>t", "<h1>T"):
        assert tag not in report.html
    assert "&lt;b&gt;_$x$ &amp; &quot;q&quot; &#x27;|&#x27;&lt;/b&gt;</th>" in report.html
    assert "&lt;b&gt;_$x$ &amp; \"q\" '|'&lt;/b&gt;" in report.pictures[0].svg  # not set as a formula
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+\.png", file) for file in page.pictures)
    assert len({file.lower() for file in page.pictures}) == len(page.pictures)


def test_equal_experiments_have_files_and_anchors_of_their_own() -> None:
    one = Experiment("m", "M", [Variant("v", [undefined_but_decided()])])
    report = build([one, one])
    assert [p.name for p in report.pictures] == ["m-confusion", "m-confusion-2"]
    assert {"experiment-m", "experiment-m-2"} <= set(Page(report.html).ids)


def undefined_but_decided() -> Cell:
    result = variant("x", 1.0, n=1, learned=False).cells[0].result
    read = msgspec.structs.replace(result.readings["squared-error"], auroc=None, per_class_auroc={})
    return Cell(msgspec.structs.replace(result, readings={"squared-error": read}))
