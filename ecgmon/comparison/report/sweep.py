"""Sweeps: figures against the one number, or the one choice, that is varied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgmon.comparison.report.figures import Figure as Value
from ecgmon.comparison.report.figures import Row
from ecgmon.comparison.report.panels import SERIES, WIDTH, Series, left_out, plain
from ecgmon.comparison.report.tables import shown
from ecgmon.evaluation.report.style import Picture, colour, draw

KEYS: Final = (("auroc", "AUROC"), ("auprc", "AUPRC"), ("f1", "F1 at the threshold"))

WIDE: Final = 20.0
"""From such a ratio of the highest number to the lowest on, the axis is logarithmic."""

MOST: Final = len(SERIES)

_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")


class Line(NamedTuple):
    """Rows that differ in the swept part only: places on the x axis, and the row of each."""

    name: str
    x: list[float]
    rows: list[Row]


class Sweep(NamedTuple):
    """What is swept, its steps' names and places, and one line for each combination of all else."""

    what: str
    ticks: dict[str, float]
    numbers: bool
    lines: list[Line]


def sweep(found: Sequence[Row]) -> Sweep:
    """The rows as lines: along the last part of the variants' names that differs, one with a number in each
    step going before; by number where all have one, in the order of the experiment otherwise."""
    axis = _axis(found)
    steps = list(dict.fromkeys(_part(row, axis) for row in found))
    values = [_number(step) for step in steps]
    numbers = all(value is not None for value in values) and len(set(values)) == len(values)
    ticks = {
        step: float(value) if numbers and value is not None else float(i)
        for i, (step, value) in enumerate(zip(steps, values, strict=True))
    }
    lines: dict[tuple[object, ...], Line] = {}
    for row in sorted(found, key=lambda row: ticks[_part(row, axis)]):
        rest = [part for i, part in enumerate(row.variant.axes) if i != axis]
        key = (*rest, row.reading, row.threshold)
        line = lines.setdefault(key, Line(_name(found, rest, row), [], []))
        line.x.append(ticks[_part(row, axis)])
        line.rows.append(row)
    what = _NUMBER.sub("", steps[0]).strip(" =:,%") if numbers and steps else ""
    return Sweep(what, ticks, numbers, list(lines.values()))


def sweep_picture(name: str, found: Sequence[Row]) -> Picture | None:
    """AUROC, AUPRC and F1 along the sweep; None where there is no figure."""
    drawn = [key for key in KEYS if any(row.figures[key[0]].n for row in found)]
    if not drawn:
        return None
    swept = sweep(found)
    some = swept.lines[:MOST]
    down = -(-len(some) // 2) if len(some) > 1 else 0
    foot = 0.66 + 0.19 * down

    def paint(figure: Figure) -> None:
        every = figure.subplots(1, len(drawn), squeeze=False, gridspec_kw={"wspace": 0.22})[0]
        for axes, (key, title) in zip(every, drawn, strict=True):
            handles = [_line(axes, line, key, series) for line, series in zip(some, SERIES, strict=False)]
            axes.set(title=title)
            _ticks(axes, swept)
            axes.grid(visible=True)
        if swept.what:
            figure.text(0.5, (0.1 + 0.19 * down) / size[1], plain(swept.what), ha="center")
        if down:
            figure.legend(
                handles, [plain(f"{i}  {line.name}") for i, line in enumerate(some, 1)], loc="lower center",
                ncols=2, borderaxespad=0.25, borderpad=0, handlelength=3.2, fontsize=7.5,
            )  # fmt: skip

    size = (WIDTH, 2.1 + foot + 0.3)
    said = "; ".join(_said(line, swept, drawn) for line in some)
    return draw(
        name, size, (0.45, foot, 0.15, 0.3), paint,
        alt=f"Lines along the sweep of {swept.what or name}: {said}",
        caption=(
            "Mean over the fits at each step; shades and whiskers are one standard deviation either way. "
            "Where the shade is wider than the line is high, the step makes no difference that these fits "
            "could show."
            + left_out(len(swept.lines), MOST)
        ),
    )  # fmt: skip


def _line(axes: Axes, line: Line, key: str, series: Series) -> Any:
    hue, dash, mark = series
    points = [(x, value) for x, row in zip(line.x, line.rows, strict=True)
              if (value := row.figures[key]).mean is not None]  # fmt: skip
    x = [at for at, _ in points]
    mean = np.array([value.mean for _, value in points], dtype=np.float64)
    spread = np.array([_spread(value) for _, value in points], dtype=np.float64)
    axes.fill_between(x, mean - spread, mean + spread, color=hue, alpha=0.13, linewidth=0)
    return axes.errorbar(
        x, mean, yerr=spread if spread.any() else None, color=hue, linestyle=dash, marker=mark, markersize=4,
        linewidth=1.3, elinewidth=0.8, capsize=2,
    )  # fmt: skip


def _ticks(axes: Axes, swept: Sweep) -> None:
    places = list(swept.ticks.values())
    low, high = min(places), max(places)
    if swept.numbers and low > 0 and high / low > WIDE:
        axes.set_xscale("log")
        axes.minorticks_off()
    few = len(places) <= 8
    if not swept.numbers or few:
        names = [f"{place:g}" for place in places] if swept.numbers else [plain(step) for step in swept.ticks]
        long = max(len(text) for text in names) > 6 and len(names) > 3
        axes.set_xticks(places, names, rotation=30 if long else 0, ha="right" if long else "center")
    axes.tick_params(labelsize=7)
    if not swept.numbers:
        axes.set_xlim(low - 0.4, high + 0.4)
    axes.spines["bottom"].set_edgecolor(colour("muted"))


def _axis(found: Sequence[Row]) -> int:
    depth = max((len(row.variant.axes) for row in found), default=1)
    differ = [i for i in range(depth) if len({_part(row, i) for row in found}) > 1]
    numbered = [i for i in differ if all(_number(_part(row, i)) is not None for row in found)]
    return (numbered or differ or [0])[-1]


def _part(row: Row, axis: int) -> str:
    parts = row.variant.axes
    return " ".join(parts[axis].split()) if axis < len(parts) else ""


def _number(part: str) -> float | None:
    """The last number that stands alone in the part of a name: that of "latent 16", not that of "conv1d"."""
    found = _NUMBER.findall(part)
    return float(found[-1]) if found else None


def _name(found: Sequence[Row], rest: Sequence[str], row: Row) -> str:
    several_readings = len({other.reading for other in found}) > 1
    several_thresholds = len({other.threshold for other in found}) > 1
    parts = [
        *rest,
        *([row.reading] if several_readings else []),
        *([row.threshold] if several_thresholds else []),
    ]
    return ", ".join(part for part in parts if part)


def _spread(value: Value) -> float:
    return value.spread or 0.0


def _said(line: Line, swept: Sweep, drawn: Sequence[tuple[str, str]]) -> str:
    key, title = drawn[0]
    names = {place: step for step, place in swept.ticks.items()}
    steps = ", ".join(
        f"{names[x]}: {shown(row.figures[key], 'rate')}" for x, row in zip(line.x, line.rows, strict=True)
    )
    return f"{line.name} {title} {steps}".strip()
