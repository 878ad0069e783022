"""Detectors on an autoencoder's latent vectors: where no normal beat is embedded, a beat is odd.

Embeddings are scaled to 0..1 by the lowest and highest value of each number over the training windows; what
lies outside goes beyond 0..1 and is not cut off.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Samples
from ecgmon.errors import DependencyError
from ecgmon.model.epochs import History
from ecgmon.model.methods.autoencoder import AutoencoderMethod, AutoencoderSettings
from ecgmon.model.methods.base import Floats, Learning, Reading
from ecgmon.model.methods.deep_svdd import DeepSvdd, DeepSvddSettings, Scaling
from ecgmon.model.methods.variations import averaged


class OneClassSvmSettings(Settings, frozen=True, tag="one-class-svm", tag_field="type"):
    """The smallest region with most of the embeddings in it (Schölkopf et al. 2001), radial kernel."""

    nu: Annotated[float, Meta(gt=0, lt=1, description="share of training windows left outside, at most")] = (
        0.1
    )
    gamma: Annotated[float, Meta(gt=0)] | Literal["scale", "auto"] = "scale"
    max_train: Annotated[int, Meta(ge=2, description="windows drawn to learn from; time grows squared")] = (
        4000
    )


class IsolationForestSettings(Settings, frozen=True, tag="isolation-forest", tag_field="type"):
    """How few random cuts set an embedding apart (Liu et al. 2008)."""

    trees: Annotated[int, Meta(ge=1, le=10_000)] = 100
    max_samples: Annotated[int, Meta(ge=2, description="windows a tree is grown on")] = 256


LatentDetectorSettings = OneClassSvmSettings | IsolationForestSettings | DeepSvddSettings


class LatentSettings(Settings, frozen=True, tag="latent", tag_field="type"):
    """An autoencoder, and the detector on its latent vectors. A reading's ``score`` is not used."""

    autoencoder: AutoencoderSettings = AutoencoderSettings()
    detector: LatentDetectorSettings = OneClassSvmSettings()
    readings: dict[str, Reading] = msgspec.field(default_factory=lambda: {"distance": Reading()})


class LatentMethod:
    """A :class:`~ecgmon.model.methods.base.Method`; ``history`` is the autoencoder's.

    ``embed`` gives the embeddings as the detector sees them, scaled.
    """

    def __init__(self, settings: LatentSettings) -> None:
        if not isinstance(settings.detector, DeepSvddSettings):
            _sklearn("base")  # fails here rather than behind the training
        self.settings = settings
        self.history: History | None = None
        self._autoencoder = AutoencoderMethod(settings.autoencoder)
        self._fitted: _Fitted | None = None

    @property
    def parameters(self) -> int:
        """Of encoder, scaling and detector; the decoder takes no part in a score."""
        return self._autoencoder.network.encoder_parameter_count() + self._detector.parameters

    def fit(self, learning: Learning, seed: int) -> None:
        self._autoencoder.fit(learning, seed)
        self.history = self._autoencoder.history
        embeddings = self._autoencoder.embed(learning.train)
        scaling = Scaling.of(embeddings)
        detector = self.settings.detector
        if isinstance(detector, DeepSvddSettings):
            deep = DeepSvdd(detector, self._autoencoder.network, scaling, learning.train, seed)
            self._fitted = _Fitted(deep.embed, deep.distance, scaling.parameters + deep.parameters)
            return
        score, parameters = _fit(detector, scaling(embeddings), seed)

        def embed(x: Samples) -> Floats:
            return scaling(self._autoencoder.embed(x))

        self._fitted = _Fitted(embed, score, scaling.parameters + parameters)

    def score(self, x: Samples, reading: Reading, seed: int = 0) -> Floats:
        fitted = self._detector

        def plain(windows: Samples) -> Floats:
            return fitted.score(fitted.embed(windows)) if len(windows) else np.empty(0)

        return averaged(plain, x, reading, seed, unit=self._autoencoder.unit)

    def restore(self, x: Samples) -> Samples:
        return self._autoencoder.restore(x)

    def embed(self, x: Samples) -> Floats:
        return self._detector.embed(x)

    @property
    def _detector(self) -> _Fitted:
        if self._fitted is None:
            raise RuntimeError("not fitted yet: call fit first")
        return self._fitted


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Windows to scaled embeddings [n, latent], these to scores [n], and how many numbers that takes."""

    embed: Callable[[Samples], Floats]
    score: Callable[[Floats], Floats]
    parameters: int


def _fit(
    settings: OneClassSvmSettings | IsolationForestSettings, z: Floats, seed: int
) -> tuple[Callable[[Floats], Floats], int]:
    """From scaled embeddings [n, latent] to scores of such, and the number of parameters."""
    if isinstance(settings, OneClassSvmSettings):
        if len(z) > settings.max_train:
            rng = np.random.default_rng(seed)
            z = z[np.sort(rng.choice(len(z), settings.max_train, replace=False))]
        svm = _sklearn("svm").OneClassSVM(nu=settings.nu, gamma=settings.gamma).fit(z)
        return lambda x: -np.asarray(svm.decision_function(x), np.float64), (
            svm.support_vectors_.size + svm.dual_coef_.size + 1
        )
    forest = _sklearn("ensemble").IsolationForest(
        n_estimators=settings.trees, max_samples=min(settings.max_samples, len(z)), random_state=seed % 2**32
    )
    forest.fit(z)
    cuts = sum(int((tree.tree_.children_left >= 0).sum()) for tree in forest.estimators_)
    leaves = sum(int(tree.tree_.n_leaves) for tree in forest.estimators_)
    # A cut is a number and where it is cut, a leaf is how many windows ended there.
    return lambda x: -np.asarray(forest.score_samples(x), np.float64), 2 * cuts + leaves


def _sklearn(module: str) -> Any:
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError:
        raise DependencyError(
            "this detector needs scikit-learn, which is not here: pip install 'ecgmon[compare]'"
        ) from None
