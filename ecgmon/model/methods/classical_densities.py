"""Detectors that say how unlikely a window is: Gaussian, mixture of Gaussians, Parzen window.

Each takes features [n, d] (:mod:`~ecgmon.model.methods.classical_features`) and gives scores [n], higher is
odder; ``parameters`` counts what it has learned.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf, ShrunkCovariance
from sklearn.metrics import euclidean_distances
from sklearn.mixture import GaussianMixture

from ecgmon.model.methods.base import Floats
from ecgmon.model.methods.classical_settings import GaussianSettings, MixtureSettings, ParzenSettings

BANDWIDTH_FROM = 1000
"""Training windows that the bandwidth is chosen from, at most: all pairs are compared."""


class Gaussian:
    """One Gaussian, its covariance shrunk towards equal variances."""

    def __init__(self, settings: GaussianSettings, x: Floats, seed: int) -> None:  # noqa: ARG002 - no chance
        s = settings.shrinkage
        self._covariance = (LedoitWolf() if s is None else ShrunkCovariance(shrinkage=s)).fit(x)
        self.parameters = x.shape[1] + x.shape[1] * (x.shape[1] + 1) // 2

    def score(self, x: Floats) -> Floats:
        return np.asarray(self._covariance.mahalanobis(x))


class Mixture:
    """Several Gaussians, started by k-means."""

    def __init__(self, settings: MixtureSettings, x: Floats, seed: int) -> None:
        self._mixture = GaussianMixture(
            settings.mixtures,
            covariance_type=settings.covariance,
            reg_covar=settings.ridge,
            random_state=seed,
        ).fit(x)
        d, k = x.shape[1], settings.mixtures
        own = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d, "spherical": k}
        self.parameters = k * d + k + own[settings.covariance]

    def score(self, x: Floats) -> Floats:
        return -np.asarray(self._mixture.score_samples(x))


class Parzen:
    """A Gaussian at each training window. Not scikit-learn's ``KernelDensity``: it gives the same, but its
    tree is of no use in 187 dimensions, and comparing all windows at once is nine times as fast."""

    def __init__(self, settings: ParzenSettings, x: Floats, seed: int) -> None:
        self._x = x
        self.bandwidth = settings.bandwidth or likeliest_bandwidth(x, seed)
        self.parameters = x.size + 1

    def score(self, x: Floats) -> Floats:
        d = x.shape[1]
        constant = np.log(len(self._x)) + d * np.log(self.bandwidth) + 0.5 * d * np.log(2 * np.pi)
        exponents = euclidean_distances(x, self._x, squared=True)
        exponents /= -2 * self.bandwidth**2
        highest = exponents.max(axis=1)
        exponents -= highest[:, np.newaxis]
        return np.asarray(constant - highest - np.log(np.exp(exponents, out=exponents).sum(axis=1)))


def likeliest_bandwidth(x: Floats, seed: int) -> float:
    """The bandwidth under which training windows [n, d] are likeliest, each under the others (Duin 1976).

    Between 1/20 of the median distance to the nearest other window and the largest distance. Windows that
    stand more than once count once: each would make the other infinitely likely.
    """
    x = np.unique(x, axis=0)
    if len(x) > BANDWIDTH_FROM:
        x = x[np.random.default_rng(seed).choice(len(x), BANDWIDTH_FROM, replace=False)]
    squared = cdist(x, x, "sqeuclidean")
    np.fill_diagonal(squared, np.inf)
    nearest = np.sqrt(squared.min(axis=1))
    largest = np.sqrt(squared[np.isfinite(squared)].max())

    def cost(log_h: float) -> float:
        inside = logsumexp(squared / (-2 * np.exp(2 * log_h)), axis=1)
        return float(x.shape[1] * log_h - inside.mean())

    found = minimize_scalar(cost, bounds=(np.log(np.median(nearest) / 20), np.log(largest)), method="bounded")
    return float(np.exp(found.x))
