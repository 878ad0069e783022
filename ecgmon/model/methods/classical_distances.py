"""Detectors that say how far a window is from those learned from: neighbours, cluster centres, subspace.

Each takes features [n, d] (:mod:`~ecgmon.model.methods.classical_features`) and gives scores [n], higher is
odder; ``parameters`` counts what it has learned.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from ecgmon.model.methods.base import Floats
from ecgmon.model.methods.classical_settings import (
    KmeansSettings,
    KnnCentreSettings,
    KnnMaximumSettings,
    KnnMeanSettings,
    LofSettings,
    PcaSettings,
)


class Lof:
    """Local outlier factor; about 1 among the training windows."""

    def __init__(self, settings: LofSettings, x: Floats, seed: int) -> None:  # noqa: ARG002 - no chance
        self._lof = LocalOutlierFactor(settings.neighbours, algorithm="brute", novelty=True, n_jobs=1).fit(x)
        self.parameters = x.size + 2 * len(x)  # a window, its k-distance and its density

    def score(self, x: Floats) -> Floats:
        return -np.asarray(self._lof.score_samples(x))


class Neighbours:
    """Distance to the nearest training windows, of one of three kinds."""

    def __init__(
        self,
        settings: KnnMaximumSettings | KnnMeanSettings | KnnCentreSettings,
        x: Floats,
        seed: int,  # noqa: ARG002 - no chance
    ) -> None:
        self._settings = settings
        self._x = x
        self._nearest = NearestNeighbors(n_neighbors=settings.neighbours, algorithm="brute", n_jobs=1).fit(x)
        self.parameters = x.size

    def score(self, x: Floats) -> Floats:
        distances, indices = self._nearest.kneighbors(x)  # [n, k], the nearest first
        match self._settings:
            case KnnMaximumSettings():
                return np.asarray(distances[:, -1])
            case KnnMeanSettings():
                return np.asarray(distances.mean(axis=1))
            case KnnCentreSettings():
                return np.asarray(np.linalg.norm(x - self._x[indices].mean(axis=1), axis=1))


class Kmeans:
    """Distance to the nearest cluster centre."""

    def __init__(self, settings: KmeansSettings, x: Floats, seed: int) -> None:
        self._means = KMeans(settings.clusters, n_init=4, random_state=seed).fit(x)
        self.parameters = self._means.cluster_centers_.size

    def score(self, x: Floats) -> Floats:
        return np.asarray(self._means.transform(x).min(axis=1))


class Pca:
    """Squared distance to the subspace of the first principal components."""

    def __init__(self, settings: PcaSettings, x: Floats, seed: int) -> None:  # noqa: ARG002 - no chance
        self._pca = PCA(settings.kept, svd_solver="covariance_eigh").fit(x)
        self.parameters = self._pca.components_.size + x.shape[1]

    def score(self, x: Floats) -> Floats:
        return np.asarray(((x - self.restore(x)) ** 2).sum(axis=1))

    def restore(self, x: Floats) -> Floats:
        """The nearest point [n, d] of the subspace."""
        return np.asarray(self._pca.inverse_transform(self._pca.transform(x)))
