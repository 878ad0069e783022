"""What all methods have in common: they learn from windows of normal beats and score any window.

A method sees one normalised window at a time (:func:`ecgmon.model.dataset.normalise`) and no rhythm. Of the
patient it knows one number that is in the window already: centred windows are divided by the QRS size that is
usual in the stream. ``kachuee`` windows have lost even that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ecgmon.config import Settings
from ecgmon.ecg.types import Layout, Samples
from ecgmon.model.dataset import CLIP
from ecgmon.model.epochs import History

Floats = NDArray[np.float64]

ScoreName = Literal["squared-error", "l2", "cosine", "sample-map"]
Variation = Literal["crop", "contrast", "rotation", "blur", "solarise", "flip"]


class Reading(Settings, frozen=True):
    """One way to read a score off a fitted method."""

    score: ScoreName = "squared-error"
    """Of an autoencoder; other methods have a score of their own."""
    augmentation: tuple[Variation, ...] = ()
    """Applied to the window before it is scored; the score is the mean over ``draws`` and the window as it
    is."""
    draws: Annotated[int, Meta(ge=1, le=64, description="varied copies of each window")] = 4


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """What a method learns from.

    train        [n, 187] float32, normalised windows, normal ones unless the experiment contaminates them
    validation   [m, 187] normal windows of other patients: early stopping
    layout       of all windows, those to come included; variations leave those of ``kachuee`` in 0..1
    """

    train: Samples
    validation: Samples
    layout: Layout = "centred"

    @property
    def unit(self) -> bool:
        """Windows lie in 0..1, and so do their variations."""
        return self.layout == "kachuee"


def seen(x: Samples) -> Samples:
    """What a method sees of [n, 187] windows that it is asked about: -8..8, which normalised windows lie
    within, so that no other makes a network or a gain overflow.

    Raises :class:`ValueError` where a window is not finite: cut off, infinity would pass for a number.
    """
    if not np.isfinite(x).all():
        raise ValueError("windows to score must be finite")
    return np.clip(x, -CLIP, CLIP)


class Method(Protocol):
    """One method, fitted once.

    ``history``      losses by epoch; None where nothing is learned by epochs
    ``parameters``   how many numbers the fitted method consists of (a neighbour's method keeps its windows)
    """

    @property
    def history(self) -> History | None: ...

    @property
    def parameters(self) -> int: ...

    def fit(self, learning: Learning, seed: int) -> None:
        """Learn. The same windows and seed give the same scores. One thread."""

    def score(self, x: Samples, reading: Reading, seed: int = 0) -> Floats:
        """[n, 187] to [n] finite scores, higher is odder. ``seed`` draws the variations of ``reading``.

        :class:`ValueError` for windows that are not finite, here and below.
        """

    def restore(self, x: Samples) -> Samples | None:
        """[n, 187] restored, or None of a method that restores nothing."""

    def embed(self, x: Samples) -> Floats | None:
        """[n, latent] embeddings, or None of a method without."""
