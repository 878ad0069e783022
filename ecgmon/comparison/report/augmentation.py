"""AUROC by augmentation: of none, in training, in testing, in both."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ecgmon.comparison.report.figures import Figure as Value
from ecgmon.comparison.report.figures import Row, figure
from ecgmon.comparison.report.panels import WIDTH, plain
from ecgmon.comparison.report.tables import shown
from ecgmon.evaluation.report.style import Picture, colour, draw

WHERE: Final = {"train": ("S", ""), "test": ("V", "///"), "both": ("F", "xxx")}
"""When windows are varied, to colour and hatching."""

CHANCE: Final = 0.5

Bars = dict[str, dict[str, Value]]
"""Augmentation to when to AUROC; "" is none."""


def groups(reads: Sequence[Row]) -> dict[str, Bars]:
    """The rows by what they have in common besides the augmentation, named after what their
    variants' names share.

    Known by ``augmentation`` of the method's settings and of the reading's. A row that is varied in one way
    in training and in another in testing is called by both.
    """
    fits: dict[str, dict[str, dict[str, dict[str, float | None]]]] = {}
    parts: dict[str, list[str]] = {}
    for row in reads:
        settings = row.cells[0].result.method
        inner = settings.get("autoencoder")
        train = _ways(settings) or _ways(inner)
        test = _ways((settings.get("readings") or {}).get(row.reading))
        key = json.dumps(_without(settings), sort_keys=True, default=str) + _score(settings, row.reading)
        name = parts.setdefault(key, list(row.variant.axes))
        name[:] = [part for part in name if part in row.variant.axes]
        when = "both" if train and test else "train" if train else "test" if test else ""
        way = train if not test or train == test else test if not train else f"{train} / {test}"
        # Rows that are the same but for their names, as "none" may be, share their fits.
        same = fits.setdefault(key, {}).setdefault(way, {}).setdefault(when, {})
        same.update({cell.result.key: cell.result.readings[row.reading].auroc for cell in row.cells})
    titles: set[str] = set()
    return {
        _title(titles, ", ".join(parts[key]) or _kind(key)): {
            way: {when: figure(found[way][when].values()) for when in found[way]}
            for way in sorted(found, key=lambda way: (way.count(" + "), way))
        }
        for key, found in fits.items()
    }


def augmentation_picture(name: str, reads: Sequence[Row]) -> Picture | None:
    """One row of bars for each group; None where nothing has an AUROC."""
    drawn = {
        title: bars
        for title, bars in groups(reads).items()
        if any(value.n for whens in bars.values() for value in whens.values())
    }
    if not drawn:
        return None
    height = 1.75
    size = (WIDTH, len(drawn) * (height + 0.55) + 0.55)

    def paint(canvas: Figure) -> None:
        every = canvas.subplots(len(drawn), 1, squeeze=False, gridspec_kw={"hspace": 0.55 / height}).ravel()
        for axes, (title, bars) in zip(every, drawn.items(), strict=True):
            _bars(axes, bars)
            axes.set_title(plain(title), fontsize=8.5)
        legend = [
            Patch(facecolor=colour("N"), alpha=0.6),
            *(Patch(facecolor=colour(role), alpha=0.6, hatch=hatch, edgecolor=colour("paper"))
              for role, hatch in WHERE.values()),
        ]  # fmt: skip
        canvas.legend(
            legend, ["none (and the level line)", "in training", "in testing", "in both"],
            loc="lower center", ncols=4, borderaxespad=0.25, borderpad=0,
        )  # fmt: skip

    said = "; ".join(f"{title}: {_said(bars)}" for title, bars in drawn.items())
    return draw(
        name, size, (0.6, 0.62, 0.12, 0.3), paint, alt=f"Bars of the AUROC by augmentation: {said}",
        caption=(
            "AUROC by kind of variation: of training windows (plain), of test windows, whose score is "
            "then the mean over the varied copies (hatched), and of both (crossed). The level line and "
            "its shade are the same method without any, with its standard deviation; whiskers are "
            "standard deviations over the fits. Bars begin at 0.5, which is chance; a bar inside of the "
            "shade makes no difference that these fits could show."
        ),
    )  # fmt: skip


def _bars(axes: Axes, bars: Bars) -> None:
    ways = [way for way in bars if way]
    none = bars.get("", {}).get("", Value(None, None, 0))
    if none.mean is not None:
        if none.spread is not None:
            axes.axhspan(
                none.mean - none.spread, none.mean + none.spread, color=colour("N"), alpha=0.2, linewidth=0
            )
        axes.axhline(none.mean, color=colour("N"), linewidth=1.0)
        _bar(axes, -1.0, none, "N", "")
    for at, way in enumerate(ways):
        for beside, (when, (role, hatch)) in zip((-0.27, 0.0, 0.27), WHERE.items(), strict=True):
            value = bars[way].get(when)
            if value is not None and value.mean is not None:
                _bar(axes, at + beside, value, role, hatch)
    axes.axhline(CHANCE, color=colour("muted"), linewidth=0.8)
    tops = [
        value.mean + (value.spread or 0) for whens in bars.values() for value in whens.values() if value.mean
    ]
    lows = [
        value.mean - (value.spread or 0) for whens in bars.values() for value in whens.values() if value.mean
    ]
    axes.set(
        xticks=[-1.0, *range(len(ways))], xticklabels=["none", *(plain(_wrapped(way)) for way in ways)],
        xlim=(-1.6, max(len(ways), 1) - 0.4), ylim=(min([CHANCE, *lows]) - 0.01, max([CHANCE, *tops]) + 0.02),
        ylabel="AUROC",
    )  # fmt: skip
    axes.tick_params(axis="x", length=0, labelsize=7)
    axes.grid(visible=True, axis="y")


def _bar(axes: Axes, x: float, value: Value, role: str, hatch: str) -> None:
    mean = value.mean or 0.0
    axes.bar(
        [x], [mean - CHANCE], bottom=CHANCE, width=0.25, color=colour(role), alpha=0.6, hatch=hatch,
        edgecolor=colour("paper"), linewidth=0,
    )  # fmt: skip
    if value.spread is not None:
        axes.errorbar([x], [mean], yerr=[value.spread], fmt="none", ecolor=colour("ink"), elinewidth=0.9)


def _without(settings: Any) -> Any:
    """The settings less all that is varied here."""
    if not isinstance(settings, Mapping):
        return settings
    return {
        key: _without(value) for key, value in settings.items() if key not in {"augmentation", "readings"}
    }


def _ways(settings: Any) -> str:
    found = settings.get("augmentation") if isinstance(settings, Mapping) else None
    return " + ".join(str(way) for way in found) if isinstance(found, list | tuple) else ""


def _score(settings: Mapping[str, Any], reading: str) -> str:
    found = (settings.get("readings") or {}).get(reading, {})
    return str(found.get("score", "")) if isinstance(found, Mapping) else ""


def _kind(key: str) -> str:
    """What the settings behind ``key`` call themselves, such as "autoencoder conv1d"."""
    return " ".join(re.findall(r'"type": "([^"]*)"', key)) or "AUROC by augmentation"


def _title(taken: set[str], wanted: str) -> str:
    title, n = wanted, 1
    while title in taken:
        n += 1
        title = f"{wanted} ({n})"
    taken.add(title)
    return title


def _wrapped(way: str) -> str:
    parts = way.split(" + ")
    return way if len(parts) < 3 else f"{len(parts)} together"


def _said(bars: Bars) -> str:
    return ", ".join(
        f"{way or 'none'}{f' in {when}ing' if when in ('train', 'test') else ' in both' if when else ''} "
        f"{shown(value, 'rate')}"
        for way, whens in bars.items()
        for when, value in whens.items()
    )
