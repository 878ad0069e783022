"""The tables say what numpy says of the cells, in every form."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from ecgmon.comparison.report.figures import COLUMNS, figure, rows
from ecgmon.comparison.report.material import Cell, Experiment, Variant
from ecgmon.comparison.report.tables import WIDTH, html_table, json_rows, markdown, shown, text
from tests.comparison.report.made import everything, methods, scores, sweep, thresholds, tutorial, variant
from tests.evaluation.report.parsed import Page


def test_means_and_spreads_are_those_of_the_cells() -> None:
    row = {row["variant"]: row for row in json_rows(methods())}["conv1d"]
    cells = methods().variants[1].cells
    reads = [cell.result.readings["squared-error"] for cell in cells]
    by_hand = {
        "auroc": [read.auroc for read in reads],
        "auprc": [read.auprc for read in reads],
        "auroc_V": [read.per_class_auroc["V"] for read in reads],
        "auroc_S": [read.per_class_auroc["S"] for read in reads],
        "beats_per_second": [read.beats_per_second for read in reads],
        "threshold": [read.thresholds["f-beta"].high for read in reads],
        "accuracy": [read.thresholds["f-beta"].accuracy for read in reads],
        "accuracy_normal": [read.thresholds["f-beta"].accuracy_normal for read in reads],
        "accuracy_abnormal": [read.thresholds["f-beta"].accuracy_abnormal for read in reads],
        "precision": [read.thresholds["f-beta"].precision for read in reads],
        "recall": [read.thresholds["f-beta"].recall for read in reads],
        "f1": [read.thresholds["f-beta"].f1 for read in reads],
        "f_beta": [read.thresholds["f-beta"].f_beta for read in reads],
        "train_seconds": [10.0, 11.0, 14.0],
        "parameters": [4321, 4321, 4321],
        "validation_auroc": [0.75] * 3,
        "best_epoch": [8] * 3,
    }
    for key, values in by_hand.items():
        known = np.array(values, dtype=np.float64)
        assert row[key]["mean"] == pytest.approx(known.mean()), key
        assert row[key]["spread"] == pytest.approx(known.std(ddof=1), abs=1e-12), key
        assert row[key]["n"] == 3
    assert row["mean_record_auroc"] == {"mean": None, "spread": None, "n": 0}
    assert row["fits"] == 3
    assert set(by_hand) | {"mean_record_auroc", "threshold_low", "at_limit"} == {
        column.key for column in COLUMNS
    }


def test_what_a_cell_leaves_undefined_is_left_out_of_the_mean() -> None:
    assert figure([0.5, None, 0.7, float("nan")]) == figure([0.5, 0.7])
    assert (figure([]).mean, figure([2.0]).spread) == (None, None)
    assert shown(figure([0.5, 0.7]), "rate") == "0.600±0.141"
    assert shown(figure([0.5]), "rate") == "0.500"
    assert shown(figure([None]), "rate") == "-"
    assert shown(figure([4321, 4321]), "count") == "4321"
    assert shown(figure([12000, 12100]), "count") == "12050±71"
    assert shown(figure([10.0, 11.0]), "amount") == "10.5±0.7"
    assert shown(figure([0.00123, 0.00125]), "amount") == "0.00124±0.00001"
    assert shown(figure([1.23e-7]), "amount") == "1.23e-07"
    assert shown(figure([0.0, 0.0]), "amount") == "0±0"
    assert shown(figure([-5e-324]), "amount") == "<0"


@pytest.mark.parametrize(("epochs", "share"), [(8, 1.0), (9, 1.0), (10, 0.0)])
def test_fits_that_might_be_better_with_more_epochs_are_told(epochs: int, share: float) -> None:
    for method in ({"epochs": epochs}, {"type": "latent", "autoencoder": {"epochs": epochs}}):
        row = json_rows(Experiment("m", "m", [variant("v", 1.0, method=method)]))[0]
        assert row["at_limit"]["mean"] == share
    assert json_rows(Experiment("m", "m", [variant("v", 1.0, learned=False)]))[0]["at_limit"]["n"] == 0


def test_rows_are_sorted_by_auroc_those_of_a_sweep_by_its_steps() -> None:
    assert [row.variant.name for row in rows(methods())] == ["conv1d", "mlp", "lof"]
    assert [row.variant.name for row in rows(sweep())] == [v.name for v in sweep().variants]
    empty = Variant("undefined", [undefined()])
    mixed = Experiment("m", "m", [empty, variant("known", 1.0, learned=False)])
    assert [row.variant.name for row in rows(mixed)] == ["known", "undefined"]


def test_readings_and_thresholds_are_rows_of_their_own_and_named_where_they_differ() -> None:
    assert [(row["reading"], row["threshold_name"]) for row in json_rows(scores())] == [
        ("cosine", "f-beta"),
        ("squared-error", "f-beta"),
    ]
    assert "mlp · cosine " in text(scores())
    assert len(json_rows(thresholds())) == 5
    assert "conv1d · peaks-over-threshold " in text(thresholds())
    assert "squared-error" not in text(thresholds())


def test_no_line_of_the_text_is_too_long_and_its_columns_stand_below_each_other() -> None:
    long = Experiment("l", "Long", [variant("a name " * 20, 1.0, n=2), variant("b", 0.5, n=2)])
    for experiment in (*everything(), long):
        for block in text(experiment).split("\n\n"):
            assert max(len(line) for line in block.splitlines()) <= WIDTH
    lines = text(methods()).split("\n\n")[1].splitlines()
    assert {line.index("±") for line in lines[1:]} == {lines[1].index("±")}
    assert "a name a" in text(long)
    assert "..." in text(long)


def test_the_best_of_a_column_is_marked_by_a_sign() -> None:
    lines = text(methods()).split("\n\n")[1].splitlines()
    assert re.search(r"conv1d .* 0\.9\d\d±0\.\d{3}\*", lines[1])
    assert "*" not in "".join(lines[2:])
    assert "*" not in text(thresholds()).split("\n\n")[1]  # one row is the best of nothing
    assert re.search(r"\| conv1d \|.*\*\*0\.9\d\d±0\.\d{3}\*\* \\\*", markdown(methods()))
    assert html_table(methods()).count("<strong>0.") == html_table(methods()).count("&nbsp;*</strong>") > 5


def test_published_accuracies_stand_beside_ours() -> None:
    assert {row["variant"]: row["reference"] for row in json_rows(tutorial())} == {
        "mlp": 0.84,
        "lstm": 0.75,
        "ours": None,
    }
    head, *lines = text(tutorial()).split("\n\n")[2].splitlines()
    assert head.split()[:2] == ["variant", "tutorial"]
    assert [line.split()[1] for line in lines] == ["-", "0.84", "0.75"]
    assert "| tutorial |" in markdown(tutorial())
    assert "1 failed" in text(tutorial())
    table = Page(html_table(tutorial())).tables
    assert {name: row["reference"] for name, row in next(iter(table.values())).items()} == {
        "ours": None,
        "mlp": 0.84,
        "lstm": 0.75,
    }


def test_the_page_holds_the_figures_in_full() -> None:
    table = next(iter(Page(html_table(methods())).tables.values()))
    for row in json_rows(methods()):
        shown_keys = set(table[row["variant"]])
        assert {"auroc", "train_seconds", "f1", "fits"} <= shown_keys
        for key in shown_keys - {"fits"}:
            assert table[row["variant"]][key] == row[key]["mean"]
        assert table[row["variant"]]["fits"] == 3


def test_markdown_has_the_columns_asked_for_and_keeps_names_as_they_are() -> None:
    odd = Experiment("o", "O", [variant("a|b*c_<d>", 1.0, n=1, learned=False)])
    lines = markdown(odd, ["fits", "auroc", "f1"]).splitlines()
    assert lines[0] == "| variant | fits | AUROC | F1 |"
    assert lines[1] == "| --- | ---: | ---: | ---: |"
    assert lines[2].startswith(r"| a\|b\*c\_&lt;d&gt; | 1 | 0.")


def test_rows_can_be_written_as_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(json_rows(tutorial()))) == json_rows(tutorial())


def test_no_cell_is_one_line_and_no_rows() -> None:
    empty = Experiment("e", "Empty", [Variant("none", [])], failed=2)
    assert text(empty) == "Empty\nno finished cell; 2 failed"
    assert json_rows(empty) == []


def undefined() -> Cell:
    one = variant("x", 1.0, n=1, learned=False).cells[0]
    read = msgspec.structs.replace(
        one.result.readings["squared-error"], auroc=None, per_class_auroc={}, thresholds={}
    )
    return Cell(msgspec.structs.replace(one.result, readings={"squared-error": read}))
