"""The detector that settings ask for. Needs scikit-learn."""

from __future__ import annotations

from typing import Protocol

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


class Fitted(Protocol):
    """A detector that has learned."""

    parameters: int

    def score(self, x: Floats) -> Floats:
        """Features [n, d] to [n], higher is odder."""


def fit(settings: Detector, x: Floats, seed: int) -> Fitted:  # noqa: C901, PLR0911 - one line each
    """The detector, fitted to features x [n, d]."""
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
