"""What is drawn is what the cells say."""

from __future__ import annotations

import numpy as np
import pytest

from ecgmon.comparison.report.augmentation import groups
from ecgmon.comparison.report.confusion import confusion_picture
from ecgmon.comparison.report.figures import read_rows, rows
from ecgmon.comparison.report.material import Experiment, Variant
from ecgmon.comparison.report.page import Report
from ecgmon.comparison.report.panels import MOST, legend_columns
from ecgmon.comparison.report.restored import restorers
from ecgmon.comparison.report.roc import RATES, band, roc_picture
from ecgmon.comparison.report.sampled import scores_of
from ecgmon.comparison.report.sweep import sweep
from ecgmon.evaluation.report.curves import roc_points
from tests.comparison.report import made


def test_the_mean_roc_curve_has_the_mean_auroc_and_the_spread_of_its_fits() -> None:
    row = rows(made.methods())[0]
    drawn = band(row)
    assert drawn is not None
    assert drawn.n == 3
    assert np.trapezoid(drawn.mean, RATES) == pytest.approx(row.auroc, abs=0.01)
    at = int(np.searchsorted(RATES, 0.1))
    found = []
    for cell in row.cells:
        scored = scores_of(cell, "squared-error")
        assert scored is not None
        false, true = roc_points(scored.odd, scored.normal)
        found.append(true[false <= RATES[at] + 1e-12].max())
    assert drawn.mean[at] == pytest.approx(np.mean(found))
    assert drawn.spread is not None
    assert drawn.spread[at] == pytest.approx(np.std(found, ddof=1))


def test_one_fit_has_a_curve_without_a_shade() -> None:
    drawn = band(rows(Experiment("m", "M", [made.variant("v", 1.0, n=1)]))[0])
    assert drawn is not None
    assert drawn.spread is None


def test_curves_that_could_not_be_told_apart_have_no_name() -> None:
    cells = made.variant("v", 1.0, n=1, learned=False).cells
    picture = roc_picture("roc", rows(Experiment("m", "M", [Variant(f"v{i}", cells) for i in range(8)])))
    assert picture is not None
    assert (
        "Drawn are the first 6 of the table; 2 more are thin on the left, without a name." in picture.caption
    )


def test_panels_that_are_too_many_are_left_to_the_table() -> None:
    cells = made.variant("v", 1.0, n=1, learned=False).cells
    found = rows(Experiment("m", "M", [Variant(f"v{i}", cells) for i in range(MOST + 1)]))
    picture = confusion_picture("confusion", found)
    assert picture is not None
    assert f"v{MOST - 1}: right" in picture.alt
    assert f"v{MOST}: right" not in picture.alt
    assert f"Drawn are the first {MOST} of the table; one more is in the table only." in picture.caption


def test_detectors_on_one_autoencoder_restore_once() -> None:
    one, other = made.variant("svm", 1.0, n=1), made.variant("other", 1.2, n=1)
    variants = [one, Variant("forest", one.cells), made.variant("lof", 1.0, n=1, learned=False), other]
    assert [variant.name for variant in restorers(variants)] == ["svm", "other"]


def test_matrices_and_distributions_say_their_shares(report: Report) -> None:
    alts = {picture.name: picture.alt for picture in report.pictures}
    row = rows(made.methods())[0]
    normal, odd = (row.figures[key].mean for key in ("accuracy_normal", "accuracy_abnormal"))
    assert normal is not None
    assert odd is not None
    said = f"conv1d: right of the normal windows {100 * normal:.1f} %, of the abnormal ones {100 * odd:.1f} %"
    assert said in alts["methods-confusion"]
    assert "conformal 2.7" in alts["thresholds-distributions"]
    assert "conv1d 0.602 to 0.091 at epoch 8" in alts["methods-losses"]
    assert "5 normal windows with a root mean square error of" in alts["methods-restored-conv1d"]


@pytest.mark.parametrize(
    ("texts", "columns"),
    [
        ([], 1),
        (["a", "b"], 2),
        (["x" * 20] * 12, 4),
        (["x" * 40, *"abcdefghijklmnop"], 2),
        (["x" * 200, "y"], 1),
    ],
)
def test_a_legend_has_columns_that_the_longest_of_them_leaves_room_for(
    texts: list[str], columns: int
) -> None:
    assert legend_columns(texts) == columns


def test_augmentations_are_told_by_the_settings_of_method_and_reading() -> None:
    found = groups(read_rows(rows(made.augmentation())))
    assert set(found) == {"conv1d", "mlp"}
    for bars in found.values():
        assert {way: set(whens) for way, whens in bars.items()} == {
            "": {""},
            "crop": {"train", "test", "both"},
            "flip": {"train", "test", "both"},
        }
    first = rows(Experiment("m", "M", made.augmentation().variants[:1]))[0]
    assert found["conv1d"][""][""] == first.figures["auroc"]


def test_a_latent_method_is_augmented_where_its_autoencoder_is() -> None:
    settings = {"type": "latent", "autoencoder": {"network": "mlp", "augmentation": ["crop", "flip"]}}
    plain = {"type": "latent", "autoencoder": {"network": "mlp", "augmentation": []}}
    variants = [made.variant("crop + flip", 1.0, method=settings), made.variant("none", 1.2, method=plain)]
    assert groups(rows(Experiment("m", "M", variants))).keys() == {"latent"}
    (bars,) = groups(rows(Experiment("m", "M", variants))).values()
    assert {way: set(whens) for way, whens in bars.items()} == {"": {""}, "crop + flip": {"train"}}


def test_a_sweep_runs_along_the_part_of_the_names_that_has_the_number() -> None:
    found = sweep(rows(made.sweep()))
    assert (found.what, found.numbers) == ("rate", True)
    assert [(line.name, line.x) for line in found.lines] == [
        ("conv1d", [0.0001, 0.001, 0.01]),
        ("mlp", [0.0001, 0.001, 0.01]),
    ]
    assert [row.variant.name for row in found.lines[1].rows] == [
        f"mlp, rate {at}" for at in ("0.0001", "0.001", "0.01")
    ]


def test_a_sweep_of_choices_keeps_their_order() -> None:
    cells = made.variant("v", 1.0, n=1, learned=False).cells
    names = ("mse", "l1", "huber")
    found = sweep(rows(Experiment("loss", "Loss", [Variant(name, cells) for name in names], kind="sweep")))
    assert (found.what, found.numbers) == ("", False)
    assert list(found.ticks) == list(names)
    assert [line.x for line in found.lines] == [[0, 1, 2]]


def test_parts_given_apart_from_the_name_decide_the_axis() -> None:
    cells = made.variant("v", 1.0, n=1, learned=False).cells
    variants = [Variant(f"share {p} of all", cells, parts=("lstm", f"{p} %")) for p in (20, 5)]
    found = sweep(rows(Experiment("share", "Share", variants, kind="sweep")))
    assert [line.x for line in found.lines] == [[5.0, 20.0]]
    assert found.lines[0].name == "lstm"
