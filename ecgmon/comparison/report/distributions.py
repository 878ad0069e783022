"""How the scores of normal and abnormal windows are distributed, and where the thresholds cut them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ecgmon.comparison.report.figures import Row, labels, read_rows
from ecgmon.comparison.report.panels import MOST, grid, plain
from ecgmon.comparison.report.sampled import Floats, Scores, scores_of
from ecgmon.comparison.results import AtThreshold
from ecgmon.evaluation.report.style import Picture, colour

BINS: Final = 60

SKEWED: Final = 12.0
"""From such a ratio of the highest drawn score to the median on, the axis is logarithmic."""

CUTS: Final[tuple[Any, ...]] = ("-", (0, (4, 2)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (8, 3)))
"""Dashes of the thresholds, by their order in the experiment; more than these begin anew, so that several are
numbered as well."""

TOP: Final = 0.99
STEP: Final = 0.085
"""Of a panel's height: where the first number stands, and how much lower the next."""


@dataclass(frozen=True, slots=True)
class _Shown:
    label: str
    scores: Scores
    thresholds: dict[str, AtThreshold]


def distributions_picture(name: str, found: Sequence[Row]) -> Picture | None:
    """One panel for each variant and reading, of its first fit that has scores; None where none has."""
    panels = _panels(found)
    if not panels:
        return None
    names = list(dict.fromkeys(threshold for panel in panels for threshold in panel.thresholds))

    def paint(axes: Axes, panel: _Shown) -> None:
        edges, logarithmic = _edges(panel)
        low, high = float(edges[0]), float(edges[-1])
        for score, role, filled in ((panel.scores.normal, "N", True), (panel.scores.odd, "V", False)):
            if len(score):
                share = np.histogram(np.clip(score, low, high), edges)[0] / len(score)
                axes.stairs(share, edges, fill=filled, color=colour(role), alpha=0.5 if filled else 1.0)
                axes.stairs(share, edges, color=colour(role), linewidth=1.0)
        for threshold, at in panel.thresholds.items():
            i = names.index(threshold)
            for value in _cuts(at):
                _cut(axes, min(max(value, low), high), i, numbered=len(names) > 1)
        if logarithmic:
            axes.set_xscale("log")
        axes.set(yticks=[], xlim=(low, high))
        axes.spines["left"].set_visible(False)

    legend: list[tuple[Any, str]] = [
        (Patch(facecolor=colour("N"), alpha=0.5), "normal (filled)"),
        (Line2D([], [], color=colour("V")), "abnormal (outline)"),
        *(
            (
                Line2D([], [], color=colour("ink"), linestyle=CUTS[i % len(CUTS)], linewidth=1.0),
                plain(f"{i + 1}: {text}" if len(names) > 1 else f"at {text}"),
            )
            for i, text in enumerate(names)
        ),
    ]
    said = "; ".join(_said(panel) for panel in panels[:MOST])
    return grid(
        name, panels, [panel.label for panel in panels], paint, legend=legend,
        stretch=True, x="score: larger is odder",
        alt=f"Histograms of the scores of normal and abnormal test windows, with thresholds: {said}",
        caption=(
            "Share of the normal test windows (filled) and of the abnormal ones (outline) by score, of "
            "one fit each; each heap has a height of its own. Upright lines are thresholds: what lies to "
            "their right, and of two-sided ones what lies left of the lower line, is called odd. The less "
            "the heaps overlap, the better; the outermost bars gather what lies beyond."
        ),
    )  # fmt: skip


def _cut(axes: Axes, value: float, i: int, *, numbered: bool) -> None:
    """The line of threshold ``i``."""
    axes.axvline(value, color=colour("ink"), linewidth=1.0, linestyle=CUTS[i % len(CUTS)])
    if numbered:
        axes.text(
            value, TOP - STEP * i, str(i + 1), transform=axes.get_xaxis_transform(), fontsize=6.5,
            color=colour("ink"), ha="center", va="top",
            bbox={"facecolor": colour("paper"), "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _panels(found: Sequence[Row]) -> list[_Shown]:
    reads = read_rows(found)
    panels = []
    for row, label in zip(reads, labels(reads, threshold=False), strict=True):
        for cell in row.cells:
            scores = scores_of(cell, row.reading)
            if scores is not None and (len(scores.normal) or len(scores.odd)):
                panels.append(_Shown(label, scores, cell.result.readings[row.reading].thresholds))
                break
    return panels


def _cuts(at: AtThreshold) -> list[float]:
    return [value for value in (at.high, at.low) if value is not None and math.isfinite(value)]


def _edges(panel: _Shown) -> tuple[Floats, bool]:
    """Edges of the bins, from the lowest score to nearly the highest and around all thresholds, and whether
    they are even on a logarithmic axis."""
    every = np.concatenate([panel.scores.normal, panel.scores.odd])
    low, middle, high = (float(q) for q in np.quantile(every, [0.002, 0.5, 0.998]))
    # A threshold far outside all scores stands at the edge.
    reach = high - low
    inside = [
        cut for at in panel.thresholds.values() for cut in _cuts(at) if low - reach <= cut <= high + reach
    ]
    low, high = min([low, *inside]), max([high, *inside])
    if low > 0 and middle > 0 and high / middle > SKEWED:
        return np.geomspace(low, high, BINS + 1), True
    return np.linspace(low, max(high, low + max(1e-9, 1e-6 * abs(low))), BINS + 1), False


def _said(panel: _Shown) -> str:
    middles = [
        f"median {kind} {np.median(score):.3g}"
        for kind, score in (("normal", panel.scores.normal), ("abnormal", panel.scores.odd))
        if len(score)
    ]
    cuts = [f"{name} {at.high:.3g}" for name, at in panel.thresholds.items()]
    return f"{panel.label}: {', '.join(middles + cuts)}"
