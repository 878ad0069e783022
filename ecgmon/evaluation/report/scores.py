"""How the scores of each class are distributed, and where the threshold cuts them."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecgmon.ecg.aami import ANOMALOUS
from ecgmon.evaluation.report.curves import Beats, Bools, Floats
from ecgmon.evaluation.report.style import Picture, colour, draw

BINS = 90

FEW = 60
"""Up to so many beats of a class are also drawn one by one."""

UNKNOWN = "?"
"""Class of the beats that are not normal and no more is known of them."""

INVENTED = "no beat annotated"
"""Class of the detections that no annotation belongs to."""


def threshold_in_scores(score: Floats, odd: Bools) -> tuple[float, float] | None:
    """Where the threshold, which is one of p-values, lies among the scores; None where all or none was
    flagged.

    Mostly one place, given twice: half way between the highest score that was not flagged and the lowest that
    was. Where these overlap, as with several models, the span that is flagged in some recordings only.
    """
    if odd.all() or not odd.any():
        return None
    quiet, flagged = float(score[~odd].max()), float(score[odd].min())
    return (flagged, quiet) if flagged < quiet else ((quiet + flagged) / 2,) * 2


def scores_picture(beats: Beats, invented: Beats) -> Picture:
    """One row a class: histogram of the scores, and the share that was flagged. ``invented`` are the
    detections that no annotation belongs to."""
    rows = [
        (name, beats.score[side], beats.odd[side])
        for name in ("N", *ANOMALOUS, UNKNOWN)
        if (side := beats.label == name).any()
    ]
    if len(invented.score):
        rows.append((INVENTED, invented.score, invented.odd))
    every = np.concatenate([beats.score, invented.score])
    odd = np.concatenate([beats.odd, invented.odd])
    finite = every[np.isfinite(every)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    edges = np.linspace(low, max(high, low + 1e-6), BINS + 1)
    cut = threshold_in_scores(every, odd)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(rows), 1, sharex=True, squeeze=False, gridspec_kw={"hspace": 0.45})[:, 0]
        for axes, (name, score, flagged) in zip(grid, rows, strict=True):
            drawn = np.clip(score, low, high)
            share = np.histogram(drawn, edges)[0] / len(score)
            axes.stairs(share, edges, fill=True, color=colour(name), alpha=0.45)
            axes.stairs(share, edges, color=colour(name), linewidth=1.1)
            if len(score) <= FEW:
                axes.plot(drawn, np.zeros(len(drawn)), "|", color=colour(name), markersize=9, clip_on=False)
            if cut is not None:
                axes.axvspan(*cut, color=colour("ink"), alpha=0.15, linewidth=0)
                for x in set(cut):
                    axes.axvline(x, color=colour("ink"), linewidth=1.0, linestyle=(0, (4, 2)))
            axes.set(ylim=(0, float(share.max()) * 1.08), yticks=[])
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="x", length=3.5 if axes is grid[-1] else 0)
            axes.set_title(
                f"{name}   {len(score)} beats, {_percent(flagged)} flagged",
                fontsize=8.5,
                pad=2,
                color=colour("ink"),
            )
        grid[-1].set_xlabel("score: larger is odder; dashed: threshold")

    texts = ", ".join(
        f"{name} {len(score)} beats, {_percent(flagged)} flagged" for name, score, flagged in rows
    )
    return draw(
        "scores", (4.6, 0.62 * len(rows) + 0.65), (0.12, 0.45, 0.12, 0.25), paint,
        alt=f"Histograms of the score by class, the threshold as a dashed line: {texts}",
        caption=(
            "How many beats of each class have which score; every row has a height scale of its own. What "
            "lies to the right of the dashed line is flagged. Between two lines lie scores that are flagged "
            "in some recordings only, because these have thresholds of their own."
        ),
    )  # fmt: skip


def _percent(flags: NDArray[np.bool_]) -> str:
    return f"{100 * float(flags.mean()):.3g} %"
