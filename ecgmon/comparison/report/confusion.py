"""Confusion matrices: what became of the normal and of the abnormal windows."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ecgmon.comparison.report.figures import Figure, Row, figure, labels
from ecgmon.comparison.report.panels import MOST, grid
from ecgmon.evaluation.report.style import Picture, colour

ANNOTATED = ("normal", "abnormal")


def confusion_picture(name: str, found: Sequence[Row]) -> Picture | None:
    """One panel for each row that has a threshold; None where none has."""
    panels = [
        (row, label)
        for row, label in zip(found, labels(found), strict=True)
        if any(figure.n for figure in _right(row))
    ]
    if not panels:
        return None

    def paint(axes: Axes, panel: tuple[Row, str]) -> None:
        row, _ = panel
        for line, (right, count) in enumerate(zip(_right(row), _counts(row), strict=True)):
            for column in range(2):
                _square(axes, line, column, right, count)
        axes.set(
            xlim=(0, 2), ylim=(2, 0), xticks=[0.5, 1.5], xticklabels=["normal", "odd"], yticks=[0.5, 1.5],
            yticklabels=ANNOTATED,
        )  # fmt: skip
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)

    said = "; ".join(_said(row, label) for row, label in panels[:MOST])
    return grid(
        name, panels, [label for _, label in panels], paint, height=1.2, left=0.72,
        x="called (across), annotated (down)",
        alt=f"Confusion matrices at the threshold: {said}",
        caption=(
            "One matrix for each threshold: down, what the test windows are annotated as; across, what "
            "the threshold calls them. Each line of a matrix adds up to 100 %; plus or minus is the "
            "standard deviation over fits, below it the number of windows a fit. A stronger shade is more; "
            "the diagonal from the upper left is right, what lies beside it wrong."
        ),
    )  # fmt: skip


def _right(row: Row) -> tuple[Figure, Figure]:
    """Shares of the normal and of the abnormal windows that are called so."""
    return row.figures["accuracy_normal"], row.figures["accuracy_abnormal"]


def _counts(row: Row) -> tuple[Figure, Figure]:
    """Normal and abnormal test windows a fit."""
    tests = [cell.result.n_test for cell in row.cells]
    return (
        figure([test.get("N", 0) for test in tests]),
        figure([sum(n for label, n in test.items() if label != "N") for test in tests]),
    )


def _square(axes: Axes, line: int, column: int, right: Figure, count: Figure) -> None:
    share = None if right.mean is None else right.mean if line == column else 1 - right.mean
    # The shade stops at a half, so that ink is legible on it in light and dark.
    axes.add_patch(
        Rectangle((column, line), 1, 1, facecolor=colour("restored" if line == column else "error"),
                  alpha=0.5 * (share or 0.0), linewidth=0)
    )  # fmt: skip
    axes.add_patch(Rectangle((column, line), 1, 1, fill=False, edgecolor=colour("grid"), linewidth=0.8))
    text = "-" if share is None else f"{100 * share:.1f}"
    text += f" \N{PLUS-MINUS SIGN}{100 * right.spread:.1f} %" if right.spread is not None else " %"
    axes.text(column + 0.5, line + 0.42, text, ha="center", va="center", fontsize=7.5)
    if share is not None and count.mean is not None:
        axes.text(
            column + 0.5, line + 0.74, f"{share * count.mean:.0f}", ha="center", va="center", fontsize=6.5,
            color=colour("muted"),
        )  # fmt: skip


def _said(row: Row, label: str) -> str:
    normal, odd = (
        "undefined" if figure.mean is None else f"{100 * figure.mean:.1f} %" for figure in _right(row)
    )
    return f"{label}: right of the normal windows {normal}, of the abnormal ones {odd}"
