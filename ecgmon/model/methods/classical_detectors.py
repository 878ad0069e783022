"""The detector that settings ask for. Needs scikit-learn."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ecgmon.errors import DataError
from ecgmon.model.methods.base import Floats
from ecgmon.model.methods.classical_boundaries import Forest, OneClassSvm, Svdd
from ecgmon.model.methods.classical_densities import Gaussian, Mixture, Parzen
from ecgmon.model.methods.classical_distances import Kmeans, Lof, Neighbours, Pca
from ecgmon.model.methods.classical_settings import (
    Detector,
    GaussianSettings,
    IsolationForestSettings,
    KmeansSettings,
    KnnCentreSettings,
    KnnMaximumSettings,
    KnnMeanSettings,
    LofSettings,
    MixtureSettings,
    OneClassSvmSettings,
    ParzenSettings,
    PcaSettings,
    SvddSettings,
)

KEEPS_WINDOWS = (
    ParzenSettings, LofSettings, KnnMaximumSettings, KnnMeanSettings, KnnCentreSettings,
    OneClassSvmSettings, SvddSettings,
)  # fmt: skip


class Fitted(Protocol):
    """A detector that has learned."""

    parameters: int

    def score(self, x: Floats) -> Floats:
        """Features [n, d] to [n], higher is odder."""


def fit(settings: Detector, x: Floats, seed: int, max_train: int) -> Fitted:
    """The detector, fitted to features x [n, d]; one that keeps windows to ``max_train`` of them, drawn by
    seed.

    Raises :class:`DataError` when there are too few windows for the detector's numbers.
    """
    if isinstance(settings, KEEPS_WINDOWS) and len(x) > max_train:
        x = x[np.sort(np.random.default_rng(seed).choice(len(x), max_train, replace=False))]
    _check(settings, x)
    return _fit(settings, x, seed % 2**32)  # scikit-learn takes no larger one


def _fit(settings: Detector, x: Floats, seed: int) -> Fitted:  # noqa: C901, PLR0911 - one line each
    match settings:
        case GaussianSettings():
            return Gaussian(settings, x, seed)
        case MixtureSettings():
            return Mixture(settings, x, seed)
        case ParzenSettings():
            return Parzen(settings, x, seed)
        case LofSettings():
            return Lof(settings, x, seed)
        case KnnMaximumSettings() | KnnMeanSettings() | KnnCentreSettings():
            return Neighbours(settings, x, seed)
        case KmeansSettings():
            return Kmeans(settings, x, seed)
        case PcaSettings():
            return Pca(settings, x, seed)
        case OneClassSvmSettings():
            return OneClassSvm(settings, x, seed)
        case SvddSettings():
            return Svdd(settings, x, seed)
        case IsolationForestSettings():
            return Forest(settings, x, seed)


def _check(detector: Detector, x: Floats) -> None:
    """Raise :class:`DataError` when features x [n, d] are too few for the detector's numbers."""
    n, d = x.shape
    match detector:
        case LofSettings(neighbours=k) | KnnMaximumSettings(neighbours=k):
            fewest, what = k + 1, f"{k} neighbours"
        case KnnMeanSettings(neighbours=k) | KnnCentreSettings(neighbours=k):
            fewest, what = k + 1, f"{k} neighbours"
        case KmeansSettings(clusters=k):
            fewest, what = k, f"{k} clusters"
        case MixtureSettings(mixtures=k):
            fewest, what = 2 * k, f"{k} mixtures"
        case PcaSettings(kept=k):
            fewest, what = k + 1, f"{k} principal components"
            if k >= d:
                raise DataError(f"pca: {k} of {d} features restore every window; keep fewer")
        case _:
            fewest, what = 2, "a fit"
    if n < fewest:
        raise DataError(f"{n} training windows are too few for {what}; use at least {fewest}")
