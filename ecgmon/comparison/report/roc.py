"""ROC curves: the mean over the fits, and how far they lie apart."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgmon.comparison.report.figures import Row, labels
from ecgmon.comparison.report.panels import SERIES, WIDTH, left_out, plain
from ecgmon.comparison.report.sampled import scores_of
from ecgmon.comparison.report.tables import shown
from ecgmon.evaluation.report.curves import roc_points
from ecgmon.evaluation.report.style import Picture, colour, draw

Floats = NDArray[np.float64]

MOST: Final = len(SERIES)
"""Curves that can be told apart."""

LEAST: Final = 1e-3
"""Where the logarithmic axis begins."""

RATES: Final = np.unique(np.concatenate([np.linspace(0, 1, 101), np.geomspace(LEAST, 1, 61)]))
"""False positive rates at which fits are averaged."""


class Band(NamedTuple):
    """True positive rates at :data:`RATES`: mean and standard deviation (None of one fit)."""

    mean: Floats
    spread: Floats | None
    n: int


def band(row: Row) -> Band | None:
    """The ROC curves of the row's fits, averaged at equal false positive rates; None where no fit has both
    normal and abnormal scores."""
    curves = []
    for cell in row.cells:
        scored = scores_of(cell, row.reading)
        if scored is not None and len(scored.odd) and len(scored.normal):
            false, true = roc_points(scored.odd, scored.normal)
            curves.append(_at(false, true))
    if not curves:
        return None
    every = np.array(curves)
    return Band(every.mean(axis=0), every.std(axis=0, ddof=1) if len(every) > 1 else None, len(every))


def roc_picture(name: str, reads: Sequence[Row]) -> Picture | None:
    """The first six rows that have scores, on linear axes and on a logarithmic one; None without scores."""
    drawn = [(row, label, made) for row, label in zip(reads, labels(reads, threshold=False), strict=True)
             if (made := band(row)) is not None]  # fmt: skip
    if not drawn:
        return None
    some = drawn[:MOST]
    down = -(-len(some) // 2)
    foot = 0.55 + 0.19 * down

    def paint(figure: Figure) -> None:
        linear, log = figure.subplots(1, 2, gridspec_kw={"wspace": 0.16})
        handles = []
        for (_, _, made), series in zip(some, SERIES, strict=False):
            for axes in (linear, log):
                if made.spread is not None:
                    axes.fill_between(
                        RATES, np.clip(made.mean - made.spread, 0, 1), np.clip(made.mean + made.spread, 0, 1),
                        color=series.colour, alpha=0.13, linewidth=0,
                    )  # fmt: skip
                (line,) = axes.plot(
                    RATES, made.mean, color=series.colour, linestyle=series.dash, linewidth=1.4
                )
            handles.append(line)
        for _, _, made in drawn[MOST:]:
            linear.plot(RATES[::3], made.mean[::3], color=colour("muted"), linewidth=0.5, alpha=0.5, zorder=1)
        linear.plot([0, 1], [0, 1], color=colour("muted"), linewidth=0.8, linestyle=(0, (1, 3)))
        log.plot(RATES, RATES, color=colour("muted"), linewidth=0.8, linestyle=(0, (1, 3)))
        linear.set(
            title="ROC", xlabel="false positive rate", ylabel="true positive rate",
            xlim=(-0.01, 1.01), ylim=(-0.01, 1.02),
        )  # fmt: skip
        log.set(
            title="the same at few false flags", xlabel="false positive rate (log)", xscale="log",
            xlim=(LEAST, 1.0), ylim=(-0.01, 1.02),
        )  # fmt: skip
        for axes in (linear, log):
            axes.grid(visible=True)
        figure.legend(
            handles, [plain(_short(f"{_auroc(row)}  {label}")) for row, label, _ in some], loc="lower left",
            bbox_to_anchor=(0.5 / WIDTH, 0.0), ncols=2, borderaxespad=0.3, borderpad=0, columnspacing=2.5,
            handlelength=3.2, title="AUROC of all test windows", alignment="left", fontsize=7.5,
            title_fontsize=7.5,
        )  # fmt: skip

    said = ", ".join(f"{label} {_auroc(row)}" for row, label, _ in some)
    return draw(
        name, (WIDTH, 3.9 + foot), (0.5, foot + 0.2, 0.15, 0.3), paint,
        alt=f"ROC curves, with the area under each: {said}",
        caption=(
            "Share of the abnormal test windows called odd against that of the normal ones, at every "
            "threshold; further to the upper left is better, the dotted line is chance. Lines are means "
            "over the fits at equal false positive rates, shades one standard deviation either way. Of "
            "large test sets the curve is that of a sample, the AUROC that of all."
            + left_out(len(drawn), MOST, "thin on the left, without a name")
        ),
    )  # fmt: skip


def _at(false: Floats, true: Floats) -> Floats:
    """The curve at :data:`RATES`: at a step, its upper end."""
    last = np.append(false[1:] > false[:-1], True)
    found: Floats = np.interp(RATES, false[last], true[last])
    return found


def _auroc(row: Row) -> str:
    return shown(row.figures["auroc"], "rate")


def _short(text: str) -> str:
    return textwrap.shorten(text, 70, placeholder="...")
