"""What a method makes of windows: the original over the reconstruction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ecgmon.comparison.report.material import Variant
from ecgmon.comparison.report.panels import WIDTH, plain
from ecgmon.comparison.report.sampled import Examples, examples
from ecgmon.ecg.types import FS
from ecgmon.evaluation.report.style import Picture, colour, draw

ABREAST: Final = 5
"""Windows of each kind."""

SIZE: Final = (WIDTH, 2.95)
MARGINS: Final = (0.75, 0.62, 0.1, 0.42)


def restorers(variants: Iterable[Variant]) -> list[Variant]:
    """The variants that restore windows; of those that restore the same ones alike, as detectors on one
    autoencoder do, the first."""
    found: dict[bytes, Variant] = {}
    for variant in variants:
        if (shown := examples(variant.cells)) is not None:
            found.setdefault(shown.restored.tobytes(), variant)
    return list(found.values())


def restored_picture(name: str, variant: Variant) -> Picture | None:
    """Normal windows above, abnormal ones below; None of a method that restores nothing."""
    found = examples(variant.cells)
    if found is None:
        return None
    sides = {"normal": found.label == "N", "abnormal": found.label != "N"}
    lines = [(kind, np.flatnonzero(side)[:ABREAST]) for kind, side in sides.items() if side.any()]
    low = float(min(found.x.min(), found.restored.min()))
    high = float(max(found.x.max(), found.restored.max()))
    reach = max(high - low, 1e-9)
    t = np.arange(found.x.shape[1]) / FS

    def paint(figure: Figure) -> None:
        every = figure.subplots(len(lines), ABREAST, squeeze=False, sharex=True, sharey=True,
                                gridspec_kw={"hspace": 0.16, "wspace": 0.06})  # fmt: skip
        for (kind, chosen), line in zip(lines, every, strict=True):
            for axes, i in zip(line, chosen, strict=False):
                x, restored = found.x[i], found.restored[i]
                axes.fill_between(t, x, restored, color=colour("error"), alpha=0.3, linewidth=0)
                axes.plot(t, restored, color=colour("restored"), linewidth=1.2, linestyle=(0, (5, 1.5)))
                axes.plot(t, x, color=colour("signal"), linewidth=1.2)
                axes.text(
                    0.98,
                    0.96,
                    _class(found, int(i)),
                    transform=axes.transAxes,
                    ha="right",
                    va="top",
                    fontsize=7,
                )
                axes.set(ylim=(low - 0.04 * reach, high + 0.12 * reach), xlim=(float(t[0]), float(t[-1])))
                axes.tick_params(labelsize=7, length=2.5)
                axes.grid(visible=True)
            for axes in line[len(chosen) :]:
                axes.set_axis_off()
            line[0].set_ylabel(kind, fontsize=8)
        figure.text(0.5, 0.3 / SIZE[1], "s from the beginning of the window", ha="center", fontsize=8)
        figure.legend(
            [
                Line2D([], [], color=colour("signal")),
                Line2D([], [], color=colour("restored"), linestyle=(0, (5, 1.5))),
                Patch(facecolor=colour("error"), alpha=0.3),
            ],
            ["original", "restored", "error"], loc="lower center", ncols=3, borderaxespad=0.25, borderpad=0,
        )  # fmt: skip
        title = " ".join(variant.name.split())
        figure.text(MARGINS[0] / WIDTH, 1 - 0.2 / SIZE[1], plain(title), fontsize=9)

    said = ", ".join(
        f"{len(chosen)} {kind} windows with a root mean square error of {_error(found, chosen):.3g}"
        for kind, chosen in lines
    )
    return draw(name, SIZE, MARGINS, paint, alt=f"{variant.name}: original and restored windows: {said}")


def _error(found: Examples, chosen: NDArray[np.intp]) -> float:
    return float(np.sqrt(np.mean((found.x[chosen] - found.restored[chosen]) ** 2)))


def _class(found: Examples, i: int) -> str:
    error = float(np.sqrt(np.mean((found.x[i] - found.restored[i]) ** 2)))
    return f"{plain(str(found.label[i]))}  RMS {error:.2g}"
