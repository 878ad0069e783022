"""Rows one below the other, their figures as marks with whiskers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecgmon.comparison.report.figures import Row, labels
from ecgmon.comparison.report.panels import SERIES, WIDTH, left_out, plain
from ecgmon.comparison.report.tables import shown
from ecgmon.evaluation.report.style import Picture, colour, draw

MOST: Final = 60
"""Rows of a picture."""

NAMES: Final = 3.1
"""Width of the names, inches."""

LINE: Final = 0.21

Marks = Sequence[tuple[str, str]]
"""Key of a figure and what it is called."""

RANKS: Final[Marks] = (("auroc", "all abnormal"), ("auroc_V", "V"), ("auroc_S", "S"))

DECISIONS: Final[Marks] = (
    ("f1", "F1"), ("accuracy_normal", "accuracy on normals"), ("accuracy_abnormal", "on abnormals"),
    ("precision", "precision"),
)  # fmt: skip


def auroc_picture(name: str, reads: Sequence[Row]) -> Picture | None:
    """AUROC of each row: over all abnormal windows, V and S."""
    return _dots(
        name, reads, labels(reads, threshold=False), RANKS, "AUROC",
        "Area under the ROC curve by row of the table, as mean and standard deviation over the fits: all "
        "abnormal windows against the normal ones (filled circle), and the classes V and S alone. 0.5 is "
        "chance; whiskers that overlap mean that the order could be another with another training.",
    )  # fmt: skip


def decisions_picture(name: str, found: Sequence[Row]) -> Picture | None:
    """F1, accuracy on normal and on abnormal windows, and precision of each row."""
    return _dots(
        name, found, labels(found), DECISIONS, "at the threshold",
        "What each threshold gives, as mean and standard deviation over the fits. A threshold that is "
        "chosen well on the validation patients holds its promise on the test patients; long whiskers "
        "mean that it depends on which patients it was chosen by.",
    )  # fmt: skip


def _dots(
    name: str, found: Sequence[Row], names: Sequence[str], marks: Marks, what: str, caption: str
) -> Picture | None:
    some = [(row, label) for row, label in zip(found, names, strict=True)
            if any(row.figures[key].n for key, _ in marks)]  # fmt: skip
    if not some:
        return None
    drawn = some[:MOST]

    def paint(figure: Figure) -> None:
        axes: Axes = figure.add_subplot()
        for (key, _), series in zip(marks, SERIES, strict=False):
            for at, (row, _) in enumerate(drawn):
                value = row.figures[key]
                if value.mean is None:
                    continue
                first = series is SERIES[0]
                axes.errorbar(
                    [value.mean], [at], xerr=None if value.spread is None else [value.spread],
                    fmt=series.mark, color=series.colour, markersize=5.5 if first else 4.5,
                    elinewidth=1.4 if first else 0.9,
                    markerfacecolor=series.colour if first else colour("paper"), zorder=5 if first else 3,
                )  # fmt: skip
        axes.set(
            yticks=range(len(drawn)), ylim=(len(drawn) - 0.4, -0.6), xlabel=what,
            yticklabels=[plain(_cut(label)) for _, label in drawn],
        )  # fmt: skip
        left, right = axes.get_xlim()
        axes.set_xlim(left, min(right, 1.005))
        if what == "AUROC" and left < 0.5:
            axes.axvline(0.5, color=colour("muted"), linewidth=0.8, linestyle=(0, (1, 3)))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=True)
        handles = [
            Line2D([], [], color=series.colour, marker=series.mark, linestyle="none",
                   markersize=5.5 if series is SERIES[0] else 4.5,
                   markerfacecolor=series.colour if series is SERIES[0] else colour("paper"))
            for _, series in zip(marks, SERIES, strict=False)
        ]  # fmt: skip
        figure.legend(
            handles,
            [text for _, text in marks],
            loc="lower center",
            ncols=len(marks),
            borderaxespad=0.25,
            borderpad=0,
        )

    said = "; ".join(
        f"{label} " + ", ".join(f"{text} {shown(row.figures[key], 'rate')}" for key, text in marks)
        for row, label in drawn[:12]
    )
    more = f"; and {len(drawn) - 12} more, as in the table" if len(drawn) > 12 else ""
    return draw(
        name, (WIDTH, LINE * len(drawn) + 0.95), (NAMES, 0.72, 0.15, 0.12), paint,
        alt=f"Marks with whiskers, {what}: {said}{more}", caption=caption + left_out(len(some), MOST),
    )  # fmt: skip


def _cut(label: str) -> str:
    return textwrap.shorten(label, 48, placeholder="...")
