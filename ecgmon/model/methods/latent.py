"""Detectors on an autoencoder's latent vectors: where no normal beat is embedded, a beat is odd.

Embeddings are scaled to 0..1 by the lowest and highest value of each number over the training windows; what
lies outside goes beyond 0..1 and is not cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import Samples
from ecgmon.model.epochs import History
from ecgmon.model.methods.autoencoder import AutoencoderMethod, AutoencoderSettings
from ecgmon.model.methods.base import Floats, Learning, Reading
from ecgmon.model.methods.classical_settings import IsolationForestSettings, OneClassSvmSettings
from ecgmon.model.methods.deep_svdd import DeepSvdd, DeepSvddSettings, Scaling
from ecgmon.model.methods.scikit import need_scikit_learn, scikit_learn
from ecgmon.model.methods.variations import averaged

LatentDetectorSettings = OneClassSvmSettings | IsolationForestSettings | DeepSvddSettings


class LatentSettings(Settings, frozen=True, tag="latent", tag_field="type"):
    """An autoencoder, and the detector on its latent vectors. A reading's ``score`` is not used."""

    autoencoder: AutoencoderSettings = AutoencoderSettings()
    detector: LatentDetectorSettings = OneClassSvmSettings()
    max_train: Annotated[int, Meta(ge=2, le=100_000)] = 5000
    """Training windows of the one-class SVM at most, drawn by seed, as of a classical detector."""
    readings: dict[str, Reading] = msgspec.field(default_factory=lambda: {"distance": Reading()})


class LatentMethod:
    """A :class:`~ecgmon.model.methods.base.Method`; ``history`` is the autoencoder's.

    ``embed`` gives the embeddings as the detector sees them, scaled.
    """

    def __init__(self, settings: LatentSettings) -> None:
        if not isinstance(settings.detector, DeepSvddSettings):
            need_scikit_learn()  # fails here rather than behind the training
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
        from ecgmon.model.methods import classical_detectors  # noqa: PLC0415 - an extra

        with scikit_learn():
            fitted = classical_detectors.fit(detector, scaling(embeddings), seed, self.settings.max_train)

        def embed(x: Samples) -> Floats:
            return scaling(self._autoencoder.embed(x))

        def score(z: Floats) -> Floats:
            with scikit_learn():
                return fitted.score(z)

        self._fitted = _Fitted(embed, score, scaling.parameters + fitted.parameters)

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
