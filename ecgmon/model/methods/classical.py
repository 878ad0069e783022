"""Classical detectors behind the interface of all methods: scaling, principal components, then the detector.

scikit-learn comes by the extra ``compare`` and is imported when a method is made, not before.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ecgmon.ecg.types import Samples
from ecgmon.errors import DataError, DependencyError
from ecgmon.model.epochs import History
from ecgmon.model.methods.base import Floats, Learning, Reading, seen
from ecgmon.model.methods.classical_settings import (
    ClassicalSettings,
    Detector,
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
from ecgmon.model.methods.variations import averaged, within_unit

if TYPE_CHECKING:
    from ecgmon.model.methods.classical_detectors import Fitted
    from ecgmon.model.methods.classical_features import Features

__all__ = ["ClassicalMethod", "ClassicalSettings"]

log = logging.getLogger(__name__)

BLOCK = 1024
"""Windows scored together: with 5000 training windows their distances are 40 MB."""

KEEPS_WINDOWS = (
    ParzenSettings, LofSettings, KnnMaximumSettings, KnnMeanSettings, KnnCentreSettings,
    OneClassSvmSettings, SvddSettings,
)  # fmt: skip


class ClassicalMethod:
    """A :class:`~ecgmon.model.methods.base.Method`. ``seed`` draws the training windows that are kept, and
    starts k-means, the mixture and the forest.

    Raises :class:`DependencyError` when scikit-learn is not installed.
    """

    history: History | None = None

    def __init__(self, settings: ClassicalSettings) -> None:
        if importlib.util.find_spec("sklearn") is None:
            raise DependencyError(
                "classical detectors need scikit-learn, which is not here: pip install 'ecgmon[compare]'"
            )
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

        self._unit = within_unit(learning.train)
        with one_thread(), logged_warnings():
            features = classical_features.Features(self.settings, learning.train, seed)
            x = features(self._kept(learning.train, seed))
            _check(self.settings.detector, x)
            self._fitted = features, classical_detectors.fit(self.settings.detector, x, seed)

    def score(self, x: Samples, reading: Reading, seed: int = 0) -> Floats:
        features, detector = self._parts()

        def plain(windows: Samples) -> Floats:
            scores = np.empty(len(windows))
            for start in range(0, len(windows), BLOCK):
                block = slice(start, start + BLOCK)
                scores[block] = detector.score(features(windows[block]))
            return scores

        with one_thread():
            return averaged(plain, x, reading, seed, unit=self._unit)

    def restore(self, x: Samples) -> Samples | None:
        """Of ``pca`` the nearest window of its subspace, None of the others."""
        from ecgmon.model.methods.classical_distances import Pca  # noqa: PLC0415 - an extra

        features, detector = self._parts()
        if not isinstance(detector, Pca):
            return None
        with one_thread():
            return features.inverse(detector.restore(features(seen(x))))

    def embed(self, x: Samples) -> Floats | None:
        """The principal components that the detector sees, None where it sees the window."""
        features, _ = self._parts()
        with one_thread():
            return features(seen(x)) if features.reduced else None

    def _kept(self, train: Samples, seed: int) -> Samples:
        most = self.settings.max_train
        if not isinstance(self.settings.detector, KEEPS_WINDOWS) or len(train) <= most:
            return train
        drawn: Samples = train[np.sort(np.random.default_rng(seed).choice(len(train), most, replace=False))]
        return drawn

    def _parts(self) -> tuple[Features, Fitted]:
        if self._fitted is None:
            raise RuntimeError("a method must be fitted before it is asked")
        return self._fitted


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


@contextmanager
def one_thread() -> Iterator[None]:
    """No thread pool of a numerical library uses more than one thread meanwhile."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn, an extra

    with threadpool_limits(limits=1):
        yield


@contextmanager
def logged_warnings() -> Iterator[None]:
    """scikit-learn's warnings (fewer distinct points than clusters, not converged) become log lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        log.warning("%s", " ".join(str(warning.message).split()))
