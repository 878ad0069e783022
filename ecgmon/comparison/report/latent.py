"""Latent spaces in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ecgmon.comparison.report.material import Variant
from ecgmon.comparison.report.panels import MOST, grid
from ecgmon.comparison.report.sampled import Points, embedding
from ecgmon.evaluation.report.style import Picture, colour

DRAWN: Final = 350
"""Points of each class, the first ones; more are a blot, and a heavy page."""

MARKS: Final = {"N": ".", "V": "^", "S": "s", "F": "D", "Q": "v"}

REST: Final = "Q"
"""Classes of other names are drawn as beats of unknown kind."""


def latent_picture(name: str, variants: Sequence[Variant]) -> Picture | None:
    """One panel for each variant that has embeddings; None where none has."""
    panels = [(variant, points) for variant in variants if (points := embedding(variant.cells)) is not None]
    if not panels:
        return None
    every = {str(label) for _, points in panels for label in points.label}
    kinds = [label for label in MARKS if label in every]
    if every - set(MARKS) and REST not in kinds:
        kinds.append(REST)

    def paint(axes: Axes, panel: tuple[Variant, Points]) -> None:
        _, points = panel
        if len(points.at):
            low, high = np.quantile(points.at, [0.003, 0.997], axis=0)
            pad = 0.06 * np.maximum(high - low, 1e-9)
            axes.set(xlim=(low[0] - pad[0], high[0] + pad[0]), ylim=(low[1] - pad[1], high[1] + pad[1]))
        for kind in kinds:
            side = points.at[_of(points, kind)][:DRAWN]
            axes.plot(
                side[:, 0], side[:, 1], MARKS[kind], color=colour(kind), markersize=3 if kind == "N" else 2.6,
                markeredgewidth=0, alpha=0.65,
            )  # fmt: skip
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_visible(True)

    legend = [
        (Line2D([], [], color=colour(kind), marker=MARKS[kind], linestyle="none", markersize=5), kind)
        for kind in kinds
    ]
    said = "; ".join(_said(variant, points) for variant, points in panels[:MOST])
    return grid(
        name, panels, [variant.name for variant, _ in panels], paint, height=1.9, legend=legend,
        alt=f"Scatter plots of the latent space in two dimensions: {said}",
        caption=(
            "Test windows in the latent space of one fit, on its first two principal components, marked "
            f"by class, at most {DRAWN} of each; the outermost three in a thousand may lie outside of the "
            "frame. Axes have no unit. Abnormal windows that lie apart from the normal ones can be told "
            "by where they lie; windows amid the normal ones only by how badly they are restored."
        ),
    )  # fmt: skip


def _of(points: Points, kind: str) -> NDArray[np.bool_]:
    side: NDArray[np.bool_] = points.label == kind
    if kind == REST:
        side |= ~np.isin(points.label, list(MARKS))
    return side


def _said(variant: Variant, points: Points) -> str:
    """Where the middle of the abnormal windows lies, in spreads of the normal ones."""
    normal = points.label == "N"
    if normal.sum() < 2 or normal.all():
        return f"{variant.name}, {len(points.label)} windows"
    spread = float(np.sqrt(points.at[normal].var(axis=0).sum())) or 1.0
    apart = np.linalg.norm(points.at[~normal].mean(axis=0) - points.at[normal].mean(axis=0)) / spread
    return (
        f"{variant.name}, middle of the abnormal windows {apart:.2g} spreads of the normal ones from theirs"
    )
