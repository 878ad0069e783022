"""Growth with the number of streams as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from matplotlib.figure import Figure

from ecgmon.bench.live_run import LiveRun
from ecgmon.evaluation.report.style import Picture, colour, draw

SIZE = (5.2, 3.4)
MARGINS = (0.65, 0.5, 0.2, 0.3)


def growth(found: Mapping[int, Sequence[LiveRun]]) -> Picture:
    """CPU of daemon and broker for a stream-second against the number of streams, every run a point."""
    parts = {"daemon": ("V", "o-"), "compute": ("S", "s--"), "broker": ("F", "^:")}

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for part, (role, style) in parts.items():
            us = {n: [getattr(run, part) * 1e6 for run in runs] for n, runs in found.items()}
            label = "of it the computing thread" if part == "compute" else part
            middles = [median(values) for values in us.values()]
            axes.plot(list(us), middles, style, color=colour(role), label=label)
            for n, values in us.items():
                axes.plot([n] * len(values), values, ".", color=colour(role), alpha=0.5)
        axes.set(xscale="log", xlabel="streams", ylabel="CPU µs a stream-second", ylim=(0, None))
        axes.set_xticks(list(found), [str(n) for n in found], minor=False)
        axes.minorticks_off()
        axes.grid(visible=True)
        axes.legend()

    alt = "; ".join(
        f"{n} streams: {median(run.daemon for run in runs) * 1e6:.0f} µs in the daemon"
        for n, runs in found.items()
    )
    return draw("live-growth", SIZE, MARGINS, paint, alt=alt)
