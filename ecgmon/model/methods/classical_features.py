"""What the classical detectors see of a window: its scaled samples, or principal components of these."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError
from ecgmon.model.methods.base import Floats
from ecgmon.model.methods.classical_settings import ClassicalSettings

LIMIT = 1e6
"""Scaled samples are cut to -LIMIT..LIMIT: no finite window, however large, makes a score overflow."""
FLOOR = 0.1
"""Of the overall deviation: with ``scaling: sample``, one that hardly varies is divided by that much."""


class Features:
    """[n, 187] to [n, d] float64, learned from the training windows, where their variance is about 1.

    Raises :class:`DataError` where there is nothing to learn from.
    """

    def __init__(self, settings: ClassicalSettings, train: Samples) -> None:
        x = np.asarray(train, dtype=np.float64)
        if not np.isfinite(x).all():
            raise DataError("training windows with samples that are not finite numbers; leave them out")
        if len(x) < 2 or not (x != x[0]).any():
            raise DataError(
                "training windows that do not differ: there is nothing to learn; use more of them"
            )
        self._mean = x.mean(axis=0)
        overall = float(np.sqrt(np.mean((x - self._mean) ** 2)))
        own = np.maximum(x.std(axis=0), FLOOR * overall)
        self._scale = own if settings.scaling == "sample" else np.full(x.shape[1], overall)
        self._pca: PCA | None = None
        if settings.components is not None:
            if settings.components > min(x.shape):
                raise DataError(
                    f"{settings.components} principal components of {len(x)} training windows of "
                    f"{x.shape[1]} samples; ask for fewer components or use more windows"
                )
            self._pca = PCA(settings.components, whiten=settings.whiten, svd_solver="covariance_eigh").fit(
                self._scaled(x)
            )

    def __call__(self, x: Samples) -> Floats:
        """[n, d] of finite windows."""
        scaled = self._scaled(np.asarray(x, dtype=np.float64))
        return scaled if self._pca is None else np.asarray(self._pca.transform(scaled))

    def inverse(self, features: Floats) -> Samples:
        """[n, d] back to [n, 187]."""
        scaled = features if self._pca is None else self._pca.inverse_transform(features)
        windows: Samples = (scaled * self._scale + self._mean).astype(np.float32)
        return windows

    @property
    def reduced(self) -> bool:
        """Whether these are principal components."""
        return self._pca is not None

    @property
    def parameters(self) -> int:
        count = self._mean.size + (1 if (self._scale == self._scale[0]).all() else self._scale.size)
        if self._pca is not None:
            count += self._pca.components_.size + (len(self._pca.components_) if self._pca.whiten else 0)
        return int(count)

    def _scaled(self, x: Floats) -> Floats:
        scaled: Floats = np.clip((x - self._mean) / self._scale, -LIMIT, LIMIT)
        return scaled
