"""One beat that was judged wrongly: what was recorded, what the autoencoder made of it, and the error."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from ecgmon.ecg.types import FS, R_INDEX, WINDOW
from ecgmon.evaluation.report.examples import Example
from ecgmon.evaluation.report.style import Picture, colour, draw
from ecgmon.model.parts import REGIONS

WIDTH = 3.7

LEAST_SPAN = 2.0
"""Height of the smallest picture, mV: a small wave is to look small."""


def scored_span(example: Example) -> tuple[int, int]:
    """First sample that the score reads, and the first behind: of a ready window all are read."""
    if not example.record:
        return 0, WINDOW
    spans = [(int(first), int(end)) for first, end in REGIONS[example.layout] if end > first]
    return min(first for first, _ in spans), max(end for _, end in spans)


def beat_picture(name: str, example: Example, why: str) -> Picture:
    """``example``, chosen for ``why`` (``extreme`` or ``random``), with axes in s and mV; windows of the
    layout ``kachuee`` have no millivolts and begin at the R-peak."""
    begin = -R_INDEX if example.layout == "centred" else 0
    t = np.arange(begin, begin + WINDOW) / FS
    first, end = scored_span(example)
    lines = [*_title(example), *textwrap.wrap(_evidence(example), 56)]

    def paint(figure: Figure) -> None:
        axes: Axes = figure.add_subplot()
        window, restored = example.window, example.reconstruction
        axes.fill_between(
            t[first:end], window[first:end], restored[first:end], color=colour("error"), alpha=0.3,
            linewidth=0, label="error",
        )  # fmt: skip
        for edge, inside in ((first, first > 0), (end - 1, end < WINDOW)):
            if inside:
                axes.axvline(float(t[edge]), color=colour("muted"), linewidth=0.7, alpha=0.7, zorder=1)
        if example.reference is not None:
            axes.plot(
                t, example.reference, color=colour("muted"), linewidth=1.0, linestyle=(0, (1, 1.5)),
                label="usual beat",
            )  # fmt: skip
        axes.plot(
            t, restored, color=colour("restored"), linewidth=1.3, linestyle=(0, (5, 1.5)), label="restored"
        )
        axes.plot(t, window, color=colour("signal"), linewidth=1.4, label="recorded")
        axes.set_xlim(float(t[0]), float(t[-1]))
        _paper(axes, example)
        axes.set_xlabel("s from the R-peak")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(
            handles[::-1], labels[::-1], loc="lower center", ncols=4, fontsize=7.5, handlelength=2.0,
            columnspacing=1.2,
        )  # fmt: skip
        axes.set_title("\n".join(lines), fontsize=8, linespacing=1.3, parse_math=False)

    top = 0.12 + 0.155 * len(lines)
    title = ", ".join(_title(example))
    errors = (example.window - example.reconstruction)[first:end].astype(np.float64)
    error = float(np.sqrt(np.mean(errors**2)))
    where = f"from {t[first]:.3f} to {t[end - 1]:.3f} s, which is scored, "
    unit = " mV" if example.layout == "centred" else ""
    return draw(
        name, (WIDTH, 2.45 + top), (0.6, 0.68, 0.1, top), paint,
        alt=f"{title}: recorded beat and its reconstruction; {where}"
        f"their difference has a root mean square of {error:.3g}{unit}. "
        f"{_evidence(example)}",
        caption="one of the most extreme" if why == "extreme" else "drawn at random",
    )  # fmt: skip


def _paper(axes: Axes, example: Example) -> None:
    """The grid of ECG paper, 0.2 s by 0.5 mV, and a height that does not make small waves large."""
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    if example.layout == "kachuee":
        axes.set(ylim=(-0.05, 1.05), ylabel="of the beat's own range")
        axes.grid(visible=True)
        return
    waves = (example.window, example.reconstruction, example.reference)
    drawn = np.concatenate([wave for wave in waves if wave is not None])
    middle, half = (float(drawn.max()) + float(drawn.min())) / 2, 0.525 * float(np.ptp(drawn))
    half = max(half, LEAST_SPAN / 2)
    axes.set(ylim=(middle - half, middle + half), ylabel="mV")
    axes.yaxis.set_major_locator(MultipleLocator(0.5 if half < 2.25 else 1.0))
    axes.grid(visible=True)
    _fine_lines(axes, 0.1 if half < 2.25 else 0.2)


def _fine_lines(axes: Axes, step: float) -> None:
    """The fine grid, 0.04 s by ``step`` mV: one path each way, where a minor grid is one for every line."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for along, across, span, low_end, high_end in ((0, 1, 0.04, left, right), (1, 0, step, low, high)):
        at = np.arange(np.ceil(low_end / span), np.floor(high_end / span) + 1) * span
        ends = (low, high) if along == 0 else (left, right)
        points = [np.repeat(at, 3), np.tile([*ends, np.nan], len(at))]
        axes.plot(points[along], points[across], color=colour("grid-fine"), linewidth=0.5, zorder=0)


def _title(example: Example) -> list[str]:
    """What the beat is, and how it was judged."""
    of = f"{example.record} at {example.place}" if example.record else example.place
    label = {"": "no beat annotated", "?": "not normal"}.get(example.label, f"annotated {example.label}")
    return [f"{of}: {label}", f"score {example.score:.3g}, p {_p(example.p_value)}"]


def _evidence(example: Example) -> str:
    return ", ".join(f"{name} {round(value, 1) + 0.0:.1f}" for name, value in example.parts.items())


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.01 else f"{value:.1g}"
