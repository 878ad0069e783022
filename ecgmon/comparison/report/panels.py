"""Small multiples: one panel for each variant, all alike."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgmon.evaluation.report.style import Picture, colour, draw

WIDTH: Final = 9.2
"""Of wide pictures, inches."""

ACROSS: Final = 4

MOST: Final = 16
"""Panels of a picture; the variants behind these are in the table only."""

_TITLE_WIDTH: Final = 33

_LEGEND_WIDTH: Final = 120
"""Letters that fit into one line."""

_LEFT, _RIGHT, _GAP, _BETWEEN = 0.3, 0.12, 0.3, 0.62

Panel = TypeVar("Panel")


class Series(NamedTuple):
    """What tells one line from another: colour, dashes and mark, so that no meaning rests on colour alone."""

    colour: str
    dash: Any
    mark: str


SERIES: Final = (
    Series(colour("all"), "-", "o"),
    Series(colour("V"), (0, (5, 1.5)), "^"),
    Series(colour("S"), (0, (1.2, 1.2)), "s"),
    Series(colour("F"), (0, (6, 1.5, 1.2, 1.5)), "D"),
    Series(colour("Q"), (0, (3, 3)), "v"),
    Series(colour("N"), (0, (8, 2, 1, 2, 1, 2)), "P"),
)


def plain(text: str) -> str:
    """``text`` as matplotlib is to draw it: letter by letter, dollars and all, on one line."""
    return " ".join(text.split()).replace("$", r"\$")


def titled(axes: Axes, title: str) -> None:
    """A title of at most two lines."""
    lines = textwrap.wrap(" ".join(title.split()), _TITLE_WIDTH, max_lines=2, placeholder="...") or [""]
    axes.set_title("\n".join(plain(line) for line in lines), fontsize=7.5, pad=3, linespacing=1.15)


def grid(
    name: str,
    panels: Sequence[Panel],
    titles: Sequence[str],
    paint: Callable[[Axes, Panel], None],
    *,
    alt: str,
    caption: str,
    legend: Sequence[tuple[Any, str]] = (),
    height: float = 1.45,
    left: float = _LEFT,
    stretch: bool = False,
    x: str = "",
) -> Picture:
    """The first 16 of ``panels``, four abreast; to ``caption`` is added what was left out.

    height     of a panel, inches
    left       room for what stands left of a panel, inches
    stretch    fewer than four panels take the whole width
    legend     what marks and lines are called, at the foot
    x          what all x axes mean, at the foot
    """
    some = panels[:MOST]
    across = min(ACROSS, len(some)) if stretch else ACROSS
    down = -(-len(some) // across)
    columns = legend_columns([text for _, text in legend])
    lines = -(-len(legend) // columns)
    foot = 0.34 + 0.22 * bool(x) + 0.2 * lines + 0.06 * bool(legend)
    top = 0.36
    size = (WIDTH, down * height + (down - 1) * _BETWEEN + foot + top)
    gap = _GAP + left - _LEFT
    width = (WIDTH - left - _RIGHT - (across - 1) * gap) / across
    used = min(across, len(some))
    middle = (left + (used * width + (used - 1) * gap) / 2) / WIDTH

    def fill(figure: Figure) -> None:
        every = figure.subplots(
            down, across, squeeze=False, gridspec_kw={"hspace": _BETWEEN / height, "wspace": gap / width}
        ).ravel()
        for axes, panel, title in zip(every, some, titles, strict=False):
            axes.tick_params(labelsize=7, length=2.5)
            paint(axes, panel)
            titled(axes, title)
        for axes in every[len(some) :]:
            axes.set_axis_off()
        if x:
            figure.text(middle, (0.1 + 0.2 * lines) / size[1], x, ha="center", fontsize=8)
        if legend:
            figure.legend(
                [handle for handle, _ in legend], [label for _, label in legend], loc="lower center",
                bbox_to_anchor=(middle, 0.0), ncols=columns, borderaxespad=0.25, borderpad=0,
            )  # fmt: skip

    return draw(
        name, size, (left, foot, _RIGHT, top), fill, alt=alt, caption=caption + left_out(len(panels), MOST)
    )


def legend_columns(texts: Sequence[str]) -> int:
    """Of a legend: all in one line where they have room, else as many as the longest leaves room for."""
    widths = [len(text) + 5 for text in texts]
    if sum(widths) <= _LEGEND_WIDTH:
        return max(len(widths), 1)
    most = max(1, _LEGEND_WIDTH // max(widths))
    return -(-len(widths) // -(-len(widths) // most))


def left_out(n: int, most: int, where: str = "in the table only") -> str:
    """A sentence on what is not drawn and is ``where`` instead; "" where all is drawn."""
    if n <= most:
        return ""
    more = "one more is" if n == most + 1 else f"{n - most} more are"
    return f" Drawn are the first {most} of the table; {more} {where}."
