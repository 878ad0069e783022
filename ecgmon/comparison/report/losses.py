"""Loss curves: what was learned from epoch to epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ecgmon.comparison.report.material import Variant
from ecgmon.comparison.report.panels import MOST, grid
from ecgmon.evaluation.report.style import Picture, colour

KINDS: Final[dict[str, tuple[str, Any]]] = {
    "train": ("restored", "-"),
    "validation": ("error", (0, (4, 1.5))),
}
"""Losses to their colour and dashes."""

STEEP: Final = 8.0
"""From such a ratio of the highest loss to the lowest on, the axis is logarithmic."""


def losses_picture(name: str, variants: Sequence[Variant]) -> Picture | None:
    """One panel for each variant that learned by epochs, one pair of lines for each fit; None where none
    did."""
    learned = [variant for variant in variants if any(_curves(variant))]
    if not learned:
        return None

    def paint(axes: Axes, variant: Variant) -> None:
        values = []
        for cell in variant.cells:
            losses = cell.result.losses
            for kind, (role, dash) in KINDS.items():
                curve = losses.get(kind, [])
                values += curve
                axes.plot(
                    range(1, len(curve) + 1), curve, color=colour(role), linestyle=dash, linewidth=1.0,
                    alpha=0.8, marker="." if len(curve) == 1 else None,
                )  # fmt: skip
            kept, of_validation = cell.result.best_epoch, losses.get("validation", [])
            if 1 <= kept <= len(of_validation):
                axes.plot(
                    [kept], [of_validation[kept - 1]], "o", markersize=4, markerfacecolor=colour("paper"),
                    markeredgecolor=colour("error"), zorder=5,
                )  # fmt: skip
        finite = np.array(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if len(finite) and finite.min() > 0 and finite.max() / finite.min() > STEEP:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(visible=True)

    said = "; ".join(_said(variant) for variant in learned[:MOST])
    handles = [
        (Line2D([], [], color=colour(role), linestyle=dash), kind) for kind, (role, dash) in KINDS.items()
    ]
    ring = Line2D(
        [], [], marker="o", linestyle="none", markersize=4, markerfacecolor=colour("paper"),
        markeredgecolor=colour("error"),
    )  # fmt: skip
    return grid(
        name, learned, [variant.name for variant in learned], paint, left=0.5,
        stretch=True, x="epoch",
        legend=[*handles, (ring, "epoch that was kept")],
        alt=f"Loss by epoch, validation loss at the first epoch and at the one kept: {said}",
        caption=(
            "Loss by epoch, one line for each fit: on the windows learned from (solid) and on the normal "
            "windows of the patients held out (dashed). The ring is the epoch that was kept. Panels have "
            "scales of their own, and losses of different kinds are not comparable: a lower curve is not "
            "a better detector."
        ),
    )  # fmt: skip


def _curves(variant: Variant) -> list[list[float]]:
    return [curve for cell in variant.cells for kind in KINDS if (curve := cell.result.losses.get(kind, []))]


def _said(variant: Variant) -> str:
    for cell in variant.cells:
        curve, kept = cell.result.losses.get("validation", []), cell.result.best_epoch
        if curve and 1 <= kept <= len(curve):
            return f"{variant.name} {curve[0]:.3g} to {curve[kept - 1]:.3g} at epoch {kept}"
    return f"{variant.name} has no validation loss"
