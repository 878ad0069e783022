"""Classical detectors behind the interface of all methods: scaling, principal components, detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgmon.ecg.types import Samples
from ecgmon.model.epochs import History
from ecgmon.model.methods.base import Floats, Learning, Reading, seen
from ecgmon.model.methods.classical_settings import ClassicalSettings
from ecgmon.model.methods.scikit import need_scikit_learn, scikit_learn
from ecgmon.model.methods.variations import averaged

if TYPE_CHECKING:
    from ecgmon.model.methods.classical_detectors import Fitted
    from ecgmon.model.methods.classical_features import Features

__all__ = ["ClassicalMethod", "ClassicalSettings"]

BLOCK = 1024
"""Windows scored together: with 5000 training windows their distances are 40 MB."""


class ClassicalMethod:
    """A :class:`~ecgmon.model.methods.base.Method`. ``seed`` draws the training windows that are kept, and
    starts k-means, the mixture and the forest.

    Raises :class:`DependencyError` when scikit-learn is not installed.
    """

    history: History | None = None

    def __init__(self, settings: ClassicalSettings) -> None:
        need_scikit_learn()
        self.settings = settings
        self._fitted: tuple[Features, Fitted] | None = None
        self._unit = False

    @property
    def parameters(self) -> int:
        features, detector = self._parts()
        return features.parameters + detector.parameters

    def fit(self, learning: Learning, seed: int) -> None:
        """Learn from ``learning.train``; the validation windows are not looked at.

        Raises :class:`DataError` when there are too few windows for the detector, or they do not differ.
        """
        from ecgmon.model.methods import classical_detectors, classical_features  # noqa: PLC0415 - an extra

        self._unit = learning.unit
        s = self.settings
        with scikit_learn():
            features = classical_features.Features(s, learning.train)
            self._fitted = (
                features,
                classical_detectors.fit(s.detector, features(learning.train), seed, s.max_train),
            )

    def score(self, x: Samples, reading: Reading, seed: int = 0) -> Floats:
        features, detector = self._parts()

        def plain(windows: Samples) -> Floats:
            scores = np.empty(len(windows))
            for start in range(0, len(windows), BLOCK):
                block = slice(start, start + BLOCK)
                scores[block] = detector.score(features(windows[block]))
            return scores

        with scikit_learn():
            return averaged(plain, x, reading, seed, unit=self._unit)

    def restore(self, x: Samples) -> Samples | None:
        """Of ``pca`` the nearest window of its subspace, None of the others."""
        from ecgmon.model.methods.classical_distances import Pca  # noqa: PLC0415 - an extra

        features, detector = self._parts()
        if not isinstance(detector, Pca):
            return None
        with scikit_learn():
            return features.inverse(detector.restore(features(seen(x))))

    def embed(self, x: Samples) -> Floats | None:
        """The principal components that the detector sees, None where it sees the window."""
        features, _ = self._parts()
        with scikit_learn():
            return features(seen(x)) if features.reduced else None

    def _parts(self) -> tuple[Features, Fitted]:
        if self._fitted is None:
            raise RuntimeError("a method must be fitted before it is asked")
        return self._fitted
