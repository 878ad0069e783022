"""ROC and precision-recall curves: the points, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.evaluation.ranking import auroc, average_precision
from ecgmon.evaluation.report.style import DASHES, Picture, colour, draw
from ecgmon.evaluation.tally import BeatTally

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SIZE = (4.6, 4.35)
MARGINS = (0.5, 1.15, 0.18, 0.3)


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """All beats that have an annotation and a score: class [n], score [n], whether flagged [n]."""

    label: NDArray[np.str_]
    score: Floats
    odd: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One class, or ``all`` of them, against N.

    score, flagged    [a] and [b]: anomalous beats and normal ones, and which were flagged
    """

    name: str
    score: Floats
    odd: Bools
    normal: Floats
    normal_odd: Bools

    @property
    def operating_point(self) -> tuple[float, float]:
        """Flagged share of the normal beats, and of the anomalous ones."""
        return float(self.normal_odd.mean()), float(self.odd.mean())

    @property
    def precision(self) -> float | None:
        """Anomalous share of the flagged beats; None where none is."""
        flagged = int(self.odd.sum() + self.normal_odd.sum())
        return int(self.odd.sum()) / flagged if flagged else None


def pooled(tallies: Sequence[BeatTally]) -> tuple[Beats, Beats]:
    """The scored beats of all recordings, and the scored detections without an annotation (class "")."""
    parts = ("label", "score", "odd", "invented", "invented_odd")
    label, score, odd, invented, invented_odd = (
        np.concatenate([getattr(tally, part) for tally in tallies]) for part in parts
    )
    nothing = np.full(len(invented), "", dtype="U1")
    return Beats(label, score, odd), Beats(nothing, invented, invented_odd)


def curves(beats: Beats) -> list[Curve]:
    """All anomalous beats against N, then each class that occurs; nothing where either side is empty."""
    normal = beats.label == "N"
    sides = {"all": ~normal} | {name: beats.label == name for name in ANOMALOUS}
    return [
        Curve(name, beats.score[side], beats.odd[side], beats.score[normal], beats.odd[normal])
        for name, side in sides.items()
        if side.any() and normal.any()
    ]


def roc_points(odd: Floats, normal: Floats) -> tuple[Floats, Floats]:
    """(false positive rate, true positive rate), from (0, 0) to (1, 1), one point a distinct score.

    Equal scores are one step, slanting where both sides have them, so that the area by trapezoids is
    :func:`~ecgmon.evaluation.ranking.auroc`. Neither side may be empty.
    """
    steps = np.unique(np.concatenate([odd, normal]))[::-1]
    above = [
        (len(side) - np.searchsorted(np.sort(side), steps, side="left")) / len(side) for side in (normal, odd)
    ]
    false, true = (np.concatenate([[0.0], share]) for share in above)
    return false, true


def precision_recall_points(odd: Floats, normal: Floats) -> tuple[Floats, Floats]:
    """(recall, precision) at each distinct score of ``odd``, from the highest on.

    Precision at a recall holds from the recall before it on: the sum of precision times added recall is
    :func:`~ecgmon.evaluation.ranking.average_precision`.
    """
    steps, found = np.unique(odd, return_counts=True)
    hits = found[::-1].cumsum()
    false = len(normal) - np.searchsorted(np.sort(normal), steps[::-1], side="left")
    return hits / len(odd), hits / (hits + false)


def roc_picture(drawn: Sequence[Curve]) -> Picture:
    """ROC curves on linear axes."""

    def paint(figure: Figure) -> None:
        axes = _axes(figure, "ROC: each class against N", "false positive rate", "true positive rate")
        axes.plot([0, 1], [0, 1], color=colour("muted"), linewidth=0.8, linestyle=(0, (1, 3)))
        _roc(axes, drawn, _auc)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        _legend(figure, axes, "area under the curve")

    caption = (
        "Share of the scored anomalous beats flagged against that of the scored normal ones, at every "
        "possible threshold; further to the upper left is better, the dotted diagonal is chance. The ring is "
        "the threshold in force; it lies off the curve where recordings have thresholds of their own. Over "
        "beats that have an annotation and a score."
    )
    return draw("roc", SIZE, MARGINS, paint, alt=_alt("ROC curves", drawn, _auc), caption=caption)


def low_roc_picture(drawn: Sequence[Curve]) -> Picture:
    """The same where a monitor works: few false flags, false positive rate on a log axis."""

    def paint(figure: Figure) -> None:
        axes = _axes(figure, "ROC at few false flags", "false positive rate (log)", "true positive rate")
        _roc(axes, drawn, lambda curve: f"{100 * curve.operating_point[1]:.1f} %")
        least = 10 ** np.floor(np.log10(1 / max(len(curve.normal) for curve in drawn)))
        axes.set(xscale="log", xlim=(max(float(least), 1e-5), 1.0), ylim=(-0.01, 1.02))
        axes.grid(visible=True, which="minor", color=colour("grid-fine"))
        _legend(figure, axes, "flagged, of the scored beats")

    caption = (
        "The same curves with the false positive rate on a log axis: what is gained where few normal beats "
        "are flagged. Rings mark the threshold, with shares "
        "of the scored beats; a ring is missing where no normal beat was flagged at all."
    )
    alt = _alt("ROC curves on a log axis", drawn, _at)
    return draw("roc-low", SIZE, MARGINS, paint, alt=alt, caption=caption)


def precision_recall_picture(drawn: Sequence[Curve]) -> Picture:
    """Precision-recall curves."""

    def paint(figure: Figure) -> None:
        axes = _axes(
            figure, "Precision and recall: each class against N", "recall (sensitivity)", "precision"
        )
        for curve in drawn:
            recall, precision = precision_recall_points(curve.score, curve.normal)
            axes.plot(
                np.concatenate([[0.0], recall]), np.concatenate([precision[:1], precision]),
                drawstyle="steps-pre", label=f"{_name(curve)}  {_ap(curve)}", **_line(curve),
            )  # fmt: skip
            if curve.precision is not None:
                _ring(axes, curve, curve.operating_point[1], curve.precision)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        _legend(figure, axes, "average precision")

    caption = (
        "Share of the flagged beats that are anomalous, against the share of the scored anomalous beats that "
        "are flagged, at every threshold; further to the upper right is better. Precision depends on how "
        "common a class is: a rare one has a low curve also where its ROC curve is high. The ring is the "
        "threshold."
    )
    alt = _alt("Precision-recall curves", drawn, _ap)
    return draw("precision-recall", SIZE, MARGINS, paint, alt=alt, caption=caption)


def _axes(figure: Figure, title: str, x: str, y: str) -> Axes:
    axes: Axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True)
    return axes


def _legend(figure: Figure, axes: Axes, title: str) -> None:
    """Below the axes, where no curve can be."""
    figure.legend(
        *axes.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(MARGINS[0] / SIZE[0], 0.0),
        ncols=2, title=title, alignment="left", borderaxespad=0.3, columnspacing=2.5, borderpad=0,
    )  # fmt: skip


def _roc(axes: Axes, drawn: Sequence[Curve], value: Callable[[Curve], str]) -> None:
    for curve in drawn:
        false, true = roc_points(curve.score, curve.normal)
        axes.plot(false, true, label=f"{_name(curve)}  {value(curve)}", **_line(curve))
        _ring(axes, curve, *curve.operating_point)


def _line(curve: Curve) -> dict[str, Any]:
    return {
        "color": colour(curve.name), "linestyle": DASHES[curve.name],
        "linewidth": 1.9 if curve.name == "all" else 1.5,
    }  # fmt: skip


def _ring(axes: Axes, curve: Curve, x: float, y: float) -> None:
    axes.plot(
        [x], [y], marker="o", markersize=6, markerfacecolor=colour("paper"), markeredgewidth=1.5,
        markeredgecolor=colour(curve.name), linestyle="none", zorder=5,
    )  # fmt: skip


def _name(curve: Curve) -> str:
    return f"{curve.name} ({len(curve.score)})"


def _auc(curve: Curve) -> str:
    return f"{auroc(curve.score, curve.normal):.4f}"


def _ap(curve: Curve) -> str:
    return f"{average_precision(curve.score, curve.normal):.4f}"


def _at(curve: Curve) -> str:
    false, true = curve.operating_point
    return f"{100 * true:.1f} % of the scored beats flagged at {100 * false:.2f} % of the scored normal ones"


def _alt(what: str, drawn: Sequence[Curve], value: Callable[[Curve], str]) -> str:
    parts = ", ".join(f"{_name(curve)} {value(curve)}" for curve in drawn)
    false, true = drawn[0].operating_point
    at = f"{100 * true:.1f} % of the scored anomalous and {100 * false:.2f} % of the scored normal beats"
    return f"{what}, number of beats in brackets: {parts}; at the threshold {at} are flagged"
