"""The page stands alone, holds every picture, and shows the figures of the evaluation."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from ecgmon.evaluation.noise_parts import noise_parts
from ecgmon.evaluation.report.beats import beat_picture, scored_span
from ecgmon.evaluation.report.examples import Example
from ecgmon.evaluation.report.material import Material
from ecgmon.evaluation.report.page import Report, build
from ecgmon.evaluation.report.style import COLOURS, properties
from ecgmon.evaluation.statistics import Evaluation, Requested, evaluation
from tests.evaluation.report.made import Made, made, record, wave
from tests.evaluation.report.parsed import Page, figure_at


@pytest.fixture(scope="module")
def report(two: Made) -> Report:
    return build(two.material, two.result)


def test_the_page_is_well_formed_and_asks_for_nothing_from_outside(report: Report) -> None:
    page = Page(report.html)
    assert page.unclosed == []
    assert page.addresses == []
    assert "://" not in report.html


def test_every_picture_is_on_the_page_with_words_and_as_a_png(report: Report) -> None:
    page = Page(report.html)
    assert page.pictures == [picture.file for picture in report.pictures]
    assert len(set(page.pictures)) == len(page.pictures)
    assert len(page.labels) == len(page.pictures)
    assert all(len(label) > 30 for label in page.labels)
    assert all(picture.png.startswith(b"\x89PNG") for picture in report.pictures)
    assert {"roc.png", "roc-low.png", "precision-recall.png", "scores.png", "timeline-a.png",
            "timeline-b.png", "missed-V-a-0-03.0.png"} <= set(page.pictures)  # fmt: skip


def test_names_within_the_page_are_used_once(report: Report) -> None:
    page = Page(report.html)
    assert len(page.ids) == len(set(page.ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', report.html))
    assert used <= set(page.ids)


def test_every_colour_follows_the_reader(report: Report) -> None:
    drawings = "".join(picture.svg for picture in report.pictures)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\"])", drawings) == []
    assert set(re.findall(r"var\(--([^)]+)\)", drawings)) <= {*COLOURS, "font"}
    assert "prefers-color-scheme:dark" in properties()


def test_tables_show_the_figures_of_the_evaluation(report: Report, two: Made) -> None:
    tables = Page(report.html).tables
    tree = msgspec.to_builtins(two.result)
    rows = tables["All figures by recording"]
    assert list(rows) == ["a", "b", "all pooled"]
    for name, cells in rows.items():
        known = tree if name == "all pooled" else tree["records"][name]
        assert len(cells) > 40
        for key, value in cells.items():
            assert value == figure_at(known, key), (name, key)


def test_gross_and_average_statistics_stand_at_the_foot(report: Report, two: Made) -> None:
    statistics = Page(report.html).tables["Statistics"]
    assert list(statistics) == ["a", "b", "gross", "average", "recordings averaged"]
    assert statistics["gross"]["any Se"] == two.result.beats.sensitivity
    assert statistics["average"]["V Se"] == 0.5
    assert statistics["recordings averaged"]["V Se"] == 1
    assert statistics["b"]["V Se"] is None
    counts = Page(report.html).tables["Counts, beat by beat"]
    assert counts["sum"]["V"] == counts["a"]["V"] == 4


def test_recordings_known_from_training_are_named(report: Report) -> None:
    assert "The model was trained on a:" in report.html


def test_the_same_material_gives_the_same_bytes(report: Report, two: Made) -> None:
    again = build(two.material, two.result)
    assert again.html == report.html
    assert [p.png for p in again.pictures] == [p.png for p in report.pictures]


def test_a_recording_without_anomalies_has_no_curves_and_still_a_page() -> None:
    quiet = made(record("q<1>$x", "NNN", [0.0, 1.0, 0.5]))
    report = build(quiet.material, quiet.result)
    page = Page(report.html)
    assert page.pictures == ["scores.png", "timeline-q-1-x.png"]
    assert page.unclosed == []
    assert "There are no curves" in report.html
    assert "misjudged no beat" in report.html
    assert "q&lt;1&gt;$x, lead MLII</text>" in report.html


def test_nothing_scored_at_all_is_still_a_page() -> None:
    short = made(record("s", "NV", [np.nan, -1]))
    report = build(short.material, short.result)
    assert Page(report.html).pictures == ["timeline-s.png"]
    assert "have no score to show: 1 V" in report.html


def test_names_that_differ_only_in_signs_or_case_get_files_of_their_own() -> None:
    three = made(*(record(name, "NVN", [0.0, 5.0, 0.0]) for name in ("p/1", "p-1", "P 1")))
    names = [picture.file for picture in build(three.material, three.result).pictures]
    assert names[-3:] == ["timeline-p-1.png", "timeline-p-1-2.png", "timeline-P-1-3.png"]


def test_windows_have_neither_records_nor_time(two: Made) -> None:
    material = Material()
    counted = two.tallies["a"].beats

    def example(i: int) -> Example:
        return Example("", f"row {i + 1}", 1.0, 0.5, {}, wave(1.0), wave(0.5), layout="kachuee")

    material.add_windows(counted, example)
    result = Evaluation(
        qrs=None, beats=two.result.beats, alerts=None, records={}, model={"name": "w"}, data={}
    )
    report = build(material, result)
    page = Page(report.html)
    assert page.tables == {}
    assert "missed-V-row-4.png" in page.pictures
    assert not any(name.startswith("timeline") for name in page.pictures)


def test_beats_say_what_they_are_and_on_which_axes() -> None:
    parts = {"qrs": -0.01, "rhythm": 7.77}
    example = Example("208", "1:02.5", 2.0, 0.03, parts, wave(1.0), wave(0.5), label="V")
    picture = beat_picture("x", example, "random")
    assert picture.alt.startswith("208 at 1:02.5: annotated V, score 2, p 0.030")
    assert "qrs 0.0, rhythm 7.8" in picture.alt
    assert picture.caption == "drawn at random"
    for text in (">mV<", ">s from the R-peak<", ">recorded<", ">restored<", ">error<"):
        assert text in picture.svg
    assert ">usual beat<" not in picture.svg


def test_a_picture_shades_what_the_score_reads_and_measures_the_error_there() -> None:
    window, far = wave(1.0), wave(1.0)
    far[:50] += 5.0  # before -0.304 s, where nothing is read
    far[150:] += 5.0  # and behind 0.400 s
    example = Example("208", "1:02.5", 2.0, 0.03, {}, window, far, label="V")
    assert scored_span(example) == (93 - 38, 93 + 50)
    alt = beat_picture("x", example, "random").alt
    assert "from -0.304 to 0.392 s, which is scored, their difference has a root mean square of 0 mV" in alt
    far[60] += 1.0
    assert "root mean square of 0.107 mV" in beat_picture("x", example, "random").alt
    ready = Example("", "row 1", 2.0, 0.03, {}, window, far, layout="kachuee")
    assert scored_span(ready) == (0, 187)


def test_the_page_says_what_a_restored_beat_is_and_what_is_scored(report: Report) -> None:
    assert "drawn half-way back to the usual\none" in report.html
    assert "not of the\nshaded area as it stands" in report.html


def test_added_noise_is_told_at_the_top_and_has_its_own_table() -> None:
    one = record("n", "NNV" * 200, [0.0, 1.0, 5.0] * 200)
    quiet = made(one)
    requested = {
        "n": Requested(
            threshold=1e-4, false_positive_rate=1e-4, alert_threshold=1e-5, false_alerts_per_hour=1.0
        )
    }
    noisy = msgspec.structs.replace(
        quiet.result,
        noise=noise_parts({"n": one}, requested),
        data=quiet.result.data | {"noise": {"kinds": {"em": 0.0, "ma": 6.0}}},
    )
    text = build(quiet.material, noisy).html
    assert "<strong>Noise was added to the recordings: em 0 dB, ma 6 dB.</strong>" in text
    assert "<dt>Noise</dt><dd>em 0 dB, ma 6 dB<" in text
    rows, tree = Page(text).tables["Parts with noise and without"], msgspec.to_builtins(noisy.noise)
    assert list(rows) == ["with noise", "without"]
    for name, part in (("with noise", tree["noisy"]), ("without", tree["clean"])):
        assert {"qrs.150ms.f1", "hours", "analysed_share", "alerts.n_false"} <= rows[name].keys()
        assert {key: figure_at(part, key) for key in rows[name]} == rows[name]
    assert (rows["with noise"]["beats.n"], rows["without"]["beats.n"]) == (180, 120)  # from 300 s on
    plain = build(quiet.material, quiet.result).html
    assert "Noise" not in plain
    assert "Parts with noise" not in plain


def test_what_recordings_and_leads_are_called_stays_as_it_is() -> None:
    name = 'x#abcdef #1b1d20 id="a url(#b'
    text = build(*_parts(made(record(name, "NVN", [0.0, 5.0, 0.0])))).html
    assert 'x#abcdef #1b1d20 id="a url(#b, lead MLII</text>' in text


def test_names_with_other_signs_do_not_share_names_within_the_page() -> None:
    several = made(*(record(name, "NVN", [0.0, 5.0, 0.0]) for name in ("a.b", "a-b", "a_b")))
    page = Page(build(*_parts(several)).html)
    assert len(page.ids) == len(set(page.ids))
    assert len(set(page.pictures)) == len(page.pictures)


def test_names_in_other_scripts_get_files_of_their_own_without_a_warning() -> None:
    several = made(*(record(name, "NVN", [0.0, 5.0, 0.0]) for name in ("心電図", "患者", "\u0627\u0628")))
    built = build(*_parts(several))  # warnings are errors here
    names = [picture.file for picture in built.pictures if picture.file.startswith("timeline")]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"timeline-[0-9a-f]{8}\.png", name) for name in names)
    assert "心電図, lead MLII</text>" in built.html


def test_each_fold_has_its_own_threshold_and_the_page_names_no_other(two: Made) -> None:
    requested = {
        name: Requested(threshold=p, false_positive_rate=p, alert_threshold=p / 10, false_alerts_per_hour=1.0)
        for name, p in (("a", 0.05), ("b", 0.447))
    }
    result = evaluation(two.tallies, requested, model={"name": "m"}, data={})
    text = build(two.material, result).html
    assert "Sensitivity at each fold&#x27;s own threshold (0.05 to 0.447)" in text
    assert f"{result.beats.threshold:.3g}" == "0.248"
    assert "0.248" not in text
    assert ">0.05 to 0.447</td>" in text
    assert ">0.005 to 0.0447</td>" in text
    assert "0.0248" not in text


def test_false_flags_are_said_to_be_of_invented_beats_too_and_spread_over_recordings(
    report: Report, two: Made
) -> None:
    assert "Normal and invented beats flagged" in report.html
    rows = Page(report.html).tables["False flags, spread over recordings"]
    assert len(rows) == 3
    for row, rate in zip(rows.values(), two.result.beats.false_positive_rates, strict=True):
        assert rate.patients is not None
        assert (row["realised"], row["n"], row["max"]) == (rate.realised, 2, rate.patients.max)
    words = Page(report.html).labels
    assert "% of the scored normal" in words[1]


def test_paced_recordings_are_named_and_others_of_the_same_name_are_not() -> None:
    two = made(record("102", "NQQQ", [0.0, 0.0, 0.0, 5.0]), record("104", "NNVN", [0.0, 0.0, 5.0, 0.0]))
    assert "Paced recordings are included: 102.</strong>" in build(*_parts(two)).html
    one = made(record("104", "NNVN", [0.0, 0.0, 5.0, 0.0]))
    assert "Paced recordings" not in build(*_parts(one)).html


def test_the_origin_says_which_is_the_model_and_which_the_data(report: Report) -> None:
    assert '<p class="note">model: name <code>m</code>' in report.html
    assert "<br>data: path <code>somewhere</code>" in report.html


def _parts(made_of: Made) -> tuple[Material, Evaluation]:
    return made_of.material, made_of.result
