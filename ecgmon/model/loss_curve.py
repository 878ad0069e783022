"""The course of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ecgmon.errors import EcgmonError


def draw_loss_curve(path: Path, train: Sequence[float], validation: Sequence[float], best_epoch: int) -> None:
    """Losses per epoch as PNG; ``best_epoch`` counts from 1. Needs no display, changes no plot state."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = range(1, len(train) + 1)
    axes.plot(epochs, train, label="training (augmented)")
    axes.plot(epochs, validation, label="validation (other patients)")
    axes.axvline(best_epoch, color="grey", linestyle=":", label=f"kept: epoch {best_epoch}")
    axes.set(xlabel="epoch", ylabel="mean squared error of normalised windows", yscale="log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, metadata={"Software": None})
    except OSError as error:
        raise EcgmonError(f"{path}: cannot be written ({error.strerror})") from None
