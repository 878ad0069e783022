"""One recording from beginning to end: what was annotated, what was flagged, what raised an alert."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.evaluation.alarms import MARGIN
from ecgmon.evaluation.reference import Span
from ecgmon.evaluation.report.material import Trace
from ecgmon.evaluation.report.style import Picture, colour, draw

HEIGHT = 0.62
"""Of a span within its row."""

Run = tuple[NDArray[np.float64], bool]
"""R-peaks of a run of V beats, and whether an alert touches it."""


def timeline_picture(name: str, trace: Trace) -> Picture:
    """``trace`` as rows over a time axis in minutes; rows of classes that do not occur are left out."""
    classes = [label for label in ANOMALOUS if (trace.truth.label == label).any()]
    runs = _episodes(trace)
    rows = [*classes, *(["V runs"] if runs else []), *(["flutter"] if trace.truth.flutter else [])]
    rows += ["flagged", "alerts", *(["bad signal"] if trace.bad else [])]
    y = {row: len(rows) - 1 - i for i, row in enumerate(rows)}

    def paint(figure: Figure) -> None:
        axes: Axes = figure.add_subplot()
        end = trace.seconds / 60
        axes.axvspan(0, min(trace.learning / 60, end), color=colour("shade"), linewidth=0)
        axes.text(
            min(trace.learning / 60, end) / 2, len(rows) - 0.42, "learning: not counted", ha="center",
            va="bottom", fontsize=7, color=colour("muted"),
        )  # fmt: skip
        for label in classes:
            _ticks(axes, trace.truth.t[trace.truth.label == label], y[label], label)
        for run, found in runs:
            _span(axes, (run[0], run[-1]), y["V runs"], "V", hatch=None if found else "xxxx")
        for first, last in trace.truth.flutter:
            _span(axes, (first, min(last, trace.seconds)), y["flutter"], "V", hatch="||||")
        _ticks(axes, trace.odd[~trace.wrong], y["flagged"], "true", offset=0.12)
        _ticks(axes, trace.odd[trace.wrong], y["flagged"], "false", offset=-0.3)
        for alert, true in trace.alerts:
            role = "muted" if true is None else "true" if true else "false"
            _span(axes, (alert.onset, alert.end), y["alerts"], role, hatch=None if true else "////")
            if true is False:
                axes.plot(
                    [(alert.onset + alert.end) / 120], [y["alerts"] + 0.46], marker="x", markersize=4.5,
                    color=colour("false"), clip_on=False, linestyle="none",
                )  # fmt: skip
        for span in trace.bad:
            _span(axes, span, y["bad signal"], "muted")
        axes.set(xlim=(0, end), ylim=(-0.6, len(rows) - 0.4), xlabel="minutes")
        axes.set_yticks(list(y.values()), list(y))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=True, axis="x")
        axes.set_title(f"{trace.name}, lead {trace.lead}", fontsize=8.5, pad=13, parse_math=False)

    height = 0.27 * len(rows) + 0.87
    return draw(name, (9.0, height), (0.85, 0.45, 0.15, 0.42), paint, alt=_alt(trace, classes, runs))


def _ticks(axes: Axes, times: NDArray[np.float64], y: float, role: str, offset: float | None = None) -> None:
    """A short upright line for each time; one path for all of them, which keeps the file small."""
    low, high = (y - HEIGHT / 2, y + HEIGHT / 2) if offset is None else (y + offset, y + offset + 0.25)
    x = np.repeat(times / 60, 3)
    heights = np.tile([low, high, np.nan], len(times))
    axes.plot(x, heights, color=colour(role), linewidth=0.9, solid_capstyle="butt")


def _span(axes: Axes, span: Span, y: float, role: str, hatch: str | None = None) -> None:
    """A bar; its outline keeps the shortest one visible. Hatched ones are not filled."""
    first, last = span
    axes.broken_barh(
        [(first / 60, (last - first) / 60)], (y - HEIGHT / 2, HEIGHT), linewidth=1.1, edgecolor=colour(role),
        facecolor=colour(role) if hatch is None else colour("paper"), hatch=hatch,
    )  # fmt: skip


def _episodes(trace: Trace) -> list[Run]:
    """The runs of three or more V beats that are counted."""
    return [
        (run, any(a.onset - MARGIN <= run[-1] and run[0] <= a.end + MARGIN for a, _ in trace.alerts))
        for run in trace.truth.episodes()
        if run[0] >= trace.learning and not trace.truth.in_flutter(run).any()
    ]


def _alt(trace: Trace, classes: Sequence[str], runs: Sequence[Run]) -> str:
    counts = ", ".join(f"{int((trace.truth.label == label).sum())} {label}" for label in classes)
    true = sum(verdict is True for _, verdict in trace.alerts)
    false = sum(verdict is False for _, verdict in trace.alerts)
    bad = sum(last - first for first, last in trace.bad)
    flutter = sum(min(last, trace.seconds) - first for first, last in trace.truth.flutter)
    parts = [
        f"Recording {trace.name}, {trace.seconds / 60:.1f} minutes: anomalous beats {counts or 'none'}",
        f"{len(trace.odd)} beats flagged, {int(trace.wrong.sum())} of them wrongly",
        f"{true} true and {false} false alerts counted",
        f"{sum(found for _, found in runs)} of {len(runs)} runs of V beats raised one",
    ]
    if flutter and math.isfinite(flutter):
        parts.append(f"{flutter:.0f} s of flutter")
    return "; ".join([*parts, f"{bad:.0f} s of bad signal"])
